"""The times of the frames of an MP4 that was written at one rate, set to those they had.

A finished file and a time for each frame enter; the same file leaves, with its index rewritten.
OpenCV's writer takes only a rate.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..files import explained

# Ticks of a second, as MPEG has them: exact for 24, 25, 30 and 60 frames a second.
_SCALE = 90_000
_HOLDERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")
_LARGEST = 2**32 - 1


@dataclass
class _Box:
    """name, and either content or the boxes in it."""

    name: bytes
    content: bytes = b""
    boxes: list[_Box] = field(default_factory=list)

    def packed(self) -> bytes:
        inner = b"".join(box.packed() for box in self.boxes) or self.content
        return struct.pack(">I4s", 8 + len(inner), self.name) + inner

    def find(self, *names: bytes) -> _Box | None:
        box: _Box | None = self
        for name in names:
            box = next((b for b in box.boxes if b.name == name), None) if box else None
        return box


def set_times(path: Path, times_s: Sequence[float], last_s: float) -> bool:
    """Whether the file now shows frame i from times_s[i] on, in seconds, and the last for last_s.

    times_s: ascending; counted from the first. False, and an unchanged file, if it is laid out
    in another way than OpenCV's: one track, a constant rate, the index at the end. Raises
    CnnedgeError when it cannot be written.
    """
    with explained(path), path.open("r+b") as file:
        at = _place_of_index(file.read())
        if at is None:
            return False
        file.seek(at)
        moov = _parsed(file.read())
        if moov is None or not _retimed(moov, _ticks(times_s, last_s)):
            return False
        file.seek(at)
        file.write(moov.packed())
        file.truncate()
    return True


def _place_of_index(data: bytes) -> int | None:
    """Where the moov begins, if nothing follows it: its length changes."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
        if size < 8:
            return None
        if name == b"moov":
            return at if at + size == len(data) else None
        at += size
    return None


def _parsed(data: bytes) -> _Box | None:
    boxes = _boxes(data)
    return boxes[0] if boxes and len(boxes) == 1 else None


def _boxes(data: bytes) -> list[_Box] | None:
    found, at = [], 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            return None
        content = data[at + 8 : at + size]
        if name in _HOLDERS:
            inner = _boxes(content)
            if inner is None:
                return None
            found.append(_Box(name, boxes=inner))
        else:
            found.append(_Box(name, content))
        at += size
    return found


def _ticks(times_s: Sequence[float], last_s: float) -> list[int]:
    """How long each frame is shown, in ticks; no error adds up."""
    ends = [*times_s[1:], times_s[-1] + last_s]
    moments = [round((t - times_s[0]) * _SCALE) for t in (times_s[0], *ends)]
    return [max(1, after - before) for before, after in itertools.pairwise(moments)]


def _retimed(moov: _Box, ticks: list[int]) -> bool:
    """Writes the ticks into the boxes; False, and nothing written, if they do not fit."""
    tracks = [box for box in moov.boxes if box.name == b"trak"]
    movie, track = moov.find(b"mvhd"), tracks[0] if len(tracks) == 1 else None
    head = track.find(b"tkhd") if track else None
    media = track.find(b"mdia", b"mdhd") if track else None
    table = track.find(b"mdia", b"minf", b"stbl", b"stts") if track else None
    if not (track and movie and head and media and table):
        return False
    edits = track.find(b"edts", b"elst")
    wide = any(box.content[:1] != b"\0" for box in (movie, head, media))
    if wide or track.find(b"mdia", b"minf", b"stbl", b"ctts") or _frames(table) != len(ticks):
        return False
    if edits and edits.content[:8] + edits.content[12:16] != struct.pack(">III", 0, 1, 0):
        # More than "from the beginning, all of it".
        return False
    (scale,) = struct.unpack_from(">I", movie.content, 12)
    whole = round(sum(ticks) * scale / _SCALE)
    if max(whole, sum(ticks)) > _LARGEST:
        return False
    runs = [(len(list(group)), value) for value, group in itertools.groupby(ticks)]
    table.content = struct.pack(">II", 0, len(runs)) + b"".join(
        struct.pack(">II", *run) for run in runs
    )
    media.content = _put(media.content, 12, _SCALE, sum(ticks))
    movie.content = _put(movie.content, 16, whole)
    head.content = _put(head.content, 20, whole)
    if edits:
        edits.content = _put(edits.content, 8, whole)
    return True


def _frames(table: _Box) -> int:
    (count,) = struct.unpack_from(">I", table.content, 4)
    runs = struct.iter_unpack(">II", table.content[8 : 8 + 8 * count])
    return sum(number for number, _ in runs)


def _put(content: bytes, at: int, *values: int) -> bytes:
    new = struct.pack(f">{len(values)}I", *values)
    return content[:at] + new + content[at + len(new) :]
