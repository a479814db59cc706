"""Small pictures of large ones, kept in memory.

A path enters; a JPEG of at most SIDE pixels leaves. Safe to use from several threads.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

import cv2

from ..errors import DataError
from ..pictures import read_picture

SIDE = 192
_MOST = 2000


class Thumbnails:
    """The newest ones, by path, size and time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._lock = Lock()

    def of(self, path: Path) -> bytes:
        """Raises OSError or DataError for what cannot be read."""
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = _made(path)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return made


def _made(path: Path) -> bytes:
    frame = read_picture(path)
    height, width = frame.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    ok, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])
    if not ok:
        raise DataError(f"{path}: cannot be shown small")
    return jpeg.tobytes()
