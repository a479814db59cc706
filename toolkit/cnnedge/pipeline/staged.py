"""Capture, preprocessing, inference and postprocessing, each on a thread of its own.

One model and a Reading enter; Labelled frames leave. The interpreter is busy with one frame while
the next is read and prepared on another core.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from queue import Empty
from typing import Any, NamedTuple

from ..camera import Frame
from ..engines.agreement import AgreementCheck
from ..preprocess import Pixels
from .crew import Crew, End, Handover
from .reading import Read, Reading
from .step import FrameModel, Labelled
from .timings import Timings

# Answers that may wait: one with the caller, one on its way, one being made.
_ANSWERS = 3
# Frames between the source and the interpreter: one, which is then as young as can be. Where the
# interpreter had to wait for some in a row, capture and preprocessing are what is slow: then they
# work side by side, too.
_MOST_AHEAD = 2
_WAITS_IN_A_ROW = 3

_clock = time.perf_counter


class _Prepared(NamedTuple):
    frame: Frame
    pixels: Pixels
    values: Any
    capture_s: float
    prepare_s: float


class _Inferred(NamedTuple):
    frame: Frame
    raw: Any
    stages_s: tuple[float, float, float]


def staged(
    model: FrameModel,
    reading: Reading,
    timings: Timings,
    *,
    live: bool,
    deadline: float | None,
    check: AgreementCheck | None,
) -> Generator[Labelled, None, None]:
    """Labels frames on four threads; a live source's own reading thread is the first of them.

    live: at every hand-over the newest frame wins, and what gave way to it is counted in
    timings.dropped; from `deadline` on (time.perf_counter()) nothing is waited for. Otherwise no
    frame is lost, and a slow caller holds up the threads.
    """
    with Crew() as crew:
        threads = _Threads(crew, model, reading, live, check)
        before = timings.dropped
        while True:
            try:
                got = threads.labelled.get(timeout=_left(deadline) if live else None)
            except Empty:
                got = End()
            timings.dropped = before + threads.dropped
            if isinstance(got, End):
                if got.error is not None:
                    raise got.error
                return
            yield got
            if not live:
                threads.room.put(None)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - _clock())


class _Threads:
    """The threads of one interpreter and the queues between them.

    Without `live`, `credit` holds a token for each frame that may be captured, and `room` one for
    each answer that may be made.
    """

    def __init__(
        self,
        crew: Crew,
        model: FrameModel,
        reading: Reading,
        live: bool,
        check: AgreementCheck | None,
    ) -> None:
        self._crew = crew
        self._model = model
        self._reading = reading
        self._live = live
        self._check = check
        self._ahead = 1
        self._waits = 0
        self._unused = Handover()
        self._credit = crew.handover()
        self._captured = crew.handover()
        self._prepared = crew.handover(newest=live)
        self._inferred = crew.handover(newest=live)
        self.room = crew.handover()
        self.labelled = crew.handover(newest=live)
        self._credit.put(None)
        for _ in range(_ANSWERS):
            self.room.put(None)
        if not live:
            crew.start("capture", self._capture, self._captured.last)
        crew.start("preprocess", self._prepare, self._prepared.last)
        crew.start("inference", self._infer, self._inferred.last)
        crew.start("postprocess", self._decode, self.labelled.last)

    @property
    def dropped(self) -> int:
        return self._prepared.dropped + self._inferred.dropped + self.labelled.dropped

    def _capture(self) -> None:
        self._credit.get()
        for read in self._reading:
            self._captured.put(read)
            self._credit.get()
            if self._crew.stopping:
                return
        self._captured.last(End())

    def _prepare(self) -> None:
        """A live source has a thread that reads on: here its newest frame is taken from it."""
        for read in self._reading if self._live else iter(self._captured.get, None):
            if isinstance(read, End):
                return self._prepared.last(read)
            if self._crew.stopping:
                return None
            given_way = self._prepared.put(self._prepare_one(read))
            if isinstance(given_way, _Prepared):
                self._unused.put(given_way.pixels)
        return self._prepared.last(End())

    def _prepare_one(self, read: Read) -> _Prepared:
        begin = _clock()
        try:
            memory = self._unused.get_nowait()
        except Empty:
            memory = None
        pixels = self._model.prepare(read.frame.pixels, memory)
        values = self._model.encode(pixels)
        return _Prepared(read.frame, pixels, values, read.seconds, _clock() - begin)

    def _infer(self) -> None:
        while True:
            if not self._live:
                self.room.get()
            got = self._next_prepared()
            if isinstance(got, End):
                return self._inferred.last(got)
            if self._crew.stopping:
                return None
            begin = _clock()
            self._model.engine.set_input(got.values)
            self._let_capture()
            fed = _clock()
            raw = self._model.infer()
            done = _clock()
            if self._check is not None:
                self._check.see(got.values, raw)
            self._unused.put(got.pixels)
            stages = (got.capture_s, got.prepare_s + fed - begin, done - fed)
            self._inferred.put(_Inferred(got.frame, raw, stages))

    def _next_prepared(self) -> Any:
        try:
            got = self._prepared.get_nowait()
            self._waits = 0
        except Empty:
            self._waits += 1
            if self._waits > _WAITS_IN_A_ROW and self._ahead < _MOST_AHEAD and not self._live:
                self._waits = 0
                self._ahead += 1
                self._credit.put(None)
            got = self._prepared.get()
        return got

    def _let_capture(self) -> None:
        """Another frame may be captured, unless one waits already: it would only grow old."""
        if self._live:
            return
        if self._ahead > 1 and self._prepared.waiting():
            self._ahead -= 1
        else:
            self._credit.put(None)

    def _decode(self) -> None:
        while True:
            got = self._inferred.get()
            if isinstance(got, End):
                return self.labelled.last(got)
            if self._crew.stopping:
                return None
            begin = _clock()
            answer = self._model.decode(got.raw)
            done = _clock()
            self.labelled.put(Labelled(got.frame, answer, (*got.stages_s, done - begin), done))
