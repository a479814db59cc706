"""Biases of an int8 network that give every layer's output the mean of the float network's.

A float32 flatbuffer, the int8 one made of it and calibration pictures enter; the int8 flatbuffer
leaves with other numbers in its biases, and nothing else changed.

Rounded weights and inputs shift the mean of each channel that a layer computes, and all layers
behind it then work on shifted values. The layers are corrected in the order of execution, each on
what the corrected layers before it give. Before its activation a layer is linear, so the mean of
its input at each place tells the mean of its output: nothing else of the pictures is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..bundle import OperatorInfo
from ..conditions import usable_cores
from ..preprocess import Pixels
from .pieces import Source, Values, quantised

Numbers = npt.NDArray[np.float64]

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# A mean of them is known well enough: 48 and 64 pictures gave the same labels.
_MEASURED = 64
_INT32 = np.iinfo(np.int32)


def measured_on(calibration: Pixels) -> Pixels:
    """The calibration pictures that the means are taken of, spread evenly."""
    count = min(_MEASURED, len(calibration))
    places = np.arange(count) * (len(calibration) - 1) // max(1, count - 1)
    chosen: Pixels = calibration[places]
    return chosen


def corrected(flatbuffer: bytes, exact: bytes, pictures: Pixels) -> bytes:
    """The int8 flatbuffer with corrected biases; as it is where the two do not match.

    exact: the float32 flatbuffer that it was quantised from. pictures: uint8 [n, h, w, c], at
    least one; all values of one layer for all of them are in memory at a time. Layers without a
    bias of their own and grouped convolutions are left alone.
    """
    rounded, plain = Source(flatbuffer, "int8"), Source(exact, "float32")
    pairs = list(_pairs(rounded, plain))
    if not pairs:
        return flatbuffer
    wanted = _expected(plain, [pair.exact for pair in pairs], pictures)
    rounded.separate(rounded.operator(pair.rounded).inputs[2] for pair in pairs)
    course = _Course(rounded, pictures)
    for pair, mean in zip(pairs, wanted, strict=True):
        operator, tensors = rounded.operator(pair.rounded), rounded.graph.tensors
        taken, bias = tensors[operator.inputs[0]], tensors[operator.inputs[2]]
        values = course.mean_before(pair.rounded) - taken.zero_points[0]
        product = _mean_product(rounded, pair.rounded, values * taken.scales[0])
        steps = np.rint((mean - product) / np.array(bias.scales))
        stored = np.clip(steps, _INT32.min, _INT32.max).astype(np.int32)
        rounded.replace_constant(bias.index, stored)
    return rounded.content()


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """One layer's operator in both networks."""

    rounded: int
    exact: int


def _pairs(rounded: Source, plain: Source) -> Iterator[_Pair]:
    """The layers whose biases can be corrected, in the order of execution; none of two networks."""
    ours, theirs = _weighted(rounded), _weighted(plain)
    if [_form(rounded, i) for i in ours] != [_form(plain, i) for i in theirs]:
        return
    for one, other in zip(ours, theirs, strict=True):
        if (
            _correctable(rounded, one)
            and plain.constant(plain.operator(other).inputs[1]) is not None
        ):
            yield _Pair(rounded=one, exact=other)


def _weighted(source: Source) -> list[int]:
    return [i for i, op in enumerate(source.graph.operators) if op.name in _WEIGHTED]


def _form(source: Source, index: int) -> tuple[object, ...]:
    operator, tensors = source.operator(index), source.graph.tensors
    return (operator.name, tensors[operator.inputs[1]].shape, tensors[operator.outputs[0]].shape)


def _correctable(source: Source, index: int) -> bool:
    operator, tensors = source.operator(index), source.graph.tensors
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return False
    taken, kernel, bias = (tensors[t] for t in operator.inputs[:3])
    users = sum(bias.index in op.inputs for op in source.graph.operators)
    channels = kernel.shape[-1]
    return (
        (taken.dtype, kernel.dtype, bias.dtype) == ("int8", "int8", "int32")
        and bool(bias.constant_bytes and kernel.constant_bytes and kernel.sparse is None)
        and users == 1
        and (operator.name == "FULLY_CONNECTED" or taken.shape[-1] == channels)
    )


def _expected(plain: Source, layers: Sequence[int], pictures: Pixels) -> list[Numbers]:
    """The mean of what each layer computes before its activation, float64 [channels]."""
    start, end = plain.graph.inputs[0], plain.operator(layers[-1]).outputs[0]
    taken = list(dict.fromkeys(plain.operator(i).inputs[0] for i in layers))
    shown = [t for t in taken if t != start]
    piece = plain.piece(plain.between(start, end), shown or [end], threads=usable_cores())
    sums: dict[int, Numbers] = {}
    for picture in pictures:
        values = {start: picture[np.newaxis].astype(np.float32)}
        values.update(piece.run(values))
        for tensor in taken:
            sums[tensor] = sums.get(tensor, np.zeros(())) + values[tensor].astype(np.float64)
    found = []
    for index in layers:
        operator = plain.operator(index)
        product = _mean_product(plain, index, sums[operator.inputs[0]] / len(pictures))
        given = [tensor for tensor in operator.inputs[2:] if tensor >= 0]
        bias = plain.constant(given[0]) if given else None
        found.append(product if bias is None else product + bias)
    return found


class _Course:
    """The int8 network on all pictures at once, as far as it has run."""

    def __init__(self, source: Source, pictures: Pixels) -> None:
        start = source.graph.inputs[0]
        tensor = source.graph.tensors[start]
        self._source, self._done = source, 0
        self._values: dict[int, list[Values]] = {
            start: [quantised(p[np.newaxis].astype(np.float32), tensor) for p in pictures]
        }

    def mean_before(self, index: int) -> Numbers:
        """Of the stored numbers that operator `index` takes, at each place, over the pictures."""
        operator = self._source.operator(index)
        self._run_to(index)
        values = self._values[operator.inputs[0]]
        total = np.zeros(values[0].shape)
        for each in values:
            total += each
        return total / len(values)

    def _run_to(self, index: int) -> None:
        part, self._done = range(self._done, index), index
        rest = range(index, len(self._source.graph.operators))
        needed = {t for i in rest for t in self._source.operator(i).inputs}
        needed.update(self._source.inputs(rest))
        made = [t for i in part for t in self._source.operator(i).outputs if t in needed]
        if made:
            piece = self._source.piece(part, made, threads=usable_cores())
            count = len(next(iter(self._values.values())))
            runs = [piece.run({t: self._values[t][n] for t in piece.inputs}) for n in range(count)]
            self._values.update({t: [run[t] for run in runs] for t in made})
        self._values = {t: kept for t, kept in self._values.items() if t in needed}


def _mean_product(source: Source, index: int, mean: Numbers) -> Numbers:
    """The mean over all places of input times kernel, float64 [channels]. mean: of the input."""
    operator = source.operator(index)
    kernel = _kernel(source, operator)
    if operator.name == "FULLY_CONNECTED":
        found: Numbers = kernel @ mean.reshape(-1, kernel.shape[1]).mean(axis=0)
        return found
    total: Numbers = np.zeros(source.graph.tensors[operator.outputs[0]].shape[-1])
    for y, x, window in _windows(operator, mean[0], kernel.shape, source):
        if operator.name == "DEPTHWISE_CONV_2D":
            total += kernel[0, y, x] * window
        else:
            total += kernel[:, y, x] @ window
    return total


def _kernel(source: Source, operator: OperatorInfo) -> Numbers:
    """The numbers that a kernel means."""
    tensor = source.graph.tensors[operator.inputs[1]]
    stored = source.constant(tensor.index)
    assert stored is not None
    kernel: Numbers = stored.astype(np.float64)
    if not tensor.scales:
        return kernel
    shape = [1] * kernel.ndim
    if len(tensor.scales) > 1:
        shape[tensor.quantized_dimension] = len(tensor.scales)
    kernel *= np.array(tensor.scales).reshape(shape)
    return kernel


def _windows(
    operator: OperatorInfo, mean: Numbers, kernel: tuple[int, ...], source: Source
) -> Iterator[tuple[int, int, Numbers]]:
    """For each place of the kernel the mean of what it meets, float64 [channels]; 0 in borders."""
    out = source.graph.tensors[operator.outputs[0]].shape
    rows = _places(operator, "height", kernel[1], mean.shape[0], out[1])
    columns = _places(operator, "width", kernel[2], mean.shape[1], out[2])
    for y, (down, inside_y) in enumerate(rows):
        for x, (right, inside_x) in enumerate(columns):
            met = mean[down[inside_y]][:, right[inside_x]]
            yield y, x, met.sum(axis=(0, 1)) / (out[1] * out[2])


def _places(
    operator: OperatorInfo, side: str, size: int, length: int, out: int
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]]:
    """For each place of the kernel along a side: the inputs that it meets, and which exist."""
    stride = int(operator.options.get(f"stride_{side}", 1))
    dilation = int(operator.options.get(f"dilation_{side}", 1))
    same = not operator.options.get("padding", 0)
    before = max(0, (out - 1) * stride + (size - 1) * dilation + 1 - length) // 2 if same else 0
    begins = np.arange(out) * stride - before
    met = [begins + place * dilation for place in range(size)]
    return [(at, (at >= 0) & (at < length)) for at in met]
