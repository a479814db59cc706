"""The window itself: a separate process that runs this module; its argument is the title.

Frames enter on standard input: height and width as two little-endian 32-bit numbers, then BGR
bytes; 0 and 0 mean no new frame. After each one line of JSON leaves on standard output: the keys
pressed, the size of the window, whether it is still open. The first line says whether the window
could be opened. Alone in its process because Qt ends the process it lives in when the display
goes away.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from queue import SimpleQueue
from typing import IO, Any

import numpy as np

from ..files import json_text
from .window import HEADER

_TICK_MS = 5


def main() -> None:
    """Shows frames until standard input ends or the window is closed."""
    title = sys.argv[1]
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What libraries print must not end up among the replies.
    os.dup2(2, 1)
    try:
        import cv2

        # Frames are drawn at the window's size: Qt need not keep a ratio or show buttons.
        plain = cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL
        cv2.namedWindow(title, plain)
        cv2.resizeWindow(title, 640, 480)
    except Exception as error:
        _reply(replies, error=str(getattr(error, "err", "") or error))
        return
    _reply(replies, error="")
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        _show(cv2, title, sys.stdin.buffer, replies)


def _show(cv2: Any, title: str, frames: IO[bytes], replies: IO[str]) -> None:
    asked: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_read, args=(frames, asked), daemon=True).start()
    keys: list[int] = []
    first = True
    while True:
        # Qt keeps only the last key: it is asked more often than anybody types.
        if (key := cv2.waitKey(_TICK_MS)) != -1:
            keys.append(key & 0xFF)
        if asked.empty():
            continue
        frame = asked.get()
        if frame is None:
            return
        if frame.size:
            if first:
                cv2.resizeWindow(title, frame.shape[1], frame.shape[0])
            first = False
            cv2.imshow(title, frame)
        visible = cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1
        size = cv2.getWindowImageRect(title)[2:] if visible else (0, 0)
        _reply(replies, keys=keys, size=list(size), open=visible)
        keys = []


def _read(frames: IO[bytes], asked: SimpleQueue[Any]) -> None:
    """Frames as they arrive, an empty one if none was sent, None at the end."""
    while len(header := frames.read(HEADER.size)) == HEADER.size:
        height, width = HEADER.unpack(header)
        data = frames.read(height * width * 3)
        if len(data) < height * width * 3:
            break
        asked.put(np.frombuffer(data, np.uint8).reshape(height, width, 3))
    asked.put(None)


def _reply(replies: IO[str], **what: object) -> None:
    replies.write(json_text(what, ascii_only=True) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
