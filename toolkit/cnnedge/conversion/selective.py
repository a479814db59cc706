"""Selective quantisation: the worst layers stay in float, as few as the gate needs.

A Keras model enters; an int8 flatbuffer leaves in which those layers compute in float32, and
their names. Which these are is decided on validation pictures; the test pictures only judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..converter import convert as convert_keras
from ..data import calibration_indices
from ..training.fitting import predict
from .report.verdict import USUAL_GATE
from .sensitivity import layer_errors, worst_layers
from .trial import answers
from .work import Work

_JUDGED = 1000
# Each costs a conversion, and scoring the pictures.
MOST_TAKEN_AWAY = 12


def leave_in_float(
    work: Work, model: Any, calibration: npt.NDArray[np.uint8], name: str
) -> tuple[bytes, tuple[str, ...]]:
    """The int8 flatbuffer with the fewest float layers that holds the gate.

    Adds the worst layers, 1, 2, 3, 4, 6, 8, 12 and so on, up to half of them, until the gate holds;
    then takes away each that it does not need. Where the gate never holds, it says so. Raises
    CnnedgeError.
    """
    gate = work.data.recipe.convert.max_drop
    allowed = (USUAL_GATE if gate is None else gate) / 100
    indices = _judging(work)
    right = work.data.dataset.targets[indices]
    exact = predict(model, work.data.pixels, indices).argmax(axis=1)
    if work.targets is None:
        right = exact  # unknown classes: the float model's answers are all there is
    whole = convert_keras(model, "int8", calibration)
    work.data.reporter.stage(f"{name}: finding the layers that hurt", 0, 0)
    errors = layer_errors(model, whole, for_errors(calibration))
    made: dict[tuple[str, ...], bytes] = {}

    def holds(layers: tuple[str, ...]) -> bool:
        work.data.reporter.stage(f"{name}: {len(layers)} layers in float", 0, 0)
        made[layers] = convert_keras(model, "int8", calibration, float_layers=layers)
        given = answers(work, made[layers], indices).argmax(axis=1)
        return bool(np.mean(exact == right) - np.mean(given == right) <= allowed)

    tried = (worst_layers(errors, count) for count in _counts(len(errors)))
    layers = fewest(tried, holds)
    return made[layers], layers


def fewest(
    tried: Iterable[tuple[str, ...]], holds: Callable[[tuple[str, ...]], bool]
) -> tuple[str, ...]:
    """The first of these that holds, without what it does not need; the last where none holds.

    tried: layers, the worst first. Taken away one by one, the least harmful first, in at most
    MOST_TAKEN_AWAY trials.
    """
    chosen: tuple[str, ...] = ()
    for chosen in tried:
        if holds(chosen):
            break
    else:
        return chosen
    for layer in chosen[::-1][:MOST_TAKEN_AWAY]:
        rest = tuple(each for each in chosen if each != layer)
        if rest and holds(rest):
            chosen = rest
    return chosen


def for_errors(calibration: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The first pictures, for the error of each layer; 32 small ones, 6 of 224x224.

    The ratio settles soon, and every layer is run with all that come behind it.
    """
    values = int(np.prod(calibration.shape[1:]))
    return calibration[: int(np.clip(2**20 // values, 4, 32))]


def _judging(work: Work) -> npt.NDArray[np.int64]:
    """Validation pictures; training pictures where there are none."""
    indices = work.data.dataset.indices("val")
    if len(indices) >= 50:
        return indices[:_JUDGED]
    return calibration_indices(
        work.data.dataset, _JUDGED, work.data.recipe.convert.calibration.seed + 1
    )


def _counts(layers: int) -> list[int]:
    counts, step = [1, 2, 3, 4], 2
    while counts[-1] + step <= max(4, layers // 2):
        counts += [counts[-1] + step, counts[-1] + 2 * step]
        step *= 2
    return [count for count in counts if count <= max(1, layers // 2)]
