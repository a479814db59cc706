"""Picture files as a source.

Paths enter; one frame per readable picture leaves, in natural order.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import given_files
from ..errors import DataError, SourceError
from ..pictures import (
    CONCATENATED_JPEGS,
    UNKNOWN,
    VIDEO_SUFFIXES,
    Below,
    Content,
    PassedOver,
    below,
    is_hidden,
    is_picture,
    matching,
    read_with_rest,
    sniffed,
)
from .frames import Frame, turned

# This many things that are not files are named one by one.
_MOST_SAID = 10
_RESTS = {
    "animation": ("an animation", "animations", "frame"),
    "pages": ("a file with several pages", "files with several pages", "page"),
}


class PictureSource:
    """Picture files in order; an unreadable one among several is skipped and listed.

    loop: again and again, every picture in order. rotate: degrees clockwise, on top of EXIF.
    left_out: lines about files that were not used, which `skipped` begins with.
    """

    live = False
    pictures = True
    fps = 0.0
    dropped = 0
    reconnects = 0
    lost: str | None = None

    def __init__(
        self,
        files: list[Path],
        name: str,
        *,
        rotate: int = 0,
        loop: bool = False,
        left_out: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.total: int | None = None if loop else len(files)
        self.skipped: list[str] = list(left_out)
        self._files = files
        self._rotate = rotate
        self._loop = loop
        self._next = 0
        self._index = 0
        self._unreadable: dict[str, str] = {}
        self._rests: dict[str, dict[str, None]] = {kind: {} for kind in _RESTS}
        self._said: dict[str, str] = {}

    def __iter__(self) -> Iterator[Frame]:
        """Raises SourceError if no picture at all can be read."""
        while self._next < len(self._files):
            file = self._files[self._next]
            self._next += 1
            try:
                picture = read_with_rest(file)
            except DataError as error:
                if str(file) not in self._unreadable:
                    self._unreadable[str(file)] = str(error)
                    self.skipped.append(str(error))
            else:
                if picture.rest:
                    self._say_rest(picture.rest, str(file))
                index, self._index = self._index, self._index + 1
                pixels = turned(picture.pixels, self._rotate)
                yield Frame(pixels, index, str(file), time.perf_counter())
            # If all pictures have become unreadable, a loop ends instead of spinning.
            if self._loop and len(self._unreadable) < len(self._files):
                self._next %= len(self._files)
        if self._index == 0:
            reason = next(iter(self._unreadable.values()))
            raise SourceError(f"--source {self.name}: no picture could be read: {reason}")

    def close(self) -> None:
        """There is nothing to close."""

    def _say_rest(self, kind: str, file: str) -> None:
        """One line for all files of a kind, which counts on."""
        files = self._rests[kind]
        files.setdefault(file)
        one, many, part = _RESTS[kind]
        first = next(iter(files))
        line = f"{first}: {one}; only its first {part} is used"
        if len(files) > 1:
            line = f"{len(files)} {many}, like {first}: only the first {part} of each is used"
        before = self._said.get(kind)
        if before is None:
            self.skipped.append(line)
        else:
            self.skipped[self.skipped.index(before)] = line
        self._said[kind] = line


def pictures_in(folder: Path) -> tuple[list[Path], list[str]]:
    """The picture files in a folder and below, in natural order, and lines about everything else.

    Hidden files and folders are passed over, as in training. Raises SourceError for no picture.
    """
    try:
        found = below(folder)
    except PermissionError as error:
        raise SourceError(
            f"--source {folder}: permission denied for {error.filename}; make the folder readable "
            "for this user"
        ) from None
    return _sorted_out(found, f"--source {folder}: no pictures in this folder")


def pictures_among(pattern: str) -> tuple[list[Path], list[str]]:
    """As `pictures_in`, for what a glob finds. Raises SourceError for no picture."""
    shown = [f for f in sorted(matching(pattern)) if not _in_hidden(f, pattern)]
    found = Below(
        files=tuple(f for f in shown if os.path.isfile(f)),
        passed=tuple(
            PassedOver(path=f, reason=f"is a {kind}")
            for f in shown
            if (kind := given_files.kind(f))
        ),
    )
    if not found.files and not found.passed:
        raise SourceError(f"--source {pattern}: no file matches this pattern in {Path.cwd()}")
    return _sorted_out(found, f"--source {pattern}: no pictures among the matching files")


def is_video(path: Path) -> bool:
    """By its content; by its suffix if that says nothing, or each frame is a picture."""
    suffix = path.suffix.lower()
    if suffix in CONCATENATED_JPEGS:
        return True
    content = content_or_unknown(path)
    return content.kind == "video" or (content.kind == "unknown" and suffix in VIDEO_SUFFIXES)


def content_or_unknown(path: Path) -> Content:
    """What a file is; unknown if it cannot be opened: its reader says why."""
    try:
        return sniffed(path)
    except OSError:
        return UNKNOWN


def _in_hidden(file: str, pattern: str) -> bool:
    """Whether a hidden file or folder is on the way that the pattern itself does not name."""
    named = set(pattern.split(os.sep))
    return any(is_hidden(p) for p in file.split(os.sep) if p not in named and p not in (".", ".."))


def _sorted_out(found: Below, none: str) -> tuple[list[Path], list[str]]:
    pictures: list[Path] = []
    videos: list[Path] = []
    others: list[Path] = []
    for path in sorted(map(Path, found.files), key=lambda p: natural(str(p))):
        if is_picture(path):
            pictures.append(path)
        else:
            (videos if is_video(path) else others).append(path)
    passed = [f"{item.path} {item.reason}" for item in found.passed[:_MOST_SAID]]
    if len(found.passed) > _MOST_SAID:
        passed.append(f"others like these were also skipped ({len(found.passed) - _MOST_SAID:,})")
    if not pictures:
        raise SourceError(none + _instead(videos, others, passed))
    said = []
    if videos:
        plural = f"{len(videos)} videos" if len(videos) > 1 else "1 video"
        said.append(f"{plural} skipped, like {videos[0]}: give each video separately")
    if others:
        said.append(f"skipped {_counted(others)} without a picture, like {others[0]}")
    return pictures, said + passed


def _instead(videos: list[Path], others: list[Path], passed: list[str]) -> str:
    if videos:
        return f". It contains videos: give one of them, as in --source {videos[0]}"
    if others:
        return f"; found only {_counted(others)} without a picture, like {others[0]}"
    return f"; {passed[0]}" if passed else "; it is empty"


def _counted(files: list[Path]) -> str:
    suffixes = ", ".join(sorted({p.suffix.lower() or "no suffix" for p in files})[:5])
    return f"{len(files)} file{'s' * (len(files) > 1)} ({suffixes})"


def natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key that puts shot9 before shot10."""
    parts = re.split(r"(\d+)", text)
    return [(0, int(p), "") if i % 2 else (1, 0, p) for i, p in enumerate(parts)]
