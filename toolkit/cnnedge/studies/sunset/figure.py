"""One figure of all options: their ROC curves, what they get right, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ... import figures
from ...data import Dataset
from ...training.canvas import INK, MUTED, new_figure, write_png
from ..drawing import COLOURS, bare, show_picture, title
from .comparing import NETWORK, SVM, Comparison, Option

_PICTURES = 12
_LEFT, _WIDE = 0.5, 0.46


def headline(found: Comparison) -> str:
    """What the comparison shows, whichever way it came out."""
    best = max(found.options, key=lambda o: o.accuracy.accuracy)
    classical = max(
        (o for o in found.options if o.name in (SVM, NETWORK)), key=lambda o: o.accuracy.accuracy
    )
    points = 100 * (best.accuracy.accuracy - classical.accuracy.accuracy)
    if best.name == classical.name or best.accuracy.ci95[0] <= classical.accuracy.ci95[1]:
        return f"No detector is clearly better than 294 numbers: {classical.name}"
    return f"{best.name} gets {points:.1f} points more right than {classical.name}"


def save_figure(path: Path, found: Comparison, dataset: Dataset) -> None:
    """sunset.png."""
    figure = new_figure(11, 7)
    title(figure, 0.04, 0.935, headline(found))
    kind = "synthetic scenes, no photographs" if found.synthetic else found.source
    fitted, _, test = found.pictures
    said = (
        f"{kind}: {fitted:,} to train on, {test:,} to test; each is the .tflite that "
        "ships, the classical ones in float32, the others in int8"
    )
    figure.text(0.04, 0.893, said, size=9.5, color=MUTED, parse_math=False)
    _roc(figure.add_axes((0.06, 0.33, 0.36, 0.49)), found)
    _table(figure, found)
    _strip(figure, found, dataset)
    write_png(figure, path)


def _roc(axes: Axes, found: Comparison) -> None:
    bare(axes)
    for option, colour in zip(found.options, COLOURS, strict=False):
        alarms, hits = zip(*option.roc, strict=True)
        axes.plot(
            [100 * a for a in alarms],
            [100 * h for h in hits],
            color=colour,
            lw=2,
            drawstyle="steps-post",
        )
    wide, low = _window(found.options)
    axes.set_xlim(-0.01 * wide, wide)
    axes.set_ylim(low, 100 + 0.02 * (100 - low))
    said = f"of 100 pictures with a {found.positive}, how many are found"
    axes.text(0, 1.05, said, transform=axes.transAxes, size=10, color=INK, parse_math=False)
    axes.set_xlabel("of 100 others, how many raise a false alarm", size=9, color=MUTED)


def _window(options: tuple[Option, ...]) -> tuple[float, float]:
    """(the right end, the lower end) in percent: the corner in which the curves differ."""
    reached = [next((a for a, h in o.roc if h >= 0.99), 1.0) for o in options]
    first = [max(h for a, h in o.roc if a <= 0.02) for o in options]
    wide = float(np.clip(130 * max(reached), 5, 100))
    low = float(np.clip(100 * min(first) - 10, 0, 80))
    return wide, low


def _table(figure: Figure, found: Comparison) -> None:
    """A row an option: name, accuracy with its interval, size and latency as bars."""
    options = found.options
    figure.text(_LEFT, 0.845, "right, 95 % interval", size=9, color=MUTED)
    figure.text(_LEFT + 0.235, 0.845, "file", size=9, color=MUTED)
    figure.text(_LEFT + 0.365, 0.845, "latency, 1 thread", size=9, color=MUTED)
    height = min(0.105, 0.5 / len(options))
    low = min(o.accuracy.ci95[0] for o in options)
    for row, (option, colour) in enumerate(zip(options, COLOURS, strict=False)):
        bottom = 0.79 - row * height
        name = option.name
        style = {"size": 10.5, "weight": "bold", "color": colour}
        figure.text(_LEFT, bottom + 0.012, name, parse_math=False, **style)  # type: ignore[arg-type]
        place = (_LEFT, bottom - 0.036, 0.2, 0.03)
        _interval(figure.add_axes(place), option, low, colour)
        for left, value, most, text in (
            (0.235, option.size_bytes, max(o.size_bytes for o in options), figures.size),
            (0.365, option.latency_ms, max(o.latency_ms for o in options), figures.milliseconds),
        ):
            _bar(figure.add_axes((_LEFT + left, bottom - 0.036, 0.11, 0.03)), value / most, colour)
            _value(figure, _LEFT + left, bottom + 0.012, value, text)


def _value(
    figure: Figure, left: float, bottom: float, value: float, text: Callable[[int], str]
) -> None:
    figure.text(left, bottom - 0.012, text(value), size=9.5, color=INK)  # type: ignore[arg-type]


def _interval(axes: Axes, option: Option, low: float, colour: str) -> None:
    found = option.accuracy
    axes.set_xlim(100 * low - 1, 100.6)
    axes.set_ylim(-1, 1)
    axes.plot([100 * v for v in found.ci95], [0, 0], color=colour, lw=2, alpha=0.45)
    axes.plot([100 * found.accuracy], [0], "o", color=colour, ms=7)
    axes.annotate(
        figures.percent(found.accuracy, 1),
        (100 * found.accuracy, 0),
        xytext=(0, -15),
        textcoords="offset points",
        ha="center",
        size=9,
        color=INK,
        annotation_clip=False,
    )
    axes.set_axis_off()


def _bar(axes: Axes, share: float, colour: str) -> None:
    axes.barh(0, max(share, 0.01), color=colour, height=1)
    axes.set_xlim(0, 1)
    axes.set_axis_off()


def _strip(figure: Figure, found: Comparison, dataset: Dataset) -> None:
    """Test pictures of both classes."""
    positive = dataset.classes.index(found.positive)
    for row, (name, index) in enumerate(((found.positive, positive), ("the others", 1 - positive))):
        chosen = [i for i in dataset.indices("test") if dataset.targets[i] == index][:_PICTURES]
        bottom = 0.135 - 0.115 * row
        for place, number in enumerate(chosen):
            axes = figure.add_axes((0.125 + 0.0695 * place, bottom, 0.0665, 0.1))
            show_picture(axes, dataset.frame(int(number)))
            axes.set_aspect("auto")
        figure.text(0.115, bottom + 0.045, name, size=9.5, color=INK, ha="right", parse_math=False)
