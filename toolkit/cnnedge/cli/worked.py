"""`cnnedge models NAME --worked LAYER`: one output pixel, number by number, as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

import numpy as np

from ..looking.worked import Numbers, Worked, worked
from ..specs.model import ModelSpec
from ..specs.pixels import InputSize, Preprocess

# Channels whose numbers are all shown; of the others the sums are.
_SHOWN = 3
_WIDTH = 96


def work_out(model: ModelSpec, layer: str, size: InputSize) -> Worked:
    """The convolution `layer` of a definition on the built-in scene. Raises SpecError."""
    from ..camera import SampleSource
    from ..preprocess import prepare

    frame = next(iter(SampleSource())).pixels
    return worked(model, layer, prepare(frame, size, Preprocess(resize="center_crop")))


def payload(found: Worked) -> Mapping[str, object]:
    """For --json."""
    return {
        "layer": found.layer,
        "input": list(found.input_shape),
        "output": list(found.output_shape),
        "place": {"row": found.row, "column": found.column, "filter": found.filter},
        "window": {"top": found.top, "left": found.left},
        "channels": list(found.channels),
        "inputs": np.moveaxis(found.window, 2, 0).tolist(),
        "weights": np.moveaxis(found.weights, 2, 0).tolist(),
        "sums": found.sums.tolist(),
        "bias": found.bias if found.biased else None,
        "total": found.total,
        "activation": found.activation,
        "result": found.result,
    }


def text(found: Worked) -> str:
    """The sum as a person writes it down."""
    return "\n".join(_lines(found))


def _lines(found: Worked) -> Iterator[str]:
    high, wide = found.window.shape[:2]
    bottom, right = found.top + high - 1, found.left + wide - 1
    yield (
        f"{found.layer} on the built-in scene: input {_times(found.input_shape)}, output "
        f"{_times(found.output_shape)}."
    )
    yield (
        f"Its largest output value is at row {found.row}, column {found.column} of filter "
        f"{found.filter}. The filter's window covers"
    )
    yield (
        f"rows {found.top} to {bottom} and columns {found.left} to {right} of "
        f"{_channels(found)}. Beyond the border stands 0."
    )
    yield "The weights are made up (two decimals, always the same): the model is not trained."
    order = np.argsort(-np.abs(found.sums), kind="stable")
    shown = sorted(int(i) for i in order[:_SHOWN])
    for place in shown:
        yield ""
        yield from _channel(found, place)
    yield ""
    yield from _added_up(found, len(shown))


def _channel(found: Worked, place: int) -> Iterator[str]:
    """Input and weights beside each other, a row of the kernel a line, and their sum."""
    inputs, weights = found.window[:, :, place], found.weights[:, :, place]
    width = 8 * inputs.shape[1]
    yield f"channel {found.channels[place]}"
    yield f"  {'input':<{width}}   weights"
    for left, right in zip(inputs, weights, strict=True):
        yield f"  {_numbers(left, 3)}   {_numbers(right, 2)}"
    products = " ".join(
        f"{'+' if i * w >= 0 else '-'} {abs(i):.3f}*{abs(w):.2f}"
        for i, w in zip(inputs.reshape(-1)[:3], weights.reshape(-1)[:3], strict=True)
    )
    rest = " ..." if inputs.size > 3 else ""
    yield f"  sum of the {inputs.size} products: {products}{rest} = {found.sums[place]:.4f}"


def _added_up(found: Worked, shown: int) -> Iterator[str]:
    sums = found.sums
    if len(sums) > 1:
        listed = " ".join(f"{'+' if s >= 0 else '-'} {abs(s):.4f}" for s in sums)
        more = "" if len(sums) <= shown else " (three of them shown above)"
        yield from textwrap.wrap(
            f"all {len(sums)} channels{more}: {listed} = {sums.sum():.4f}", _WIDTH
        )
    if found.biased:
        sign = "+" if found.bias >= 0 else "-"
        yield f"bias: {sums.sum():.4f} {sign} {abs(found.bias):.2f} = {found.total:.4f}"
    if found.activation != "linear":
        yield f"{found.activation}({found.total:.4f}) = {found.result:.4f}"


def _channels(found: Worked) -> str:
    count = len(found.channels)
    return f"all {count} channels" if count > 1 else f"channel {found.channels[0]}"


def _numbers(values: Numbers, decimals: int) -> str:
    return "".join(f"{value:8.{decimals}f}" for value in values)


def _times(numbers: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in numbers)
