"""Linear classifiers on frozen features, folded into a Dense layer with softmax.

Features and classes enter; the kernel and bias of a Dense layer leave, so that the whole converts
like any other network. Features are standardised for fitting, and the standardisation is folded
in as well.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import DataError

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]
Kind = Literal["logistic", "svm"]

# Inverse strengths of the L2 penalty that cross-validation chooses from.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_FOLDS = 3


@dataclass(frozen=True, kw_only=True)
class Linear:
    """softmax(features @ kernel + bias): float32 [d, classes] and [classes].

    strength: the inverse penalty C. scores: the accuracy in cross-validation of each strength.
    """

    kernel: Rows
    bias: Rows
    strength: float
    scores: dict[float, float]


def fit_linear(
    kind: Kind,
    features: Rows,
    classes: Classes,
    *,
    views: int = 1,
    balanced: bool = False,
    seed: int = 0,
) -> Linear:
    """Fits multinomial logistic regression or a linear SVM (one against the rest).

    features: float32 [views * n, d], view 0 of all n pictures, then view 1 of all; classes: int64,
    of each row, each from 0 on present. balanced: every class weighs the same in sum. The strength
    with the best cross-validated accuracy on view 0 is taken, of equals the strongest penalty; a
    picture is judged by a classifier that saw no view of it. An SVM's scores are no probabilities:
    they are scaled by one factor, fitted to the cross-validated scores (temperature scaling, Guo
    et al. 2017).
    Raises DataError for fewer than two pictures of a class.
    """
    count = int(classes.max()) + 1
    pictures = classes[: len(classes) // views]
    fewest = int(np.bincount(pictures, minlength=count).min())
    if fewest < 2:
        raise DataError("a class has fewer than 2 training pictures; a linear classifier needs 2")
    mean = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    # What varies by float32 rounding alone is constant: scaled up, that noise would be a feature.
    deviation[deviation < 1e-9 + 1e-6 * np.abs(mean)] = 1.0
    rows = (features - mean) / deviation
    folds = _folds(pictures, views, min(_FOLDS, fewest), seed)
    scores, outside = {}, {}
    for strength in STRENGTHS:
        outside[strength] = _cross_scores(kind, rows, classes, strength, folds, balanced, seed)
        scores[strength] = float(np.mean(outside[strength].argmax(axis=1) == pictures))
    best = max(STRENGTHS, key=lambda c: (scores[c], -c))
    kernel, bias = _fit(kind, rows, classes, best, balanced, seed)
    factor = _temperature(outside[best], pictures) if kind == "svm" else 1.0
    kernel = kernel / deviation[:, None]
    bias = bias - mean @ kernel
    return Linear(
        kernel=(factor * kernel).astype(np.float32),
        bias=(factor * bias).astype(np.float32),
        strength=best,
        scores=scores,
    )


def _folds(pictures: Classes, views: int, count: int, seed: int) -> Any:
    """(rows to learn, pictures to judge); pictures: the class of each."""
    from sklearn.model_selection import StratifiedKFold

    split = StratifiedKFold(count, shuffle=True, random_state=seed)
    starts = len(pictures) * np.arange(views)[:, None]
    return [((starts + train).ravel(), judged) for train, judged in split.split(pictures, pictures)]


def _cross_scores(
    kind: Kind,
    rows: Floats,
    classes: Classes,
    strength: float,
    folds: Any,
    balanced: bool,
    seed: int,
) -> Floats:
    """Scores [n, classes] of each picture by a classifier that never saw it."""
    result = np.zeros((sum(len(judged) for _, judged in folds), int(classes.max()) + 1))
    for train, judged in folds:
        kernel, bias = _fit(kind, rows[train], classes[train], strength, balanced, seed)
        result[judged] = rows[judged] @ kernel + bias
    return result


def _fit(
    kind: Kind, rows: Floats, classes: Classes, strength: float, balanced: bool, seed: int
) -> tuple[Floats, Floats]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    weight = "balanced" if balanced else None
    model: Any = (
        LogisticRegression(C=strength, class_weight=weight, max_iter=500, tol=1e-3)
        if kind == "logistic"
        else LinearSVC(C=strength, class_weight=weight, random_state=seed, tol=1e-3)
    )
    with warnings.catch_warnings():
        # Near enough after 500 steps; the cross-validated accuracy says what it is worth.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, classes)
    kernel, bias = model.coef_.T, model.intercept_
    if kernel.shape[1] == 1:
        # Two classes have one score z; softmax of (-z/2, z/2) is its sigmoid.
        return np.hstack([-kernel / 2, kernel / 2]), np.concatenate([-bias / 2, bias / 2])
    return kernel, bias


def _temperature(scores: Floats, classes: Classes) -> float:
    """The factor that makes softmax(factor * scores) the likeliest."""
    from scipy.optimize import minimize_scalar

    def cost(logarithm: float) -> float:
        scaled = np.exp(logarithm) * scores
        top = scaled.max(axis=1, keepdims=True)
        total = np.log(np.exp(scaled - top).sum(axis=1)) + top[:, 0]
        return float(np.mean(total - scaled[np.arange(len(classes)), classes]))

    return float(np.exp(minimize_scalar(cost, bounds=(-5, 5), method="bounded").x))
