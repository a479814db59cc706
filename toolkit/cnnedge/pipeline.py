"""Frames to labels, timed per stage.

A source and a classifier enter; one Step per frame leaves, and a summary in the form of the run
contract at the end.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .camera import Frame, Source
from .classifier import Classifier, Prediction
from .preprocess import Pixels
from .results import stage

STAGES = ("capture", "preprocess", "inference", "postprocess")
# Predictions are kept for pictures and short videos; an endless camera would fill the memory.
MOST_PREDICTIONS = 100_000


@dataclass(frozen=True)
class Step:
    """One labelled frame. age_ms: from captured pixels to label."""

    frame: Frame
    prediction: Prediction
    inference_ms: float
    age_ms: float


@dataclass
class Timings:
    """Milliseconds of every frame, per stage."""

    stages: dict[str, array[float]] = field(
        default_factory=lambda: {name: array("d") for name in STAGES}
    )
    age: array[float] = field(default_factory=lambda: array("d"))
    started: float = field(default_factory=time.perf_counter)
    ended: float = 0.0

    @property
    def frames(self) -> int:
        return len(self.age)

    @property
    def fps(self) -> float:
        """Frames per second so far."""
        seconds = (self.ended or time.perf_counter()) - self.started
        return self.frames / seconds if seconds > 0 else 0.0

    def add(self, marks: tuple[float, float, float, float, float], captured_at: float) -> None:
        """Keeps one frame: the five moments (seconds) between which its four stages lie."""
        for name, begin, end in zip(STAGES, marks[:-1], marks[1:], strict=True):
            self.stages[name].append((end - begin) * 1000)
        self.age.append((marks[-1] - captured_at) * 1000)


def label_frames(
    classifier: Classifier,
    source: Source,
    timings: Timings,
    *,
    frames: int | None = None,
    duration: float | None = None,
) -> Iterator[Step]:
    """Labels frames until the source ends, `frames` are done or `duration` seconds are over."""
    clock = time.perf_counter
    timings.started = clock()
    iterator = iter(source)
    try:
        while frames is None or timings.frames < frames:
            begin = clock()
            if duration is not None and begin - timings.started >= duration:
                break
            frame = next(iterator, None)
            if frame is None:
                break
            captured = clock()
            pixels: Pixels = classifier.prepare(frame.pixels)
            classifier.engine.set_input(classifier.encode(pixels))
            prepared = clock()
            raw = classifier.engine.invoke()
            inferred = clock()
            prediction = classifier.decode(raw)
            done = clock()
            timings.add((begin, captured, prepared, inferred, done), frame.captured_at)
            timings.ended = done
            yield Step(
                frame, prediction, (inferred - prepared) * 1000, (done - frame.captured_at) * 1000
            )
    finally:
        timings.ended = clock()


def summary(classifier: Classifier, source: Source, timings: Timings) -> dict[str, Any]:
    """What a run did, in the form of the run contract, without predictions."""
    report = classifier.engine.delegate
    return {
        "model": str(classifier.model.path),
        "sha256": classifier.model.sha256,
        "source": source.name,
        "frames": timings.frames,
        "dropped": source.dropped,
        "skipped": list(source.skipped),
        "fps": timings.fps,
        "stages_ms": {name: stage(timings.stages[name]) for name in STAGES},
        "frame_age_ms": stage(timings.age),
        "engine": classifier.engine.name,
        "engine_version": classifier.engine.version,
        "threads": classifier.engine.threads,
        "delegate": report.as_json(),
        "assumptions": list(classifier.assumptions),
    }


def prediction_json(step: Step, top: int) -> dict[str, Any]:
    """One prediction for the JSON of a run."""
    return {
        "frame": step.frame.index,
        "name": step.frame.name,
        "top": [
            {"label": s.label, "score": s.score, "index": s.index} for s in step.prediction.top(top)
        ],
    }
