"""What a run did, in the form of the run contract.

Models, a source and timings enter; plain dictionaries leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..camera import Source
from ..classifier import Prediction, Score
from .step import STAGES, FrameModel, Step
from .timings import Timings

_NO_NUMBERS = "the model returned no numbers"
_NO_ANSWER = {"label": None, "score": None, "index": None}
# Predictions are kept for pictures and short videos; an endless camera would fill the memory.
MOST_PREDICTIONS = 100_000


def summary(
    models: FrameModel | Sequence[FrameModel], source: Source, timings: Timings
) -> dict[str, Any]:
    """What a run did, in the form of the run contract, without predictions.

    models: one, or the workers of a run.
    """
    several = models if isinstance(models, Sequence) else (models,)
    first = several[0]
    report = first.engine.delegate
    return {
        "model": str(first.model.path),
        "sha256": first.model.sha256,
        "source": source.name,
        "frames": timings.frames,
        "dropped": source.dropped + timings.dropped,
        "skipped": list(source.skipped),
        "fps": timings.fps,
        "stages_ms": {name: timings.stages[name].statistics() for name in STAGES},
        "frame_age_ms": timings.age.statistics(),
        "engine": first.engine.name,
        "engine_version": first.engine.version,
        "threads": first.engine.threads,
        "workers": len(several),
        "precision": first.engine.precision,
        "delegate": report.as_json(),
        "assumptions": list(first.assumptions),
    }


def prediction_json(step: Step, top: int) -> dict[str, Any]:
    """One prediction for the JSON of a run; all null if the model returned no numbers.

    score: null if the model names its class without one. present: of classes that are scored
    independently, those that are present.
    """
    answer: Prediction = step.prediction
    found: dict[str, Any] = {"frame": step.frame.index, "name": step.frame.name}
    if not answer.finite:
        return found | {"top": [_NO_ANSWER], "problem": _NO_NUMBERS}
    found["top"] = [_score_json(s, answer.graded) for s in answer.top(top)]
    if answer.independent:
        found["present"] = [_score_json(s, True) for s in answer.present]
    return found


def _score_json(score: Score, graded: bool) -> dict[str, Any]:
    return {
        "label": score.label,
        "score": score.score if graded else None,
        "index": score.index,
    }
