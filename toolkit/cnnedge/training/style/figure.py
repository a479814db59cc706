"""What a style makes of pictures: the style picture, and content pictures above what became of
them. Pictures enter; a PNG leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from ...specs import Recipe
from ...specs.style import STROKES
from ..canvas import INK, MUTED, new_figure, write_png
from .content import OUTDOORS

Pictures = npt.NDArray[np.uint8]

_MOST = 4
# In inches: a picture, and what is left around it.
_WIDE, _GAP, _TOP, _LEFT, _BETWEEN = 2.0, 0.06, 0.75, 0.25, 0.55


def save_style_figure(
    path: Path, title: str, painting: tuple[str, Pictures], rows: Sequence[tuple[str, Pictures]]
) -> None:
    """painting: what is said below it, and uint8 [h, w, 3] RGB. rows: a name and uint8 [n, h, w, 3]
    RGB each, the content pictures first."""
    count = min(_MOST, len(rows[0][1]))
    high = _WIDE * rows[0][1].shape[1] / rows[0][1].shape[2]
    # The style picture is as high as two rows.
    side = 2 * high + _GAP if len(rows) > 1 else high
    across = min(side * painting[1].shape[1] / painting[1].shape[0], 1.6 * side)
    wide = _LEFT + across + _BETWEEN + count * (_WIDE + _GAP) + 0.2
    tall = _TOP + len(rows) * (high + _GAP) + 0.3
    figure = new_figure(wide, tall)
    figure.text(
        _LEFT / wide, 1 - 0.42 / tall, title, size=15, weight="bold", color=INK, parse_math=False
    )

    def place(x: float, y: float, w: float, h: float) -> Axes:
        return figure.add_axes((x / wide, 1 - (y + h) / tall, w / wide, h / tall))

    below = _TOP + side
    _show(place(_LEFT, _TOP, across, side), painting[1])
    figure.text(
        _LEFT / wide,
        1 - (below + 0.12) / tall,
        painting[0],
        size=10,
        color=MUTED,
        va="top",
        linespacing=1.5,
        parse_math=False,
    )
    begin = _LEFT + across + _BETWEEN
    for line, (name, pictures) in enumerate(rows):
        top = _TOP + line * (high + _GAP)
        figure.text(
            (begin - 0.14) / wide,
            1 - (top + high / 2) / tall,
            name,
            size=10,
            color=MUTED,
            rotation=90,
            ha="center",
            va="center",
            parse_math=False,
        )
        for column in range(count):
            _show(place(begin + column * (_WIDE + _GAP), top, _WIDE, high), pictures[column])
    write_png(figure, path)


def captioned(recipe: Recipe) -> str:
    """What is said below the style picture: which of the pictures are synthetic."""
    drawn = recipe.style is not None and recipe.style.picture == STROKES
    said = "the style picture" + (", drawn in code" if drawn else "")
    if recipe.data.source == OUTDOORS:
        said += "\ncontent: synthetic scenes, and a photograph"
    return said


def save_row(path: Path, title: str, pictures: Sequence[tuple[str, Pictures]]) -> None:
    """Square pictures uint8 [h, w, 3] RGB side by side, each above its caption."""
    side, gap = 2.6, 0.2
    wide, tall = 2 * _LEFT + len(pictures) * (side + gap) - gap, _TOP + side + 0.45
    figure = new_figure(wide, tall)
    figure.text(
        _LEFT / wide, 1 - 0.42 / tall, title, size=15, weight="bold", color=INK, parse_math=False
    )
    for place, (caption, picture) in enumerate(pictures):
        left = (_LEFT + place * (side + gap)) / wide
        _show(figure.add_axes((left, 0.45 / tall, side / wide, side / tall)), picture)
        figure.text(left, 0.18 / tall, caption, size=10.5, color=MUTED, parse_math=False)
    write_png(figure, path)


def spread(pictures: Pictures) -> npt.NDArray[np.int64]:
    """Places of a few of the pictures uint8 [n, h, w, 3]: of each part of them, for sets are often
    sorted by kind, the one with the most in it."""
    rough = pictures[:, ::8, ::8].astype(np.float32)
    detail = rough.std(axis=(1, 2)).mean(axis=1)
    parts = np.array_split(np.arange(len(pictures)), min(_MOST, len(pictures)))
    return np.array([part[detail[part].argmax()] for part in parts], np.int64)


def _show(axes: Axes, picture: Pictures) -> None:
    axes.imshow(picture, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
