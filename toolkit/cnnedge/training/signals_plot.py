"""signals.png: some training signals of each class, as they are measured.

Signals of a data set enter; a PNG for a slide leaves. Synthetic ones are called so in the picture.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from ..data import Samples
from .canvas import INK, MUTED, new_figure, write_png, write_text
from .fonts import drawable, families, shorten

_LINES = ("#2563eb", "#d9601a", "#6b7785", "#0f766e")
_MOST_CLASSES, _EXAMPLES = 6, 5
# Inches: of a panel, between two, and beside and above all of them.
_WIDTH, _HEIGHT, _GAP, _ROW_GAP = 1.55, 0.95, 0.52, 0.34
_LEFT, _TOP, _BOTTOM = 2.0, 1.0, 0.12
# A longer list of classes is no title.
_LONGEST_TITLE = 60


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """Examples of one class. signals: float32 [n, length, channels]."""

    label: str
    signals: npt.NDArray[np.float32]


def save_signals(path: str | os.PathLike[str], samples: Samples, seed: int) -> None:
    """Five training signals of each class, of the first six classes; fewer where there are fewer.

    seed: of the choice. Each panel has its own scale, named at its left: peaks differ a
    thousandfold in height.
    """
    rows = _rows(samples, seed)
    width = _LEFT + _EXAMPLES * (_WIDTH + _GAP)
    height = _TOP + len(rows) * (_HEIGHT + _ROW_GAP) + _BOTTOM
    figure = new_figure(width, height)
    for number, (row, label) in enumerate(
        zip(rows, drawable([row.label for row in rows]), strict=True)
    ):
        bottom = height - _TOP - (number + 1) * (_HEIGHT + _ROW_GAP) + _ROW_GAP
        for place, signal in enumerate(row.signals):
            left = _LEFT + place * (_WIDTH + _GAP)
            box = (left / width, bottom / height, _WIDTH / width, _HEIGHT / height)
            axes = figure.add_axes(box)
            _draw(axes, signal, last=number == len(rows) - 1)
            if place == 0:
                style = {"ha": "left", "va": "center", "size": 11, "weight": "bold"}
                points = 72 * (0.25 - _LEFT)
                middle = sum(axes.get_ylim()) / 2
                write_text(axes, 0, middle, shorten(label, 16), style=style, offset=(points, 0))
    source = samples.dataset.source
    title = _title([row.label for row in rows])
    figure.text(
        0.25 / width,
        1 - 0.42 / height,
        title,
        fontsize=14,
        weight="bold",
        color=INK,
        family=families(title),
        parse_math=False,
    )
    what = shorten(os.path.basename(source), 60)
    if source.startswith("synthetic:"):
        what = "Synthetic signals, not measured"
    said = (
        f"{what}. Every panel has its own scale; the numbers are the lowest and the highest value."
    )
    figure.text(
        0.25 / width,
        1 - 0.70 / height,
        said,
        fontsize=9.5,
        color=MUTED,
        family=families(said),
        parse_math=False,
    )
    write_png(figure, path)


def _title(labels: list[str]) -> str:
    """The question that the model answers."""
    names = drawable(labels)
    asked = f"{', '.join(names[:-1])} or {names[-1]}?"
    if len(asked) > _LONGEST_TITLE:
        return f"Signals of {len(labels)} classes"
    return asked[:1].upper() + asked[1:]


def _rows(samples: Samples, seed: int) -> list[Row]:
    dataset = samples.dataset
    rng = np.random.default_rng([seed, 3])
    indices = rng.permutation(dataset.indices("train"))
    found = []
    for target, label in list(enumerate(dataset.classes))[:_MOST_CLASSES]:
        chosen = indices[dataset.targets[indices] == target][:_EXAMPLES]
        found.append(Row(label=label, signals=samples.batch(chosen)))
    return found


def _draw(axes: Axes, signal: npt.NDArray[np.float32], *, last: bool) -> None:
    for channel, values in enumerate(signal.T):
        axes.plot(values, color=_LINES[channel % len(_LINES)], lw=1.2, solid_joinstyle="round")
    low, high = float(signal.min()), float(signal.max())
    room = 0.08 * max(high - low, 1e-9)
    axes.set(xlim=(0, len(signal) - 1), ylim=(low - room, high + room))
    axes.set_yticks([low, high], [f"{low:.3g}", f"{high:.3g}"])
    axes.set_xticks([0, len(signal) - 1], ["0", str(len(signal) - 1)] if last else ["", ""])
    axes.tick_params(length=0, labelsize=8, labelcolor=MUTED, pad=3)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color("#c3cad3")
