"""Capsules and a CNN of as many weights, trained alike, converted, and asked about pictures that
are turned, moved, or two in one.

In training every other picture has a second one over it, as Sabour, Frosst and Hinton (2017) train;
none is turned or moved otherwise.

A source of pictures and a folder enter; the files stay there, and what they are worth leaves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...benchmark import Case, get_protocol, run_cases
from ...bundle import write_model
from ...converter import convert
from ...data import Dataset
from ...data import Pixels as DataPixels
from ...errors import DataError
from ...results import Accuracy, accuracy, mcnemar
from ...specs import InputSize, parse_recipe
from ...training.feed import one_hot
from ...training.run_data import provenance
from ...training.session import load_recipe_data
from ..disturbances import DISTURBANCES
from ..invariance.measuring import Invariance, measure
from ..mlp_vs_cnn.comparing import SHIFT
from ..subjects import FileSubject, choose
from .network import SIDE, capsules, cnn, margin_loss, shared_cross_entropy

Progress = Callable[[str, int, int], None]
EPOCHS, QUICK_EPOCHS = 8, 1
CAPSULES, CNN = "capsules", "CNN"
_SIZE = InputSize(height=SIDE, width=SIDE, channels=1)
_RECIPE = """\
description: One of the two networks of the study capsule.
data: {{source: {source}, splits: {{train: 0.85, val: 0.05, test: 0.1}}}}
model: lenet
preprocess: {{resize: stretch}}
training: {{epochs: {epochs}}}
"""
_BATCH, _RATE = 64, 2e-3
_CALIBRATION = 300
# Of two pictures in one: how far each is moved from the middle, in opposite directions.
_APART = 4
# The file that is measured, and the other, whose labels are compared.
VARIANTS = ("float16", "int8")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One file. agreement: of its labels with those of the Keras network, on the test pictures."""

    name: str
    file: str
    size_bytes: int
    accuracy: Accuracy
    agreement: Accuracy
    latency_ms: float


@dataclass(frozen=True, kw_only=True)
class Network:
    """overlapping: of pairs whose two best classes are the right two."""

    name: str
    parameters: int
    keras: Accuracy
    variants: tuple[Variant, ...]
    overlapping: Accuracy


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """study.json. disturbed: the float16 files on turned and moved pictures. overlapping_p: that
    both name as many of the same pairs (McNemar's test)."""

    source: str
    epochs: int
    networks: tuple[Network, ...]
    overlapping_p: float
    disturbed: Invariance


@dataclass(frozen=True, kw_only=True)
class Plan:
    """pictures: of each measurement but that of plain accuracy, at most."""

    source: str
    epochs: int
    pictures: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Two pictures in one: uint8 [n, 28, 28, 1], and the two classes, int64 [n, 2]."""

    pixels: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The result, with the pairs and each network's scores of them for the figure."""

    result: Comparison
    pairs: Pairs
    scores: tuple[npt.NDArray[np.float32], ...]
    labels: tuple[str, ...]


def compare(plan: Plan, folder: Path, progress: Progress) -> Measured:
    """Trains, converts and measures both. Raises CnnedgeError."""
    recipe = parse_recipe(
        _RECIPE.format(source=json.dumps(plan.source), epochs=plan.epochs),
        "the recipe of the study capsule",
        ["name=capsule"],
    )
    dataset = load_recipe_data(recipe, lambda d, t: progress("reading pictures", d, t))
    pixels = DataPixels(dataset, _SIZE, recipe.preprocess)
    calibration = pixels.batch(dataset.indices("train")[:_CALIBRATION])
    networks: list[Network] = []
    subjects: list[FileSubject] = []
    pairs = overlapped(dataset, pixels, plan.pictures)
    shares: list[npt.NDArray[np.float32]] = []
    for name, model in _built(len(dataset.classes)):
        _fit(model, pixels, plan.epochs, lambda d, t, n=name: progress(f"training {n}", d, t))  # type: ignore[misc]
        files = []
        for variant in VARIANTS:
            file = folder / f"{name.lower()}_{variant}.tflite"
            origin = provenance(replace(recipe, name=name.lower()), pixels, variant)
            flatbuffer = convert(model, variant, calibration)
            write_model(file, flatbuffer, labels=dataset.classes, size=_SIZE, provenance=origin)
            files.append(file)
        progress(f"measuring {name}", 0, 1)
        subjects.append(FileSubject(files[0], name))
        shares.append(subjects[-1].scores(pairs.pixels))
        networks.append(_network(name, model, pixels, files, accuracy(named(shares[-1], pairs))))
    chosen = choose(subjects, None, plan.pictures)
    turned = tuple(each for each in DISTURBANCES if each.name == "rotation")
    found = measure(subjects, chosen, (*turned, SHIFT), progress)
    result = Comparison(
        source=plan.source,
        epochs=plan.epochs,
        networks=tuple(networks),
        overlapping_p=mcnemar(named(shares[0], pairs), named(shares[1], pairs)),
        disturbed=found.result,
    )
    return Measured(result=result, pairs=pairs, scores=tuple(shares), labels=dataset.classes)


def _built(classes: int) -> tuple[tuple[str, Any], ...]:
    """Both networks by name, compiled."""
    import tf_keras

    routed = capsules(classes)
    routed.compile(tf_keras.optimizers.legacy.Adam(_RATE), margin_loss)
    plain = cnn(classes, int(routed.count_params()))
    plain.compile(tf_keras.optimizers.legacy.Adam(_RATE), shared_cross_entropy)
    return (CAPSULES, routed), (CNN, plain)


def _fit(model: Any, pixels: DataPixels, epochs: int, progress: Callable[[int, int], None]) -> None:
    """Plain epochs, the learning rate falling to nothing; both networks see the same batches."""
    indices = pixels.dataset.indices("train")
    steps = -(-len(indices) // _BATCH)
    total = steps * epochs
    for epoch in range(epochs):
        order = np.random.default_rng([0, epoch]).permutation(indices)
        for step in range(steps):
            done = epoch * steps + step
            model.optimizer.learning_rate = _RATE * 0.5 * (1 + np.cos(np.pi * done / total))
            rows = order[step * _BATCH : (step + 1) * _BATCH]
            model.train_on_batch(*_batch(pixels, rows, np.random.default_rng([1, done])))
            progress(done + 1, total)


def _batch(
    pixels: DataPixels, rows: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Pictures, every other one with a second one over it, and 1 for each class that is there."""
    dataset = pixels.dataset
    values, classes = pixels.batch(rows), len(dataset.classes)
    wanted = one_hot(dataset.targets[rows], classes)
    half = len(rows) // 2
    others = rng.permutation(rows)[:half]
    values[:half] = overlaid(values[:half], pixels.batch(others))
    wanted[:half] = np.maximum(wanted[:half], one_hot(dataset.targets[others], classes))
    return values.astype(np.float32), wanted


def _network(
    name: str, model: Any, pixels: DataPixels, files: Sequence[Path], overlapping: Accuracy
) -> Network:
    dataset = pixels.dataset
    indices = dataset.indices("test")
    values, targets = pixels.batch(indices), dataset.targets[indices]
    keras = model.predict(values.astype(np.float32), verbose=0).argmax(axis=1)
    timed = run_cases([Case(model=file) for file in files], get_protocol("quick"))
    variants = []
    for variant, file, result in zip(VARIANTS, files, timed, strict=True):
        labels = FileSubject(file, name).scores(values).argmax(axis=1)
        variants.append(
            Variant(
                name=variant,
                file=str(file),
                size_bytes=file.stat().st_size,
                accuracy=accuracy(labels == targets),
                agreement=accuracy(labels == keras),
                latency_ms=result.latency_ms.median or 0.0,
            )
        )
    return Network(
        name=name,
        parameters=int(model.count_params()),
        keras=accuracy(keras == targets),
        variants=tuple(variants),
        overlapping=overlapping,
    )


def overlapped(dataset: Dataset, pixels: DataPixels, most: int) -> Pairs:
    """Test pictures in pairs of two classes, each moved a little aside, the brighter pixel on top.

    Raises DataError where no two pictures of two classes are there.
    """
    rng = np.random.default_rng(5)
    first, second = (rng.permutation(dataset.indices("test")) for _ in range(2))
    apart = dataset.targets[first] != dataset.targets[second]
    first, second = first[apart][:most], second[apart][:most]
    if not len(first):
        raise DataError(f"{dataset.source}: its test part needs pictures of two classes")
    classes = np.stack([dataset.targets[first], dataset.targets[second]], axis=1)
    return Pairs(pixels=overlaid(pixels.batch(first), pixels.batch(second)), classes=classes)


def overlaid(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Two pictures in one, uint8 [n, h, w, 1], moved apart, of each pixel the brighter."""
    both: npt.NDArray[np.uint8] = np.maximum(_aside(first, -_APART), _aside(second, _APART))
    return both


def _aside(pictures: npt.NDArray[np.uint8], by: int) -> npt.NDArray[np.uint8]:
    """Pictures [n, h, w, 1] moved down and to the right, black where they were."""
    moved = np.roll(pictures, (by, by), axis=(1, 2))
    uncovered = slice(0, by) if by > 0 else slice(by, None)
    moved[:, uncovered] = 0
    moved[:, :, uncovered] = 0
    return moved


def named(scores: npt.NDArray[np.float32], pairs: Pairs) -> npt.NDArray[np.bool_]:
    """Whether both classes of each pair are the two best, bool [n]."""
    best = np.sort(np.argsort(-scores, axis=1)[:, :2], axis=1)
    found: npt.NDArray[np.bool_] = (best == np.sort(pairs.classes, axis=1)).all(axis=1)
    return found
