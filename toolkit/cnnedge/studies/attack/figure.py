"""The figures of the study: accuracy over epsilon, and attacked pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ...figures import percent
from ...training.canvas import INK, MUTED, new_figure, write_png
from ...training.fonts import drawable
from ..drawing import COLOURS, bare, percent_axis, show_picture, title
from .gradients import Pixels
from .measuring import Attack, Curve, Example

_KERAS, _INT8, _FLOAT = COLOURS[0], COLOURS[1], COLOURS[2]
_WRONG = "#c2410c"
# How far from grey the picture of a change goes; its own few levels nobody would see.
_VISIBLE = 100


def headline(found: Attack) -> str:
    """At which epsilon PGD has taken half of what there was."""
    points = found.curve("Keras", "pgd").points
    plain = points[0].accuracy.accuracy
    half = next((p.epsilon for p in points if p.accuracy.accuracy <= plain / 2), None)
    if half is None:
        left = percent(points[-1].accuracy.accuracy, 0)
        return f"Even ±{points[-1].epsilon} of 255 a pixel leaves {left} right"
    left = percent(next(p for p in points if p.epsilon == half).accuracy.accuracy, 0)
    return f"±{half} of 255 a pixel takes the accuracy from {percent(plain, 0)} to {left}"


def save_curves(path: Path, found: Attack) -> None:
    """attack.png: the network and its files at the left, hardening at the right."""
    figure = new_figure(11.4, 5.6)
    title(figure, 0.05, 0.91, headline(found))
    figure.text(
        0.05,
        0.855,
        f"{found.pictures:,} pictures of {found.source} ({found.part}), changed by at most epsilon "
        "a pixel, with 95 % intervals",
        size=9.5,
        color=MUTED,
    )
    left = figure.add_axes((0.05, 0.13, 0.31, 0.58))
    shown = [(found.curve("Keras", "noise"), "random noise", MUTED, ":")]
    shown.append((found.curve("Keras", "fgsm"), "FGSM", _KERAS, "--"))
    shown.append((found.curve("Keras", "pgd"), "PGD", _KERAS, "-"))
    names = {curve.model for curve in found.curves}
    for name, colour in (("float32", _FLOAT), ("int8", _INT8)):
        if name in names:
            shown.append((found.curve(name, "pgd"), f"PGD, {name} file", colour, "-"))
    _curves(left, shown, "Attacks on the Keras network, and the same pictures in its files")
    if found.hardened:
        extra = found.hardened
        right = figure.add_axes((0.565, 0.13, 0.29, 0.58))
        shown = [
            (found.curve("Keras", "pgd"), "as trained", _KERAS, "-"),
            (extra.control[0], "plain epochs", MUTED, "--"),
            (extra.curves[0], "under attack", COLOURS[3], "-"),
        ]
        epochs = f"{extra.epochs} epoch{'' if extra.epochs == 1 else 's'}"
        _curves(right, shown, f"PGD, after {epochs} more of training at ±{extra.epsilon}")
    write_png(figure, path)


_Shown = tuple[Curve, str, str, str]


def _curves(axes: Axes, shown: Sequence[_Shown], text: str) -> None:
    bare(axes)
    percent_axis(axes)
    axes.text(0, 1.07, text, transform=axes.transAxes, size=10, color=INK, weight="bold")
    ends: list[tuple[float, str, str]] = []
    for curve, name, colour, style in shown:
        places = np.arange(len(curve.points))
        values = [100 * p.accuracy.accuracy for p in curve.points]
        low, high = ([100 * p.accuracy.ci95[end] for p in curve.points] for end in (0, 1))
        axes.fill_between(places, low, high, color=colour, alpha=0.1, lw=0)
        # Thinner ones come later, so that what lies on one line is seen.
        width = 2.9 - 0.35 * len(ends)
        axes.plot(places, values, color=colour, lw=width, ls=style, marker="o", ms=width + 1.8)
        ends.append((values[-1], f"{name} {values[-1]:.0f} %", colour))
    points = shown[0][0].points
    axes.set_xticks(range(len(points)), [str(p.epsilon) for p in points])
    axes.set_xlabel("epsilon, in levels of 255", size=9, color=MUTED)
    for height, (_, said, colour) in zip(_apart([e[0] for e in ends]), sorted(ends), strict=True):
        axes.annotate(
            said,
            (len(points) - 1, height),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            size=9.5,
            weight="bold",
            color=colour,
            annotation_clip=False,
        )


def _apart(values: Sequence[float], least: float = 7.5) -> list[float]:
    """The values in order, moved up as far as keeps their texts apart."""
    placed: list[float] = []
    for value in sorted(values):
        placed.append(max(value, placed[-1] + least) if placed else max(value, 1.0))
    return placed


def save_examples(path: Path, examples: Sequence[Example], epsilon: int) -> None:
    """examples.png: the picture, the change magnified, the attacked picture, and the answers."""
    rows, factor = len(examples), max(1, _VISIBLE // epsilon)
    height = 1.95 * rows + 1.15
    figure = new_figure(8.8, height)
    title(figure, 0.04, 1 - 0.42 / height, "What the network is sure of, and what it says then")
    figure.text(
        0.04,
        1 - 0.72 / height,
        f"PGD on the Keras network with epsilon {epsilon} of 255; its files get the same picture",
        size=9.5,
        color=MUTED,
    )
    for number, example in enumerate(examples):
        bottom = 1 - (1.15 + 1.95 * (number + 1) - 0.3) / height
        change = example.attacked.astype(np.int16) - example.plain
        grown = np.clip(127.5 + factor * change, 0, 255).astype(np.uint8)
        for column, picture in enumerate((example.plain, grown, example.attacked)):
            axes = figure.add_axes((0.04 + 0.21 * column, bottom, 0.185, 1.6 / height))
            show_picture(axes, _bgr(picture))
            if not number:
                said = ("the picture", f"the change, x{factor}", "attacked")[column]
                axes.text(
                    0.5, 1.04, said, transform=axes.transAxes, ha="center", size=9, color=MUTED
                )
        label = drawable([example.label])[0]
        middle = bottom + 0.8 / height
        figure.text(
            0.675,
            middle + 0.45 / height,
            f"before: {label} {percent(example.before, 0)}",
            size=10.5,
            weight="bold",
            color=INK,
            parse_math=False,
        )
        for line, (model, answer, probability) in enumerate(example.answers):
            wrong = answer != example.label
            figure.text(
                0.675,
                middle + (0.15 - 0.27 * line) / height,
                f"{model}: {drawable([answer])[0]} {percent(probability, 0)}",
                size=10.5,
                color=_WRONG if wrong else INK,
                parse_math=False,
            )
    write_png(figure, path)


def _bgr(picture: Pixels) -> Pixels:
    return picture[:, :, ::-1] if picture.shape[2] == 3 else picture
