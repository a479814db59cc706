"""What everything that works on one run holds: its folder, recipe and pictures, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ..data import Dataset, Pixels, calibration_indices
from ..specs import Recipe
from .run_folder import RunFolder
from .strategy import Workers

# Training, compression and conversion each tell of more than the one before.
R = TypeVar("R", covariant=True)


@dataclass(frozen=True, kw_only=True)
class RunData(Generic[R]):
    """One run and its data.

    labels: what the model tells apart, in the order of its output. pixels: of the data set, uint8
    as the model takes them.
    """

    run: RunFolder
    recipe: Recipe
    labels: tuple[str, ...]
    pixels: Pixels
    workers: Workers
    reporter: R

    @property
    def dataset(self) -> Dataset:
        """The pictures, with their classes and splits."""
        return self.pixels.dataset

    def calibration(self, count: int) -> npt.NDArray[np.int64]:
        """int64 indices of training pictures, stratified, at most `count`."""
        return calibration_indices(self.dataset, count, self.recipe.convert.calibration.seed)
