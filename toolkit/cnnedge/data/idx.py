"""IDX files (the MNIST format): a folder of them, or one images file with its labels beside it.

A path enters; its parts as `Block`s of arrays leave. The header is held against the size of the
file before memory is taken.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from .. import given_files
from ..errors import DataError
from ..numpy_files import check_unpacked
from .store import PARTS, TEST, TRAIN, VAL


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """One part's arrays as found: pictures `x`, labels `y`, and where they stand."""

    name: str
    part: int
    where: str
    x: npt.NDArray[Any]
    y: npt.NDArray[Any]


_NAME = re.compile(
    r"(?:.*-)?(?P<part>train|t10k|test|val|valid|validation)"
    r"-images[-.]idx3-ubyte(?:\.gz)?"
)
_PARTS = {"train": TRAIN, "t10k": TEST, "test": TEST}


def is_idx_folder(folder: Path) -> bool:
    """Whether an images file lies in it. Raises OSError."""
    return any(_NAME.fullmatch(name) for name in os.listdir(folder))


def is_idx_file(path: Path) -> bool:
    """By its name."""
    return "idx3" in path.name and "images" in path.name


def idx_blocks(path: Path) -> list[Block]:
    """The parts of an IDX folder, or of one images file. Raises DataError."""
    if path.is_file():
        found = {path: ("pictures", TRAIN)}
    else:
        matches = [(path / name, _NAME.fullmatch(name)) for name in sorted(os.listdir(path))]
        found = {
            entry: (PARTS[part], part)
            for entry, match in matches
            if match
            for part in (_PARTS.get(match["part"], VAL),)
        }
    parts = [part for _, part in found.values()]
    if TRAIN not in parts or len(set(parts)) < len(parts):
        raise DataError(
            f"{path}: found {', '.join(entry.name for entry in found)}; expected one "
            "train-images-idx3-ubyte[.gz] and at most one t10k-images-idx3-ubyte[.gz]"
        )
    return [
        Block(
            name=name,
            part=part,
            where=str(images),
            x=read_idx(images),
            y=read_idx(_labels(images)),
        )
        for images, (name, part) in sorted(found.items(), key=lambda item: item[1][1])
    ]


def _labels(images: Path) -> Path:
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    stem = name.removesuffix(".gz")
    for candidate in (name, stem, f"{stem}.gz"):
        if os.path.exists(images.parent / candidate):
            return images.parent / candidate
    raise DataError(f"{images}: its labels are missing; expected {stem} or {stem}.gz beside it")


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """An IDX file of unsigned bytes, .gz or plain: uint8, its own shape. Raises DataError."""
    try:
        with given_files.opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            if file.peek(2)[:2] != b"\x1f\x8b":
                return _read(file, size, path, packed=False)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(unpacked, size, path, packed=True)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{path}: the gzip file is cut off or damaged; fetch it again") from None
    except MemoryError:
        raise DataError(f"{path}: it does not fit into memory") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read(
    file: IO[bytes] | gzip.GzipFile, size: int, path: Path, *, packed: bool
) -> npt.NDArray[np.uint8]:
    start = file.read(4)
    if len(start) < 4 or start[:3] != b"\0\0\x08" or start[3] not in (1, 3):
        raise DataError(
            f"{path}: this is not an IDX file of bytes; expected it to start with 00 00 08 03 "
            f"(pictures) or 00 00 08 01 (labels), found {start.hex(' ') or 'nothing'}"
        )
    header = file.read(4 * start[3])
    if len(header) < 4 * start[3]:
        raise DataError(f"{path}: the header is cut off, fetch it again")
    shape = struct.unpack(f">{start[3]}I", header)
    wanted = math.prod(shape)
    held = size - 4 - len(header)
    if packed:
        try:
            check_unpacked(wanted, size)
        except ValueError as error:
            raise DataError(f"{path}: {error}; that is no data set, fetch it again") from None
    if packed or held == wanted:
        data = file.read(wanted)
        held = len(data) + len(file.read(1))
        if held == wanted:
            return np.frombuffer(data, np.uint8).reshape(shape)
    more = "more" if packed and held > wanted else f"{held:,}"
    raise DataError(
        f"{path}: the header says {' x '.join(map(str, shape))} bytes, the file holds {more}; "
        "it is cut off or damaged, fetch it again"
    )
