"""What every variant of one conversion needs: the run, its pictures, and the float answers.

A finished run enters; a Work leaves, with the test pictures' answers of model.keras.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..compression.workshop import Reporter as CompressionReporter
from ..compression.workshop import Workshop
from ..data import Dataset, samples_of
from ..errors import DataError
from ..specs import Recipe
from ..training import backend, methods
from ..training.fitting import predict
from ..training.judging import truths
from ..training.learnt_scale import sample_size
from ..training.run_data import RunData
from ..training.run_folder import RunFolder, read_metrics
from ..training.session import load_recipe_data
from ..training.strategy import open_workers
from .timer import Timer


class Reporter(CompressionReporter, Protocol):
    """Who is told how conversion goes."""

    def scanning(self, done: int, total: int) -> None: ...

    def stage(self, text: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Work:
    """indices: int64, the test pictures. targets: the
    right output of each, None where the pictures are of unknown classes. reference: float32
    [n, classes], model.keras' answers. model_key: sha256 of model.keras, hex. timer: measures on
    the device that is aimed at.
    """

    data: RunData[Reporter]
    indices: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64] | None
    reference: npt.NDArray[np.float32]
    model_key: str
    workshop: Workshop
    timer: Timer

    @property
    def calibration_pictures(self) -> int:
        """How many there are: those of the training part."""
        return len(self.data.dataset.indices("train"))

    def calibration(self, count: int) -> npt.NDArray[np.uint8]:
        """uint8 [n, h, w, c]: training pictures, stratified."""
        return self.data.pixels.batch(self.data.calibration(count))


def prepare(run: RunFolder, recipe: Recipe, reporter: Reporter, timer: Timer | None = None) -> Work:
    """Reads data and model of a run. timer: of this machine where None. Raises CnnedgeError."""
    timer = timer or Timer()
    if recipe.training.method == "imported" and not recipe.data.source:
        raise DataError(
            f"{run.path}: this model was imported without pictures, and converting needs some, for "
            "ranges and for accuracy. Name them: --data DIR, with one folder for each class"
        )
    dataset = load_recipe_data(recipe, reporter.scanning)
    _check_data(run, recipe, dataset, reporter)
    reporter.stage("loading model.keras", 0, 0)
    model = backend.load_keras(run.model)
    pixels = samples_of(dataset, sample_size(model.input_shape), recipe.preprocess)
    indices = dataset.indices("test")
    labels = methods.labels(recipe, dataset)
    targets = truths(labels, dataset, indices)
    if targets is None:
        reporter.note(
            "the pictures are of none of the model's classes: no accuracy can be measured, only "
            "whether a variant answers as model.keras does (flipped)"
        )
    reporter.stage("scoring model.keras on the test pictures", 0, 0)
    key = hashlib.sha256(run.model.read_bytes()).hexdigest()
    data = RunData[Reporter](
        run=run,
        recipe=recipe,
        labels=labels,
        pixels=pixels,
        workers=open_workers("auto"),
        reporter=reporter,
    )
    return Work(
        data=data,
        indices=indices,
        targets=targets,
        reference=predict(model, pixels, indices),
        model_key=key,
        workshop=_workshop(data, model, key, timer),
        timer=timer,
    )


def _workshop(data: RunData[Reporter], own: Any, key: str, timer: Timer) -> Workshop:
    sample = data.calibration(data.recipe.convert.calibration.count)
    return Workshop(
        data=data,
        model=lambda: backend.load_keras(data.run.model),
        own=own,
        model_key=key,
        sample=sample,
        latency_ms=lambda model: timer.glance(model, data.pixels.batch(sample[:8]))[0],
        aimed_at=timer.name,
    )


def _check_data(run: RunFolder, recipe: Recipe, dataset: Dataset, reporter: Reporter) -> None:
    trained = read_metrics(run).data
    published = recipe.training.method in ("pretrained", "imported")
    if dataset.classes != trained.classes and not published:
        raise DataError(
            f"{dataset.source}: its classes are {', '.join(dataset.classes)}; the run was trained "
            f"on {', '.join(trained.classes)}. Name the data it was trained on: --data DIR"
        )
    if dataset.fingerprint != trained.fingerprint and not published:
        reporter.note(
            f"the pictures in {dataset.source} are not exactly those of training; each keeps its "
            "split, and the test accuracy is of the pictures found now"
        )
