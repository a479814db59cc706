"""Where a data set's pictures lie: files that are decoded when asked for, or arrays in memory.

A loader leaves a `Listing`: every picture it found, with its class and, where the source says so,
its part. `dataset.assemble` makes a `Dataset` of it. A store hands out frames as OpenCV has them
(uint8, BGR or grey) and the content hash of each. Files also have looks; arrays have none: tiny
pictures of one kind all look alike.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..pictures import read_picture

Frame = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]
Look = Callable[[Frame], Frame | None]

TRAIN, VAL, TEST = 0, 1, 2
PARTS = ("train", "val", "test")
# Sides of a look.
LOOK = 16
_CHUNK = 512


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """One file that is not in the data set, and why."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Looks:
    """Small pictures for comparing. pixels: uint8 [N, 16, 16, 3] RGB; there: bool [N], whether a
    picture has one."""

    pixels: Frame
    there: npt.NDArray[np.bool_]

    def select(self, keep: Indices) -> Looks:
        return Looks(pixels=self.pixels[keep], there=self.there[keep])


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """What one reading of all pictures gave. hashes: uint8 [N, 32], of their content. failures:
    the reason for each picture that cannot be read. looks: of files, where they were asked for."""

    hashes: Hashes
    failures: dict[int, str]
    looks: Looks | None = None


class Store(Protocol):
    """Pictures by number, 0..len-1; noun: what they are called."""

    noun: str

    def __len__(self) -> int: ...

    def frame(self, index: int) -> Frame:
        """uint8 [h, w, 3] BGR, or [h, w] grey."""
        ...

    def name(self, index: int) -> str:
        """A file's path, or a place like 'train[123]'."""
        ...

    def scan(self, progress: Progress | None, look: Look | None) -> Scan:
        """Reads every picture once. look: makes the small picture of a frame, or None."""
        ...

    def select(self, keep: Indices) -> Store:
        """The store of these pictures alone."""
        ...


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a loader found. `part`: the part a picture lies in; where `own` lists no part of its
    name, TRAIN stands for 'not yet split'. labelled: False of pictures that all are of one class,
    because nothing is asked of them."""

    source: str
    classes: tuple[str, ...]
    store: Store
    targets: Indices
    part: npt.NDArray[np.int8]
    own: frozenset[int] = frozenset()
    labelled: bool = True
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()


def content_hash(frame: Frame) -> bytes:
    """sha256 (32 bytes) of a picture's shape and pixels, however it was stored.

    frame: uint8 [h, w, 3] BGR, [h, w, 1] or [h, w]. A colour picture whose three channels are
    equal is the grey picture.
    """
    if frame.ndim == 3 and (frame.shape[2] == 1 or _is_grey(frame)):
        frame = frame[:, :, 0]
    digest = hashlib.sha256("x".join(map(str, frame.shape)).encode())
    digest.update(np.ascontiguousarray(frame).data)
    return digest.digest()


def _is_grey(frame: Frame) -> bool:
    # The first row settles it for nearly every colour picture, at no cost.
    for part in (frame[:1], frame):
        first = part[:, :, 0]
        if not (np.array_equal(first, part[:, :, 1]) and np.array_equal(first, part[:, :, 2])):
            return False
    return True


def in_chunks(total: int, size: int = _CHUNK) -> Iterator[range]:
    return (range(start, min(start + size, total)) for start in range(0, total, size))


class FileStore:
    """Picture files below one folder. Holds paths, never pixels."""

    noun = "picture"

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self.root = root
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        return os.path.join(self.root, self.paths[index])

    def frame(self, index: int) -> Frame:
        return read_picture(self.name(index))

    def scan(self, progress: Progress | None, look: Look | None) -> Scan:
        count = len(self)
        hashes = np.zeros((count, 32), np.uint8)
        failures: dict[int, str] = {}
        pixels = np.zeros((count if look else 0, LOOK, LOOK, 3), np.uint8)
        there = np.zeros(count, bool)

        def scan(index: int) -> None:
            try:
                frame = self.frame(index)
            except DataError as error:
                failures[index] = str(error).removeprefix(f"{self.name(index)}: ")
                return
            hashes[index] = np.frombuffer(content_hash(frame), np.uint8)
            small = look(frame) if look else None
            if small is not None:
                pixels[index], there[index] = small, True

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for chunk in in_chunks(len(self)):
                for _ in pool.map(scan, chunk):
                    pass
                if progress:
                    progress(chunk.stop, count)
        looks = Looks(pixels=pixels, there=there) if look else None
        return Scan(hashes=hashes, failures=failures, looks=looks)

    def select(self, keep: Indices) -> FileStore:
        return FileStore(self.root, [self.paths[i] for i in keep.tolist()])


class ArrayStore:
    """Pictures in memory: uint8 [N, h, w] grey or [N, h, w, 3] RGB, or a list of such pictures.

    blocks: (name, length) of the parts that the pictures were put together from, in order.
    """

    noun = "picture"

    def __init__(
        self,
        pictures: Frame | list[Frame],
        blocks: Sequence[tuple[str, int]],
        rows: Indices | None = None,
    ) -> None:
        self.pictures = pictures
        self.blocks = tuple(blocks)
        self.rows = np.arange(len(pictures), dtype=np.int64) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, index: int) -> str:
        row = int(self.rows[index])
        for name, length in self.blocks:
            if row < length:
                return f"{name}[{row}]"
            row -= length
        raise IndexError(index)

    def frame(self, index: int) -> Frame:
        picture = self.pictures[int(self.rows[index])]
        return picture if picture.ndim == 2 else np.ascontiguousarray(picture[:, :, ::-1])

    def scan(self, progress: Progress | None, look: Look | None) -> Scan:
        hashes = np.empty((len(self), 32), np.uint8)
        for chunk in in_chunks(len(self), 8192):
            joined = b"".join(content_hash(self.frame(index)) for index in chunk)
            hashes[chunk.start : chunk.stop] = np.frombuffer(joined, np.uint8).reshape(-1, 32)
            if progress:
                progress(chunk.stop, len(self))
        return Scan(hashes=hashes, failures={})

    def select(self, keep: Indices) -> ArrayStore:
        return ArrayStore(self.pictures, self.blocks, self.rows[keep])
