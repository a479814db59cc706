"""MP4 files as other people's devices write them: OpenCV's own, with boxes changed or added."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

HOLDERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")
# Matrices (a, b, c, d) of the display, and how a frame looks through each.
MATRICES: dict[tuple[int, int, int, int], Callable[[np.ndarray], np.ndarray]] = {
    (1, 0, 0, 1): lambda f: f,
    (-1, 0, 0, 1): lambda f: f[:, ::-1],
    (1, 0, 0, -1): lambda f: f[::-1],
    (-1, 0, 0, -1): lambda f: f[::-1, ::-1],
    (0, 1, -1, 0): lambda f: np.rot90(f, -1),
    (0, -1, 1, 0): lambda f: np.rot90(f),
    (0, 1, 1, 0): lambda f: f.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda f: f[::-1, ::-1].transpose(1, 0, 2),
}


def scene(number: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    """A frame no turn of which is another: red left, blue above right; its grey tells a number."""
    frame = np.full((height, width, 3), 4 * number, np.uint8)
    frame[:, : width // 4] = (0, 0, 255)
    frame[: height // 3, width // 2 :] = (255, 0, 0)
    return frame


def write(path: Path, frames: int = 12, fps: float = 20.0, codec: str = "mp4v") -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (64, 48))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(scene(number))
    writer.release()
    return path


def change(path: Path, name: bytes, new: Callable[[bytes], bytes]) -> Path:
    """Gives every box of this name in the index other content."""
    data = path.read_bytes()
    at = data.rindex(b"moov") - 4
    path.write_bytes(data[:at] + _changed(data[at:], name, new))
    return path


def _changed(data: bytes, name: bytes, new: Callable[[bytes], bytes]) -> bytes:
    out, at = b"", 0
    while at + 8 <= len(data):
        size, found = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + size]
        if found in HOLDERS:
            content = _changed(content, name, new)
        if found == name:
            content = new(content)
        out += struct.pack(">I4s", 8 + len(content), found) + content
        at += size
    return out


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def display(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Writes a display matrix."""
    fixed = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    return change(path, b"tkhd", lambda old: old[:40] + fixed + old[76:])


def edit(path: Path, *edits: tuple[int, int]) -> Path:
    """Writes an edit list of (frames, first frame); a first frame of -1 is a pause."""
    found: dict[bytes, bytes] = {}
    for name in (b"mvhd", b"mdhd", b"stts"):
        change(path, name, functools.partial(found.setdefault, name))
    movie, media = (struct.unpack_from(">I", found[n], 12)[0] for n in (b"mvhd", b"mdhd"))
    (ticks,) = struct.unpack_from(">I", found[b"stts"], 12)
    entries = b"".join(
        struct.pack(">IiI", count * ticks * movie // media, -1 if at < 0 else at * ticks, 1 << 16)
        for count, at in edits
    )
    list_ = box(b"edts", box(b"elst", struct.pack(">II", 0, len(edits)) + entries))
    whole(path)
    return change(path, b"trak", lambda old: old + list_)


def whole(path: Path) -> Path:
    """Takes the edit list away that OpenCV writes."""
    change(path, b"edts", lambda old: b"")
    return change(path, b"trak", lambda old: old.replace(box(b"edts", b""), b""))


def pixel_aspect(path: Path, width: int, height: int) -> Path:
    """Writes the shape of a pixel."""

    def shaped(old: bytes) -> bytes:
        entry = old[8:]
        at = entry.find(b"pasp")
        kept = entry if at < 0 else entry[: at - 4] + entry[at + 12 :]
        kept += box(b"pasp", struct.pack(">II", width, height))
        return old[:8] + struct.pack(">I", len(kept)) + kept[4:]

    return change(path, b"stsd", shaped)


def codec(path: Path, name: bytes) -> Path:
    """Says that the pictures are of another codec, without a word on how to decode it."""
    head = 86

    def named(old: bytes) -> bytes:
        entry = struct.pack(">I4s", head, name) + old[16 : 8 + head]
        return old[:8] + entry

    return change(path, b"stsd", named)


def durations(path: Path, periods: Sequence[int]) -> Path:
    """Gives each frame a duration of its own, as phones do; in periods of the file's own rate."""
    found: dict[bytes, bytes] = {}
    change(path, b"stts", functools.partial(found.setdefault, b"stts"))
    (period,) = struct.unpack_from(">I", found[b"stts"], 12)
    runs = b"".join(struct.pack(">II", 1, value * period) for value in periods)
    whole(path)
    return change(path, b"stts", lambda old: struct.pack(">II", 0, len(periods)) + runs)


def read(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """What OpenCV alone reads: frames, and the time of each in seconds."""
    capture = cv2.VideoCapture(str(path))
    frames: list[np.ndarray] = []
    times: list[float] = []
    while True:
        ok, frame = capture.read()
        if not ok:
            return frames, times
        frames.append(frame)
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
