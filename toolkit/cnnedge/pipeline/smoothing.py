"""Steady labels: predictions of moving pictures, smoothed over time.

Predictions with the time of their frames enter in order; smoothed ones leave. Scores follow an
exponential average, so that one odd frame is not seen; the label has hysteresis, so that two
classes with nearly the same score do not flicker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..classifier import Prediction, Score, Scores

# How long a change of the labels of a live source takes to come through.
LIVE_SECONDS = 0.5
# How far another class must lead the shown one, as a share of the span of all scores.
MARGIN = 0.1


@dataclass(frozen=True)
class SmoothedPrediction(Prediction):
    """Scores averaged over time. shown: the class that stays until another leads it clearly."""

    shown: int = 0

    @property
    def index(self) -> int:
        return self.shown

    def top(self, count: int = 5) -> list[Score]:
        """The shown class first, then the best of the others."""
        best = super().top(count)
        others = [s for s in best if s.index != self.shown]
        score = Score(self.label, self.score, self.shown)
        return [score, *others][:count]


class Smoothing:
    """An exponential average of the scores, with hysteresis of the label.

    seconds: the time constant: after it, 63 % of a change has taken effect, whatever the frame
    rate. margin: how far another class must lead the shown one before it is shown instead, as a
    share of the span of the scores. Keeps state: one for each source, not thread-safe. Raises
    ValueError for a time that is not positive (without smoothing, give no Smoothing).
    """

    def __init__(self, seconds: float, *, margin: float = MARGIN) -> None:
        if not seconds > 0:
            raise ValueError(f"the time constant is {seconds} s; it must be above 0")
        self.seconds = seconds
        self.margin = margin
        self._scores: Scores | None = None
        self._time = 0.0
        self._shown = 0

    def __call__(self, prediction: Prediction, time: float) -> Prediction:
        """The smoothed prediction. time: of the frame, in seconds from any origin.

        One without numbers, or with a class without a score, is returned unchanged.
        """
        if not (prediction.finite and prediction.graded):
            return prediction
        if self._scores is None or self._scores.shape != prediction.scores.shape:
            self._scores = prediction.scores.copy()
            self._shown = prediction.index
        else:
            passed = max(0.0, time - self._time)
            share = np.float32(-math.expm1(-passed / self.seconds))
            self._scores = self._scores + share * (prediction.scores - self._scores)
            best = int(self._scores.argmax())
            lead = self._scores[best] - self._scores[self._shown]
            if lead > self.margin * (self._scores[best] - self._scores.min()):
                self._shown = best
        self._time = time
        return SmoothedPrediction(
            self._scores,
            prediction.labels,
            independent=prediction.independent,
            listed=prediction.listed,
            shown=self._shown,
        )
