"""Pictures as arrays: IDX files, NPZ archives, and the set that travels with the package.

A path enters; a `Listing` over one array in memory leaves. Classes are numbers, named by `labels`
or by themselves; an NPZ may hold label texts instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..numpy_files import read_arrays
from .idx import Block, idx_blocks
from .names import in_order, label_at, numbered
from .store import PARTS, TRAIN, ArrayStore, Frame, Indices, Listing

FASHION_LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
EMBEDDED = {"fashion_mnist": FASHION_LABELS}
# Floats count no further one by one.
_MOST_EXACT = 2**53


def listing_of(source: str, blocks: Sequence[Block], labels: tuple[str, ...] | None) -> Listing:
    """A Listing over the blocks' pictures, put together. Raises DataError when they do not fit."""
    pictures = [_pictures(block.x, block.where) for block in blocks]
    shapes = {p.shape[1:] for p in pictures}
    if len(shapes) > 1:
        raise DataError(f"{source}: the parts hold pictures of different shapes: {sorted(shapes)}")
    columns = [_labels(block.y, len(block.x), block.where) for block in blocks]
    classes, targets = _classes(columns, labels, source)
    parts = [np.full(len(block.x), block.part, np.int8) for block in blocks]
    return Listing(
        source=source,
        classes=classes,
        store=ArrayStore(
            pictures[0] if len(pictures) == 1 else np.concatenate(pictures),
            [(block.name, len(block.x)) for block in blocks],
        ),
        targets=targets,
        part=np.concatenate(parts),
        own=frozenset(block.part for block in blocks if block.part != TRAIN),
    )


def idx_listing(path: Path, labels: tuple[str, ...] | None) -> Listing:
    """The pictures of an IDX folder, or of one images file with its labels file beside it."""
    return listing_of(str(path), idx_blocks(path), labels)


def npz_listing(path: Path, labels: tuple[str, ...] | None) -> Listing:
    """The pictures of an NPZ archive: x_train, y_train (x_val, y_val, x_test, y_test), or x, y."""
    return listing_of(str(path), npz_blocks(_read_npz(path), str(path)), labels)


def npz_blocks(arrays: dict[str, npt.NDArray[Any]], source: str) -> list[Block]:
    pairs = [(f"x_{part}", f"y_{part}", part, n) for n, part in enumerate(PARTS)]
    pairs = [pair for pair in pairs if pair[0] in arrays or pair[1] in arrays] or [
        (x, y, "pictures", TRAIN)
        for x, y in (("x", "y"), ("images", "labels"))
        if x in arrays and y in arrays
    ][:1]
    missing = [key for x, y, _, _ in pairs for key in (x, y) if key not in arrays]
    if not pairs or missing or pairs[0][3] != TRAIN:
        raise DataError(
            f"{source}: found the arrays {', '.join(sorted(arrays)) or 'none'}; expected x_train "
            "and y_train (with x_test and y_test, x_val and y_val where there are such), or x and "
            "y, or images and labels"
        )
    return [
        Block(name=name, part=part, where=f"{source}: {x}", x=arrays[x], y=arrays[y])
        for x, y, name, part in pairs
    ]


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        return read_arrays(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise DataError(
            f"{path}: this is not an NPZ archive of plain arrays: {error}. "
            "Write it with np.savez_compressed, without Python objects in it"
        ) from None


def embedded_listing(name: str, labels: tuple[str, ...] | None) -> Listing:
    """A data set that travels with the package."""
    source = f"embedded:{name}"
    if name not in EMBEDDED:
        raise DataError(f"{source}: there is no such data set; embedded: {', '.join(EMBEDDED)}")
    data = (resources.files("cnnedge.embedded") / f"{name}.npz").read_bytes()
    return listing_of(source, npz_blocks(read_arrays(data), source), labels or EMBEDDED[name])


def _pictures(x: npt.NDArray[Any], where: str) -> Frame:
    """uint8 [N, h, w] or [N, h, w, 3], from bytes, whole numbers 0..255 or floats 0..1, 0..255."""
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    if x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] != 3) or 0 in x.shape:
        raise DataError(
            f"{where}: found shape {x.shape}; expected pictures as [count, height, width], "
            "or [count, height, width, 3] for RGB (channels last)"
        )
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind not in "iuf":
        raise DataError(f"{where}: found {x.dtype}; expected numbers, best uint8 from 0 to 255")
    low, high = float(x.min()), float(x.max())
    if not (low >= 0 and high <= 255):
        raise DataError(
            f"{where}: values go from {low:g} to {high:g}; expected raw pixels, 0 to 255 "
            "(or 0 to 1 as floats), without mean and scale taken out"
        )
    scale = 255 if x.dtype.kind == "f" and high <= 1 else 1
    whole: Frame = np.rint(x * scale).astype(np.uint8)
    return whole


def _labels(y: npt.NDArray[Any], count: int, where: str) -> npt.NDArray[Any]:
    """[N] whole numbers or texts; one column, or one-hot rows, are made such."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and y.dtype.kind in "iufb" and (y.sum(axis=1) == 1).all() and (y >= 0).all():
        y = y.argmax(axis=1)
    if y.shape != (count,):
        raise DataError(
            f"{where}: {count} pictures, but labels of shape {y.shape}; expected one for each"
        )
    if y.dtype.kind == "f" and ((np.abs(y) < _MOST_EXACT) & (y == np.rint(y))).all():
        y = y.astype(np.int64)
    if y.dtype.kind not in "iubUS" or (y.dtype.kind in "if" and (y < 0).any()):
        raise DataError(
            f"{where}: the labels are {y.dtype}, like {y[0]!r:.60}; "
            "expected whole numbers from 0, or texts"
        )
    return y


def _classes(
    columns: list[npt.NDArray[Any]], labels: tuple[str, ...] | None, source: str
) -> tuple[tuple[str, ...], Indices]:
    if any(column.dtype.kind in "US" for column in columns):
        texts = [
            _text(value, f"{source}: label {index}")
            for column in columns
            for index, value in enumerate(column.tolist())
        ]
        classes = in_order(texts, labels, source)
        place = {name: index for index, name in enumerate(classes)}
        return classes, np.array([place[text] for text in texts], np.int64)
    count = sum(map(len, columns))
    # Before they become int64, for which uint64 may be too large.
    highest = max(int(column.max()) for column in columns)
    if highest >= count:
        raise DataError(
            f"{source}: labels go up to {highest}, with {count} pictures; "
            "expected classes numbered from 0 without gaps"
        )
    targets = np.concatenate([column.astype(np.int64) for column in columns])
    return numbered(highest + 1, labels, source), targets


def _text(value: Any, place: str) -> str:
    try:
        return label_at(place, value.decode() if isinstance(value, bytes) else str(value))
    except UnicodeDecodeError:
        raise DataError(
            f"{place}: {value!r:.60} is not UTF-8 text; write the labels as UTF-8, or as numbers"
        ) from None
