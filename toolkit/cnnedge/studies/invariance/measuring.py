"""Accuracy and consistency of models on disturbed pictures.

Subjects and pictures enter; for each disturbance, model and strength the accuracy and the share of
labels that stayed leave, with intervals. Every model sees the same disturbed frames, and resizes
them itself, by its own rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import cv2
import numpy as np
import numpy.typing as npt

from ...data.store import Frame
from ...errors import ModelError
from ...preprocess import prepare
from ...results import Z95, Accuracy, accuracy
from ..disturbances import DRAWS, Disturbance, Draws
from ..subjects import Chosen, Scores, Subject

Progress = Callable[[str, int, int], None]
_BATCH = 64
# The longer side of a frame; larger ones are first reduced to it, or to twice the input's side.
LARGEST = 512


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over pictures, in fractions, with its 95 % interval (normal, over pictures)."""

    mean: float
    ci95: tuple[float, float]

    def clear(self, among: int) -> bool:
        """Whether it is not zero, as one of so many that were looked at: at 95 % for all of them
        together (Bonferroni)."""
        half = (self.ci95[1] - self.ci95[0]) / 2
        wanted = NormalDist().inv_cdf(1 - 0.025 / among)
        return abs(self.mean) * Z95 > wanted * half

    @classmethod
    def of(cls, values: npt.NDArray[np.float64]) -> Mean:
        mean = float(values.mean())
        spread = Z95 * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 1
        return cls(mean=mean, ci95=(mean - spread, mean + spread))


@dataclass(frozen=True, kw_only=True)
class Point:
    """One strength. accuracy: of right answers; consistency: of labels as without disturbance."""

    strength: float
    accuracy: Accuracy
    consistency: Accuracy


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What a model answered on pictures [n]. labels: int64 [n], the best class of each, and its
    probability, float32 [n]. right: bool [n]."""

    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    right: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One model under one disturbance. cost: accuracy lost, as the mean over its strengths.

    gained: mean accuracy above the first model's, on the same pictures; None of the first.
    """

    model: str
    cost: Mean
    gained: Mean | None = None
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One disturbance, a curve for each model."""

    disturbance: Disturbance
    curves: tuple[Curve, ...]


@dataclass(frozen=True, kw_only=True)
class Base:
    """A model on the undisturbed pictures."""

    model: str
    path: str
    accuracy: Accuracy


@dataclass(frozen=True, kw_only=True)
class Invariance:
    """study.json. part: of the data set that the pictures are from."""

    source: str
    part: str
    pictures: int
    bases: tuple[Base, ...]
    panels: tuple[Panel, ...]

    def worst(self, model: int) -> Panel:
        """The panel whose disturbance costs a model most."""
        return max(self.panels, key=lambda panel: panel.curves[model].cost.mean)

    def difference(self, model: int | None = None) -> tuple[Panel, Curve, float] | None:
        """Where a model (any, for None) differs most from the first, if clearly: by how much."""
        looked_at = len(self.panels) * (len(self.bases) - 1)
        found = [
            (panel, curve, curve.gained.mean)
            for panel in self.panels
            for number, curve in enumerate(panel.curves)
            if model in (None, number) and curve.gained and curve.gained.clear(looked_at)
        ]
        return max(found, key=lambda each: abs(each[2]), default=None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The result, and every single answer behind it.

    undisturbed: of each model. disturbed: by the number of panel, model and strength.
    """

    result: Invariance
    undisturbed: tuple[Answers, ...]
    disturbed: tuple[tuple[tuple[Answers, ...], ...], ...]


def measure(
    subjects: Sequence[Subject],
    chosen: Chosen,
    disturbances: Sequence[Disturbance],
    progress: Progress,
) -> Measured:
    """Runs every model on every picture at every strength. Raises CnnedgeError."""
    asking = _Asking(subjects, chosen)
    plain = asking.answers(None, 0, lambda done: progress("undisturbed", done, len(chosen)))
    panels, answers = [], []
    for disturbance in disturbances:
        of_models = _along(asking, disturbance, progress)
        panels.append(_panel(disturbance, subjects, plain, of_models))
        answers.append(of_models)
    result = Invariance(
        source=chosen.dataset.source,
        part=chosen.part,
        pictures=len(chosen),
        bases=tuple(
            Base(model=subject.name, path=str(subject.path), accuracy=accuracy(found.right))
            for subject, found in zip(subjects, plain, strict=True)
        ),
        panels=tuple(panels),
    )
    return Measured(result=result, undisturbed=tuple(plain), disturbed=tuple(answers))


def _along(
    asking: _Asking, disturbance: Disturbance, progress: Progress
) -> tuple[tuple[Answers, ...], ...]:
    """The answers of each model at each strength."""
    total = len(disturbance.strengths) * asking.count
    by_strength = []
    for number, strength in enumerate(disturbance.strengths):

        def tell(done: int, before: int = number * asking.count) -> None:
            progress(disturbance.name, before + done, total)

        by_strength.append(asking.answers(disturbance, strength, tell))
    return tuple(zip(*by_strength, strict=True))


def _panel(
    disturbance: Disturbance,
    subjects: Sequence[Subject],
    undisturbed: Sequence[Answers],
    answers: Sequence[Sequence[Answers]],
) -> Panel:
    """answers: of each model, of each strength."""
    shares = [np.mean([each.right for each in of_model], axis=0) for of_model in answers]
    curves = []
    for number, (subject, before, of_model) in enumerate(
        zip(subjects, undisturbed, answers, strict=True)
    ):
        points = tuple(
            Point(
                strength=strength,
                accuracy=accuracy(found.right),
                consistency=accuracy(found.labels == before.labels),
            )
            for strength, found in zip(disturbance.strengths, of_model, strict=True)
        )
        curves.append(
            Curve(
                model=subject.name,
                cost=Mean.of(before.right - shares[number]),
                gained=Mean.of(shares[number] - shares[0]) if number else None,
                points=points,
            )
        )
    return Panel(disturbance=disturbance, curves=tuple(curves))


class _Asking:
    """Disturbs the pictures, a batch at a time, and asks every model."""

    def __init__(self, subjects: Sequence[Subject], chosen: Chosen) -> None:
        self._subjects = subjects
        self._chosen = chosen
        self._targets = [chosen.targets(subject) for subject in subjects]
        self._side = frame_side(subjects)
        self.count = len(chosen)

    def answers(
        self,
        disturbance: Disturbance | None,
        strength: float,
        progress: Callable[[int], None],
    ) -> list[Answers]:
        """One for each model."""
        found: list[list[Scores]] = [[] for _ in self._subjects]
        for batch in _batches(self._chosen.indices):
            frames = [
                disturbed(self._frame(index), disturbance, strength, draws_of(index))
                for index in batch.tolist()
            ]
            for parts, scores in zip(found, _asked(self._subjects, frames), strict=True):
                parts.append(scores)
            progress(min(self.count, len(found[0]) * _BATCH))
        return [
            _answers(subject, np.concatenate(parts), targets)
            for subject, parts, targets in zip(self._subjects, found, self._targets, strict=True)
        ]

    def _frame(self, index: int) -> Frame:
        return reduced(self._chosen.dataset.frame(index), self._side)


def frame_side(subjects: Sequence[Subject]) -> int:
    """The longest side that a frame keeps."""
    return max(LARGEST, *(2 * max(s.size.height, s.size.width) for s in subjects))


def reduced(frame: Frame, side: int) -> Frame:
    """The frame with its longer side at most this many pixels: a photo of 12 million pixels would
    take a minute to disturb, and no model sees the difference."""
    scale = side / max(frame.shape[:2])
    if scale >= 1:
        return frame
    small: Frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return small


def draws_of(index: int) -> Draws:
    """The random numbers of a picture."""
    return np.random.default_rng([17, index]).random(DRAWS)


def disturbed(frame: Frame, how: Disturbance | None, strength: float, draws: Draws) -> Frame:
    """The frame disturbed; as it is where `how` is None."""
    return frame if how is None else how(frame, strength, draws)


def _batches(indices: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for begin in range(0, len(indices), _BATCH):
        yield indices[begin : begin + _BATCH]


def _asked(subjects: Sequence[Subject], frames: Sequence[Frame]) -> Iterator[Scores]:
    """The scores of each model. Models of one resize rule share the resized pictures."""
    ready: dict[tuple[object, object], Frame] = {}
    for subject in subjects:
        key = (subject.size, subject.rule)
        if key not in ready:
            ready[key] = np.stack([prepare(f, subject.size, subject.rule) for f in frames])
        yield subject.scores(ready[key])


def _answers(subject: Subject, scores: Scores, targets: npt.NDArray[np.int64]) -> Answers:
    if not np.isfinite(scores).all():
        raise ModelError(
            f"{subject.path}: the model returned NaN or infinity instead of scores; its weights "
            "are damaged, or its input does not match its training"
        )
    labels = scores.argmax(axis=1)
    return Answers(labels=labels, probabilities=scores.max(axis=1), right=labels == targets)
