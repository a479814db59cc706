"""A model's layers as a picture: which ones take its bytes, its work and its memory.

An Inspection enters; a PNG or SVG file leaves, with three panels over the same layers in the order
of execution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from ..errors import ModelError
from ..files import write_bytes
from .drawing import Area, Line, Rectangle, Shape, Words, as_pixels, as_svg, text_width
from .layers import LayerCost
from .report import Inspection

WIDTH, HEIGHT = 960, 640
SUFFIXES = (".png", ".svg")

_INK, _SOFT, _LINE = "#1b2430", "#5c6877", "#e3e7ec"
# One colour for each family of operators; all others are grey.
_FAMILIES = (
    ("convolution", "#2563eb", ("CONV_2D", "TRANSPOSE_CONV", "CONV_3D")),
    ("depthwise convolution", "#0d9488", ("DEPTHWISE_CONV_2D",)),
    ("dense", "#d9601a", ("FULLY_CONNECTED", "BATCH_MATMUL")),
)
_OTHER = "#a9b3bf"
_MEMORY = "#7c3aed"
_LEFT, _RIGHT = 84, WIDTH - 28
_PANELS = ((96, 130), (270, 130), (444, 130))
_NAMED = 4


def save_picture(path: Path, found: Inspection) -> None:
    """Writes the picture; ModelError for another suffix, or a model without operators."""
    if path.suffix.lower() not in SUFFIXES:
        raise ModelError(f"{path}: allowed suffixes for the picture: {' or '.join(SUFFIXES)}")
    if not found.layers:
        raise ModelError(
            f"{found.file.path}: the model has no operators, so there is nothing to draw"
        )
    shapes = _shapes(found)
    title = f"Layers of {found.file.path.name}"
    if path.suffix.lower() == ".svg":
        content = as_svg(shapes, WIDTH, HEIGHT, title).encode()
    else:
        smallest = [cv2.IMWRITE_PNG_COMPRESSION, 9]
        content = cv2.imencode(".png", as_pixels(shapes, WIDTH, HEIGHT), smallest)[1].tobytes()
    write_bytes(path, content)


def _shapes(found: Inspection) -> list[Shape]:
    layers = found.layers
    step = (_RIGHT - _LEFT) / len(layers)
    shapes: list[Shape] = [
        Rectangle(left=0, top=0, width=WIDTH, height=HEIGHT, colour="#ffffff"),
        Words(
            x=28, base=38, text=_short(found.file.path.name, 52), size=21, colour=_INK, bold=True
        ),
        Words(x=28, base=60, text=_subtitle(found), size=13, colour=_SOFT),
    ]
    shapes += _legend(layers)
    weights, work, alive = _PANELS
    shapes += _bars(layers, step, weights, _WEIGHTS)
    shapes += _bars(layers, step, work, _WORK)
    shapes += _memory(found, step, alive)
    shapes += _order(len(layers), step)
    return shapes


def _subtitle(found: Inspection) -> str:
    return (
        f"{_bytes(found.file.size_bytes)} · {found.parameters:,} parameters · "
        f"{_count(found.macs)} multiply-accumulates · {len(found.file.graph.operators)} operators"
    )


def _legend(layers: Sequence[LayerCost]) -> list[Shape]:
    there = {_colour(x) for x in layers}
    entries = [(name, colour) for name, colour, _ in _FAMILIES if colour in there]
    entries += [("other", _OTHER)] if _OTHER in there else []
    shapes: list[Shape] = []
    right = float(_RIGHT)
    for name, colour in reversed(entries):
        right -= text_width(name, 12)
        shapes.append(Words(x=right, base=36, text=name, size=12, colour=_SOFT))
        shapes.append(Rectangle(left=right - 15, top=27, width=10, height=10, colour=colour))
        right -= 32
    return shapes


@dataclass(frozen=True, kw_only=True)
class _Quantity:
    """What the bars of a panel show; in_words: of a sum, or a tick."""

    title: str
    value: Callable[[LayerCost], int]
    in_words: Callable[[float], str]


def _bars(
    layers: Sequence[LayerCost],
    step: float,
    panel: tuple[int, int],
    quantity: _Quantity,
) -> list[Shape]:
    (top, height), value, text = panel, quantity.value, quantity.in_words
    total = sum(value(x) for x in layers)
    highest = max(max(value(x) for x in layers), 1)
    unit = height / (highest * 1.18)
    shapes = _frame(panel, f"{quantity.title}, {text(total)}", highest * 1.18, text)
    gap = min(2.0, step * 0.2)
    for place, layer in enumerate(layers):
        tall = value(layer) * unit
        if tall:
            shapes.append(
                Rectangle(
                    left=_LEFT + place * step + gap / 2,
                    top=top + height - tall,
                    width=max(step - gap, 0.5),
                    height=tall,
                    colour=_colour(layer),
                )
            )
    tops = [top + height - value(x) * unit for x in layers]
    by_size = sorted(range(len(layers)), key=lambda i: -value(layers[i]))
    named = [i for i in by_size[:_NAMED] if value(layers[i]) * 20 >= total or i == by_size[0]]
    texts = [f"{_short(layers[i].name)} {value(layers[i]) / max(1, total):.0%}" for i in named]
    return shapes + _names(list(zip(named, texts, strict=True)), tops, step)


def _memory(found: Inspection, step: float, panel: tuple[int, int]) -> list[Shape]:
    top, height = panel
    layers = found.layers
    highest = max(max(x.alive_bytes for x in layers), 1)
    unit = height / (highest * 1.18)
    arena = found.arena.arena_bytes
    title = "values alive while each layer runs"
    shapes = _frame(
        panel, title + (f", arena {_bytes(arena)}" if arena else ""), highest * 1.18, _bytes
    )
    edge: list[tuple[float, float]] = []
    for place, layer in enumerate(layers):
        y = top + height - layer.alive_bytes * unit
        edge += [(_LEFT + place * step, y), (_LEFT + (place + 1) * step, y)]
    floor = float(top + height)
    shapes.append(
        Area(points=((_LEFT, floor), *edge, (edge[-1][0], floor)), colour=_MEMORY, opacity=0.16)
    )
    shapes.append(Line(points=tuple(edge), colour=_MEMORY, width=1.4))
    tops = [y for _, y in edge[::2]]
    peak = max(range(len(layers)), key=lambda i: layers[i].alive_bytes)
    text = f"{_short(layers[peak].name)} {_bytes(layers[peak].alive_bytes)}"
    return shapes + _names([(peak, text)], tops, step)


def _frame(
    panel: tuple[int, int], title: str, highest: float, text: Callable[[float], str]
) -> list[Shape]:
    top, height = panel
    shapes: list[Shape] = [Words(x=28, base=top - 10, text=title, size=13, colour=_INK, bold=True)]
    for tick in _ticks(highest):
        y = top + height * (1 - tick / highest)
        shapes.append(Line(points=((_LEFT, y), (_RIGHT, y)), colour=_LINE))
        shapes.append(
            Words(x=_LEFT - 8, base=y + 4, text=text(tick), size=11, colour=_SOFT, anchor="end")
        )
    return shapes


def _names(marks: Sequence[tuple[int, str]], tops: Sequence[float], step: float) -> list[Shape]:
    """Names above their bars, next to obstacles; those without room are left out.

    marks: bars by their places, the most important first. tops: every bar's upper edge.
    """
    taken: list[tuple[float, float, float]] = []
    shapes: list[Shape] = []
    for place, text in marks:
        wide, base = text_width(text, 11), tops[place] - 5
        left, right = _LEFT + place * step, _LEFT + (place + 1) * step
        for start in ((left + right - wide) / 2, right - wide, left):
            x = min(max(start, _LEFT), _RIGHT - wide)
            first, last = int((x - _LEFT) / step), int((x + wide - _LEFT - 1) / step)
            free = all(y > base - 2 for y in tops[first : last + 1]) and not any(
                abs(base - b) < 14 and x < end + 6 and x + wide > begin - 6
                for begin, end, b in taken
            )
            if free:
                taken.append((x, x + wide, base))
                shapes.append(
                    Words(
                        x=x + wide / 2, base=base, text=text, size=11, colour=_INK, anchor="middle"
                    )
                )
                break
    return shapes


def _order(count: int, step: float) -> list[Shape]:
    base = _PANELS[-1][0] + _PANELS[-1][1] + 20
    every = max(1, math.ceil(count / 12 / 5) * 5) if count > 12 else 1
    shapes: list[Shape] = [
        Words(
            x=_LEFT + (place + 0.5) * step,
            base=base,
            text=str(place + 1),
            size=11,
            colour=_SOFT,
            anchor="middle",
        )
        for place in range(every - 1, count, every)
    ]
    note = "layers in order of execution, without those that only unpack weights"
    shapes.append(Words(x=_RIGHT, base=base + 24, text=note, size=11, colour=_SOFT, anchor="end"))
    return shapes


def _ticks(highest: float) -> list[float]:
    step = 10.0 ** math.floor(math.log10(highest / 2))
    factor = next(f for f in (1, 2, 2.5, 5, 10) if highest / (f * step) <= 4)
    return [i * factor * step for i in range(int(highest / (factor * step)) + 1)]


def _colour(layer: LayerCost) -> str:
    name = layer.operator
    if name == "CUSTOM Convolution2DTransposeBias":
        name = "TRANSPOSE_CONV"
    return next((colour for _, colour, names in _FAMILIES if name in names), _OTHER)


def _short(name: str, most: int = 28) -> str:
    last = name.rsplit("/", 1)[-1]
    return last if len(last) <= most else last[: most - 1] + "…"


def _bytes(value: float) -> str:
    return _scaled(value, "B", ("KB", "MB", "GB"))


def _count(value: float) -> str:
    return _scaled(value, "", ("k", "M", "G"))


def _scaled(value: float, one: str, units: tuple[str, str, str]) -> str:
    for power, unit in ((3, units[2]), (2, units[1]), (1, units[0])):
        if value >= 1000**power:
            return f"{value / 1000**power:.3g} {unit}"
    return f"{value:.3g} {one}".strip()


_WEIGHTS = _Quantity(
    title="weights in the file", value=lambda layer: layer.weight_bytes, in_words=_bytes
)
_WORK = _Quantity(title="multiply-accumulates", value=lambda layer: layer.macs, in_words=_count)
