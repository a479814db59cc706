"""One round of teaching: pictures of a folder to an int8 model on the disk, in seconds.

A recipe enters once, and its backbone is made ready; then, as often as wanted, a folder of pictures
enters and the file of a model leaves, with what is known of its accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import write_model
from ..classifier import load
from ..converter import convert
from ..data import (
    Dataset,
    Pixels,
    calibration_indices,
    load_dataset,
    pixels_of,
    samples_of,
)
from ..engines import CPU
from ..errors import DataError
from ..scoring import score
from ..specs import Recipe, parse_model, shipped
from ..training import backend, methods, transfer
from ..training.features import Extractor, Features, Views
from ..training.run_data import provenance
from .judging import Lesson, Measured, fitted, measure

Tell = Callable[[str, int, int], None]

# Each costs a run of the network, while somebody waits.
_CALIBRATION = 16
# Of the model, against the classifier it was made from.
_COMPARED = 100
VARIANT = "int8"


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What a round left. agreement: of the int8 file's labels with those before quantisation."""

    classes: tuple[str, ...]
    counts: tuple[int, ...]
    tied: int
    measured: Measured
    agreement: float
    warnings: tuple[str, ...]


class Teacher:
    """A frozen backbone, ready. Raises CnnedgeError where it or its weights cannot be had."""

    def __init__(self, recipe: Recipe, tell: Tell) -> None:
        definition, place = shipped.read("models", recipe.model)
        self.recipe = recipe
        self.spec = parse_model(definition, place)
        self.size = recipe.input or self.spec.input
        self._place = place
        tell("loading the network", 0, 0)
        backend.make_repeatable(recipe.training.seed)
        self._built: tuple[int, Any] = (0, None)
        model = self._model(2, tell)
        below, _ = transfer.cut(model, transfer.feature_layer(model, len(self.spec.layers)))
        self._extractor = Extractor(below)

    def teach(self, folder: Path, out: Path, tell: Tell) -> Taught:
        """Learns all pictures of `folder` and writes the model `out`, whole. Raises CnnedgeError,
        of which DataError is for what the user can mend in the pictures."""
        dataset = self._pictures(folder, tell)
        pixels = pixels_of(samples_of(dataset, self.size, self.recipe.preprocess))
        rows = self._rows(dataset, pixels, tell)
        lesson = self._lesson(dataset, rows)
        tell("fitting the classifier", 0, 0)
        linear = fitted(lesson)
        model = self._model(len(dataset.classes), tell)
        dense = model.layers[-1]
        dense.set_weights([linear.kernel, linear.bias][: len(dense.weights)])
        tell("making the int8 model", 0, 0)
        with ThreadPoolExecutor(1) as beside:
            # Most of the conversion leaves a core free.
            measured = beside.submit(measure, lesson)
            flatbuffer = convert(model, VARIANT, _calibration(dataset, pixels))
            found = measured.result()
        told = self._provenance(pixels, found)
        write_model(out, flatbuffer, labels=dataset.classes, size=self.size, provenance=told)
        tell("comparing it with the classifier", 0, 0)
        expected = (rows @ linear.kernel + linear.bias).argmax(axis=1)
        return Taught(
            classes=dataset.classes,
            counts=tuple(np.bincount(dataset.targets).tolist()),
            tied=dataset.ties.tied if dataset.ties else 0,
            measured=found,
            agreement=_agreement(out, dataset, pixels, expected),
            warnings=dataset.warnings,
        )

    def lesson(self, folder: Path, tell: Tell) -> Lesson:
        """The features, classes and bursts of all pictures of `folder`. Raises CnnedgeError."""
        dataset = self._pictures(folder, tell)
        pixels = pixels_of(samples_of(dataset, self.size, self.recipe.preprocess))
        return self._lesson(dataset, self._rows(dataset, pixels, tell))

    def _model(self, classes: int, tell: Tell) -> Any:
        """The network of the recipe, with the weights of its backbone."""
        if self._built[0] != classes:
            model, _ = methods.build(
                self.spec,
                self.size,
                classes,
                self.recipe,
                self._place,
                lambda done, total: tell("downloading weights", done, total),
            )
            self._built = (classes, model)
        return self._built[1]

    def _pictures(self, folder: Path, tell: Tell) -> Dataset:
        dataset = load_dataset(
            str(folder),
            splits=None,
            max_unreadable=self.recipe.data.max_unreadable,
            progress=lambda done, total: tell("reading pictures", done, total),
        )
        if len(dataset.classes) < 2:
            raise DataError(
                f"there is one class, '{dataset.classes[0]}'; make another, of something else "
                "(or of nothing), and shoot it too"
            )
        return dataset

    def _rows(self, dataset: Dataset, pixels: Pixels, tell: Tell) -> Any:
        indices = dataset.indices("all")
        features = Features(self._extractor, pixels, Views())
        features.extract(
            indices, 1, lambda done, total: tell("looking at new pictures", done, total)
        )
        return features.rows(indices).reshape(len(indices), -1)

    def _lesson(self, dataset: Dataset, rows: Any) -> Lesson:
        groups = dataset.ties.groups if dataset.ties else np.arange(len(rows), dtype=np.int64)
        return Lesson(
            rows=rows,
            classes=dataset.targets,
            groups=groups,
            names=dataset.classes,
            balanced=self.recipe.training.class_weights == "balanced",
            seed=self.recipe.training.seed,
        )

    def _provenance(self, pixels: Pixels, found: Measured) -> dict[str, Any]:
        # Whatever the recipe says: bursts are what teaching is judged by.
        data = replace(self.recipe.data, near_duplicates="together")
        known = found.accuracy is not None
        return provenance(replace(self.recipe, data=data), pixels, VARIANT) | {
            "accuracy": {
                "accuracy": found.accuracy,
                "ci95": list(found.ci95 or ()),
                "count": found.pictures,
            }
            if known
            else {"accuracy": None, "ci95": None, "count": 0},
        }


def _calibration(dataset: Dataset, pixels: Pixels) -> Any:
    return pixels.batch(calibration_indices(dataset, _CALIBRATION, 0, "all"))


def _agreement(path: Path, dataset: Dataset, pixels: Pixels, expected: Any) -> float:
    """The part of some pictures that the file labels as the classifier does."""
    chosen = calibration_indices(dataset, _COMPARED, 1, "all")
    scores = score(load(path, CPU, known=True), pixels, chosen)
    return float(np.mean(scores.argmax(axis=1) == expected[chosen]))
