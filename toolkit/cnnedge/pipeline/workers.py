"""Several interpreters in parallel, for files and folders.

Models and a Reading enter; Labelled frames leave, in the order of the frames.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from functools import partial

from ..engines.agreement import AgreementCheck
from .crew import Crew, End, Handover
from .reading import Read, Reading
from .sequential import label_one
from .step import FrameModel, Labelled

# Frames in transit per worker: one in work, one waiting to be returned.
_FRAMES_PER_WORKER = 2


def side_by_side(
    models: Sequence[FrameModel], reading: Reading, check: AgreementCheck | None
) -> Generator[Labelled, None, None]:
    """Labels frames on one thread for each model.

    A worker takes the next frame from the source itself and prepares it into its model's own input:
    no other thread competes for the cores, and the frame stays in the core's cache. check: of the
    first model. At most two frames per worker are in transit: a slow caller delays them.
    """
    with Crew() as crew:
        room, results = crew.handover(), crew.handover()
        for _ in range(_FRAMES_PER_WORKER * len(models)):
            room.put(None)
        queue = _Queue(reading, room, results)
        for number, model in enumerate(models):
            first = check if number == 0 else None
            work = partial(_work, crew, queue, model, first)
            crew.start(f"worker {number + 1}", work, results.last)
        yield from _in_order(results, room)


class _Queue:
    """Numbered frames of a source, for several threads: only one reads at a time."""

    def __init__(self, reading: Reading, room: Handover, results: Handover) -> None:
        """room: gives a token for each frame that may be taken. results: takes the answers."""
        self.room, self.results = room, results
        self._lock = threading.Lock()
        self._frames: Iterator[Read] = iter(reading)
        self._number = 0
        self._over = False

    def take(self) -> tuple[int, Read | End] | None:
        """The next frame with its number, then the end once; None after it."""
        with self._lock:
            if self._over:
                return None
            number, got = self._number, self._next()
            self._number += 1
            self._over = isinstance(got, End)
            return number, got

    def _next(self) -> Read | End:
        try:
            return next(self._frames, End())
        except BaseException as error:  # raised again behind the frames before it
            return End(error)


def _work(crew: Crew, queue: _Queue, model: FrameModel, check: AgreementCheck | None) -> None:
    while True:
        queue.room.get()
        task = None if crew.stopping else queue.take()
        if task is None:
            return
        number, got = task
        result: Labelled | End
        try:
            result = got if isinstance(got, End) else label_one(model, got, check)
        except BaseException as error:  # raised again behind the frames before it
            result = End(error)
        queue.results.put((number, result))
        if isinstance(result, End):
            return


def _in_order(results: Handover, room: Handover) -> Iterator[Labelled]:
    early: dict[int, Labelled | End] = {}
    number = 0
    while True:
        while number not in early:
            found, result = results.get()
            early[found] = result
        got = early.pop(number)
        if isinstance(got, End):
            if got.error is not None:
                raise got.error
            return
        yield got
        room.put(None)
        number += 1
