"""What everything that works on one run holds: its folder, recipe and pictures, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from .._version import __version__
from ..data import Dataset, Pixels, calibration_indices
from ..specs import InputSize, Recipe, plain
from . import backend
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


def provenance(recipe: Recipe, pixels: Pixels, variant: str) -> dict[str, Any]:
    """What a file of a trained run says of where it comes from: also its pictures, and versions."""
    dataset = pixels.dataset
    return origin(recipe, pixels.size, variant) | {
        "data": {
            "source": dataset.source,
            "fingerprint": dataset.fingerprint,
            "splits": plain(recipe.data.splits),
            "seed": recipe.data.seed,
            "max_unreadable": recipe.data.max_unreadable,
            "near_duplicates": recipe.data.near_duplicates,
        },
        "versions": backend.versions(),
    }


def origin(recipe: Recipe, size: InputSize, variant: str) -> dict[str, Any]:
    """What every model file says of where it comes from: recipe, input, resize rule."""
    return {
        "format": 1,
        "cnnedge": __version__,
        "recipe": recipe.name,
        "description": recipe.description,
        "method": recipe.training.method,
        "variant": variant,
        "input": {**plain(size), "color": "RGB" if size.channels == 3 else "GRAY"},
        "preprocess": plain(recipe.preprocess),
    }
