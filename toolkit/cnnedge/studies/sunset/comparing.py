"""Four ways to a detector, on the same pictures, each as the one file that would be shipped.

A source of pictures of two classes and a folder enter; model files stay in the folder, and their
accuracy, ROC curve, size and latency leave.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmark import get_protocol
from ...bundle import write_model
from ...classifier import load
from ...conversion.session import convert
from ...conversion.timer import Timer
from ...converter import convert as converted
from ...data import Dataset, Pixels, load_dataset
from ...data.scenes import write_scenes
from ...engines import CPU
from ...errors import DataError, MissingExtraError, WeightsError
from ...results import Accuracy, accuracy
from ...scoring import score
from ...specs import Recipe, parse_recipe
from ...specs.data import Splits
from ...specs.pixels import InputSize
from ...training.run_data import provenance
from ...training.session import train
from ..mlp_vs_cnn.comparing import Reporter
from .classical import SIDE, fit_network, fit_svm, moments
from .graph import dense_network, svm_network

SPLITS = Splits(train=0.5, val=0.1, test=0.4)
SVM, NETWORK, SCRATCH = "moments + SVM", "moments + small network", "CNN from scratch"
FEATURES, TRANSFER = "CNN features + SVM", "transfer"
POSITIVE = "sunset"
_RECIPE = """\
description: One of the options of the study sunset.
data:
  source: {source}
  splits: {{train: 0.5, val: 0.1, test: 0.4}}
preprocess: {{resize: stretch}}
convert: {{variants: [int8], calibration: {{count: 200}}, max_drop: null}}
{own}
"""
_OWN = {
    SCRATCH: """\
model: cifar_cnn
input: {{height: 48, width: 48, channels: 3}}
training:
  epochs: {epochs}
  batch_size: 32
  optimizer: {{name: adamw, learning_rate: 2.0e-3, weight_decay: 0.01}}
  schedule: {{name: cosine, warmup_epochs: 1}}
augmentation: {{flip: horizontal, zoom: 0.1}}
""",
    FEATURES: """\
model: efficientnet_lite0
training: {{method: svm}}
""",
    TRANSFER: """\
model: efficientnet_lite0
training:
  method: transfer
  head: {{epochs: 20, learning_rate: 2.0e-3}}
""",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """source: of pictures, None for synthetic ones, of which `scenes` a class are made. published:
    also the two options that begin with ImageNet weights. epochs: of the CNN from scratch."""

    source: str | None
    scenes: int = 500
    epochs: int = 12
    published: bool = True


@dataclass(frozen=True, kw_only=True)
class Option:
    """One detector. auc: the area under the ROC curve; roc: its (false alarms, hits), shares of 1.

    seconds: of fitting and conversion. detail: what was chosen.
    """

    name: str
    detail: str
    accuracy: Accuracy
    auc: float
    roc: tuple[tuple[float, float], ...]
    variant: str
    size_bytes: int
    latency_ms: float
    latency_p90_ms: float
    seconds: float
    file: str


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """An option that could not be had."""

    name: str
    because: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """study.json. pictures: of training, validation and test."""

    source: str
    synthetic: bool
    positive: str
    pictures: tuple[int, int, int]
    options: tuple[Option, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Made:
    """A model file, before it is measured."""

    name: str
    detail: str
    variant: str
    file: Path
    seconds: float


def compare(
    plan: Plan, folder: Path, reporter: Reporter, progress: Callable[[str, int, int], None]
) -> tuple[Comparison, Dataset]:
    """Makes, converts and measures all options; also their pictures. Raises CnnedgeError."""
    source = plan.source or str(_scenes(folder, plan.scenes, progress))
    dataset = load_dataset(source, splits=SPLITS)
    if len(dataset.classes) != 2:
        raise DataError(
            f"{source}: found {len(dataset.classes)} classes; this study tells two apart, such as "
            f"the folders {POSITIVE}/ and other/"
        )
    positive = POSITIVE if POSITIVE in dataset.classes else dataset.classes[1]
    made = _classical(source, dataset, folder, progress)
    left_out: list[LeftOut] = []
    for name in (SCRATCH, FEATURES, TRANSFER):
        if name != SCRATCH and not plan.published:
            left_out.append(LeftOut(name=name, because="left out by --quick"))
            continue
        try:
            made.append(_deep(name, source, plan, folder, reporter))
        except (WeightsError, MissingExtraError) as error:
            left_out.append(LeftOut(name=name, because=str(error)))
    found = Comparison(
        source=source,
        synthetic=plan.source is None,
        positive=positive,
        pictures=tuple(int((dataset.split == part).sum()) for part in range(3)),  # type: ignore[arg-type]
        options=_measured(made, dataset, positive, progress),
        left_out=tuple(left_out),
    )
    return found, dataset


def _scenes(folder: Path, count: int, progress: Callable[[str, int, int], None]) -> Path:
    """The folder of synthetic scenes, made where it is not there yet."""
    place = folder / f"synthetic-{count}"
    if not place.exists():
        write_scenes(place, count, 0, lambda done, total: progress("drawing scenes", done, total))
    return place


def _recipe(name: str, source: str, own: str) -> Recipe:
    text = _RECIPE.format(source=json.dumps(source), own=own)
    slug = name.lower().replace(" + ", "_").replace(" ", "_")
    return parse_recipe(text, "the recipe of sunset", [f"name=sunset_{slug}"])


def _classical(
    source: str, dataset: Dataset, folder: Path, progress: Callable[[str, int, int], None]
) -> list[_Made]:
    """Both classifiers on the moments; fitted to the training and validation pictures."""
    recipe = _recipe(SVM, source, "model: mlp")
    pixels = Pixels(dataset, InputSize(height=SIDE, width=SIDE, channels=3), recipe.preprocess)
    known = np.flatnonzero(dataset.split != 2)
    progress("moments of colour", 0, 0)
    features, classes = moments(pixels.batch(known)), dataset.targets[known]
    made = []
    for number, name in enumerate((SVM, NETWORK)):
        began = time.perf_counter()
        progress(f"fitting {name}", number, 2)
        network, detail = _fitted(name, features, classes)
        flatbuffer = converted(network, "float32", pixels.batch(known[:1]))
        file = folder / f"{'svm' if name == SVM else 'network'}.tflite"
        told = provenance(_recipe(name, source, "model: mlp"), pixels, "float32")
        write_model(file, flatbuffer, labels=dataset.classes, size=pixels.size, provenance=told)
        made.append(
            _Made(
                name=name,
                detail=detail,
                variant="float32",
                file=file,
                seconds=time.perf_counter() - began,
            )
        )
    return made


def _fitted(name: str, features: Any, classes: Any) -> tuple[Any, str]:
    """A fitted classifier as a network, and what was chosen."""
    if name == SVM:
        svm = fit_svm(features, classes)
        return svm_network(svm), (
            f"RBF kernel, C {svm.cost:g}, gamma {svm.gamma * features.shape[1]:g}/294, "
            f"{len(svm.weights)} support vectors"
        )
    small = fit_network(features, classes)
    sizes = "-".join(map(str, small.hidden))
    return dense_network(small), f"hidden layers: {sizes}, the best of {len(small.validated)} sizes"


def _deep(name: str, source: str, plan: Plan, folder: Path, reporter: Reporter) -> _Made:
    began = time.perf_counter()
    recipe = _recipe(name, source, _OWN[name].format(epochs=plan.epochs))
    run = folder / f"run_{recipe.name.removeprefix('sunset_')}"
    train(recipe, run, reporter, force=True)
    reporter.note(f"{name}: converting to int8")
    entry = convert(run, reporter).variants[0]
    return _Made(
        name=name,
        detail=f"{recipe.model}, {recipe.training.method}",
        variant="int8",
        file=run / "export" / entry.file,
        seconds=time.perf_counter() - began,
    )


def _measured(
    made: list[_Made], dataset: Dataset, positive: str, progress: Callable[[str, int, int], None]
) -> tuple[Option, ...]:
    from sklearn.metrics import roc_auc_score, roc_curve

    progress("timing the files", 0, 0)
    times = Timer().files([m.file for m in made], get_protocol("quick"))
    indices = dataset.indices("test")
    right = dataset.targets[indices]
    found = []
    for one, timed in zip(made, times, strict=True):
        with load(one.file, CPU) as classifier:
            pixels = Pixels(dataset, classifier.size, classifier.rule)
            scores = score(classifier, pixels, indices)
            place = classifier.labels.index(positive)
        is_positive = right == dataset.classes.index(positive)
        alarms, hits, _ = roc_curve(is_positive, scores[:, place], drop_intermediate=True)
        found.append(
            Option(
                name=one.name,
                detail=one.detail,
                accuracy=accuracy(scores.argmax(axis=1) == right),
                auc=float(roc_auc_score(is_positive, scores[:, place])),
                roc=tuple((float(a), float(h)) for a, h in zip(alarms, hits, strict=True)),
                variant=one.variant,
                size_bytes=one.file.stat().st_size,
                latency_ms=timed.latency_ms.median or 0.0,
                latency_p90_ms=timed.latency_ms.p90 or 0.0,
                seconds=one.seconds,
                file=str(one.file),
            )
        )
    return tuple(found)
