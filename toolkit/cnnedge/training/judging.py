"""What a trained model is worth on pictures it never saw."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..data import Dataset
from ..errors import DataError
from ..results import accuracy, confusion, per_class
from ..scoring import class_map
from .metrics import Judged

Classes = npt.NDArray[np.int64]


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
