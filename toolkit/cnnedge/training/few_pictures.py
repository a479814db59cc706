"""What it means that there are few pictures, said before any training."""

from __future__ import annotations

import numpy as np

from ..data import Dataset
from ..results import wilson
from ..specs import spoken

_FEW_TO_LEARN = 30
_FEW_TO_JUDGE = 50


def said(dataset: Dataset) -> tuple[str, ...]:
    """Warnings; empty if there are enough pictures."""
    warnings = []
    train = dataset.indices("train")
    counts = np.bincount(dataset.targets[train], minlength=len(dataset.classes))
    fewest = int(counts.argmin())
    if counts[fewest] < _FEW_TO_LEARN:
        warnings.append(
            f"few pictures to learn from: '{dataset.classes[fewest]}' has {counts[fewest]} for "
            "training. A model learns whatever they have in common, even the background: add "
            "pictures from other places and people; aim for a hundred per class"
        )
    tests = len(dataset.indices("test"))
    if 0 < tests < _FEW_TO_JUDGE:
        low, _ = wilson(tests, tests)
        one = 100 / tests
        warnings.append(
            f"few pictures to test with: the test part holds {tests}, so each counts for {one:.1f} "
            "points, and even if all of them are right, that only shows an accuracy above "
            f"{100 * low:.0f} % (95 % interval)"
        )
    return tuple(spoken(text, dataset.noun) for text in warnings)
