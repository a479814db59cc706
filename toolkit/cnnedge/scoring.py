"""Accuracy on what ships: a model file scored through the runtime that users run.

A classifier and a data set enter; probabilities, then accuracies with intervals, leave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .bundle import ModelFile
from .classifier import Classifier
from .data import Dataset, Part, Pixels, load_dataset
from .errors import DataError
from .results import accuracy, confusion, per_class
from .specs import Splits
from .specs.strict import closest

Progress = Callable[[int, int], None]


def score(
    classifier: Classifier,
    pixels: Pixels,
    indices: npt.NDArray[np.int64],
    progress: Progress | None = None,
    batch_size: int = 64,
) -> npt.NDArray[np.float32]:
    """Probabilities for pictures by index: float32 [n, classes]."""
    result = np.empty((len(indices), len(classifier.labels)), np.float32)
    for begin in range(0, len(indices), batch_size):
        chosen = indices[begin : begin + batch_size]
        for i, picture in enumerate(pixels.batch(chosen)):
            result[begin + i] = classifier.predict(picture).scores
        if progress:
            progress(min(begin + batch_size, len(indices)), len(indices))
    return result


def load_model_data(
    model: ModelFile, source: str | None, split: Part, progress: Progress | None = None
) -> Dataset:
    """The data set of `source`, or the one the model was trained on, split as it was then.

    split: what is to be scored; `all` needs no split, and so takes even one picture. Raises
    DataError.
    """
    trained = (model.provenance or {}).get("data", {})
    chosen = source or trained.get("source")
    if not chosen:
        raise DataError(
            f"{model.path}: the file does not say what data it belongs to; name it: --data DIR"
        )
    return load_dataset(
        chosen,
        labels=model.labels,
        splits=None if split == "all" else Splits(**trained.get("splits", {})),
        seed=int(trained.get("seed", 0)),
        max_unreadable=float(trained.get("max_unreadable", 0.05)),
        progress=progress,
    )


def class_map(dataset: Dataset, labels: tuple[str, ...], place: str) -> npt.NDArray[np.int64]:
    """For each class of the data its index among the model's labels. Raises DataError."""
    position = {label: i for i, label in enumerate(labels)}
    unknown = [c for c in dataset.classes if c not in position]
    if unknown:
        raise DataError(
            f"{dataset.source}: its class '{unknown[0]}' is none of the model's."
            f"{closest(unknown[0], labels)} {place} knows: {', '.join(labels)}"
        )
    return np.array([position[c] for c in dataset.classes], np.int64)


def evaluate(
    classifier: Classifier,
    dataset: Dataset,
    split: Part = "test",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Scores one split, in the form of the eval contract."""
    mapping = class_map(dataset, classifier.labels, str(classifier.model.path))
    indices = dataset.indices(split)
    if not len(indices):
        raise DataError(
            f"{dataset.source}: the {split} split holds no picture; use --split all, or another "
            "--data"
        )
    pixels = Pixels(dataset, classifier.size, classifier.rule)
    predictions = score(classifier, pixels, indices, progress).argmax(axis=1)
    targets = mapping[dataset.targets[indices]]
    matrix = confusion(targets, predictions, len(classifier.labels))
    return accuracy(predictions == targets) | {
        "confusion": matrix.tolist(),
        "labels": list(classifier.labels),
        "per_class": per_class(matrix, classifier.labels),
        "split": split,
        "model": str(classifier.model.path),
        "sha256": classifier.model.sha256,
        "data": {"source": dataset.source, "fingerprint": dataset.fingerprint},
        "skipped": [{"path": s.path, "reason": s.reason} for s in dataset.skipped],
        "warnings": list(dataset.warnings),
        "assumptions": list(classifier.assumptions),
        "engine": classifier.engine.name,
        "engine_version": classifier.engine.version,
    }
