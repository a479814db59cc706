"""Pictures as arrays: IDX files, NPZ archives, and the set that travels with the package.

A path enters; a `Listing` over one array in memory leaves. Classes are numbers, named by `labels`
or by themselves; an NPZ may hold label texts instead.
"""

from __future__ import annotations

import gzip
import io
import math
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .names import in_order, normalised, numbered
from .store import PARTS, TEST, TRAIN, VAL, ArrayStore, Frame, Indices, Listing

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
_IDX = re.compile(
    r"(?:.*-)?(?P<part>train|t10k|test|val|valid|validation)"
    r"-images[-.]idx3-ubyte(?:\.gz)?"
)
_IDX_PARTS = {"train": TRAIN, "t10k": TEST, "test": TEST}


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """One part's arrays as found: pictures `x`, labels `y`, and where they stand."""

    name: str
    part: int
    where: str
    x: npt.NDArray[Any]
    y: npt.NDArray[Any]


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


def is_idx_folder(folder: Path) -> bool:
    return any(_IDX.fullmatch(entry.name) for entry in folder.iterdir())


def is_idx_file(path: Path) -> bool:
    return "idx3" in path.name and "images" in path.name


def idx_listing(path: Path, labels: tuple[str, ...] | None) -> Listing:
    """The pictures of an IDX folder, or of one images file with its labels file beside it."""
    if path.is_file():
        found = {path: ("pictures", TRAIN)}
    else:
        matches = [(e, _IDX.fullmatch(e.name)) for e in sorted(path.iterdir())]
        found = {
            entry: (PARTS[part], part)
            for entry, match in matches
            if match
            for part in (_IDX_PARTS.get(match["part"], VAL),)
        }
    parts = [part for _, part in found.values()]
    if TRAIN not in parts or len(set(parts)) < len(parts):
        raise DataError(
            f"{path}: found {', '.join(entry.name for entry in found)}; expected one "
            "train-images-idx3-ubyte[.gz] and at most one t10k-images-idx3-ubyte[.gz]"
        )
    blocks = [
        Block(
            name=name,
            part=part,
            where=str(images),
            x=read_idx(images),
            y=read_idx(_idx_labels(images)),
        )
        for images, (name, part) in sorted(found.items(), key=lambda item: item[1][1])
    ]
    return listing_of(str(path), blocks, labels)


def _idx_labels(images: Path) -> Path:
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    stem = name.removesuffix(".gz")
    for candidate in (name, stem, f"{stem}.gz"):
        if (images.parent / candidate).is_file():
            return images.parent / candidate
    raise DataError(f"{images}: its labels are missing; expected {stem} or {stem}.gz beside it")


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """An IDX file of unsigned bytes (the MNIST format), .gz or plain: uint8, its own shape."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{path}: the gzip file is cut off or damaged; fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(data) < 8 or data[:3] != b"\x00\x00\x08" or data[3] not in (1, 3):
        raise DataError(
            f"{path}: this is not an IDX file of bytes; expected it to start with 00 00 08 03 "
            f"(pictures) or 00 00 08 01 (labels), found {data[:4].hex(' ') or 'nothing'}"
        )
    dimensions = data[3]
    header = 4 + 4 * dimensions
    shape = tuple(np.frombuffer(data[:header], ">u4", dimensions, 4).tolist())
    if len(data) != header + math.prod(shape):
        raise DataError(
            f"{path}: the header says {' x '.join(map(str, shape))} bytes, the file holds "
            f"{len(data) - header:,}; it is cut off or damaged, fetch it again"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


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
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ValueError("it holds one bare array")
        with archive:
            return {key: archive[key] for key in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path}: this is not an NPZ archive of plain arrays: {error}. "
            "Write it with np.savez_compressed, without Python objects in it"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def embedded_listing(name: str, labels: tuple[str, ...] | None) -> Listing:
    """A data set that travels with the package."""
    source = f"embedded:{name}"
    if name not in EMBEDDED:
        raise DataError(f"{source}: there is no such data set; embedded: {', '.join(EMBEDDED)}")
    data = (resources.files("cnnedge.embedded") / f"{name}.npz").read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        blocks = npz_blocks({key: archive[key] for key in archive.files}, source)
    return listing_of(source, blocks, labels or EMBEDDED[name])


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
    if y.dtype.kind == "f" and (y == np.rint(y)).all():
        y = y.astype(np.int64)
    if y.dtype.kind not in "iubUS" or (y.dtype.kind in "if" and (y < 0).any()):
        raise DataError(
            f"{where}: the labels are {y.dtype}, like {y[0]!r}; "
            "expected whole numbers from 0, or texts"
        )
    return y


def _classes(
    columns: list[npt.NDArray[Any]], labels: tuple[str, ...] | None, source: str
) -> tuple[tuple[str, ...], Indices]:
    if any(column.dtype.kind in "US" for column in columns):
        texts = [
            normalised(v.decode() if isinstance(v, bytes) else str(v))
            for column in columns
            for v in column.tolist()
        ]
        classes = in_order(texts, labels, source)
        place = {name: index for index, name in enumerate(classes)}
        return classes, np.array([place[text] for text in texts], np.int64)
    targets = np.concatenate([column.astype(np.int64) for column in columns])
    highest = int(targets.max())
    if highest >= len(targets):
        raise DataError(
            f"{source}: labels go up to {highest}, with {len(targets)} pictures; "
            "expected classes numbered from 0 without gaps"
        )
    return numbered(highest + 1, labels, source), targets
