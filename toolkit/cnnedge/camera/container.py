"""What an MP4 or QuickTime file says about its video besides the pictures.

A path enters; the codec, the display matrix and how many frames are shown leave. FFmpeg applies
edit lists without reporting them, and OpenCV treats a mirrored matrix as a rotation.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The index of hours of video is a few MB; a larger one is not read.
_MOST_INDEX = 64 * 2**20
_MOST_SAMPLES = 10_000_000
_FIXED = 65536.0
Span = tuple[int, int]
# ((a, b), (c, d)): a pixel at (x, y) is shown at (a x + c y, b x + d y), but for a shift.
Matrix = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class VideoTrack:
    """codec: the four letters of the sample entry, such as av01. matrix: for display.

    shown: how many frames its edit list shows; None if it has none, or it cannot be told.
    """

    codec: str
    matrix: Matrix = ((1.0, 0.0), (0.0, 1.0))
    shown: int | None = None

    @property
    def mirrored(self) -> bool:
        """Whether left and right are swapped, rotated or not."""
        (a, b), (c, d) = self.matrix
        return a * d - b * c < 0


def video_track(path: Path) -> VideoTrack | None:
    """The first video track; None for another kind of file, or a broken one. Never raises."""
    try:
        index = _index(path)
        return None if index is None else _Index(index).video()
    except (OSError, ValueError, IndexError, struct.error):
        return None


def _index(path: Path) -> bytes | None:
    length = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while len(head := file.read(16)) >= 8:
            size, name = struct.unpack_from(">I4s", head)
            before = 8
            if size == 1 and len(head) == 16:
                (size,) = struct.unpack_from(">Q", head, 8)
                before = 16
            size = size or length - at
            if size < before or (at == 0 and not name.isalnum()):
                return None
            if name == b"moov":
                if size - before > _MOST_INDEX:
                    return None
                file.seek(at + before)
                return file.read(size - before)
            at += size
            file.seek(at)
    return None


class _Index:
    """The boxes of a moov."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def video(self) -> VideoTrack | None:
        whole = (0, len(self._data))
        for track in self._all(whole, "trak"):
            handler = self._one(track, "mdia", "hdlr")
            entry = self._one(track, "mdia", "minf", "stbl", "stsd")
            if handler is None or entry is None or self._text(handler[0] + 8) != "vide":
                continue
            return VideoTrack(
                codec=self._text(entry[0] + 12),
                matrix=_product(
                    self._matrix(self._one(track, "tkhd"), 40, 52),
                    self._matrix(self._one(whole, "mvhd"), 36, 48),
                ),
                shown=self._shown(track, whole),
            )
        return None

    def _all(self, span: Span, name: str) -> Iterator[Span]:
        at, end = span
        while at + 8 <= end:
            size, found = struct.unpack_from(">I4s", self._data, at)
            begin = at + 8
            if size == 1:
                (size,) = struct.unpack_from(">Q", self._data, begin)
                begin += 8
            size = size or end - at
            if size < begin - at or at + size > end:
                return
            if found == name.encode():
                yield begin, at + size
            at += size

    def _one(self, span: Span, *names: str) -> Span | None:
        for name in names:
            inner = next(self._all(span, name), None)
            if inner is None:
                return None
            span = inner
        return span

    def _text(self, at: int) -> str:
        return self._data[at : at + 4].decode("latin-1")

    def _numbers(self, layout: str, at: int) -> tuple[int, ...]:
        return struct.unpack_from(f">{layout}", self._data, at)

    def _matrix(self, box: Span | None, short: int, long: int) -> Matrix:
        if box is None:
            return VideoTrack.matrix
        at = box[0] + (long if self._data[box[0]] == 1 else short)
        a, b, _, c, d = (n / _FIXED for n in self._numbers("5i", at))
        return (a, b), (c, d)

    def _scale(self, box: Span | None) -> int:
        if box is None:
            return 0
        return self._numbers("I", box[0] + (20 if self._data[box[0]] == 1 else 12))[0]

    def _shown(self, track: Span, whole: Span) -> int | None:
        """Frames whose time lies within one of the edit list's stretches."""
        edits = self._one(track, "edts", "elst")
        movie = self._scale(self._one(whole, "mvhd"))
        media = self._scale(self._one(track, "mdia", "mdhd"))
        table = self._one(track, "mdia", "minf", "stbl")
        if edits is None or table is None or not movie or not media:
            return None
        times = self._times(table)
        if not times:
            return None
        shown = 0
        for duration, begin in self._edits(edits):
            if begin >= 0:
                # Without a length it continues to the end, as in files that are still written.
                end = begin + duration * media / movie if duration else float("inf")
                shown += sum(begin <= time < end for time in times)
        return shown

    def _edits(self, box: Span) -> list[tuple[int, int]]:
        long = self._data[box[0]] == 1
        count = min(self._numbers("I", box[0] + 4)[0], (box[1] - box[0]) // 12)
        layout, size = ("Qq", 20) if long else ("Ii", 12)
        found = (self._numbers(layout, box[0] + 8 + n * size) for n in range(count))
        return [(duration, begin) for duration, begin in found]

    def _times(self, table: Span) -> list[int]:
        """When each frame is shown, in the track's units; nothing if it cannot be told."""
        durations = self._runs(self._one(table, "stts"), "II")
        offsets = self._runs(self._one(table, "ctts"), "Ii")
        if durations is None or len(durations) > _MOST_SAMPLES:
            return []
        offsets = offsets or [0] * len(durations)
        times, now = [], 0
        for duration, offset in zip(durations, offsets, strict=False):
            times.append(now + offset)
            now += duration
        return times

    def _runs(self, box: Span | None, layout: str) -> list[int] | None:
        if box is None:
            return None
        values: list[int] = []
        for n in range(min(self._numbers("I", box[0] + 4)[0], (box[1] - box[0]) // 8)):
            count, value = self._numbers(layout, box[0] + 8 + 8 * n)
            if len(values) + count > _MOST_SAMPLES:
                return None
            values += [value] * count
        return values


def _product(first: Matrix, then: Matrix) -> Matrix:
    rows = [
        tuple(sum(row[k] * then[k][column] for k in (0, 1)) for column in (0, 1)) for row in first
    ]
    return (rows[0][0], rows[0][1]), (rows[1][0], rows[1][1])
