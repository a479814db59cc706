"""Ctrl-C where it does no harm.

An interrupt in the middle of TensorFlow's bookkeeping can surface as any error of its own. While
training continues it is noted, and raised at the next step; another one, pressed by somebody who
has waited, is raised at once. SIGTERM and SIGHUP likewise, where the command line takes them so.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

_AGAIN_SECONDS = 2.0
_NUMBERS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@contextlib.contextmanager
def held_back() -> Iterator[Callable[[], None]]:
    """Gives a function that raises KeyboardInterrupt if Ctrl-C came since the beginning.

    Where somebody else handles the signal, or in another thread than the main one, nothing is
    changed.
    """
    came: list[float] = []

    def check() -> None:
        if came:
            came.clear()
            raise KeyboardInterrupt

    def note(number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if came and now - came[0] >= _AGAIN_SECONDS:
            raise KeyboardInterrupt
        came.append(now)

    before = {number: signal.getsignal(number) for number in _NUMBERS}
    ours = [number for number, handler in before.items() if _raises(handler)]
    if threading.current_thread() is not threading.main_thread() or not ours:
        yield check
        return
    for number in ours:
        signal.signal(number, note)
    try:
        yield check
    finally:
        for number in ours:
            signal.signal(number, before[number])


def _raises(handler: object) -> bool:
    """Whether it is Python's own handler, or the command line's: both raise KeyboardInterrupt."""
    return handler is signal.default_int_handler or getattr(handler, "stops_cnnedge", False)
