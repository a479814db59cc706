"""The classical way, as the course's sunset detector has it: moments of colour on a grid, and two
classifiers on them by scikit-learn, an SVM with an RBF kernel and small networks.

Pixels enter; 294 numbers leave: the mean and the variance of L, S and T in each cell of 7 x 7,
with L = R + G + B, S = R - B and T = R - 2 G + B. Features and classes enter; the numbers that a
graph needs leave.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]

GRID = 7
SIDE = 98
CELL = SIDE // GRID
# Rows: R, G, B; columns: L, S, T.
LST = np.array([[1, 1, 1], [1, 0, -2], [1, -1, 1]], np.float64)
COUNT = GRID * GRID * 3 * 2

COSTS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
# Multiples of 1 / number of features, which is the size of a squared distance.
GAMMAS = (0.1, 0.3, 1.0, 3.0)
HIDDEN: tuple[tuple[int, ...], ...] = ((32,), (32, 16), (64, 32, 16))
_FOLDS = 5
_SEED = 0


def lst(pixels: npt.NDArray[np.uint8]) -> Features:
    """RGB as L, S, T: float64 [..., 3]. pixels: uint8 [..., 3]."""
    return np.asarray(pixels.astype(np.float64) @ LST, np.float64)


def moments(pixels: npt.NDArray[np.uint8]) -> Features:
    """float64 [n, 294]: cell by cell in rows, three means and then three variances each.

    pixels: uint8 [n, 98, 98, 3] RGB.
    """
    cells = lst(pixels).reshape(-1, GRID, CELL, GRID, CELL, 3)
    both = (cells.mean(axis=(2, 4)), cells.var(axis=(2, 4)))
    return np.concatenate(both, axis=-1).reshape(len(pixels), COUNT)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaling:
    """Features are (x - mean) / deviation; float64 [294] each, no deviation is 0."""

    mean: Features
    deviation: Features

    def __call__(self, features: Features) -> Features:
        return np.asarray((features - self.mean) / self.deviation, np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class RbfSvm:
    """decision(x) = sum of weights * exp(-gamma * |x - vector|^2) + bias; above 0: class 1.

    vectors: float64 [n, 294], scaled. cost, gamma: chosen by cross-validation, whose accuracy is
    `validated`.
    """

    scaling: Scaling
    vectors: Features
    weights: Features
    bias: float
    gamma: float
    cost: float
    validated: float

    def decision(self, features: Features) -> Features:
        """float64 [n], by the definition."""
        scaled = self.scaling(features)
        apart = ((scaled[:, None, :] - self.vectors[None]) ** 2).sum(axis=2)
        return np.asarray(np.exp(-self.gamma * apart) @ self.weights + self.bias, np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class SmallNetwork:
    """Dense layers with ReLU between them: kernels and biases, the last with one output.

    hidden: the sizes between. validated: the accuracy in cross-validation of each size tried.
    """

    scaling: Scaling
    kernels: tuple[Features, ...]
    biases: tuple[Features, ...]
    hidden: tuple[int, ...]
    validated: dict[str, float]


def scaling_of(features: Features) -> Scaling:
    deviation = features.std(axis=0)
    # What does not vary tells nothing, and must not become infinite.
    deviation[deviation < 1e-9] = 1.0
    return Scaling(mean=features.mean(axis=0), deviation=deviation)


def fit_svm(features: Features, classes: Classes) -> RbfSvm:
    """features: float64 [n, 294]; classes: 0 or 1."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC

    scaling = scaling_of(features)
    grid = {"C": COSTS, "gamma": [g / features.shape[1] for g in GAMMAS]}
    search = GridSearchCV(SVC(kernel="rbf"), grid, cv=_folds(classes))
    search.fit(scaling(features), classes)
    best: Any = search.best_estimator_
    return RbfSvm(
        scaling=scaling,
        vectors=np.asarray(best.support_vectors_),
        weights=np.asarray(best.dual_coef_[0]),
        bias=float(best.intercept_[0]),
        gamma=float(search.best_params_["gamma"]),
        cost=float(search.best_params_["C"]),
        validated=float(search.best_score_),
    )


def fit_network(
    features: Features, classes: Classes, sizes: Sequence[tuple[int, ...]] = HIDDEN
) -> SmallNetwork:
    """The best of `sizes` in cross-validation, fitted to all."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import cross_val_score
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    scaling = scaling_of(features)
    scaled = scaling(features)

    def network(hidden: tuple[int, ...]) -> Any:
        return MLPClassifier(hidden, alpha=0.1, max_iter=60, random_state=_SEED)

    # More threads for products as small as these only wait for each other.
    with threadpool_limits(1), warnings.catch_warnings():
        # A bound on the time, not a fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        validated = {
            hidden: float(
                cross_val_score(network(hidden), scaled, classes, cv=_folds(classes)).mean()
            )
            for hidden in sizes
        }
        chosen = max(validated, key=lambda hidden: validated[hidden])
        fitted = network(chosen).fit(scaled, classes)
    return SmallNetwork(
        scaling=scaling,
        kernels=tuple(np.asarray(k) for k in fitted.coefs_),
        biases=tuple(np.asarray(b) for b in fitted.intercepts_),
        hidden=chosen,
        validated={"-".join(map(str, hidden)): share for hidden, share in validated.items()},
    )


def _folds(classes: Classes) -> Any:
    from sklearn.model_selection import StratifiedKFold

    count = min(_FOLDS, int(np.bincount(classes, minlength=2).min()))
    return StratifiedKFold(count, shuffle=True, random_state=_SEED)
