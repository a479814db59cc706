"""What all plots are drawn on and with: figure, colours, text of any script, the PNG file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..files import whole
from .fonts import families

INK, MUTED, GRID = "#1f2933", "#6b7785", "#e6e9ee"
DPI = 150


def write_text(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    *,
    style: Mapping[str, Any],
    offset: tuple[float, float] = (0, 0),
) -> None:
    """User text at a data position: every installed script, and `$` is only a dollar."""
    axes.annotate(
        text,
        (x, y),
        xytext=offset,
        textcoords="offset points",
        annotation_clip=False,
        family=families(text),
        parse_math=False,
        **{"size": 9, "color": INK, **style},
    )


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of this size in inches, free of pyplot's shared state."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def write_png(figure: Figure, path: str | os.PathLike[str], *, tight: bool = False) -> None:
    """Writes the PNG whole; tight: cut to what is drawn."""
    box: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.25} if tight else {}
    with whole(Path(path)) as beside:
        figure.savefig(beside, format="png", dpi=DPI, facecolor="white", **box)
