"""Worst cases: for each disturbance the picture that a model was surest about, and then lost.

Measurements enter; pairs of pictures with what was answered leave, and their figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ...training.canvas import INK, MUTED, new_figure, write_png, write_text
from ...training.fonts import drawable
from ..disturbances import Disturbance
from ..drawing import show_picture, title
from ..subjects import Chosen, Subject
from .measuring import Answers, Measured, disturbed, draws_of, frame_side, reduced

_COLUMNS = 3


@dataclass(frozen=True, kw_only=True)
class Case:
    """A picture that was right, and wrong under the mildest strength that does this to any.

    before, after: the probabilities of the two answers, fractions.
    """

    disturbance: str
    strength: str
    picture: str
    index: int
    label: str
    before: float
    answer: str
    after: float


def worst_cases(
    measured: Measured, number: int, subject: Subject, chosen: Chosen
) -> tuple[tuple[Case, ...], ...]:
    """For each disturbance at most one case of the model of this number."""
    before = measured.undisturbed[number]
    found = []
    for panel, answers in zip(measured.result.panels, measured.disturbed, strict=True):
        case = _worst(panel.disturbance, before, answers[number], subject, chosen)
        found.append((case,) if case else ())
    return tuple(found)


def _worst(
    disturbance: Disturbance,
    before: Answers,
    answers: Sequence[Answers],
    subject: Subject,
    chosen: Chosen,
) -> Case | None:
    """The surest wrong answer at the mildest strength where a sure and right answer turns wrong."""
    order = sorted(
        range(len(answers)), key=lambda i: _distance(disturbance, disturbance.strengths[i])
    )
    for place in order:
        after = answers[place]
        lost = before.right & ~after.right
        if not lost.any():
            continue
        sureness = np.where(lost, np.minimum(before.probabilities, after.probabilities), -1)
        row = int(sureness.argmax())
        index = int(chosen.indices[row])
        return Case(
            disturbance=disturbance.name,
            strength=disturbance.said(disturbance.strengths[place]),
            picture=chosen.dataset.name(index),
            index=index,
            label=subject.labels[int(before.labels[row])],
            before=float(before.probabilities[row]),
            answer=subject.labels[int(after.labels[row])],
            after=float(after.probabilities[row]),
        )
    return None


def _distance(disturbance: Disturbance, strength: float) -> float:
    if disturbance.factor:
        return abs(math.log2(strength))
    return abs(strength - disturbance.neutral)


def save_cases(
    path: Path,
    cases: Sequence[Sequence[Case]],
    disturbances: Sequence[Disturbance],
    subject: Subject,
    chosen: Chosen,
) -> None:
    """A grid of pairs: the picture, and the picture disturbed, each with the answer under it."""
    side, rows = frame_side([subject]), math.ceil(len(cases) / _COLUMNS)
    height = 2.0 * rows + 0.95
    figure = new_figure(10.2, height)
    title(figure, 0.03, 1 - 0.42 / height, f"How little is enough to mislead {subject.name}")
    figure.text(
        0.03,
        1 - 0.68 / height,
        "the surest mistakes at the mildest strength that causes any: the picture, and the same "
        "picture disturbed, each with the model's answer",
        size=9,
        color=MUTED,
    )
    for number, (found, disturbance) in enumerate(zip(cases, disturbances, strict=True)):
        left = 0.03 + (number % _COLUMNS) * 0.327
        bottom = 1 - (0.95 + 2.0 * (number // _COLUMNS + 1) - 0.42) / height
        box = (left, bottom, 0.142, 1.32 / height)
        for case in found:
            frame = reduced(chosen.dataset.frame(case.index), side)
            strength = disturbance.strengths[
                [disturbance.said(s) for s in disturbance.strengths].index(case.strength)
            ]
            after = disturbed(frame, disturbance, strength, draws_of(case.index))
            first = figure.add_axes(box)
            show_picture(first, frame)
            _say(first, case.label, case.before, INK)
            second = figure.add_axes((left + 0.15, *box[1:]))
            show_picture(second, after)
            _say(second, case.answer, case.after, "#c2410c")
            said = f"{disturbance.name} {case.strength}"
            first.text(0, 1.05, said, transform=first.transAxes, size=10, weight="bold", color=INK)
        if not found:
            said = f"{disturbance.name}: no picture was lost"
            figure.text(left, bottom + 0.6 / height, said, size=10, color=MUTED)
    write_png(figure, path)


def _say(axes: Axes, label: str, probability: float, colour: str) -> None:
    text = f"{drawable([label])[0][:16]} {100 * probability:.0f} %"
    low, left = axes.get_ylim()[0], sum(axes.get_xlim()) / 2
    style = {"ha": "center", "va": "top", "size": 8.5, "color": colour, "weight": "bold"}
    write_text(axes, left, low, text, offset=(0, -3), style=style)
