"""The report's confusion matrix. Labels and counts enter; a table leaves, as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...pages.text import Row

_SHOWN_CLASSES, _COUNTED_CLASSES = 60, 25


@dataclass(frozen=True, kw_only=True)
class Cell:
    """kind: CSS classes. strength: 0..1, of its colour."""

    kind: str
    strength: str
    title: str
    count: int


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A true class; cells: one for each predicted class, None where there was no picture."""

    label: str
    cells: Sequence[Cell | None]
    recall: str


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """of: the variant. often: the most frequent confusions. rows: none for many classes.

    small: above 25 classes the counts are left to the cells' titles.
    """

    of: str | None
    often: str
    rows: Sequence[ClassRow]
    small: bool


def confusion_table(confusion: Row, name: str | None) -> Confusion | None:
    """None without a matrix. name: the variant's."""
    labels = [str(label) for label in confusion.get("labels") or ()]
    matrix = [[int(count) for count in row] for row in confusion.get("matrix") or ()]
    if not matrix:
        return None
    shown = range(len(labels)) if len(labels) <= _SHOWN_CLASSES else ()
    return Confusion(
        of=name,
        often="; ".join(_most_confused(labels, matrix)),
        rows=[_row(labels, index, matrix[index]) for index in shown],
        small=len(labels) > _COUNTED_CLASSES,
    )


def _most_confused(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> list[str]:
    wrong = [
        (count, labels[i], labels[j])
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    wrong.sort(key=lambda item: -item[0])
    return [f"{a} taken for {b} ({count:,})" for count, a, b in wrong[:5]]


def _row(labels: Sequence[str], index: int, row: Sequence[int]) -> ClassRow:
    total = sum(row)
    return ClassRow(
        label=labels[index],
        cells=[_cell(labels, index, column, row) for column in range(len(row))],
        recall=f"{100 * row[index] / total:.1f} %" if total else "no pictures",
    )


def _cell(labels: Sequence[str], index: int, column: int, row: Sequence[int]) -> Cell | None:
    """Confusions are on a square-root scale, so that rare ones stay visible."""
    count, right = row[column], index == column
    if not count:
        return None
    share = count / sum(row)
    strength = share if right else math.sqrt(share)
    what = "recognised" if right else f"taken for {labels[column]}"
    return Cell(
        kind=("hit" if right else "miss") + (" on" if strength > 0.6 else ""),
        strength=f"{strength:.3f}",
        title=f"{labels[index]} {what}: {count}",
        count=count,
    )
