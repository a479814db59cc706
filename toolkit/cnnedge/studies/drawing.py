"""What the figures of the studies share: colours, axes, titles, coloured words, pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..data.store import Frame
from ..training.canvas import GRID, INK, MUTED

# One for each model; apart also for people who see few colours (Okabe and Ito 2008, darkened).
COLOURS = ("#2563eb", "#d9601a", "#0f8a6d", "#a3379b", "#7a6a00", "#5b6770")


def title(figure: Figure, x: float, y: float, text: str) -> None:
    """The finding, above the figure, at a place in shares of it."""
    figure.text(x, y, text, size=15, weight="bold", color=INK, parse_math=False)


def bare(axes: Axes) -> None:
    """A light grid and no frame."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c3cad3")
    axes.grid(True, axis="y", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8, labelcolor=MUTED, pad=4)


def percent_axis(axes: Axes) -> None:
    """0 to 100 %, with room for a line at the top."""
    axes.set_ylim(0, 103)
    axes.set_yticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100 %"])


def coloured_words(figure: Figure, x: float, y: float, words: Sequence[str]) -> None:
    """Words in a row in the colours of COLOURS, in place of a legend."""
    width = figure.get_figwidth()
    for word, colour in zip(words, COLOURS, strict=False):
        drawn = figure.text(
            x, y, "● " + word, size=10.5, weight="bold", color=colour, parse_math=False
        )
        box = drawn.get_window_extent(figure.canvas.get_renderer())  # type: ignore[attr-defined]
        x += box.width / figure.dpi / width + 0.2 / width


def show_picture(axes: Axes, frame: Frame) -> None:
    """A frame as OpenCV has it (BGR or grey), without axes."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    grey = frame.ndim == 2 or frame.shape[2] == 1
    shown = np.repeat(frame.reshape(*frame.shape[:2], 1), 3, axis=2) if grey else frame[:, :, ::-1]
    small = max(frame.shape[:2]) <= 128
    axes.imshow(shown, interpolation="nearest" if small else "antialiased")
