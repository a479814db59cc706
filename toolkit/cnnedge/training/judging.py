"""What a trained model is worth on pictures it never saw, in the form of metrics.json."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Dataset
from ..errors import DataError
from ..results import accuracy, confusion, per_class
from ..scoring import class_map

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
) -> dict[str, Any]:
    """test, per_class and confusion; accuracy null and the others empty if nothing is known."""
    right = truths(labels, dataset, indices)
    if right is None:
        return {
            "test": {"accuracy": None, "count": 0, "ci95": None},
            "per_class": [],
            "confusion": [],
        }
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
    judged = {
        "test": accuracy(predictions == right),
        "per_class": per_class(matrix, shown),
        "confusion": matrix.tolist(),
    }
    return judged if shown == labels else judged | {"confusion_labels": list(shown)}
