"""What everything that works on one run holds: its folder, recipe and pictures, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from .._version import __version__
from ..data import Dataset, Samples, calibration_indices
from ..specs import Recipe, Sample, SignalSize, plain
from . import backend
from .run_folder import RunFolder
from .strategy import Workers

# Training, compression and conversion each tell of more than the one before.
R = TypeVar("R", covariant=True)


@dataclass(frozen=True, kw_only=True)
class RunData(Generic[R]):
    """One run and its data.

    labels: what the model tells apart, in the order of its output. pixels: of the data set, as
    the model takes them: uint8 of pictures, float32 of signals.
    """

    run: RunFolder
    recipe: Recipe
    labels: tuple[str, ...]
    pixels: Samples
    workers: Workers
    reporter: R

    @property
    def dataset(self) -> Dataset:
        """The pictures, with their classes and splits."""
        return self.pixels.dataset

    def calibration(self, count: int) -> npt.NDArray[np.int64]:
        """int64 indices of training pictures, stratified, at most `count`."""
        return calibration_indices(self.dataset, count, self.recipe.convert.calibration.seed)


def provenance(recipe: Recipe, pixels: Samples, variant: str) -> dict[str, Any]:
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
            **({} if recipe.data.signals is None else {"signals": plain(recipe.data.signals)}),
        },
        "versions": backend.versions(),
    }


def origin(recipe: Recipe, size: Sample, variant: str) -> dict[str, Any]:
    """What every model file says of where it comes from: recipe, input, resize rule."""
    if isinstance(size, SignalSize):
        taken: dict[str, Any] = {"input": plain(size)}
    else:
        colour = "RGB" if size.channels == 3 else "GRAY"
        taken = {"input": {**plain(size), "color": colour}, "preprocess": plain(recipe.preprocess)}
    return {
        "format": 1,
        "cnnedge": __version__,
        "recipe": recipe.name,
        "description": recipe.description,
        "method": recipe.training.method,
        "variant": variant,
        **taken,
    }
