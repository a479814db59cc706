"""One figure of the study: turned, moved and overlapping pictures, with some pairs to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...figures import percent
from ...training.canvas import INK, MUTED, new_figure, write_png
from ...training.fonts import drawable
from ..drawing import COLOURS, bare, coloured_words, percent_axis, show_picture, title
from ..invariance.measuring import Panel
from .comparing import Comparison, Measured

_SHOWN = 5
# Percent; the label of a bar stands above it up to here.
_MOST_ABOVE = 90


def headline(found: Comparison) -> str:
    """Which network reads two pictures in one better, or that neither clearly does."""
    first, second = (network.overlapping for network in found.networks)
    names = [network.name for network in found.networks]
    if found.overlapping_p >= 0.05:
        return "Two pictures in one: neither network is clearly better"
    better = 0 if first.accuracy > second.accuracy else 1
    shares = [percent(a.accuracy, 0) for a in (first, second)]
    return (
        f"Two pictures in one: {names[better]} name both in {shares[better]}, "
        f"{names[1 - better]} in {shares[1 - better]}"
    )


def save_figure(path: Path, measured: Measured) -> None:
    """capsule.png."""
    found = measured.result
    figure = new_figure(11, 6.6)
    title(figure, 0.05, 0.925, headline(found))
    figure.text(
        0.05,
        0.88,
        f"{found.networks[0].parameters:,} and {found.networks[1].parameters:,} weights, trained "
        f"alike on {found.source} (epochs: {found.epochs}), single and in pairs, all upright; "
        "float16 files, 95 % intervals",
        size=9.5,
        color=MUTED,
    )
    words = [f"{n.name} {percent(n.variants[0].accuracy.accuracy, 1)}" for n in found.networks]
    coloured_words(figure, 0.05, 0.83, words)
    for number, panel in enumerate(found.disturbed.panels):
        _panel(figure.add_axes((0.05 + 0.32 * number, 0.41, 0.27, 0.33)), panel, found)
    _overlap(figure.add_axes((0.72, 0.41, 0.25, 0.33)), found)
    _pairs(figure, measured)
    write_png(figure, path)


def _panel(axes: Axes, panel: Panel, found: Comparison) -> None:
    bare(axes)
    percent_axis(axes)
    for number, (curve, colour) in enumerate(zip(panel.curves, COLOURS, strict=False)):
        base = found.disturbed.bases[number].accuracy
        points = [(panel.disturbance.neutral, base)]
        points += [(p.strength, p.accuracy) for p in curve.points]
        places = [place for place, _ in points]
        low, high = ([100 * a.ci95[end] for _, a in points] for end in (0, 1))
        axes.fill_between(places, low, high, color=colour, alpha=0.14, lw=0)
        values = [100 * a.accuracy for _, a in points]
        axes.plot(places, values, color=colour, lw=2, marker="o", ms=4)
    least = 0.08 * (places[-1] - places[0])
    kept = [p for i, p in enumerate(places) if not i or p - places[i - 1] >= least]
    axes.set_xticks(kept, [f"{place:g}" for place in kept])
    unit = panel.disturbance.unit.strip()
    name = {"rotation": "turned, in degrees"}.get(panel.disturbance.name, f"moved, in {unit}")
    axes.text(0, 1.06, name, transform=axes.transAxes, size=10.5, color=INK, weight="bold")


def _overlap(axes: Axes, found: Comparison) -> None:
    bare(axes)
    percent_axis(axes)
    for place, (network, colour) in enumerate(zip(found.networks, COLOURS, strict=False)):
        value = network.overlapping
        axes.bar(place, 100 * value.accuracy, width=0.6, color=colour)
        axes.plot([place, place], [100 * end for end in value.ci95], color=INK, lw=1.4)
        low, high = (100 * end for end in value.ci95)
        # Above a bar that is nearly full stands the title.
        above = high < _MOST_ABOVE
        said = f"{network.name}{' ' if above else chr(10)}{percent(value.accuracy, 0)}"
        axes.text(
            place,
            high + 3 if above else low - 4,
            said,
            ha="center",
            va="bottom" if above else "top",
            size=10,
            weight="bold",
            color=colour if above else "white",
        )
    axes.set_xlim(-0.6, 1.6)
    axes.set_xticks([])
    said = "both of two classes named"
    axes.text(0, 1.06, said, transform=axes.transAxes, size=10.5, color=INK, weight="bold")


def _pairs(figure: Figure, measured: Measured) -> None:
    """Some pairs, with the two best answers of each network."""
    names = drawable(measured.labels)
    for place in range(min(_SHOWN, len(measured.pairs.pixels))):
        left = 0.05 + 0.187 * place
        axes = figure.add_axes((left, 0.1, 0.105, 0.175))
        show_picture(axes, measured.pairs.pixels[place])
        truth = measured.pairs.classes[place].tolist()
        said = " + ".join(names[c][:11] for c in truth)
        figure.text(left, 0.29, said, size=8.5, weight="bold", color=INK, parse_math=False)
        for line, (scores, colour) in enumerate(zip(measured.scores, COLOURS, strict=False)):
            best = np.argsort(-scores[place])[:2].tolist()
            mark = "✓" if set(best) == set(truth) else "✗"
            text = f"{mark} " + " + ".join(names[c][:11] for c in best)
            figure.text(left, 0.07 - 0.033 * line, text, size=8.5, color=colour, parse_math=False)
