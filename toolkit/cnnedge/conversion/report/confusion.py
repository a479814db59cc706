"""The report's confusion matrix. Labels and counts enter; a table leaves, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...pages.text import Row

_SHOWN_CLASSES, _COUNTED_CLASSES = 60, 25


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """of: the variant. often: the most frequent confusions. shown: the matrix is small enough.

    small: above 25 classes the counts are left to the cells' titles.
    """

    of: str | None
    often: str
    labels: Sequence[str]
    matrix: Sequence[Sequence[int]]
    shown: bool
    small: bool


def confusion_table(confusion: Row, name: str | None) -> Confusion | None:
    """None without a matrix. name: the variant's."""
    labels = [str(label) for label in confusion.get("labels") or ()]
    matrix = [[int(count) for count in row] for row in confusion.get("matrix") or ()]
    if not matrix:
        return None
    return Confusion(
        of=name,
        often="; ".join(_most_confused(labels, matrix)),
        labels=labels,
        matrix=matrix,
        shown=len(labels) <= _SHOWN_CLASSES,
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
