"""Selective quantisation: the worst layers stay in float, as few as the gate needs.

A Keras model enters; an int8 flatbuffer leaves in which those layers compute in float32, and
their names. How many it takes is decided on validation pictures; the test pictures only judge.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..converter import convert as convert_keras
from ..data import calibration_indices
from ..training.fitting import predict
from .report_verdict import USUAL_GATE
from .sensitivity import layer_errors, worst_layers
from .trial import answers
from .work import Work

_JUDGED = 1000


def leave_in_float(
    work: Work, model: Any, calibration: npt.NDArray[np.uint8], name: str
) -> tuple[bytes, tuple[str, ...]]:
    """The int8 flatbuffer with the fewest float layers, worst first, that holds the gate.

    Tries 1, 2, 3, 4, 6, 8, 12 and so on, up to half of the layers; the last of these where none
    holds: the gate then says so. Raises CnnedgeError.
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
    for count in _counts(len(errors)):
        layers = worst_layers(errors, count)
        work.data.reporter.stage(f"{name}: {len(layers)} layers in float", 0, 0)
        flatbuffer = convert_keras(model, "int8", calibration, float_layers=layers)
        given = answers(work, flatbuffer, indices).argmax(axis=1)
        if np.mean(exact == right) - np.mean(given == right) <= allowed:
            break
    return flatbuffer, layers


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
