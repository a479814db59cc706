"""Pictures without labels, to train and try networks on whose answer is a picture.

A folder, or the name of a synthetic set, enters; a `Dataset` of one class leaves, so that splits,
bursts, copies and pixels are those of any other.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from ... import given_files
from ...data.dataset import Dataset, assemble
from ...data.scenes import scene
from ...data.store import TEST, TRAIN, ArrayStore, FileStore, Frame, Listing, Progress, Skipped
from ...errors import DataError
from ...pictures import below, is_picture
from ...specs.data import DataSpec

CLASS = "picture"
OUTDOORS = "synthetic:outdoors"
# Scenes and cuts of each photograph: to train with, and to judge by.
_SCENES, _TEST_SCENES = 320, 24
_CUTS, _TEST_CUTS = 48, 8
_SEED = 31
_CUT_HEIGHT, _CUT_WIDTH = 192, 256
_ALLOWED = f"allowed: a folder of pictures, or {OUTDOORS}"


def load_content(
    spec: DataSpec, progress: Progress | None = None, *, split: bool = True
) -> Dataset:
    """The pictures that a recipe names, all of one class. split: into parts. Raises DataError."""
    return assemble(
        _listing(spec.source),
        splits=spec.splits if split else None,
        seed=spec.seed,
        max_unreadable=spec.max_unreadable,
        together=split and spec.near_duplicates == "together",
        progress=progress,
    )


def _listing(source: str) -> Listing:
    if source == OUTDOORS:
        return _outdoors()
    if source.startswith("synthetic:"):
        raise DataError(f"{source}: there is no such set of pictures; {_ALLOWED}")
    try:
        path = given_files.expanded(source).resolve()
        is_folder = path.is_dir()
    except (OSError, RuntimeError, ValueError):
        raise DataError(f"{source!r:.200}: cannot be a path; {_ALLOWED}") from None
    if not is_folder:
        what = "this is a file" if path.exists() else "there is no such folder"
        raise DataError(f"{source}: {what}; {_ALLOWED}. Name yours: --data DIR")
    return _folder(path)


def _folder(path: Path) -> Listing:
    """All pictures at any depth; their folders mean nothing."""
    try:
        inside = below(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be listed: {error.strerror or error}") from None
    found = [file for file in inside.files if is_picture(file)]
    if not found:
        raise DataError(f"no pictures found in {path}; {_ALLOWED}")
    skipped = [Skipped(path=item.path, reason=item.reason) for item in inside.passed]
    return Listing(
        source=str(path),
        classes=(CLASS,),
        store=FileStore(path, [os.path.relpath(file, path) for file in found]),
        targets=np.zeros(len(found), np.int64),
        part=np.full(len(found), TRAIN, np.int8),
        labelled=False,
        skipped=tuple(skipped),
    )


def _outdoors() -> Listing:
    """Generated scenes, and cuts out of scikit-learn's two photographs.

    One photograph is only for training, the other only for judging.
    """
    scenes = [
        scene(np.random.default_rng((_SEED, number)), sunset=number % 2 == 0)
        for number in range(_SCENES + _TEST_SCENES)
    ]
    building, flower = _photographs()
    pictures = [
        *scenes[:_SCENES],
        *_cuts(building, _CUTS),
        *scenes[_SCENES:],
        *_cuts(flower, _TEST_CUTS),
    ]
    counts = (_SCENES, len(building) and _CUTS, _TEST_SCENES, len(flower) and _TEST_CUTS)
    names = ("scenes", "photograph", "test scenes", "test photograph")
    train = counts[0] + counts[1]
    return Listing(
        source=OUTDOORS,
        classes=(CLASS,),
        store=ArrayStore(pictures, [*zip(names, counts, strict=True)]),
        targets=np.zeros(len(pictures), np.int64),
        part=np.array([TRAIN] * train + [TEST] * (len(pictures) - train), np.int8),
        own=frozenset({TEST}),
        labelled=False,
        warnings=("most of these pictures are synthetic: drawn by a generator",),
    )


def _photographs() -> tuple[Frame, Frame]:
    """uint8 [427, 640, 3] RGB each: a palace in Beijing and a dahlia, CC BY 2.0."""
    try:
        from sklearn.datasets import load_sample_images
    except ImportError:
        none = np.zeros((0, 0, 3), np.uint8)
        return none, none
    building, flower = load_sample_images().images
    return building, flower


def _cuts(photograph: Frame, count: int) -> list[Frame]:
    """Cuts of different places and sizes, uint8 [192, 256, 3]; none of an empty photograph."""
    if not photograph.size:
        return []
    rng = np.random.default_rng(_SEED)
    height, width = photograph.shape[:2]
    cuts = []
    for number in range(count):
        high = height if number == 0 else int(rng.integers(_CUT_HEIGHT, height + 1))
        wide = min(width, high * _CUT_WIDTH // _CUT_HEIGHT)
        top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
        cut = photograph[top : top + high, left : left + wide]
        cuts.append(cv2.resize(cut, (_CUT_WIDTH, _CUT_HEIGHT), interpolation=cv2.INTER_AREA))
    return [cut.astype(np.uint8, copy=False) for cut in cuts]
