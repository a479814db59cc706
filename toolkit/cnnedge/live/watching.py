"""The viewers of a run: a live window, a file of annotated frames, both or nobody.

A source enters, and the steps made of it; the source leaves again, at the pace of the
person at the window, and what that person wishes.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import figures
from ..camera import Source
from ..display import Paced, Sink, Window, open_sink
from ..engines import Engine
from ..overlay import Readout, annotated, heated
from ..picture_model import Picture
from ..pipeline import Step, Timings
from ..preprocess import Pixels
from .answers import as_readout, short, words
from .view import LiveView

_RATE_SECONDS = 2.0


class Watching:
    """Shows and saves labelled frames. Raises CnnedgeError if a window or file cannot be.

    source: what to label; files shown in a window come at their own pace, so that a person can
    follow.
    """

    def __init__(
        self,
        source: Source,
        say: Callable[[str], None],
        *,
        show: bool,
        save: str | None,
        title: str,
    ) -> None:
        self._paced = Paced(source) if show and not source.live else None
        self.source: Source = self._paced or source
        self._say = say
        self._show = show
        self._save = save
        self._title = title
        self._view: LiveView | None = None
        self._sink: Sink | None = None
        self._stack = contextlib.ExitStack()
        self._moments: deque[float] = deque()

    def __enter__(self) -> Watching:
        with contextlib.ExitStack() as opening:
            if self._save:
                self._sink = opening.enter_context(open_sink(self._save, self.source, self._say))
            if self._show:
                window = Window(self._title)
                self._view = opening.enter_context(LiveView(window, self.source, self._say))
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.__exit__(*problem)  # type: ignore[arg-type]

    @property
    def over(self) -> bool:
        """Whether the person at the window has closed it."""
        return self._view is not None and self._view.closed

    def wants_next_delegate(self) -> bool:
        """Whether another delegate was requested since the last call."""
        return self._view is not None and self._view.take_wish()

    def say(self, text: str) -> None:
        """One line in the window and in the terminal."""
        self._say(text)
        if self._view:
            self._view.toast(text.removeprefix("--delegate "))

    def hint(self, text: str) -> None:
        """One line in the window, until the next one."""
        if self._view:
            self._view.toast(text, seconds=math.inf, passing=True)

    def interrupt(self) -> None:
        """Ends a pipeline that waits for a frame of a file."""
        if self._paced:
            self._paced.interrupt()

    def end(self) -> None:
        """The last picture stays until the window is closed."""
        if self._view and self.source.pictures and not self._view.gone:
            self._view.wait_until_closed()

    def show(self, step: Step, timings: Timings, top: int, engine: Engine) -> None:
        """Takes one labelled frame."""
        if not self._sink and not (self._view and not self._view.gone):
            return
        pixels = self._seen(step)
        if self._sink and isinstance(step.measured, Picture):
            # What the model drew is the result: nothing is written over it.
            self._sink.write(pixels, step.frame.name, self._moment(step))
        elif self._sink:
            readout = replace(as_readout(step, top, timings, Readout()), figures=())
            drawn = annotated(pixels, readout, self._status(step, timings, engine))
            self._sink.write(drawn, step.frame.name, self._moment(step))
        if self._view and not self._view.gone:
            self._view.show(
                pixels, as_readout(step, top, timings, self._base(step, timings, engine))
            )

    def _moment(self, step: Step) -> float | None:
        """When the frame was, for a video file."""
        live = step.frame.captured_at if self.source.live else None
        return step.frame.pts_s if step.frame.pts_s is not None else live

    def _seen(self, step: Step) -> Pixels:
        """The frame, under the heat map of an answer that has one; of an answer that is a picture,
        that."""
        pixels, answer = step.frame.pixels, step.measured
        if isinstance(answer, Picture):
            shown = answer.shaped(pixels.shape)
            return shown if shown.ndim == 3 else np.repeat(shown[:, :, np.newaxis], 3, axis=2)
        if getattr(answer, "heat", None) is None:
            return pixels
        from ..looking.live import placed

        return heated(pixels, placed(answer.heat, pixels.shape[:2], *answer.input))

    def _base(self, step: Step, timings: Timings, engine: Engine) -> Readout:
        source = self.source
        where = [Path(source.name).name if "://" not in source.name else source.name]
        if source.pictures:
            rate = Path(step.frame.name).name
            where.append(f"{step.frame.index + 1:,} of {source.total:,}" if source.total else "")
        else:
            rate = f"{self._rate():.1f} frames/s"
            where.append(f"frame {step.frame.index + 1:,}")
        if source.live:
            where.append(f"{source.dropped + timings.dropped:,} dropped")
        return Readout(
            rate=rate,
            where=" · ".join(part for part in where if part),
            delegate=words(engine.delegate),
            detail=short(engine),
            budget_ms=1000 / source.fps if source.fps > 0 else None,
        )

    def _rate(self) -> float:
        """Frames per second of the last seconds, as they were shown."""
        now = time.perf_counter()
        self._moments.append(now)
        while now - self._moments[0] > _RATE_SECONDS:
            self._moments.popleft()
        passed = now - self._moments[0]
        return (len(self._moments) - 1) / passed if passed > 0 else 0.0

    def _status(self, step: Step, timings: Timings, engine: Engine) -> str:
        parts = [f"{figures.milliseconds(step.inference_ms)} inference", words(engine.delegate)]
        if not self.source.pictures:
            parts.insert(0, f"{timings.fps:.0f} frames/s")
        return " · ".join(parts)
