"""One figure of the study: what each augmentation does to a picture, and to the accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ...figures import percent
from ...training.canvas import GRID, INK, MUTED, new_figure, write_png
from ..drawing import COLOURS, show_picture, title
from .comparing import VERSIONS, Comparison, Measured, sure

_BETTER, _WORSE = COLOURS[0], COLOURS[1]


def headline(found: Comparison) -> str:
    """What helped most, if anything did for sure."""
    certain = sure(found.ways)
    if not certain:
        return "No augmentation made a difference beyond chance here"
    gains = [(100 * way.gained.mean, way.name) for way in certain if way.gained]
    points, name = max(gains)
    if points > 0:
        return f"{name[:1].upper()}{name[1:]}: {points:.1f} points more"
    points, name = min(gains)
    return f"None of them helps here; {name}: {abs(points):.1f} points fewer"


def save_figure(path: Path, measured: Measured) -> None:
    """augmentation.png: a row for each way."""
    found = measured.result
    rows = len(found.ways)
    height = 0.78 * rows + 1.75
    figure = new_figure(11, height)
    title(figure, 0.03, 1 - 0.42 / height, headline(found))
    figure.text(
        0.03,
        1 - 0.72 / height,
        f"{found.recipe} ({found.model}) on {found.pictures:,} pictures of {found.source}, "
        f"{found.folds}-fold cross-validation (epochs: {found.epochs}); 95 % intervals",
        size=9.5,
        color=MUTED,
    )
    for number, (way, versions) in enumerate(zip(found.ways, measured.versions, strict=True)):
        bottom = 1 - (1.05 + 0.78 * (number + 1)) / height
        figure.text(
            0.03, bottom + 0.34 / height, way.name, size=10.5, weight="bold", color=INK, va="center"
        )
        for column in range(VERSIONS):
            axes = figure.add_axes((0.175 + 0.066 * column, bottom, 0.062, 0.68 / height))
            picture = versions[column]
            show_picture(axes, picture[:, :, ::-1] if picture.shape[2] == 3 else picture)
    axes = figure.add_axes((0.6, 0.65 / height, 0.24, 0.78 * rows / height))
    _gains(axes, found)
    write_png(figure, path)


def _gains(axes: Axes, found: Comparison) -> None:
    rows = len(found.ways)
    reach = 1.0
    for number, way in enumerate(found.ways):
        place = rows - 1 - number
        text = percent(way.accuracy.accuracy, 1)
        if way.gained is None:
            axes.plot([0], [place], "o", color=MUTED, ms=7)
        else:
            low, high = (100 * end for end in way.gained.ci95)
            reach = max(reach, abs(low), abs(high))
            value = 100 * way.gained.mean
            colour = _BETTER if low > 0 else _WORSE if high < 0 else MUTED
            axes.plot([low, high], [place, place], color=colour, lw=2)
            axes.plot([value], [place], "o", color=colour, ms=7)
            text += f"  ({value:+.1f})".replace("-", "−")
        axes.annotate(
            text,
            (1, place),
            xycoords=("axes fraction", "data"),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            size=10,
            color=INK,
            annotation_clip=False,
        )
    axes.axvline(0, color=MUTED, lw=0.9)
    axes.set_xlim(-1.1 * reach, 1.1 * reach)
    axes.set_ylim(-0.5, rows - 0.5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c3cad3")
    axes.grid(True, axis="x", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8, labelcolor=MUTED, pad=4)
    axes.set_yticks([])
    ticks = [t for t in np.asarray(axes.get_xticks()) if abs(t) <= reach]
    axes.set_xticks(ticks, [f"{t:+g}".replace("-", "−") if t else "0" for t in ticks])
    axes.set_xlabel("points of accuracy above no augmentation", size=9, color=MUTED)
