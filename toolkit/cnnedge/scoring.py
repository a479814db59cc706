"""Accuracy on what ships: a model file scored through the runtime that users run.

A classifier and a data set enter; probabilities, then an Evaluation, leave.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from .bundle import ModelFile
from .bundle.provenance import TrainingData
from .classifier import NO_NUMBERS, Classifier
from .data import Dataset, Part, Samples, load_dataset, samples_of
from .data.names import matched
from .data.signals import as_the_table_is
from .data.store import Skipped
from .engines import AgreementCheck, Ran
from .errors import DataError, ModelError
from .results import ClassScore, accuracy, confusion, per_class
from .specs.limits import closest
from .specs.signals import SignalData

Progress = Callable[[int, int], None]
# Pictures that one worker scores at a time.
_BATCH = 64
# Of a model with a thousand classes a message shows the first.
_MOST_LABELS = 20
# What a model's file may name by itself: paths, and data sets without a place that they come from.
_PLAIN_SOURCE = re.compile(r"(?!tfds:).*|tfds:\w+", re.DOTALL)


def score(
    classifiers: Classifier | Sequence[Classifier],
    pixels: Samples,
    indices: npt.NDArray[np.int64],
    progress: Progress | None = None,
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
            chosen = slice(begin, begin + _BATCH)
            _fill(*worker, pixels.batch(indices[chosen]), result[chosen])
        finally:
            free.put(worker)
        return len(result[chosen])

    done = 0
    for count in _mapped(fill, range(0, len(indices), _BATCH), len(workers)):
        done += count
        if progress:
            progress(done, len(indices))
    return result


def _fill(
    classifier: Classifier,
    check: AgreementCheck | None,
    pictures: npt.NDArray[Any],
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
        raise DataError(f"{model.path}: the file does not state its data; name it with --data DIR")
    if not source and not _PLAIN_SOURCE.fullmatch(chosen):
        # What follows such a name may be a program that prepares the data.
        raise DataError(
            f"{model.path}: the file states the data {chosen}; to download it, name it yourself: "
            f"--data {chosen}"
        )
    return load_dataset(
        chosen,
        labels=model.labels,
        splits=None if split == "all" else trained.splits,
        seed=trained.seed,
        max_unreadable=trained.max_unreadable,
        together=split != "all" and trained.near_duplicates == "together",
        signals=_signals(model, trained, source),
        progress=progress,
    )


def _signals(model: ModelFile, trained: TrainingData, source: str | None) -> SignalData | None:
    """How signals are read; None of a model that takes pictures. source: by a person."""
    size = model.signal_size
    if size is None:
        return None
    stated = trained.signals or SignalData()
    return as_the_table_is(source, size, stated) if source else stated


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
        remedy = " The file has no labels: give them with --labels FILE."
        if model is None or model.labels:
            remedy = ""
        raise DataError(
            f"{dataset.source}: its class '{unknown[0]}' is not one of the "
            f"model's.{closest(unknown[0], labels)}{remedy} {place} knows: {shown}"
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
            f"{dataset.source}: the {split} split has no pictures; use --split all, or another "
            "--data"
        )
    return indices


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The pictures that are scored. mapping: int64 [classes of the data], of `class_map`.

    indices: int64 [n], of the data set's pictures.
    """

    dataset: Dataset
    split: Part
    mapping: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """int64 [n]: what is right for each picture, as an index of the model's labels."""
        found: npt.NDArray[np.int64] = self.mapping[self.dataset.targets[self.indices]]
        return found

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Classes of the data that are none of the model's labels."""
        pairs = zip(self.dataset.classes, self.mapping, strict=True)
        return tuple(name for name, index in pairs if index < 0)


def select(classifier: Classifier, dataset: Dataset, split: Part) -> Selection:
    """The pictures of a split whose classes the model knows. Raises DataError for none."""
    model = classifier.model
    mapping = class_map(dataset, classifier.labels, str(model.path), model=model)
    indices = part_of(dataset, split, mapping)
    return Selection(dataset=dataset, split=split, mapping=mapping, indices=indices)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set, by name and content."""

    source: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Evaluation(Ran):
    """The eval contract. accuracy: a fraction; ci95: its 95 % interval; count: pictures.

    confusion: counts [classes, classes], true classes in rows. unmatched: classes of the data that
    the model does not know, whose pictures are left out.
    """

    accuracy: float
    count: int
    ci95: tuple[float, float]
    confusion: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]
    per_class: tuple[ClassScore, ...]
    split: str
    model: str
    sha256: str
    data: Source
    skipped: tuple[Skipped, ...]
    unmatched: tuple[str, ...]
    warnings: tuple[str, ...]
    assumptions: tuple[str, ...]
    workers: int = 1


def evaluate(
    classifiers: Classifier | Sequence[Classifier],
    dataset: Dataset,
    split: Part = "test",
    progress: Progress | None = None,
    *,
    check: AgreementCheck | None = None,
) -> Evaluation:
    """Scores one split. classifiers, check: as in `score`."""
    workers = classifiers if isinstance(classifiers, Sequence) else (classifiers,)
    classifier = workers[0]
    chosen = select(classifier, dataset, split)
    pixels = samples_of(dataset, classifier.size, classifier.rule)
    scores = score(workers, pixels, chosen.indices, progress, check=check)
    strange = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(strange):
        raise ModelError(
            f"{classifier.model.path}: {len(strange):,} of {len(scores):,} pictures, first "
            f"{dataset.name(int(chosen.indices[strange[0]]))}: {NO_NUMBERS}"
        )
    found = judged(classifier, chosen, scores.argmax(axis=1), classifier.engine.described())
    return replace(found, workers=len(workers))


def judged(
    classifier: Classifier, chosen: Selection, predictions: npt.NDArray[np.int64], ran: Ran
) -> Evaluation:
    """What predictions are worth, whatever computed them.

    predictions: int64 [n], of the chosen pictures, as indices of the model's labels.
    """
    dataset, unmatched = chosen.dataset, chosen.unmatched
    left_out = (
        f"skipped pictures of classes that are not among the model's labels ({len(unmatched)} of "
        f"{len(dataset.classes)}): {', '.join(unmatched)}"
    )
    matrix = confusion(chosen.targets, predictions, len(classifier.labels))
    return Evaluation(
        **vars(ran),
        **vars(accuracy(predictions == chosen.targets)),
        confusion=tuple(map(tuple, matrix.tolist())),
        labels=classifier.labels,
        per_class=per_class(matrix, classifier.labels),
        split=chosen.split,
        model=str(classifier.model.path),
        sha256=classifier.model.sha256,
        data=Source(source=dataset.source, fingerprint=dataset.fingerprint),
        skipped=tuple(dataset.skipped),
        unmatched=unmatched,
        warnings=(*dataset.warnings, *([left_out] if unmatched else [])),
        assumptions=tuple(classifier.assumptions),
    )
