"""Two networks trained alike, converted to int8, and measured on pictures in and out of place.

A source of pictures and a folder enter; the two run folders stay there, and their parameters,
accuracy, size and latency leave, with the accuracy of the shipped files on shifted pictures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...conversion.entries import Entry
from ...conversion.session import convert
from ...conversion.work import Reporter as ConversionReporter
from ...data.store import Frame
from ...results import Accuracy
from ...specs import Recipe, parse_model, parse_recipe
from ...specs.arithmetic import trace
from ...training.metrics import Metrics
from ...training.session import SessionReporter, train
from ..disturbances import Disturbance, Draws, translate
from ..invariance.measuring import Invariance, measure
from ..subjects import choose, open_subjects

DIGITS, CLOTHING = "keras:mnist", "embedded:fashion_mnist"
NAMES = {"mlp": "fully connected", "lenet": "CNN"}
EPOCHS, QUICK_EPOCHS = 12, 1
_SIDE = 28
_SHIFTS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
# Nothing that moves pictures: what a network makes of a shift, it then has of its own.
_RECIPE = """\
description: One of the two networks of the study mlp_vs_cnn.
data: {{source: {source}, splits: {{train: 0.85, val: 0.05, test: 0.1}}}}
model: {model}
preprocess: {{resize: stretch}}
training:
  epochs: {epochs}
  batch_size: 64
  optimizer: {{name: adamw, learning_rate: 1.0e-3, weight_decay: 0.01}}
  schedule: {{name: cosine, warmup_epochs: 1}}
convert: {{variants: [int8], calibration: {{count: 300}}, max_drop: null}}
"""
# First layers on a picture of 100 x 100, as every course does the sum.
_LARGE = "input: {{height: 100, width: 100, channels: 1}}\nlayers:\n{layers}"
_LARGE_DENSE = "  - Flatten\n  - Dense: {units: 10000}\n"
_LARGE_CONV = "  - Conv2D: {filters: 16, kernel_size: 3}\n  - GlobalAveragePooling2D\n"
_LAST = "  - Dense: {units: classes, activation: softmax}\n"


class Reporter(SessionReporter, ConversionReporter, Protocol):
    """Who is told of training, conversion and measuring."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """One of the two. accuracy: of the int8 file; keras_accuracy: before conversion. macs: of one
    inference. latency_ms: median and p90 on this machine, one thread."""

    name: str
    model: str
    parameters: int
    macs: int
    train_seconds: float
    keras_accuracy: float
    accuracy: Accuracy
    size_bytes: int
    latency_ms: float
    latency_p90_ms: float
    file: str


@dataclass(frozen=True, kw_only=True)
class FirstLayers:
    """Parameters of a first layer on a grey picture of 100 x 100 pixels: 10,000 neurons that each
    see all of it, and 16 filters of 3 x 3."""

    dense: int
    convolution: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """study.json. shifted: the two int8 files on moved pictures."""

    source: str
    epochs: int
    networks: tuple[Network, ...]
    first_layers: FirstLayers
    shifted: Invariance


def default_source() -> str:
    """The digits where Keras has fetched them before, otherwise the embedded clothing."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return DIGITS if (home / "datasets" / "mnist.npz").is_file() else CLOTHING


@dataclass(frozen=True, kw_only=True)
class Plan:
    """epochs: of training. pictures: shifted ones, at most."""

    source: str
    epochs: int
    pictures: int


def compare(
    plan: Plan, folder: Path, reporter: Reporter, progress: Callable[[str, int, int], None]
) -> Comparison:
    """Trains, converts and measures both. Raises CnnedgeError."""
    networks, files = [], []
    for model, name in NAMES.items():
        run = folder / f"run_{model}"
        metrics = train(_recipe(plan, model), run, reporter, force=True)
        reporter.note(f"{name}: converting to int8, and timing")
        report = convert(run, reporter)
        entry = report.variants[0]
        files.append(run / "export" / entry.file)
        networks.append(_network(name, model, metrics, entry, files[-1]))
    subjects = open_subjects(files)
    for subject, name in zip(subjects, NAMES.values(), strict=True):
        subject.name = name
    chosen = choose(subjects, None, plan.pictures)
    shifted = measure(subjects, chosen, (SHIFT,), progress)
    return Comparison(
        source=plan.source,
        epochs=plan.epochs,
        networks=tuple(networks),
        first_layers=first_layers(),
        shifted=shifted.result,
    )


def _recipe(plan: Plan, model: str) -> Recipe:
    text = _RECIPE.format(source=json.dumps(plan.source), model=model, epochs=plan.epochs)
    return parse_recipe(text, "the recipe of mlp_vs_cnn", [f"name=mlp_vs_cnn_{model}"])


def _network(name: str, model: str, metrics: Metrics, entry: Entry, file: Path) -> Network:
    latency = entry.latency_ms
    assert entry.accuracy is not None
    assert entry.ci95 is not None
    return Network(
        name=name,
        model=model,
        parameters=metrics.parameters or 0,
        macs=entry.macs,
        train_seconds=metrics.train_seconds,
        keras_accuracy=metrics.test.accuracy or 0.0,
        accuracy=Accuracy(accuracy=entry.accuracy, count=metrics.test.count, ci95=entry.ci95),
        size_bytes=entry.size_bytes,
        latency_ms=latency.median or 0.0,
        latency_p90_ms=latency.p90 or 0.0,
        file=str(file),
    )


def first_layers() -> FirstLayers:
    """The sum of `cnnedge models`, for two models of one first layer each."""
    found = []
    for layers, place in ((_LARGE_DENSE, 1), (_LARGE_CONV, 0)):
        spec = parse_model(_LARGE.format(layers=layers + _LAST), "100 x 100")
        found.append(trace(spec, None, 10)[place].parameters)
    return FirstLayers(dense=found[0], convolution=found[1])


def _shift(frame: Frame, pixels: float, draws: Draws) -> Frame:
    return translate(frame, 100 * pixels / _SIDE, draws)


SHIFT = Disturbance(name="shift", unit=" px", neutral=0, strengths=_SHIFTS, apply=_shift)
