"""What a trained model is worth on pictures it never saw, and whether there are enough of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..data import Dataset
from ..errors import DataError
from ..results import accuracy, confusion, per_class, wilson
from ..scoring import class_map
from ..specs import spoken
from .metrics import Judged

Classes = npt.NDArray[np.int64]

_FEW_TO_LEARN = 30
_FEW_TO_JUDGE = 50


def truths(labels: tuple[str, ...], dataset: Dataset, indices: Classes) -> Classes | None:
    """The correct output index of each picture; None if the model has other classes.

    A network with its published labels may be run on pictures of anything: what would be right is
    then unknown, and no number pretends otherwise.
    """
    if labels == dataset.classes:
        return dataset.targets[indices]
    try:
        mapping = class_map(dataset, labels, "the network")
    except DataError:
        return None
    found: Classes = mapping[dataset.targets[indices]]
    return found


def judge(
    labels: tuple[str, ...], dataset: Dataset, indices: Classes, predictions: Classes
) -> Judged:
    """predictions: output indices, int64 [n]. Empty if nobody knows what would be right."""
    right = truths(labels, dataset, indices)
    if right is None:
        return Judged()
    # Of a thousand labels only those that occur are of interest.
    shown = labels
    if labels != dataset.classes:
        occur = np.unique(np.concatenate([right, predictions]))
        place = np.zeros(len(labels), np.int64)
        place[occur] = np.arange(len(occur))
        right, predictions, shown = (
            place[right],
            place[predictions],
            tuple(labels[i] for i in occur),
        )
    matrix = confusion(right, predictions, len(shown))
    return Judged(
        test=accuracy(predictions == right),
        per_class=per_class(matrix, shown),
        confusion=tuple(map(tuple, matrix.tolist())),
        confusion_labels=None if shown == labels else shown,
    )


def few_pictures(dataset: Dataset) -> tuple[str, ...]:
    """Warnings for before the training; empty if there are enough pictures."""
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
