"""What a linear classifier is worth on bursts that it has not seen.

Feature rows with their classes and groups enter; an accuracy leaves, or the reason why there is
none. Every picture is judged by a classifier that learnt, and was chosen, without its burst.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..results import wilson
from ..training.folds import Numbers, fewest_groups, grouped
from ..training.linear import FLOORS, Linear, Rows, fit_linear

# More folds leave more to learn from, and take longer.
_FOLDS = 5
# Whole runs over the floors cost more than they tell here.
_FLOORS = (0.5,)


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Features float32 [n, d]; classes, groups: int64 [n]. names: of the classes. balanced, seed:
    as the recipe has it."""

    rows: Rows
    classes: Numbers
    groups: Numbers
    names: Sequence[str]
    balanced: bool = False
    seed: int = 0

    def of(self, chosen: npt.NDArray[np.bool_]) -> Lesson:
        """Of these pictures alone; bool [n]."""
        return replace(
            self,
            rows=self.rows[chosen],
            classes=self.classes[chosen],
            groups=self.groups[chosen],
        )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """accuracy: of `pictures` in `bursts`, a fraction; None where there is nothing to judge by.
    ci95: its 95 % interval, by bursts, because the pictures of a burst are right or wrong together.
    once: classes that were shot in one burst alone."""

    accuracy: float | None
    ci95: tuple[float, float] | None
    pictures: int
    bursts: int
    once: tuple[str, ...]


def measure(lesson: Lesson) -> Measured:
    """By bursts. Raises DataError for a class with too few pictures to fit anything."""
    several = fewest_groups(lesson.groups, lesson.classes)
    bursts = len(np.unique(lesson.groups))
    if several < 2:
        once = [
            name
            for target, name in enumerate(lesson.names)
            if len(np.unique(lesson.groups[lesson.classes == target])) < 2
        ]
        return Measured(
            accuracy=None, ci95=None, pictures=len(lesson.rows), bursts=bursts, once=tuple(once)
        )
    folds = grouped(lesson.groups, lesson.classes, min(_FOLDS, several), lesson.seed)
    accuracy = float(np.mean(answers(lesson, folds) == lesson.classes))
    return Measured(
        accuracy=accuracy,
        ci95=wilson(round(accuracy * bursts), bursts),
        pictures=len(lesson.rows),
        bursts=bursts,
        once=(),
    )


def fitted(lesson: Lesson, floors: Sequence[float] = FLOORS) -> Linear:
    """The classifier of all pictures. Raises DataError for a class with fewer than two."""
    return fit_linear(
        "logistic",
        lesson.rows,
        lesson.classes,
        balanced=lesson.balanced,
        seed=lesson.seed,
        floors=floors,
        groups=lesson.groups,
    )


def answers(lesson: Lesson, folds: Numbers) -> Numbers:
    """The class of each picture, int64 [n], by a classifier of the other folds."""
    found = np.full(len(lesson.classes), -1, np.int64)
    for fold in np.unique(folds):
        judged = folds == fold
        linear = fitted(lesson.of(~judged), _FLOORS)
        found[judged] = (lesson.rows[judged] @ linear.kernel + linear.bias).argmax(axis=1)
    return found
