"""One figure of the two networks: what they cost, and what a shift does to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ... import figures
from ...training.canvas import INK, MUTED, new_figure, write_png
from ..drawing import COLOURS, bare, percent_axis, title
from .comparing import SHIFT, Comparison


def headline(found: Comparison) -> str:
    """What the comparison shows, whichever way it came out."""
    dense, cnn = found.networks
    ratio = dense.parameters / max(cnn.parameters, 1)
    points = 100 * (cnn.accuracy.accuracy - dense.accuracy.accuracy)
    how = "more" if points >= 0 else "fewer"
    return (
        f"With 1/{ratio:.0f} of the weights the CNN gets {abs(points):.1f} points {how} right"
        if ratio >= 1.5
        else f"The CNN gets {abs(points):.1f} points {how} right"
    )


def moved(found: Comparison) -> str:
    """At which shift the two differ most, and by how much."""
    dense, cnn = found.shifted.panels[0].curves
    apart = [
        (100 * (b.accuracy.accuracy - a.accuracy.accuracy), a.strength)
        for a, b in zip(dense.points, cnn.points, strict=True)
    ]
    points, pixels = max(apart, key=lambda each: abs(each[0]))
    where = "ahead" if points >= 0 else "behind"
    return f"Moved by {pixels:g} px, the CNN is {abs(points):.0f} points {where}"


def save_figure(path: Path, found: Comparison) -> None:
    """mlp_vs_cnn.png: bars of cost at the left, accuracy over the shift at the right."""
    figure = new_figure(11, 6.2)
    title(figure, 0.04, 0.925, headline(found))
    figure.text(
        0.04,
        0.875,
        f"both trained alike on {found.source} (epochs: {found.epochs}), without "
        "moving the pictures; int8 files, one thread",
        size=9.5,
        color=MUTED,
    )
    measures: tuple[tuple[str, list[float], Callable[[float], str]], ...] = (
        ("weights", [n.parameters for n in found.networks], lambda v: f"{v:,.0f}"),
        ("multiplications a picture", [n.macs for n in found.networks], lambda v: f"{v:,.0f}"),
        ("int8 file", [n.size_bytes for n in found.networks], lambda v: figures.size(int(v))),
        ("latency, median", [n.latency_ms for n in found.networks], figures.milliseconds),
        (
            "accuracy on pictures in their place",
            [n.accuracy.accuracy for n in found.networks],
            lambda v: figures.percent(v, 1),
        ),
    )
    for number, (name, values, said) in enumerate(measures):
        axes = figure.add_axes((0.04, 0.715 - 0.13 * number, 0.36, 0.083))
        names = [n.name for n in found.networks] if not number else ["", ""]
        texts = [f"{said(v)} {who}" for v, who in zip(values, names, strict=True)]
        _bars(axes, name, values, texts)
    _shifts(figure, found)
    _sum(figure, found)
    write_png(figure, path)


def _bars(axes: Axes, name: str, values: list[float], texts: list[str]) -> None:
    for place, (value, text, colour) in enumerate(zip(values, texts, COLOURS, strict=False)):
        axes.barh(-place, value, height=0.72, color=colour)
        axes.annotate(
            text,
            (value, -place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            size=9,
            color=colour,
            weight="bold",
        )
    axes.text(0, 1.08, name, transform=axes.transAxes, size=9.5, color=INK)
    axes.set_xlim(0, max(values) * 1.5 or 1)
    axes.set_ylim(-1.5, 0.5)
    axes.set_axis_off()


def _shifts(figure: Figure, found: Comparison) -> None:
    axes = figure.add_axes((0.5, 0.2, 0.34, 0.53))
    bare(axes)
    panel = found.shifted.panels[0]
    ends = []
    for number, (curve, colour) in enumerate(zip(panel.curves, COLOURS, strict=False)):
        base = found.shifted.bases[number].accuracy
        points = [(0.0, base), *((p.strength, p.accuracy) for p in curve.points)]
        places = [place for place, _ in points]
        values = [100 * a.accuracy for _, a in points]
        low, high = ([100 * a.ci95[end] for _, a in points] for end in (0, 1))
        axes.fill_between(places, low, high, color=colour, alpha=0.15, lw=0)
        axes.plot(places, values, color=colour, lw=2.2, marker="o", ms=4.5)
        ends.append((values[-1], f"{curve.model} {values[-1]:.0f} %", colour))
    _name_ends(axes, places[-1], ends)
    percent_axis(axes)
    axes.set_xticks(places, ["0", *(f"{p:g}" for p in SHIFT.strengths[:-1]), "8 px"])
    axes.set_xlabel(
        "the picture of 28 x 28 moved by so much, in any direction", size=9, color=MUTED
    )
    axes.text(0, 1.12, moved(found), transform=axes.transAxes, size=11, color=INK, weight="bold")
    said = f"accuracy on {found.shifted.pictures:,} shifted pictures, with 95 % intervals"
    axes.text(0, 1.05, said, transform=axes.transAxes, size=9, color=MUTED)


def _name_ends(axes: Axes, x: float, ends: list[tuple[float, str, str]]) -> None:
    """Names right of the lines, moved apart where they would touch."""
    (low, *first), (high, *second) = sorted(ends)
    if high - low < 7:
        low, high = (low + high) / 2 - 3.5, (low + high) / 2 + 3.5
    for value, (text, colour) in ((low, first), (high, second)):
        axes.annotate(
            str(text),
            (x, value),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            size=10,
            weight="bold",
            color=str(colour),
            annotation_clip=False,
        )


def _sum(figure: Figure, found: Comparison) -> None:
    """The course's sum, below everything."""
    layers = found.first_layers
    figure.text(
        0.04,
        0.05,
        f"On 100 x 100 pixels, a first layer of 10,000 neurons has {layers.dense:,} weights and "
        f"biases; 16 filters of 3 x 3 have {layers.convolution:,}.",
        size=10.5,
        color=INK,
    )
