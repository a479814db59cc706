"""The labelling of a run: frames in, answers kept and shown, on one delegate or on several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from .. import conditions
from ..camera import Source
from ..classifier import Classifier, Prediction
from ..engines import DELEGATES, AgreementCheck, Runtime
from ..errors import CnnedgeError, GateError
from ..picture_model import Drawer, Picture, load_answering
from ..pipeline import (
    MOST_PREDICTIONS,
    FrameAnswer,
    Limits,
    RunResult,
    Segment,
    Smoothing,
    Step,
    Timings,
    Wanted,
    label_frames,
    summary,
)
from ..raw_model import RawModel, load_raw
from .answers import JsonLines, as_measured, words
from .watching import Watching

Model = Classifier | RawModel | Drawer


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What is asked for of each frame. workers: frames labelled side by side. top: labels shown.

    smooth: seconds to average over, None for what suits the source. raw: outputs as they are.
    look: frames are shown with a heat map of where the model looked.
    """

    workers: int = 1
    top: int = 3
    smooth: float | None = None
    raw: bool = False
    look: bool = False


@dataclass(frozen=True, kw_only=True)
class Outlets:
    """Where labelled frames go: a window, a file of annotated ones, a file of lines."""

    show: bool = False
    save: str | None = None
    jsonl: str | None = None


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How to load a model, for one delegate or another.

    raw, look, workers: as in Labels.
    """

    path: str
    raw: bool
    look: bool
    workers: int
    runtime: Runtime

    def load(self, delegate: str) -> list[Model]:
        """The workers' models. Raises what `classifier.load` raises."""
        return [self._one(delegate, known=number > 0) for number in range(self.workers)]

    def _one(self, delegate: str, *, known: bool) -> Model:
        loader: Callable[..., Model] = load_raw if self.raw else load_answering
        if self.look:
            # Not before it is asked for: the first label must not wait for it.
            from ..looking import load_looking as loader
        return loader(self.path, self.runtime.on(delegate), known=known)


class Audience(Protocol):
    """Who hears of a run while it goes on. No method is called by two threads at once but `note`.

    loaded: the workers' models, before the source is opened. follows: before the first frame.
    step: each labelled frame, in order; top: labels to show. ended: whatever ended the run.
    """

    def note(self, text: str) -> None: ...

    def loaded(self, models: Sequence[Model]) -> None: ...

    def follow(self, source: Source) -> None: ...

    def step(self, step: Step, timings: Timings, top: int) -> None: ...

    def stop(self) -> None: ...


@dataclass(kw_only=True)
class Labelling:
    """One run, from its first frame to its last, on one delegate or, one by one, on several.

    keep_answers: every frame's, for the result; an endless source would fill the memory with them.
    """

    loading: Loading
    delegate: str
    models: list[Model]
    audience: Audience
    top: int
    smooth: float
    limits: Limits
    keep_answers: bool
    lines: JsonLines | None = None
    timings: Timings = field(default_factory=Timings)
    answers: list[FrameAnswer] = field(default_factory=list)
    earlier: list[Segment] = field(default_factory=list)
    unanswered: int = 0

    def label(self, watching: Watching) -> None:
        """Labels frames until the source, a limit or the person at the window ends it."""
        chosen = self.delegate
        while True:
            try:
                over = self._label_on_one(watching)
            except GateError as error:
                # A delegate that was only tried out in the window may fail without harm.
                if self.delegate == chosen:
                    raise
                watching.say(str(error))
                self._take(watching, chosen, self.loading.load(chosen))
                continue
            if over:
                break
            self._next_delegate(watching)
        watching.end()

    def _label_on_one(self, watching: Watching) -> bool:
        """Whether the run is over; otherwise another delegate is wished for."""
        model, allow = self.models[0], self.loading.runtime.allow_disagreement
        steps = label_frames(
            self.models,
            watching.source,
            self.timings,
            Wanted(
                limits=self.limits,
                smooth=Smoothing(self.smooth) if self.smooth else None,
                check=AgreementCheck(model.model, model.engine, allow=allow),
                in_line=model.model.signal_size is not None,
            ),
        )
        try:
            for step in steps:
                self._keep(step, watching)
                if watching.over:
                    return True
                if watching.wants_next_delegate():
                    return False
        finally:
            watching.interrupt()
            steps.close()
        return True

    def _keep(self, step: Step, watching: Watching) -> None:
        if isinstance(step.measured, (Prediction, Picture)) and not step.measured.finite:
            self.unanswered += 1
        kept = self.keep_answers and len(self.answers) < MOST_PREDICTIONS
        if self.lines or kept:
            answer = as_measured(step, self.top)
            if self.lines:
                self.lines.write(step, answer, self.top)
            if kept:
                self.answers.append(answer)
        self.audience.step(step, self.timings, self.top)
        watching.show(step, self.timings, self.top, self.models[0].engine)

    def _next_delegate(self, watching: Watching) -> None:
        """Goes on with the next delegate that loads here, or with the same one."""
        known = [d for d in (*DELEGATES, self.delegate) if d != "auto"]
        now = self.models[0].engine.delegate
        current = now.requested if now.requested in known else "cpu" if now.on_cpu else now.used
        place = known.index(current) if current in known else 0
        for delegate in [*known[place + 1 :], *known[:place]]:
            if delegate == current:
                continue
            watching.hint(f"loading {delegate} …")
            try:
                self._take(watching, delegate, self.loading.load(delegate))
                return watching.say(f"now on {words(self.models[0].engine.delegate)}")
            except CnnedgeError as error:
                watching.say(str(error))
        watching.say("no other delegate runs this model here")
        return None

    def _take(self, watching: Watching, delegate: str, models: list[Model]) -> None:
        self.earlier.append(summary(self.models, watching.source, self.timings).segment)
        for model in self.models:
            model.engine.close()
        rest = self.timings.left_over(watching.source)
        self.limits = _rest(self.limits, self.timings)
        self.delegate, self.models, self.timings = delegate, models, Timings()
        self.timings.leave_over(watching.source, rest)

    def result(self, source: Source, outlets: Outlets) -> RunResult:
        """The run: the figures are those of the last delegate."""
        answers = tuple(self.answers) or None
        raw = self.loading.raw
        return replace(
            summary(self.models, source, self.timings),
            smooth_s=self.smooth,
            conditions=conditions.state(),
            unanswered=self.unanswered or None,
            earlier=tuple(self.earlier) or None,
            predictions=None if raw else answers,
            outputs=answers if raw else None,
            saved=outlets.save,
            jsonl=outlets.jsonl,
        )


def _rest(limits: Limits, timings: Timings) -> Limits:
    """What is left of them."""
    frames, duration = limits.frames, limits.duration
    return Limits(
        frames=None if frames is None else frames - timings.frames,
        duration=None if duration is None else duration - (timings.ended - timings.started),
    )
