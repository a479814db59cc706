"""Frames out of a source, timed, up to a number or a moment.

A source enters; frames with the seconds that each took to come leave. What was read ahead of the
labels is remembered, so that the next call on the same source begins with it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from ..camera import Frame, Source


class Read(NamedTuple):
    """A frame, and the seconds that its capture took."""

    frame: Frame
    seconds: float


class Reading:
    """An iterable over a source; one thread iterates it, another may call `labelled`.

    left_over: frames to begin with. count: how many frames to give at most. deadline: no frame is
    begun from this moment of time.perf_counter() on.
    """

    def __init__(
        self,
        source: Source,
        left_over: list[Frame],
        *,
        count: int | None = None,
        deadline: float | None = None,
    ) -> None:
        self._source = source
        self._begin = deque(left_over)
        self._count = count
        self._deadline = deadline
        self._ahead: deque[Frame] = deque()
        # A live source has newer frames than these by then.
        self._remembers = not source.live

    def __iter__(self) -> Iterator[Read]:
        begin = time.perf_counter()
        for given, frame in enumerate(self._frames(), 1):
            seconds = time.perf_counter() - begin
            if self._remembers:
                self._ahead.append(frame)
            yield Read(frame, seconds)
            begin = time.perf_counter()
            # Before the next frame is asked for: it would be lost.
            if given == self._count or (self._deadline is not None and begin >= self._deadline):
                return

    def labelled(self) -> None:
        """The oldest frame that was given has been labelled and handed out."""
        if self._remembers:
            self._ahead.popleft()

    @property
    def left_over(self) -> list[Frame]:
        """The frames that were read and never labelled, in order."""
        return [*self._ahead, *self._begin]

    def _frames(self) -> Iterator[Frame]:
        if self._count == 0:
            return
        while self._begin:
            yield self._begin.popleft()
        yield from self._source
