"""The pictures that reference and model are compared on.

A run, or a folder that the user names, enters; a small set of pictures leaves, the classes in
turn, with what is known of their pixels in training.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import given_files
from ..data import Dataset, Part, calibration_indices, load_dataset, samples_of
from ..data.dataset import assemble
from ..data.store import FileStore, Listing
from ..errors import CnnedgeError, DataError
from ..pictures import entries, is_picture
from ..preprocess import Pixels as Frame
from ..specs import Recipe, Sample
from ..training.judging import truths
from ..training.metrics import DataUsed
from ..training.session import load_recipe_data

Progress = Callable[[int, int], None]
Indices = npt.NDArray[np.int64]

_UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, eq=False)
class Golden:
    """Golden pictures, decoded when asked for.

    indices: int64 [n], into the data set. targets: int64 [n], the right output of each; None
    where their classes are not the model's. as_trained: whether all pictures of the data set have
    the very pixels of training: True, False (as many pictures, other pixels), or None where these
    are other pictures. own: named by the user, and not the run's data.
    """

    dataset: Dataset
    indices: Indices
    targets: Indices | None
    as_trained: bool | None
    own: bool

    def __len__(self) -> int:
        return len(self.indices)

    def frame(self, number: int) -> Frame:
        """uint8 BGR or grey, as training reads it."""
        return self.dataset.frame(int(self.indices[number]))

    def file(self, number: int) -> Path | None:
        """The picture's file; None where the data set holds arrays."""
        if not isinstance(self.dataset.store, FileStore):
            return None
        return Path(self.dataset.name(int(self.indices[number])))

    def name(self, number: int) -> str:
        """Short, for people: folder and file, or a place like test[12]."""
        file = self.file(number)
        if file is None:
            return self.dataset.name(int(self.indices[number]))
        return str(Path(file.parent.name) / file.name)

    def calibration(
        self, recipe: Recipe, size: Sample, progress: Progress
    ) -> tuple[npt.NDArray[Any], bool]:
        """uint8 [n, h, w, c], of signals float32 [n, length, channels]: the run's calibration
        pictures, and whether it is these.

        The golden pictures themselves where the user named others and the run's are gone.
        """
        dataset = self.dataset
        if self.own:
            try:
                dataset = load_recipe_data(recipe, progress)
            except CnnedgeError:
                return samples_of(dataset, size, recipe.preprocess).batch(self.indices), False
        wanted = recipe.convert.calibration
        indices = calibration_indices(dataset, wanted.count, wanted.seed)
        return samples_of(dataset, size, recipe.preprocess).batch(indices), True


def choose(
    recipe: Recipe,
    labels: tuple[str, ...],
    trained: DataUsed,
    count: int,
    folder: str | None,
    progress: Progress,
) -> Golden:
    """At most `count` test pictures of the run's data, or any of `folder`, the classes in turn.

    labels: of the reference. trained: `data` of the run's metrics. Raises DataError.
    """
    dataset, own = _pictures(recipe, trained, folder, progress)
    part: Part = "all" if own else "test"
    indices = calibration_indices(dataset, count, recipe.data.seed, part)
    if not len(indices):
        raise DataError(
            f"{dataset.source}: the test split holds no picture. Name a folder of "
            f"pictures: --data DIR"
        )
    known = dataset.classes != (_UNKNOWN,)
    return Golden(
        dataset=dataset,
        indices=indices,
        targets=truths(labels, dataset, indices) if known else None,
        as_trained=None if own else _as_trained(dataset, trained),
        own=own,
    )


def _pictures(
    recipe: Recipe, trained: DataUsed, folder: str | None, progress: Progress
) -> tuple[Dataset, bool]:
    if folder is None:
        return load_recipe_data(recipe, progress), False
    if recipe.data.signals is None and (files := _loose(folder)) is not None:
        return _unlabelled(given_files.expanded(folder).resolve(), files, recipe, progress), True
    dataset = load_dataset(
        folder,
        labels=recipe.data.labels,
        splits=None,
        max_unreadable=recipe.data.max_unreadable,
        together=False,
        signals=recipe.data.signals,
        progress=progress,
    )
    if dataset.fingerprint != trained.fingerprint:
        return dataset, True
    moved = replace(recipe, data=replace(recipe.data, source=folder))
    return load_recipe_data(moved, progress), False


def _loose(folder: str) -> list[str] | None:
    """Names of pictures right in a folder without folders, or of the one picture named."""
    path = given_files.expanded(folder)
    if os.path.isfile(path):
        return [path.name] if is_picture(path) else None
    if not os.path.isdir(path):
        return None
    try:
        found = entries(path)
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror}") from None
    if found.folders:
        return None
    return [Path(file).name for file in sorted(found.files) if is_picture(file)] or None


def _unlabelled(path: Path, files: list[str], recipe: Recipe, progress: Progress) -> Dataset:
    root = path if path.is_dir() else path.parent
    listing = Listing(
        source=str(path),
        classes=(_UNKNOWN,),
        store=FileStore(root, files),
        targets=np.zeros(len(files), np.int64),
        part=np.zeros(len(files), np.int8),
    )
    return assemble(
        listing,
        splits=None,
        seed=0,
        max_unreadable=recipe.data.max_unreadable,
        together=False,
        progress=progress,
    )


def _as_trained(dataset: Dataset, trained: DataUsed) -> bool | None:
    if dataset.fingerprint == trained.fingerprint:
        return True
    counts = dict.fromkeys(trained.classes, 0)
    for part in trained.counts.values():
        for name, number in part.items():
            counts[name] = counts.get(name, 0) + number
    found = np.bincount(dataset.targets, minlength=len(dataset.classes)).tolist()
    here = dict(zip(dataset.classes, found, strict=True))
    return False if here == counts else None
