"""The figures of the study: curves in small multiples, and the worst cases as pictures."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.axes import Axes

from ...figures import percent
from ...training.canvas import INK, MUTED, new_figure, write_png
from ...training.fonts import drawable
from ..disturbances import Disturbance
from ..drawing import COLOURS, bare, coloured_words, percent_axis, title
from .measuring import Curve, Invariance, Panel

_COLUMNS = 3


def headline(found: Invariance) -> str:
    """Where another model differs most from the first; what costs the first most if none does."""
    difference = found.difference()
    if difference is not None:
        panel, curve, gained = difference
        how = "more" if gained > 0 else "fewer"
        points = f"{100 * abs(gained):.1f} points {how} right than {found.bases[0].model}"
        return f"{_capital(panel.disturbance.name)}: {curve.model} gets {points}"
    worst = found.worst(0)
    cost = worst.curves[0].cost.mean
    return f"{_capital(worst.disturbance.name)} costs {found.bases[0].model} most: {_points(cost)}"


def _points(fraction: float) -> str:
    return f"{100 * fraction:.0f} points of accuracy on average"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def save_curves(path: Path, found: Invariance) -> None:
    """curves.png: a panel for each disturbance, a colour for each model."""
    rows = math.ceil(len(found.panels) / _COLUMNS)
    height = 2.5 * rows + 1.5
    figure = new_figure(10.6, height)
    grid = figure.add_gridspec(
        rows,
        _COLUMNS,
        left=0.055,
        right=0.985,
        top=1 - 1.45 / height,
        bottom=0.5 / height,
        hspace=0.5,
        wspace=0.16,
    )
    for number, panel in enumerate(found.panels):
        axes = figure.add_subplot(grid[number // _COLUMNS, number % _COLUMNS])
        _draw_panel(axes, panel, found)
    top = 1 - 0.38 / height
    title(figure, 0.055, top, headline(found))
    figure.text(
        0.055,
        top - 0.27 / height,
        f"accuracy on {found.pictures:,} pictures ({found.source}, {found.part}), with 95 % "
        "intervals; dashed: labels that stay; above each panel: points lost on average",
        size=9,
        color=MUTED,
    )
    words = [
        f"{name} {percent(base.accuracy.accuracy, 1)}"
        for name, base in zip(drawable([b.model for b in found.bases]), found.bases, strict=True)
    ]
    coloured_words(figure, 0.055, top - 0.56 / height, words)
    write_png(figure, path)


def _draw_panel(axes: Axes, panel: Panel, found: Invariance) -> None:
    disturbance = panel.disturbance
    bare(axes)
    places, texts = _ticks(disturbance)
    for number, (curve, colour) in enumerate(zip(panel.curves, COLOURS, strict=False)):
        base = found.bases[number].accuracy
        stops, accuracies, bands, kept = _with_neutral(disturbance, curve, base.accuracy, base.ci95)
        axes.fill_between(stops, *bands, color=colour, alpha=0.14, lw=0)
        axes.plot(stops, kept, color=colour, lw=1, ls=(0, (3, 2)), alpha=0.75)
        axes.plot(stops, accuracies, color=colour, lw=1.9, marker="o", ms=3.4)
    axes.axvline(_place(disturbance, disturbance.neutral), color=MUTED, lw=0.8, alpha=0.6)
    axes.set_xticks(places, texts)
    percent_axis(axes)
    name = _capital(disturbance.name)
    axes.text(0, 1.06, name, transform=axes.transAxes, color=INK, size=10.5, weight="bold")
    costs = [f"−{100 * curve.cost.mean:.0f}" for curve in panel.curves]
    for number, text in enumerate(reversed(costs)):
        axes.text(
            1 - 0.125 * number,
            1.06,
            text.replace("−-", "+"),
            transform=axes.transAxes,
            ha="right",
            size=9.5,
            weight="bold",
            color=COLOURS[(len(costs) - 1 - number) % len(COLOURS)],
        )


def _with_neutral(
    disturbance: Disturbance, curve: Curve, base: float, interval: tuple[float, float]
) -> tuple[list[float], list[float], tuple[list[float], list[float]], list[float]]:
    """x, accuracies, their bands and consistencies in percent, the undisturbed point among them."""
    rows = [
        (p.strength, p.accuracy.accuracy, p.accuracy.ci95, p.consistency.accuracy)
        for p in curve.points
    ]
    rows.append((disturbance.neutral, base, interval, 1.0))
    rows.sort(key=lambda row: _place(disturbance, row[0]))
    return (
        [_place(disturbance, row[0]) for row in rows],
        [100 * row[1] for row in rows],
        ([100 * row[2][0] for row in rows], [100 * row[2][1] for row in rows]),
        [100 * row[3] for row in rows],
    )


def _place(disturbance: Disturbance, strength: float) -> float:
    """Where a strength stands on its axis: harder to the right, or away from the middle."""
    if disturbance.factor:
        return math.log2(strength)
    return abs(strength - disturbance.neutral) if disturbance.neutral else strength


def _ticks(disturbance: Disturbance) -> tuple[list[float], list[str]]:
    """At every strength; without those whose texts would touch."""
    strengths = sorted(
        (*disturbance.strengths, disturbance.neutral), key=lambda s: _place(disturbance, s)
    )
    places = [_place(disturbance, s) for s in strengths]
    least = 0.105 * (places[-1] - places[0])
    kept: list[tuple[float, str]] = []
    for place, strength in sorted(
        zip(places, strengths, strict=True), key=lambda each: each[1] != disturbance.neutral
    ):
        if all(abs(place - other) >= least for other, _ in kept):
            kept.append((place, disturbance.said(strength)))
    kept.sort()
    # The unit stands at the last tick.
    texts = [text.removesuffix(" %") for _, text in kept[:-1]] + [kept[-1][1]]
    return [place for place, _ in kept], [_plain(text) for text in texts]


def _plain(text: str) -> str:
    return text.replace("+0", "0").replace("-", "−")
