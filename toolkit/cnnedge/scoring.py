"""Accuracy on what ships: a model file scored through the runtime that users run.

A classifier and a data set enter; probabilities, then accuracies with intervals, leave.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from .bundle import ModelFile
from .bundle.provenance import TrainingData
from .classifier import NO_NUMBERS, Classifier
from .data import Dataset, Part, Pixels, load_dataset
from .data.names import matched
from .engines import AgreementCheck
from .errors import DataError, ModelError
from .results import accuracy, confusion, per_class
from .specs.strict import closest

Progress = Callable[[int, int], None]
# Of a model with a thousand classes a message shows the first.
_MOST_LABELS = 20
# What a model's file may name by itself: paths, and data sets without a place that they come from.
_PLAIN_SOURCE = re.compile(r"(?!tfds:).*|tfds:\w+", re.DOTALL)


def score(
    classifiers: Classifier | Sequence[Classifier],
    pixels: Pixels,
    indices: npt.NDArray[np.int64],
    progress: Progress | None = None,
    batch_size: int = 64,
    *,
    check: AgreementCheck | None = None,
) -> npt.NDArray[np.float32]:
    """Probabilities for pictures by index: float32 [n, classes], in the order of `indices`.

    classifiers: one, or several of one file that score batches side by side, each on a thread of
    its own; the answers are the same. check: compares the (first) classifier's first inferences
    with the CPU's. What it or a classifier raises is raised here.
    """
    workers = classifiers if isinstance(classifiers, Sequence) else (classifiers,)
    result = np.empty((len(indices), len(workers[0].labels)), np.float32)
    free: SimpleQueue[tuple[Classifier, AgreementCheck | None]] = SimpleQueue()
    for number, classifier in enumerate(workers):
        free.put((classifier, check if number == 0 else None))

    def fill(begin: int) -> int:
        worker = free.get()
        try:
            chosen = slice(begin, begin + batch_size)
            _fill(*worker, pixels.batch(indices[chosen]), result[chosen])
        finally:
            free.put(worker)
        return len(result[chosen])

    done = 0
    for count in _mapped(fill, range(0, len(indices), batch_size), len(workers)):
        done += count
        if progress:
            progress(done, len(indices))
    return result


def _fill(
    classifier: Classifier,
    check: AgreementCheck | None,
    pictures: npt.NDArray[np.uint8],
    out: npt.NDArray[np.float32],
) -> None:
    for picture, scores in zip(pictures, out, strict=True):
        values = classifier.encode(picture)
        classifier.engine.set_input(values)
        raw = classifier.infer()
        if check is not None:
            check.see(values, raw)
        scores[:] = classifier.decode(raw).scores


def _mapped(function: Callable[[int], int], begins: range, workers: int) -> Iterator[int]:
    """map() on `workers` threads; on this one alone where that is enough."""
    if workers == 1 or len(begins) < 2:
        yield from map(function, begins)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="cnnedge worker")
    try:
        yield from pool.map(function, begins)
    finally:
        pool.shutdown(cancel_futures=True)


def load_model_data(
    model: ModelFile, source: str | None, split: Part, progress: Progress | None = None
) -> Dataset:
    """The data set of `source`, or the one the model was trained on, split as it was then.

    split: what is to be scored; `all` needs no split, and so takes even one picture. Raises
    DataError.
    """
    told = model.provenance.data if model.provenance else None
    trained = told or TrainingData()
    chosen = source or trained.source
    if not chosen:
        raise DataError(
            f"{model.path}: the file does not say what data it belongs to; name it: --data DIR"
        )
    if not source and not _PLAIN_SOURCE.fullmatch(chosen):
        # What follows such a name may be a program that prepares the data.
        raise DataError(
            f"{model.path}: the file names the data {chosen}; to have it fetched, name it "
            f"yourself: --data {chosen}"
        )
    return load_dataset(
        chosen,
        labels=model.labels,
        splits=None if split == "all" else trained.splits,
        seed=trained.seed,
        max_unreadable=trained.max_unreadable,
        together=split != "all" and trained.near_duplicates == "together",
        progress=progress,
    )


def class_map(
    dataset: Dataset, labels: tuple[str, ...], place: str, *, model: ModelFile | None = None
) -> npt.NDArray[np.int64]:
    """For each class of the data its index among the labels, found by name.

    place: names the model in messages. model: where it is a file; -1 stands for a class that a
    third party's does not have. Raises DataError where a class of one of our own models, or every
    class of another, is none of its labels.
    """
    own = model is None or model.provenance is not None
    found = matched(dataset.classes, labels)
    unknown = [c for c, i in zip(dataset.classes, found, strict=True) if i is None]
    if len(unknown) == len(found) or (unknown and own):
        shown = ", ".join(labels[:_MOST_LABELS]) + ("" if len(labels) <= _MOST_LABELS else ", ...")
        remedy = " The file has no labels: name them with --labels FILE."
        if model is None or model.labels:
            remedy = ""
        raise DataError(
            f"{dataset.source}: its class '{unknown[0]}' is none of the model's."
            f"{closest(unknown[0], labels)}{remedy} {place} knows: {shown}"
        )
    return np.array([-1 if i is None else i for i in found], np.int64)


def part_of(dataset: Dataset, split: Part, mapping: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int64 indices of a split, without pictures of classes that the mapping leaves out.

    Raises DataError where no picture is left.
    """
    indices = dataset.indices(split)
    indices = indices[mapping[dataset.targets[indices]] >= 0]
    if not len(indices):
        raise DataError(
            f"{dataset.source}: the {split} split holds no picture; use --split all, or another "
            "--data"
        )
    return indices


def evaluate(
    classifiers: Classifier | Sequence[Classifier],
    dataset: Dataset,
    split: Part = "test",
    progress: Progress | None = None,
    *,
    check: AgreementCheck | None = None,
) -> dict[str, Any]:
    """Scores one split, in the form of the eval contract. classifiers, check: as in `score`."""
    workers = classifiers if isinstance(classifiers, Sequence) else (classifiers,)
    classifier = workers[0]
    model = classifier.model
    mapping = class_map(dataset, classifier.labels, str(model.path), model=model)
    indices = part_of(dataset, split, mapping)
    pixels = Pixels(dataset, classifier.size, classifier.rule)
    scores = score(workers, pixels, indices, progress, check=check)
    strange = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(strange):
        raise ModelError(
            f"{classifier.model.path}: {len(strange):,} of {len(scores):,} pictures, first "
            f"{dataset.name(int(indices[strange[0]]))}: {NO_NUMBERS}"
        )
    targets = mapping[dataset.targets[indices]]
    return judged(classifier, dataset, split, scores.argmax(axis=1), targets, mapping) | {
        "engine": classifier.engine.name,
        "engine_version": classifier.engine.version,
        "threads": classifier.engine.threads,
        "workers": len(workers),
        "precision": classifier.engine.precision,
        "delegate": classifier.engine.delegate.as_json(),
    }


def judged(
    classifier: Classifier,
    dataset: Dataset,
    split: Part,
    predictions: npt.NDArray[np.int64],
    targets: npt.NDArray[np.int64],
    mapping: npt.NDArray[np.int64],
) -> dict[str, Any]:
    """What the eval contract says of predictions, whatever computed them.

    predictions, targets: int64 [n], of the split's pictures, as indices of the model's labels.
    mapping: of `class_map`.
    """
    unmatched = [c for c, i in zip(dataset.classes, mapping, strict=True) if i < 0]
    left_out = (
        [
            f"{len(unmatched)} of {len(dataset.classes)} classes are none of the model's labels, "
            f"and their pictures are left out: {', '.join(unmatched)}"
        ]
        if unmatched
        else []
    )
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
        "unmatched": unmatched,
        "warnings": [*dataset.warnings, *left_out],
        "assumptions": list(classifier.assumptions),
    }
