"""Colour, scale and quantisation: which mistake makes a model answer as it does.

The three stages are inside the graph or in how its input is fed, where no pixel can be looked at.
So the mistake is made on purpose in the reference: its answers to pixels with red and blue
swapped, scaled once more, or not at all. The mistake under which the reference answers as the
model does is the one that was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bundle import Graph, TensorInfo
from .verdict import Scores, StageName, moved

Values = npt.NDArray[np.float32]
Change = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]

# An alternative is taken where it leaves no more than this of the deviation. Where the
# reference's own answer is the right one, an alternative adds to the noise and leaves more than 1.
_NEARER = 0.7
# Of a deviation that an alternative does not bring below what is allowed: what it may leave.
_EXPLAINED = 0.2

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


def _same(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values


@dataclass(frozen=True, kw_only=True, eq=False)
class Mistake:
    """One thing done wrongly, as the reference would have to do it to give the same answers.

    pixels: float32 [n, h, w, c] raw pixels to what the network then sees in their place. scores:
    [n, classes] to what then leaves.
    """

    stage: StageName
    name: str
    found: str
    cause: str
    remedy: str = ""
    pixels: Change = _same
    scores: Change = _same


SWAPPED = Mistake(
    stage="colour",
    name="red and blue swapped",
    found="answers as the reference does with red and blue swapped",
    cause="the model takes BGR where the run takes RGB",
    remedy="convert the run again, or reverse the channels inside the graph",
    pixels=lambda v: v[..., ::-1],
)


def _scaling(name: str, down: Change, up: Change) -> tuple[Mistake, Mistake]:
    again = "convert the run again: its scaling goes into the graph, once"
    twice = Mistake(
        stage="scale",
        name=f"scaled to {name} once too often",
        found=f"answers as the reference does to pixels scaled to {name} before",
        cause=f"the graph scales pixels to {name} twice",
        remedy=again,
        pixels=down,
    )
    never = Mistake(
        stage="scale",
        name=f"not scaled to {name}",
        found=f"answers as the reference does to pixels that were not scaled to {name}",
        cause=f"the scaling to {name} is not in the graph, and raw pixels are fed",
        remedy=again,
        pixels=up,
    )
    return twice, never


SCALINGS = (
    *_scaling("0..1", lambda v: v / 255, lambda v: v * 255),
    *_scaling("-1..1", lambda v: v / 127.5 - 1, lambda v: (v + 1) * 127.5),
    *_scaling(
        "ImageNet's mean and standard deviation",
        lambda v: (v / 255 - _MEAN) / _STD,
        lambda v: (v * _STD + _MEAN) * 255,
    ),
)


def usual(channels: int) -> tuple[Mistake, ...]:
    """Those that any model may have made."""
    if channels == 3:
        return (SWAPPED, *SCALINGS)
    return SCALINGS[:4]


def of_input(graph: Graph) -> tuple[Mistake, ...]:
    """What the parameters of a quantised input make of raw pixels; nothing where they keep them."""
    tensor = graph.tensors[graph.inputs[0]]
    if tensor.dtype not in ("uint8", "int8") or not tensor.scales:
        return ()
    scale, zero = tensor.scales[0], tensor.zero_points[0]
    first = -128 if tensor.dtype == "int8" else 0
    if abs(scale - 1) < 1e-4 and zero == first:
        return ()
    lowest, highest = _reach(graph)
    mistake = Mistake(
        stage="quantise",
        name="the input's scale and zero point",
        found=f"{tensor.dtype} input, scale {scale:.6g}, zero point {zero}",
        cause=f"raw pixels need scale 1 and zero point {first}; the model was calibrated on "
        "other values than raw pixels, or its parameters were changed",
        remedy="convert the run again: 'cnnedge convert' calibrates on raw pixels",
        pixels=lambda v: np.clip((v + first - zero) * np.float32(scale), lowest, highest),
    )
    return (mistake,)


def _reach(graph: Graph) -> tuple[float, float]:
    """What the input may mean at most: often its values are cut to the range of the next tensor."""
    for operator in graph.operators:
        if operator.name == "QUANTIZE" and operator.inputs[0] == graph.inputs[0]:
            return _range(graph.tensors[operator.outputs[0]])
    return _range(graph.tensors[graph.inputs[0]])


def _range(tensor: TensorInfo) -> tuple[float, float]:
    limits, scale, zero = np.iinfo(tensor.dtype), tensor.scales[0], tensor.zero_points[0]
    return (int(limits.min) - zero) * scale, (int(limits.max) - zero) * scale


def of_output(tensor: TensorInfo) -> tuple[Mistake, ...]:
    """What the parameters of a quantised output make of probabilities."""
    if tensor.dtype not in ("uint8", "int8"):
        return ()
    low, high = (-128, 127) if tensor.dtype == "int8" else (0, 255)
    scale, zero = (
        (tensor.scales[0], tensor.zero_points[0]) if tensor.scales else (1 / 256, float(low))
    )
    as_read = (scale, zero) if tensor.scales else (1.0, 0.0)

    def stored(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
        steps = np.clip(np.rint(scores / scale) + zero, low, high)
        return ((steps - as_read[1]) * as_read[0]).astype(np.float32)

    reach = f"{(low - zero) * scale:.3g}..{(high - zero) * scale:.3g}"
    mistake = Mistake(
        stage="quantise",
        name="the output's scale and zero point",
        found=f"{tensor.dtype} output, scale {scale:.6g}, zero point {zero}: it holds {reach}"
        if tensor.scales
        else f"{tensor.dtype} output without scale and zero point",
        cause="probabilities need scale 1/256 and the lowest value as zero point"
        + ("; these cut or round them" if tensor.scales else ""),
        remedy="convert the run again",
        scores=stored,
    )
    return (mistake,)


class Reference:
    """The reference's answers to the golden pixels, as they are and with mistakes made.

    answer: float32 pixels [n, h, w, c] to probabilities [n, classes]; each asked once. pixels:
    uint8 [n, h, w, c].
    """

    def __init__(self, answer: Callable[[Values], Scores], pixels: npt.NDArray[Any]) -> None:
        self._answer = answer
        self._pixels = pixels
        self._known: dict[tuple[str, ...], Scores] = {}

    def scores(self, mistakes: Sequence[Mistake] = ()) -> Scores:
        """With these mistakes made, in this order."""
        on_pixels = [m for m in mistakes if m.pixels is not _same]
        key = tuple(m.name for m in on_pixels)
        if key not in self._known:
            values = self._pixels.astype(np.float32)
            for mistake in on_pixels:
                values = mistake.pixels(values)
            self._known[key] = self._answer(np.ascontiguousarray(values, np.float32))
        found = self._known[key]
        for mistake in mistakes:
            found = mistake.scores(found)
        return found

    def shift(self, mistake: Mistake) -> float:
        """How far the mistake alone moves the reference's answers."""
        return moved(self.scores(), self.scores((mistake,)))


def explain(
    reference: Reference,
    given: Scores,
    mistakes: Sequence[Mistake],
    *,
    own: float,
    allowed: float,
) -> tuple[Mistake, ...]:
    """The mistakes under which the reference answers as the model does; () where none is needed.

    given: the model's answers [n, classes]. own: how far the model's format moves answers by
    itself; allowed: how far it may. Of several explanations the one with fewer mistakes, unless
    another is clearly nearer. () also where no mistake explains the answers.
    """
    start = moved(given, reference.scores())
    swaps = [m for m in mistakes if m.stage == "colour"]
    others = [m for m in mistakes if m.stage != "colour"]
    if start <= allowed:
        # Only what might hide within the noise: answers as good as these need no wild guesses.
        tried: list[tuple[Mistake, ...]] = [(m,) for m in swaps if reference.shift(m) >= own]
    else:
        tried = [(m,) for m in mistakes] + [(s, m) for s in swaps for m in others]
    best: tuple[Mistake, ...] = ()
    least = start
    for candidate in tried:
        left = moved(given, reference.scores(candidate))
        if left < _NEARER * least:
            best, least = candidate, left
    return best if least <= max(allowed, _EXPLAINED * start) else ()
