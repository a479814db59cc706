"""Folds for cross-validation that keep together what belongs together.

Groups and classes of pictures enter; the fold of each picture leaves.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def fewest_groups(groups: Numbers, classes: Numbers) -> int:
    """How many groups the class with the fewest has. groups, classes: int64 [n]."""
    pairs = np.unique(np.stack([classes, groups]), axis=1)
    return int(np.bincount(pairs[0], minlength=int(classes.max()) + 1).min())


def grouped(groups: Numbers, classes: Numbers, count: int, seed: int) -> Numbers:
    """The fold of each picture, 0..count-1, int64 [n]; a group lies in one fold whole.

    The groups of each class are dealt to the folds in turn, the largest first, so a class with two
    groups or more is missing from the training side of no fold. groups, classes: int64 [n].
    """
    rng = np.random.default_rng(seed)
    found = np.full(len(groups), -1, np.int64)
    filled = np.zeros(count, np.int64)
    for target in range(int(classes.max()) + 1):
        mine, sizes = np.unique(groups[(classes == target) & (found < 0)], return_counts=True)
        order = rng.permutation(len(mine))
        order = order[np.argsort(-sizes[order], kind="stable")]
        free: list[int] = []
        for place in order.tolist():
            # Each fold gets one group of the class before any gets a second.
            free = free or sorted(range(count), key=lambda f: (filled[f], f))
            fold = free.pop(0)
            found[groups == mine[place]] = fold
            filled[fold] += sizes[place]
    return found
