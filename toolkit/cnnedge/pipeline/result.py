"""What a run did: of each frame its answer, and of all of them one result.

Models, a source and timings enter; a RunResult leaves. What another machine says of a run of its
own is read into the same types.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from ..camera import Source
from ..classifier import Prediction, Score
from ..conditions import State
from ..engines import Ran
from ..specs.limits import Range
from ..specs.values import Length, omitted, plain
from .step import STAGES, FrameModel, Step
from .timings import Timings

_NO_NUMBERS = "the model returned no numbers"
# Predictions are kept for pictures and short videos; an endless camera would fill the memory.
MOST_PREDICTIONS = 100_000
_Count = Annotated[int, Range(0, 10**15)]
_Number = Annotated[float, Range(-1e15, 1e15)]


@dataclass(frozen=True, kw_only=True)
class Said:
    """One class that a frame may show. score: None where the model names its class without one;
    all None where it answered no number."""

    label: str | None = None
    score: float | None = None
    index: int | None = None

    def as_json(self) -> dict[str, Any]:
        # A camera gives many a second.
        return {"label": self.label, "score": self.score, "index": self.index}


@dataclass(frozen=True, kw_only=True)
class OutputSaid:
    """One output of a model that is no classifier; values: of a small one, as nested lists."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    values: Any = omitted()


@dataclass(frozen=True, kw_only=True)
class PictureSaid:
    """An answer that is a picture: its size in pixels, as the model draws it."""

    height: _Count
    width: _Count
    channels: _Count


@dataclass(frozen=True, kw_only=True)
class FrameAnswer:
    """The answer for one frame. frame: its index. name: as the source calls it.

    top: the best classes. present: of classes that are scored each by itself, those that are
    there. problem: why there is no answer. outputs, picture: in place of labels. start: of a window
    out of a signal, the number of its first value.
    """

    frame: _Count
    name: str
    start: _Count | None = omitted()
    top: tuple[Said, ...] | None = omitted()
    present: tuple[Said, ...] | None = omitted()
    problem: str | None = omitted()
    outputs: tuple[OutputSaid, ...] | None = omitted()
    picture: PictureSaid | None = omitted()


@dataclass(frozen=True, kw_only=True)
class FrameLine(FrameAnswer):
    """The same with its times. captured_s: the Unix time of the frame. pts_s: its time within the
    clip, None for what is none. smoothed: the labels as they are shown."""

    captured_s: float
    pts_s: float | None = None
    smoothed: tuple[Said, ...] | None = omitted()
    stages_ms: Mapping[str, _Number]
    age_ms: _Number

    def as_json(self) -> dict[str, Any]:
        # Of signals there are thousands a second.
        held = vars(self)
        return {
            name: held[name] if name in _NUMBERS else plain(held[name])
            for name, may_be_omitted in _LINE
            if not may_be_omitted or held[name] is not None
        }


# Of a line, what JSON has as it is; and each field, with whether it is left out where it is None.
_NUMBERS = frozenset({"frame", "name", "start", "captured_s", "pts_s", "stages_ms", "age_ms"})
_LINE = tuple((f.name, bool(f.metadata)) for f in dataclasses.fields(FrameLine))


@dataclass(frozen=True, kw_only=True)
class Times:
    """Statistics of one stage, in milliseconds."""

    median: _Number
    p90: _Number
    p99: _Number
    max: _Number = 0.0


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Of each stage."""

    capture: Times
    preprocess: Times
    inference: Times
    postprocess: Times


@dataclass(frozen=True, kw_only=True)
class Segment(Ran):
    """What ran on one delegate, where a run went through several."""

    frames: _Count
    fps: _Number
    stages_ms: Stages
    frame_age_ms: Times


@dataclass(frozen=True, kw_only=True)
class RunResult(Segment):
    """The run contract. frame_age_ms: from captured pixels to label.

    dropped: older frames that gave way to newer ones. skipped: what could not be read. workers:
    interpreters side by side. unanswered: frames without a number. earlier: other delegates before
    this one. predictions, outputs: of every frame, where they are kept. saved, jsonl: where to.
    device: where that is another machine.
    """

    model: str
    sha256: str
    source: str
    dropped: _Count
    skipped: tuple[str, ...]
    workers: _Count
    assumptions: tuple[str, ...]
    smooth_s: float = 0.0
    reconnects: _Count = 0
    conditions: State = State()
    unanswered: _Count | None = omitted()
    earlier: tuple[Segment, ...] | None = omitted()
    predictions: Annotated[tuple[FrameAnswer, ...], Length(0, MOST_PREDICTIONS)] | None = omitted()
    outputs: Annotated[tuple[FrameAnswer, ...], Length(0, MOST_PREDICTIONS)] | None = omitted()
    saved: str | None = None
    jsonl: str | None = None
    device: str | None = omitted()

    @property
    def segment(self) -> Segment:
        """The part of it that says what ran."""
        return Segment(
            **vars(self.ran),
            frames=self.frames,
            fps=self.fps,
            stages_ms=self.stages_ms,
            frame_age_ms=self.frame_age_ms,
        )

    @property
    def ran(self) -> Ran:
        """What computed."""
        return Ran(
            engine=self.engine,
            engine_version=self.engine_version,
            threads=self.threads,
            precision=self.precision,
            delegate=self.delegate,
        )


def summary(
    models: FrameModel | Sequence[FrameModel], source: Source, timings: Timings
) -> RunResult:
    """What a run did, without predictions. models: one, or the workers of a run."""
    several = models if isinstance(models, Sequence) else (models,)
    first = several[0]
    stages = {name: Times(**timings.stages[name].statistics()) for name in STAGES}
    return RunResult(
        model=str(first.model.path),
        sha256=first.model.sha256,
        source=source.name,
        frames=timings.frames,
        dropped=source.dropped + timings.dropped,
        skipped=tuple(source.skipped),
        fps=timings.fps,
        stages_ms=Stages(**stages),
        frame_age_ms=Times(**timings.age.statistics()),
        workers=len(several),
        assumptions=tuple(first.assumptions),
        reconnects=source.reconnects,
        **vars(first.engine.described()),
    )


def answer_of(step: Step, top: int) -> FrameAnswer:
    """One prediction; all None where the model returned no numbers."""
    found: Prediction = step.prediction
    frame, name = step.frame.index, step.frame.name
    if not found.finite:
        nothing = (Said(),)
        start = step.frame.start
        return FrameAnswer(frame=frame, name=name, start=start, top=nothing, problem=_NO_NUMBERS)
    return FrameAnswer(
        frame=frame,
        name=name,
        start=step.frame.start,
        top=tuple(_said(s, found.graded) for s in found.top(top)),
        present=tuple(_said(s, True) for s in found.present) if found.independent else None,
    )


def _said(score: Score, graded: bool) -> Said:
    return Said(label=score.label, score=score.score if graded else None, index=score.index)
