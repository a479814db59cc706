"""Ctrl-C where it does no harm.

An interrupt in the middle of TensorFlow's bookkeeping can surface as any error of its own. While
training goes on it is noted, and raised at the next step; a second one is raised at once.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def held_back() -> Iterator[Callable[[], None]]:
    """Gives a function that raises KeyboardInterrupt if Ctrl-C came since the beginning.

    Where somebody else handles the signal, or in another thread than the main one, nothing is
    changed.
    """
    came: list[int] = []

    def check() -> None:
        if came:
            came.clear()
            raise KeyboardInterrupt

    def note(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not ours:
        yield check
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
