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
from ..training.fitting import predict
from .entries import Judged
from .post_training import Mending, judging
from .report.verdict import USUAL_GATE
from .sensitivity import layer_errors, worst_layers
from .trial import answers
from .work import Work

_JUDGED = 400
# Each costs a conversion, and scoring the pictures.
MOST_TAKEN_AWAY = 12
# For the error of each layer: some 30 pictures of EfficientNet-Lite0 on two cores.
_SECONDS = 60.0


def leave_in_float(
    work: Work, model: Any, calibration: npt.NDArray[np.uint8], name: str
) -> tuple[bytes, tuple[str, ...], Judged]:
    """The int8 flatbuffer with the fewest float layers that holds the gate, and who judged.

    Adds the layers that change the most labels, 1, 2, 3, 4, 6, 8, 12 and so on, up to half of them,
    until the gate holds; then takes away each that it does not need. Biases are corrected as in
    int8 files. Where the gate never holds, it says so. Raises CnnedgeError.
    """
    gate = work.data.recipe.convert.max_drop
    allowed = (USUAL_GATE if gate is None else gate) / 100
    indices, part = judging(work, _JUDGED)
    right = work.data.dataset.targets[indices]
    exact = predict(model, work.data.pixels, indices).argmax(axis=1)
    if work.targets is None:
        right = exact  # unknown classes: the float model's answers are all there is
    whole = convert_keras(model, "int8", calibration)
    work.data.reporter.stage(f"{name}: finding the layers that hurt", 0, 0)
    errors = layer_errors(model, whole, calibration, seconds=_SECONDS)
    mending = Mending.of(work, model, calibration)
    made: dict[tuple[str, ...], bytes] = {}

    def holds(layers: tuple[str, ...]) -> bool:
        work.data.reporter.stage(f"{name}: {len(layers)} layers in float", 0, 0)
        plain = convert_keras(model, "int8", calibration, float_layers=layers)
        made[layers] = mending.corrected(plain)
        given = answers(work, made[layers], indices).argmax(axis=1)
        return bool(np.mean(exact == right) - np.mean(given == right) <= allowed)

    tried = (worst_layers(errors, count) for count in _counts(len(errors)))
    layers = fewest(tried, holds)
    return made[layers], layers, Judged(pictures=len(indices), part=part)


def fewest(
    tried: Iterable[tuple[str, ...]], holds: Callable[[tuple[str, ...]], bool]
) -> tuple[str, ...]:
    """The first of these that holds, without what it does not need; the last where none holds.

    tried: layers, the worst first. They are taken away, the least harmful first, half of them at
    once, then a quarter, down to one by one, in at most MOST_TAKEN_AWAY trials.
    """
    chosen: tuple[str, ...] = ()
    for chosen in tried:
        if holds(chosen):
            break
    else:
        return chosen
    trials, size = 0, len(chosen) // 2
    while size:
        ranked = chosen[::-1]
        for begin in range(0, len(ranked), size):
            group = ranked[begin : begin + size]
            rest = tuple(layer for layer in chosen if layer not in group)
            if not rest or trials == MOST_TAKEN_AWAY:
                continue
            trials += 1
            chosen = rest if holds(rest) else chosen
        size //= 2
    return chosen


def _counts(layers: int) -> list[int]:
    counts, step = [1, 2, 3, 4], 2
    while counts[-1] + step <= max(4, layers // 2):
        counts += [counts[-1] + step, counts[-1] + 2 * step]
        step *= 2
    return [count for count in counts if count <= max(1, layers // 2)]
