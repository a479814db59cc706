"""What it means that there are few pictures, said before any training."""

from __future__ import annotations

import numpy as np

from ..data import Dataset
from ..results import wilson

_FEW_TO_LEARN = 30
_FEW_TO_JUDGE = 50


def said(dataset: Dataset) -> tuple[str, ...]:
    """Warnings; empty where there are enough pictures."""
    warnings = []
    train = dataset.indices("train")
    counts = np.bincount(dataset.targets[train], minlength=len(dataset.classes))
    fewest = int(counts.argmin())
    if counts[fewest] < _FEW_TO_LEARN:
        warnings.append(
            f"few pictures to learn from: '{dataset.classes[fewest]}' has {counts[fewest]} for "
            "training. A model learns what is common to them, be it the background: add pictures "
            "from other places and people, a hundred of each class is a good beginning"
        )
    tests = len(dataset.indices("test"))
    if 0 < tests < _FEW_TO_JUDGE:
        low, _ = wilson(tests, tests)
        one = 100 / tests
        warnings.append(
            f"few pictures to judge by: the test part holds {tests}, so each counts {one:.1f} "
            f"points, and even all of them right would only show an accuracy above {100 * low:.0f} "
            "% (95 % interval)"
        )
    return tuple(warnings)
