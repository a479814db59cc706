"""What a study looks at: a .tflite file, or the Keras model of a run, behind one interface.

A path enters; a Subject leaves, which labels input pixels and knows its own pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..bundle.provenance import TrainingData
from ..classifier import Classifier
from ..classifier import load as load_classifier
from ..data import Dataset, Part
from ..data.store import Frame, Progress
from ..engines import CPU
from ..errors import DataError
from ..scoring import class_map, load_model_data
from ..specs import InputSize, Preprocess

Scores = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
_EXPORT = "export"


class Subject(Protocol):
    """A classifier of pictures. name: short, for figures. labels: in the order of the scores.

    trained_on: which pictures, and how they were split; None where nobody says. assumptions: what
    a file did not say and was taken for granted.
    """

    name: str
    trained_on: TrainingData | None
    assumptions: tuple[str, ...]
    path: Path
    labels: tuple[str, ...]
    size: InputSize
    rule: Preprocess

    def scores(self, pixels: Frame) -> Scores:
        """Probabilities [n, classes] of input pixels, uint8 [n, height, width, channels]."""
        ...

    def pictures(self, source: str | None, progress: Progress | None) -> tuple[Dataset, Part]:
        """Its own data set, or that of `source`, and the part it was not trained on."""
        ...

    def mapping(self, dataset: Dataset) -> Indices:
        """int64 [classes of the data]: the index of each among the labels, -1 for none."""
        ...


class FileSubject:
    """A .tflite file, run on the CPU by the engine that users run."""

    def __init__(self, path: Path, name: str) -> None:
        self._classifier: Classifier = load_classifier(path, CPU)
        self.name, self.path = name, path
        self.labels = self._classifier.labels
        self.size, self.rule = self._classifier.size, self._classifier.rule
        self.assumptions = tuple(self._classifier.assumptions)
        provenance = self._classifier.model.provenance
        self.trained_on: TrainingData | None = provenance.data if provenance else None

    def scores(self, pixels: Frame) -> Scores:
        return np.stack([self._classifier.predict(each).scores for each in pixels])

    def pictures(self, source: str | None, progress: Progress | None) -> tuple[Dataset, Part]:
        part: Part = "all" if self.trained_on is None else "test"
        return load_model_data(self._classifier.model, source, part, progress), part

    def mapping(self, dataset: Dataset) -> Indices:
        return class_map(dataset, self.labels, str(self.path), model=self._classifier.model)


class RunSubject:
    """The Keras model of a finished run. Needs TensorFlow."""

    assumptions: tuple[str, ...] = ()

    def __init__(self, path: Path, name: str) -> None:
        from ..training import backend
        from ..training.fitting import predictor
        from ..training.run_folder import open_finished, read_labels, read_metrics, read_recipe

        run = open_finished(path)
        self.name, self.path = name, path
        self.recipe = read_recipe(run)
        self.labels = read_labels(run)
        data = self.recipe.data
        self.trained_on: TrainingData | None = TrainingData(
            source=data.source,
            fingerprint=read_metrics(run).data.fingerprint,
            splits=data.splits,
            seed=data.seed,
            max_unreadable=data.max_unreadable,
            near_duplicates=data.near_duplicates,
        )
        self.model = backend.load_keras(run.model)
        height, width, channels = self.model.input_shape[1:]
        self.size = InputSize(height=height, width=width, channels=channels)
        self.rule = self.recipe.preprocess
        self._pixels: Frame = np.empty((0, *self.size.shape), np.uint8)
        self._predict = predictor(self.model, lambda chosen: self._pixels[chosen])

    def scores(self, pixels: Frame) -> Scores:
        self._pixels = pixels
        return self._predict(np.arange(len(pixels)))

    def pictures(self, source: str | None, progress: Progress | None) -> tuple[Dataset, Part]:
        from ..training.session import load_recipe_data

        recipe = self.recipe
        if source:
            recipe = replace(recipe, data=replace(recipe.data, source=source))
        return load_recipe_data(recipe, progress), "test"

    def mapping(self, dataset: Dataset) -> Indices:
        return class_map(dataset, self.labels, str(self.path))


def open_subjects(paths: Sequence[Path]) -> tuple[Subject, ...]:
    """One for each path: a folder is a run, anything else a .tflite file. Raises CnnedgeError."""
    names = short_names(paths)
    return tuple(
        RunSubject(path, name) if path.is_dir() else FileSubject(path, name)
        for path, name in zip(paths, names, strict=True)
    )


def short_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """A name for each model, as short as tells them apart.

    RUN/export/int8.tflite is "int8" beside other files of the run and "RUN int8" beside those of
    another; a run is "RUN Keras".
    """
    runs = {_run_of(path) for path in paths}
    short = [_variant(path) for path in paths]
    if len(runs) > 1 or len(set(short)) < len(short):
        short = [f"{_run_of(path)} {word}".strip() for path, word in zip(paths, short, strict=True)]
    if len(set(short)) < len(short):
        short = [str(path) for path in paths]
    return tuple(short)


def _run_of(path: Path) -> str:
    if path.is_dir():
        return path.resolve().name
    folder = path.resolve().parent
    return folder.parent.name if folder.name == _EXPORT else ""


def _variant(path: Path) -> str:
    return "Keras" if path.is_dir() else path.stem


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """The pictures of a study. indices: int64 [n], of the data set. part: what they are of."""

    dataset: Dataset
    part: Part
    indices: Indices

    def __len__(self) -> int:
        return len(self.indices)

    def targets(self, subject: Subject) -> Indices:
        """int64 [n]: what is right, as indices of the subject's labels."""
        found: Indices = subject.mapping(self.dataset)[self.dataset.targets[self.indices]]
        return found


def warnings(subjects: Sequence[Subject], chosen: Chosen) -> tuple[str, ...]:
    """What a person should know of the pictures: what the data set says of itself, and which
    models may have learnt some of them."""
    said = list(chosen.dataset.warnings)
    first = subjects[0].trained_on
    for subject in subjects[1:]:
        other = subject.trained_on
        if first and other and _split(first) != _split(other):
            said.append(
                f"{subject.name} was trained on other pictures than {subjects[0].name}, or on "
                "another split of them: it may have learnt some of those that it is tested on. "
                "Name pictures that none has seen: --data DIR"
            )
    return tuple(said)


def _split(data: TrainingData) -> tuple[object, ...]:
    return (data.fingerprint, data.splits, data.seed, data.near_duplicates)


def choose(
    subjects: Sequence[Subject], source: str | None, most: int, progress: Progress | None = None
) -> Chosen:
    """At most `most` pictures that every subject may be judged on, the classes in their shares.

    source: as `cnnedge eval --data` takes it; None for the first subject's own. Raises DataError
    where a subject does not know the classes, or no picture is left.
    """
    dataset, part = subjects[0].pictures(source, progress)
    indices = dataset.indices(part)
    for subject in subjects:
        indices = indices[subject.mapping(dataset)[dataset.targets[indices]] >= 0]
    if not len(indices):
        raise DataError(
            f"{dataset.source}: its {part} part has no pictures of the models' classes; name "
            "other pictures with --data DIR"
        )
    return Chosen(dataset=dataset, part=part, indices=_spread(indices, dataset, most))


def _spread(indices: Indices, dataset: Dataset, most: int) -> Indices:
    """Every k-th picture of those sorted by class, ascending."""
    if len(indices) <= most:
        return indices
    shuffled = np.random.default_rng(0).permutation(indices)
    by_class = shuffled[np.argsort(dataset.targets[shuffled], kind="stable")]
    places = np.linspace(0, len(by_class), most, endpoint=False).astype(np.int64)
    chosen: Indices = np.sort(by_class[places])
    return chosen
