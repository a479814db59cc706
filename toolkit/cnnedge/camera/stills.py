"""Picture files as a source.

Paths enter; one frame per readable picture leaves, in natural order.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError, SourceError
from ..pictures import PICTURE_SUFFIXES, read_picture
from .frames import Frame
from .rotation import turned

# JPEG after JPEG, without a container.
RAW_SUFFIXES = frozenset({".mjpg", ".mjpeg"})
VIDEO_SUFFIXES = RAW_SUFFIXES | {
    *(".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mts"),
}


class PictureSource:
    """Picture files in order; an unreadable one among several is skipped and listed.

    loop: again and again, every picture in order. rotate: degrees clockwise, on top of EXIF.
    """

    live = False
    pictures = True
    fps = 0.0
    dropped = 0
    reconnects = 0
    lost: str | None = None

    def __init__(
        self, files: list[Path], name: str, *, rotate: int = 0, loop: bool = False
    ) -> None:
        self.name = name
        self.total: int | None = None if loop else len(files)
        self.skipped: list[str] = []
        self._files = files
        self._rotate = rotate
        self._loop = loop
        self._next = 0
        self._index = 0

    def __iter__(self) -> Iterator[Frame]:
        """Raises SourceError where no picture at all can be read."""
        while self._next < len(self._files):
            file = self._files[self._next]
            self._next += 1
            try:
                pixels = read_picture(file)
            except DataError as error:
                if str(error) not in self.skipped:
                    self.skipped.append(str(error))
            else:
                index, self._index = self._index, self._index + 1
                yield Frame(turned(pixels, self._rotate), index, str(file), time.perf_counter())
            # Pictures that have all become unreadable end a loop instead of spinning in it.
            if self._loop and len(self.skipped) < len(self._files):
                self._next %= len(self._files)
        if self._index == 0:
            raise SourceError(f"--source {self.name}: nothing could be read: {self.skipped[0]}")

    def close(self) -> None:
        """Nothing is held open."""


def pictures_in(folder: Path) -> list[Path]:
    """The picture files in a folder and below, in natural order. Raises SourceError for none."""
    try:
        files = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]
        next(folder.iterdir(), None)
    except PermissionError as error:
        raise SourceError(
            f"--source {folder}: permission denied for {error.filename}; make the folder readable "
            "for this user"
        ) from None
    pictures = [p for p in files if p.suffix.lower() in PICTURE_SUFFIXES]
    if not pictures:
        videos = [p for p in files if p.suffix.lower() in VIDEO_SUFFIXES]
        instead = f". It holds videos: give one of them, as in --source {min(videos, default='')}"
        raise SourceError(
            f"--source {folder}: no pictures in this folder; looked for "
            f"{', '.join(sorted(PICTURE_SUFFIXES))}{instead if videos else ''}"
        )
    return sorted(pictures, key=lambda p: natural(str(p)))


def natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key by which shot9 comes before shot10."""
    parts = re.split(r"(\d+)", text)
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts]
