"""Files at a pace for people: a video at its own rate, pictures one by one; both can be paused.

A source of files enters; the same frames leave, each no sooner than it is due.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from ..camera import Frame, Source


class Paced:
    """A source whose frames come as a camera's would: a video at its rate, in order, none dropped.

    Pictures come one at a time: each after `forward`. `hold` stops the frames until `release`. A
    frame's captured_at is the moment of its release. Iterating again continues where the
    last iteration stopped. All methods may be called from any thread.
    """

    live = False

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.pictures = source.pictures
        self.total = source.total
        self.dropped = 0
        self.reconnects = 0
        self.skipped = source.skipped
        self.lost: str | None = None
        self._source = source
        self._changed = threading.Condition()
        self._held = False
        self._free = False
        self._iteration = 0
        # The first picture comes by itself.
        self._steps = 1
        self._due = 0.0
        self._waiting: Frame | None = None

    @property
    def fps(self) -> float:
        return self._source.fps

    def __iter__(self) -> Iterator[Frame]:
        with self._changed:
            self._iteration += 1
            mine = self._iteration
        frames = iter(self._source)
        while True:
            frame = self._waiting or next(frames, None)
            if frame is None:
                return
            # A frame that was fetched but not released is the first of the next iteration.
            self._waiting = frame
            if not self._let_go(mine):
                return
            self._waiting = None
            yield replace(frame, captured_at=time.perf_counter())

    def hold(self) -> None:
        """Holds all further frames until `release`."""
        self._set(held=True)

    def release(self) -> None:
        """Lets frames go again."""
        self._set(held=False)

    def forward(self) -> None:
        """Releases one more picture."""
        with self._changed:
            self._steps += 1
            self._changed.notify_all()

    def let_run(self) -> None:
        """Releases every frame as soon as it is requested: nobody is watching."""
        with self._changed:
            self._free = True
            self._changed.notify_all()

    def interrupt(self) -> None:
        """Ends the iteration that is under way, also one that waits; another may follow."""
        with self._changed:
            self._iteration += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the iteration and closes the source."""
        self.interrupt()
        self._source.close()

    def _set(self, *, held: bool) -> None:
        with self._changed:
            self._held = held
            self._due = 0.0
            self._changed.notify_all()

    def _let_go(self, mine: int) -> bool:
        """Waits until a frame is due; False when the iteration is over."""
        period = 1 / self.fps if self.fps > 0 else 0.0
        with self._changed:
            while mine == self._iteration:
                left = self._due - time.perf_counter()
                if self._free:
                    return True
                if self._held or (self.pictures and self._steps == 0):
                    self._changed.wait()
                elif self.pictures:
                    self._steps -= 1
                    return True
                elif left > 0:
                    self._changed.wait(left)
                else:
                    # If late by more than a frame, the clock starts again: nothing is hurried.
                    late = -left > period
                    self._due = (time.perf_counter() if late else self._due) + period
                    return True
        return False
