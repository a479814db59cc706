"""Linear classifiers on frozen features, folded into a Dense layer with softmax.

Features and classes enter; the kernel and bias of a Dense layer leave, so that the whole converts
like any other network. Features are divided by their spread for fitting, and that is folded in as
well.

A feature that hardly varies would get weights hundreds of times those of others: int8 has one scale
for each class, so the giants crush the rest, and they amplify the rounding of the features. So the
spread has a floor, a multiple of the median spread, chosen by what the classifier answers in int8.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..conditions import usable_cores
from ..errors import DataError
from .folds import fewest_groups, grouped

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]
Kind = Literal["logistic", "svm"]

# Inverse strengths of the L2 penalty that cross-validation chooses from.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# Multiples of the median spread that no feature's spread is below; the first is tried with every
# strength, the others with the best one.
FLOORS = (0.5, 1.0, 2.0)
_FOLDS = 3
_LEVELS = 255
# So many features for each picture are many.
_FEW = 4


@dataclass(frozen=True, kw_only=True)
class Linear:
    """softmax(features @ kernel + bias): float32 [d, classes] and [classes].

    strength: the inverse penalty C. scores: the accuracy in cross-validation of each strength.
    floor: what multiple of the median spread is the least. agreement: the part of the pictures
    that the classifier, in cross-validation, labels alike in float and in int8.
    """

    kernel: Rows
    bias: Rows
    strength: float
    scores: dict[float, float]
    floor: float
    agreement: float


def fit_linear(
    kind: Kind,
    features: Rows,
    classes: Classes,
    *,
    views: int = 1,
    balanced: bool = False,
    seed: int = 0,
    floors: Sequence[float] = FLOORS,
    groups: Classes | None = None,
) -> Linear:
    """Fits multinomial logistic regression or a linear SVM (one against the rest).

    features: float32 [views * n, d], view 0 of all n pictures, then view 1 of all; classes: int64,
    of each row, each from 0 on present. balanced: every class weighs the same in sum. The strength
    with the best cross-validated accuracy on view 0 is taken, of equals the strongest penalty; a
    picture is judged by a classifier that saw no view of it. An SVM's scores are no probabilities:
    they are scaled by one factor, fitted to the cross-validated scores (temperature scaling, Guo
    et al. 2017). floors: of the spread, in multiples of its median, to choose from. groups: int64
    [n], of pictures that belong together; where every class has several, a picture is judged by a
    classifier that saw none of its group.
    Raises DataError for fewer than two pictures of a class.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    count = int(classes.max()) + 1
    pictures = classes[: len(classes) // views]
    fewest = int(np.bincount(pictures, minlength=count).min())
    if fewest < 2:
        raise DataError("a class has fewer than 2 training pictures; a linear classifier needs 2")
    mean = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    # What varies by float32 rounding alone is constant: scaled up, that noise would be a feature.
    deviation[deviation < 1e-9 + 1e-6 * np.abs(mean)] = 0.0
    judge = _Judge(
        kind=kind,
        features=features,
        classes=classes,
        folds=_folds(pictures, views, seed, groups),
        balanced=balanced,
        seed=seed,
    )
    # Many small products: threads of BLAS would wait for each other longer than they work.
    with threadpool_limits(1), warnings.catch_warnings():
        # Near enough after 500 steps; the cross-validated accuracy says what it is worth.
        warnings.simplefilter("ignore", ConvergenceWarning)
        best = judge.best(mean, deviation, floors)
        spread = _floored(deviation, best.floor)
        rows = (features - mean) / spread
        kernel, bias = _fit(kind, rows, classes, best.strength, balanced, seed)
    factor = _temperature(best.answers.scores, pictures) if kind == "svm" else 1.0
    kernel = kernel / spread[:, None]
    bias = bias - mean @ kernel
    return Linear(
        kernel=(factor * kernel).astype(np.float32),
        bias=(factor * bias).astype(np.float32),
        strength=best.strength,
        scores=best.scores,
        floor=best.floor,
        agreement=best.answers.agreement,
    )


def _floored(deviation: Floats, floor: float) -> Floats:
    """The spread of each feature, at least `floor` times the median of those that vary."""
    varying = deviation[deviation > 0]
    least = floor * float(np.median(varying)) if len(varying) else 1.0
    return np.maximum(deviation, least)


@dataclass(frozen=True, kw_only=True)
class _Answers:
    """Scores [n, classes] of pictures that the classifier never saw; rounded: as in int8."""

    scores: Floats
    rounded: Floats
    truths: Classes

    @property
    def accuracy(self) -> float:
        return float(np.mean(self.scores.argmax(axis=1) == self.truths))

    @property
    def rounded_accuracy(self) -> float:
        return float(np.mean(self.rounded.argmax(axis=1) == self.truths))

    @property
    def agreement(self) -> float:
        return float(np.mean(self.scores.argmax(axis=1) == self.rounded.argmax(axis=1)))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Best:
    """The strength and the floor to take; scores: the accuracy of each strength."""

    strength: float
    floor: float
    scores: dict[float, float]
    answers: _Answers


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judge:
    """Cross-validation of one data set."""

    kind: Kind
    features: Rows
    classes: Classes
    folds: Any
    balanced: bool
    seed: int

    def best(self, mean: Floats, deviation: Floats, floors: Sequence[float]) -> _Best:
        """The strength by accuracy at the first floor, then the floor by what int8 answers."""
        spread = _floored(deviation, floors[0])
        outside = {strength: self.scores(mean, spread, strength) for strength in STRENGTHS}
        scores = {strength: found.accuracy for strength, found in outside.items()}
        strength = max(STRENGTHS, key=lambda c: (scores[c], -c))
        tried = {floors[0]: outside[strength]}
        for floor in floors[1:]:
            tried[floor] = self.scores(mean, _floored(deviation, floor), strength)
        # A higher floor costs accuracy at some point; of equals the one whose int8 differs least.
        floor = max(tried, key=lambda f: (tried[f].rounded_accuracy, tried[f].agreement, -f))
        return _Best(strength=strength, floor=floor, scores=scores, answers=tried[floor])

    def scores(self, mean: Floats, spread: Floats, strength: float) -> _Answers:
        """Each picture's answer by a classifier that saw no view of it, in float and in int8."""
        count = sum(len(judged) for _, judged in self.folds)
        exact = np.zeros((count, int(self.classes.max()) + 1))
        rounded = np.zeros_like(exact)

        def judge(fold: tuple[Classes, Classes]) -> None:
            train, judged = fold
            rows = (self.features[train] - mean) / spread
            kernel, bias = _fit(
                self.kind, rows, self.classes[train], strength, self.balanced, self.seed
            )
            kernel = kernel / spread[:, None]
            bias = bias - mean @ kernel
            exact[judged] = self.features[judged] @ kernel + bias
            rounded[judged] = _rounded(self.features[judged]) @ _rounded_kernel(kernel) + bias

        with ThreadPoolExecutor(usable_cores()) as pool:
            list(pool.map(judge, self.folds))
        return _Answers(scores=exact, rounded=rounded, truths=self.classes[:count])


def _rounded(features: Rows) -> Floats:
    """Features as an int8 network hands them on: one scale for all of them."""
    low, high = min(float(features.min()), 0.0), max(float(features.max()), 0.0)
    step = (high - low) / _LEVELS or 1.0
    rounded: Floats = np.rint(features.astype(np.float64) / step) * step
    return rounded


def _rounded_kernel(kernel: Floats) -> Floats:
    """Weights in int8: one scale for each class."""
    step: Floats = np.abs(kernel).max(axis=0) / 127
    step[step == 0] = 1.0
    rounded: Floats = np.rint(kernel / step) * step
    return rounded


def _folds(pictures: Classes, views: int, seed: int, groups: Classes | None) -> Any:
    """(rows to learn, pictures to judge); pictures: the class of each."""
    from sklearn.model_selection import StratifiedKFold

    starts = len(pictures) * np.arange(views)[:, None]
    several = 0 if groups is None else fewest_groups(groups, pictures)
    if groups is not None and several > 1:
        count = min(_FOLDS, several)
        fold = grouped(groups, pictures, count, seed)
        sides = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(count)]
    else:
        count = min(_FOLDS, int(np.bincount(pictures).min()))
        split = StratifiedKFold(count, shuffle=True, random_state=seed)
        sides = list(split.split(pictures, pictures))
    return [((starts + train).ravel(), judged) for train, judged in sides]


def _fit(
    kind: Kind, rows: Floats, classes: Classes, strength: float, balanced: bool, seed: int
) -> tuple[Floats, Floats]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    if len(rows) * _FEW <= rows.shape[1]:
        # Few pictures span few directions, and the penalty is the same in any: the same classifier,
        # found in a tenth of the time.
        narrow, basis = _spanned(rows)
        kernel, bias = _fit(kind, narrow, classes, strength, balanced, seed)
        return basis @ kernel, bias
    weight = "balanced" if balanced else None
    model: Any = (
        LogisticRegression(C=strength, class_weight=weight, max_iter=500, tol=1e-3)
        if kind == "logistic"
        else LinearSVC(C=strength, class_weight=weight, random_state=seed, tol=1e-3)
    )
    model.fit(rows, classes)
    kernel, bias = model.coef_.T, model.intercept_
    if kernel.shape[1] == 1:
        # Two classes have one score z; softmax of (-z/2, z/2) is its sigmoid.
        return np.hstack([-kernel / 2, kernel / 2]), np.concatenate([-bias / 2, bias / 2])
    return kernel, bias


def _spanned(rows: Floats) -> tuple[Floats, Floats]:
    """[n, k] and an orthonormal [d, k], whose product is `rows` [n, d]; k of at most n."""
    basis, triangle = np.linalg.qr(rows.T)
    return triangle.T, basis


def _temperature(scores: Floats, classes: Classes) -> float:
    """The factor that makes softmax(factor * scores) the likeliest."""
    from scipy.optimize import minimize_scalar

    def cost(logarithm: float) -> float:
        scaled = np.exp(logarithm) * scores
        top = scaled.max(axis=1, keepdims=True)
        total = np.log(np.exp(scaled - top).sum(axis=1)) + top[:, 0]
        return float(np.mean(total - scaled[np.arange(len(classes)), classes]))

    return float(np.exp(minimize_scalar(cost, bounds=(-5, 5), method="bounded").x))
