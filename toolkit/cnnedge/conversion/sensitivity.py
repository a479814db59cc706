"""Which layers an int8 model loses its accuracy in.

A Keras model, its int8 flatbuffer and pictures enter; for each layer leave how far its values are
from those of the float32 model, how much of that is its own doing, how many labels that changes,
and what the layer would cost in float. The names of the worst layers go back into
`convert(..., float_layers=...)`.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bundle import Graph
from ..bundle.layer_names import known_layer, layer_name
from ..conditions import usable_cores
from ..converter import convert, layer_names
from ..errors import ModelError
from ..native_stderr import captured
from ..preprocess import Pixels
from .pieces import PACKING, Floats, Source, Values, dequantised, quantised

# No noise at all, or no signal.
LIMIT_DB = 150.0
_SQUASHING = ("SOFTMAX", "LOGISTIC")
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
# Their output has their input's scale: what was rounded away before them stays so behind them.
_SAME_SCALE = (
    *("AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "PADV2", "MIRROR_PAD", "RESHAPE", "SQUEEZE"),
    *("TRANSPOSE", "STRIDED_SLICE", "SLICE", "EXPAND_DIMS", "CONCATENATION"),
)
# Values of one pass that are kept at a time.
_KEPT_BYTES = 256 * 2**20
# Pictures, where the time is limited.
_A_PART = 32
# A layer is timed this often in float and in int8; the fastest counts.
_TIMED = 5


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """What int8 does to one layer, over all pictures.

    layer: its Keras name, of the layer that brings the weights where several are fused. operator:
    that of the weights, or the last. snr_db: of its output in the int8 model against the float32
    model's, 10 log10(mean(x^2) / mean((x - x_int8)^2)): what all layers so far have lost.

    own_snr_db: what the layer alone loses. Its int8 operators and its float ones get the same
    input, the float32 model's in int8; the difference of their outputs is added to the float32
    model's values there, and the ratio is taken at the model's logits (where softmax or sigmoid
    takes them; for softmax without their mean, which it ignores). So the noise counts as much as
    the layers behind make of it: a channel's size alone means nothing, since the next layer may
    scale it at will. rounding_snr_db: the same, of the rounding of its output to int8 alone;
    where it is about as low, the layers that take the output must be in float as well.

    Decibels are within -150..150. low, high: the range of its float32 output.
    weight_range_ratio, output_range_ratio: the largest over the median channel's largest
    magnitude, of the kernel (1 without one) and of the output. followers: the layers that take
    the output as int8 rounded it.

    changed: of `pictures`, those that get another label when the layer alone is in int8. What the
    layer costs in float instead: float_bytes more in the file, and float_ms more for an inference
    on one thread, without the conversions around it (below 0 where int8 is the slower one). None in
    reports of earlier versions.
    """

    layer: str
    operator: str
    snr_db: float
    own_snr_db: float
    rounding_snr_db: float
    low: float
    high: float
    weight_range_ratio: float
    output_range_ratio: float
    followers: tuple[str, ...]
    changed: int | None = None
    pictures: int | None = None
    float_bytes: int | None = None
    float_ms: float | None = None


def layer_errors(
    model: Any,
    flatbuffer: bytes,
    pictures: Pixels,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    seconds: float = math.inf,
) -> list[LayerError]:
    """The errors of all layers, in the order of execution; a final softmax or sigmoid left out.

    model: the tf_keras model that the flatbuffer was converted from; of a quantisation-aware one
    the float32 variant rounds too, and only what training did not foresee is noise. flatbuffer:
    an int8 variant, also one with float layers. pictures: uint8 [n, h, w, c], at least one; 16
    are plenty for the ratios, and the time taken is theirs times the layers'. progress: called with
    steps done and in all. seconds: no part of the pictures is begun that would probably end later;
    the first is always taken. Raises ModelError when the flatbuffer is not of this model.
    """
    if not len(pictures):
        raise ValueError("at least one picture is needed")
    with captured():
        names, last = layer_names(model), model.output_names[0]
        if not names:
            # A network without layers of Keras has none to name.
            return []
        unrounded = convert(model, "float32", pictures[:1])
        exact = _Side(Source(unrounded, "float32"), names, last)
        rounded = _Side(Source(flatbuffer, "int8"), names, last)
        layers = _matched(exact, rounded)
        sums = [_Sums(layer) for layer in layers]
        taken = sum(exact.source.graph.tensors[x.output].values for x in layers) * 8
        size = max(1, _KEPT_BYTES // max(1, taken))
        if seconds < math.inf:
            size = min(size, _A_PART)
        chunks = [pictures[i : i + size] for i in range(0, len(pictures), size)]
        started = time.monotonic()
        for i, chunk in enumerate(chunks):
            values = _whole_runs(exact, rounded, layers, chunk, sums)
            for j, (layer, into) in enumerate(zip(layers, sums, strict=True)):
                _own_runs(exact, rounded, layer, values, into)
                progress(i * len(layers) + j + 1, len(chunks) * len(layers))
            if (time.monotonic() - started) * (i + 2) / (i + 1) > seconds:
                break
    return [_error(exact, rounded, layers, into) for into in sums]


def for_errors(calibration: Pixels) -> Pixels:
    """The first pictures, for the error of each layer; 32 small ones, 6 of 224x224.

    The ratio settles soon, and every layer is run with all that come behind it.
    """
    values = int(np.prod(calibration.shape[1:]))
    return calibration[: int(np.clip(2**20 // values, 4, 32))]


def worst_layers(errors: Sequence[LayerError], count: int) -> tuple[str, ...]:
    """The layers to leave in float first, worst first; at most `count`.

    By the labels that each changes alone, and by own_snr_db where these are alike. Behind a layer
    whose rounded output does most of the harm stand those that take it, for in front of an int8
    layer the output is rounded all the same.
    """
    chosen: dict[str, None] = {}
    for error in sorted(errors, key=lambda e: (-(e.changed or 0), e.own_snr_db)):
        chosen[error.layer] = None
        # Half of the noise is 3 dB.
        if error.rounding_snr_db - error.own_snr_db <= 3:
            chosen.update(dict.fromkeys(error.followers))
    return tuple(chosen)[:count]


@dataclass(frozen=True, kw_only=True)
class _Run:
    """Consecutive operators of one layer, and the tensor that they give."""

    layer: str
    operators: tuple[int, ...]
    output: int


class _Side:
    """One of the two models: its layers, and the tensor with the logits."""

    def __init__(self, source: Source, names: Sequence[str], last: str) -> None:
        """names: of the Keras model's layers; last: of the one that gives its output."""
        self.source = source
        graph = source.graph
        self.logits, self.squashing = _logits(graph)
        self.input = graph.inputs[0]
        self.runs: dict[tuple[str, int], _Run] = {}
        between = [
            i
            for i in source.between(self.input, self.logits)
            if source.operator(i).name not in PACKING
        ]
        for layer, run in itertools.groupby(between, lambda i: self._layer(i, names, last)):
            operators = tuple(run)
            # A layer that is used twice is two.
            use = sum(name == layer for name, _ in self.runs)
            output = source.operator(operators[-1]).outputs[0]
            self.runs[layer, use] = _Run(layer=layer, operators=operators, output=output)

    def _layer(self, operator: int, names: Sequence[str], last: str) -> str:
        output = self.source.operator(operator).outputs[0]
        if output == self.logits and not self.squashing:
            # Its tensor bears the signature's name, and no layer's.
            return last
        tensor = self.source.graph.tensors[output].name
        return known_layer(tensor, names) or layer_name(tensor)


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """One layer in both models: operators, and the tensor that leaves it."""

    name: str
    exact: tuple[int, ...]
    rounded: tuple[int, ...]
    output: int
    rounded_output: int


class _Sums:
    """Signal and noise of one layer, added up over the pictures."""

    def __init__(self, layer: _Layer) -> None:
        self.layer = layer
        self.signal = self.noise = 0.0
        self.logits = self.own = self.rounding = 0.0
        self.changed = self.pictures = 0
        self.float_ms = math.nan
        self.low, self.high = math.inf, -math.inf
        self.channels: Floats = np.zeros(1, np.float32)

    def add_output(self, exact: Floats, rounded: Floats) -> None:
        self.signal += _energy(exact)
        self.noise += _energy(rounded - exact)
        self.low = min(self.low, float(exact.min()))
        self.high = max(self.high, float(exact.max()))
        largest = np.abs(exact.reshape(-1, exact.shape[-1])).max(axis=0)
        self.channels = np.maximum(self.channels, largest) if self.channels.size > 1 else largest

    def add_logits(self, exact: Floats, own: Floats, rounding: Floats, softmax: bool) -> None:
        self.logits += _energy(_centred(exact, softmax))
        self.own += _energy(_centred(own - exact, softmax))
        self.rounding += _energy(_centred(rounding - exact, softmax))
        self.pictures += len(exact)
        self.changed += int(np.sum(_label(exact) != _label(own)))


def _matched(exact: _Side, rounded: _Side) -> list[_Layer]:
    """The layers of both; ModelError where the int8 model has others."""
    if exact.runs.keys() != rounded.runs.keys():
        other = sorted({name for name, _ in exact.runs.keys() ^ rounded.runs.keys()})
        raise ModelError(
            "the int8 model was not converted from this model: they differ in the layers "
            f"{', '.join(other[:5])}"
        )
    return [
        _Layer(
            name=run.layer,
            exact=run.operators,
            rounded=rounded.runs[key].operators,
            output=run.output,
            rounded_output=rounded.runs[key].output,
        )
        for key, run in exact.runs.items()
    ]


def _logits(graph: Graph) -> tuple[int, str]:
    """The tensor that the final softmax or sigmoid takes, and which it is; the output if none."""
    producers = {op.outputs[0]: op for op in graph.operators}
    tensor = graph.outputs[0]
    while tensor in producers and producers[tensor].name in PACKING:
        tensor = producers[tensor].inputs[0]
    last = producers.get(tensor)
    if last is None or last.name not in _SQUASHING:
        return tensor, ""
    tensor = last.inputs[0]
    while producers[tensor].name in PACKING:
        tensor = producers[tensor].inputs[0]
    return tensor, last.name


def _whole_runs(
    exact: _Side, rounded: _Side, layers: list[_Layer], pictures: Pixels, sums: list[_Sums]
) -> list[dict[int, Floats]]:
    """Both models on each picture: the float32 values of all layers leave, by tensor."""
    a, b = exact.source, rounded.source
    one = a.piece(a.between(exact.input, exact.logits), [x.output for x in layers])
    other = b.piece(b.between(rounded.input, rounded.logits), [x.rounded_output for x in layers])
    pixels_in = b.graph.tensors[rounded.input]
    kept = []
    for picture in pictures:
        pixels = picture[np.newaxis].astype(np.float32)
        values = one.run({exact.input: pixels})
        steps = other.run({rounded.input: quantised(pixels, pixels_in)})
        for layer, into in zip(layers, sums, strict=True):
            tensor = b.graph.tensors[layer.rounded_output]
            found = dequantised(steps[layer.rounded_output], tensor)
            into.add_output(values[layer.output], found)
        kept.append({exact.input: pixels, **values})
    return kept


def _own_runs(
    exact: _Side, rounded: _Side, layer: _Layer, values: list[dict[int, Floats]], sums: _Sums
) -> None:
    """One layer alone on each picture, in int8 and in float, and what becomes of its noise."""
    a, b = exact.source, rounded.source
    one = a.piece(layer.exact, [layer.output])
    other = b.piece(layer.rounded, [layer.rounded_output])
    partners = _partners(exact, rounded, other.inputs)
    after = a.between(layer.output, exact.logits)
    # Where the time goes.
    rest = a.piece(after, [exact.logits], threads=usable_cores()) if after else None
    tensor = b.graph.tensors[layer.rounded_output]
    for known in values:
        steps = {t: quantised(known[p], b.graph.tensors[t]) for t, p in partners.items()}
        if math.isnan(sums.float_ms):
            sums.float_ms = one.milliseconds(known, _TIMED) - other.milliseconds(steps, _TIMED)
        same = {p: dequantised(steps[t], b.graph.tensors[t]) for t, p in partners.items()}
        ideal = one.run(same)[layer.output]
        own = dequantised(other.run(steps)[layer.rounded_output], tensor) - ideal
        rounding = dequantised(quantised(ideal, tensor), tensor) - ideal
        found = []
        for noise in (own, rounding):
            noisy: dict[int, Values] = {**known, layer.output: known[layer.output] + noise}
            found.append(rest.run(noisy)[exact.logits] if rest else noisy[exact.logits])
        sums.add_logits(known[exact.logits], found[0], found[1], exact.squashing == "SOFTMAX")


def _partners(exact: _Side, rounded: _Side, tensors: Sequence[int]) -> Mapping[int, int]:
    """The float32 model's tensor for each of these int8 model's."""
    pairs = {rounded.runs[key].output: run.output for key, run in exact.runs.items()}
    pairs[rounded.input] = exact.input
    missing = [rounded.source.graph.tensors[t].name for t in tensors if t not in pairs]
    if missing:
        raise ModelError(
            f"the int8 model was not converted from this model: it takes {missing[0]} on the way"
        )
    return {t: pairs[t] for t in tensors}


def _error(exact: _Side, rounded: _Side, layers: list[_Layer], sums: _Sums) -> LayerError:
    layer, source = sums.layer, exact.source
    in_float = source.constant_bytes(layer.exact)
    weighted = [i for i in layer.exact if source.operator(i).name in _WEIGHTED]
    return LayerError(
        layer=layer.name,
        operator=source.operator((weighted or layer.exact)[-1]).name,
        snr_db=_decibels(sums.signal, sums.noise),
        own_snr_db=_decibels(sums.logits, sums.own),
        rounding_snr_db=_decibels(sums.logits, sums.rounding),
        low=sums.low,
        high=sums.high,
        weight_range_ratio=max((_kernel_ratio(source, i) for i in weighted), default=1.0),
        output_range_ratio=_ratio(sums.channels),
        followers=_followers(source, layer, layers),
        changed=sums.changed,
        pictures=sums.pictures,
        float_bytes=in_float - rounded.source.constant_bytes(layer.rounded),
        float_ms=sums.float_ms,
    )


def _followers(source: Source, layer: _Layer, layers: list[_Layer]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    carrying = {layer.output}
    for other in layers:
        if other is layer or not carrying.intersection(source.inputs(other.exact)):
            continue
        found[other.name] = None
        if all(source.operator(i).name in _SAME_SCALE for i in other.exact):
            carrying.add(other.output)
    return tuple(found)


def _kernel_ratio(source: Source, operator: int) -> float:
    op = source.operator(operator)
    kernel = source.constant(op.inputs[1])
    if kernel is None:
        return 1.0
    outputs_last = np.moveaxis(kernel, -1 if op.name == "DEPTHWISE_CONV_2D" else 0, -1)
    return _ratio(np.abs(outputs_last.reshape(-1, outputs_last.shape[-1])).max(axis=0))


def _ratio(channels: Floats) -> float:
    """The largest over the median; channels that are always zero do not count."""
    alive = channels[channels > 0]
    return float(alive.max() / np.median(alive)) if alive.size else 1.0


def _energy(values: Floats) -> float:
    return float(np.sum(np.square(values, dtype=np.float64)))


def _label(logits: Floats) -> Values:
    """Of each picture, the class that wins; of one sigmoid, whether it is there."""
    if logits.shape[-1] == 1:
        return np.asarray(logits.reshape(len(logits), -1)[:, 0] > 0)
    return np.asarray(logits.reshape(len(logits), -1).argmax(axis=1))


def _centred(values: Floats, softmax: bool) -> Floats:
    return values - values.mean(axis=-1, keepdims=True) if softmax else values


def _decibels(signal: float, noise: float) -> float:
    if noise <= 0 or signal <= 0:
        return LIMIT_DB if noise <= 0 else -LIMIT_DB
    return min(LIMIT_DB, max(-LIMIT_DB, 10 * math.log10(signal / noise)))
