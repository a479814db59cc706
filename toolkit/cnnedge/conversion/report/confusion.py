"""The report's confusion matrix. Labels and counts enter; a section of HTML leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...pages.text import Row, escape

_SHOWN_CLASSES = 60


def confusion_section(confusion: Row, name: str | None) -> str:
    """The matrix and the most frequent confusions; "" without a matrix. name: the variant's."""
    labels = [str(label) for label in confusion.get("labels") or ()]
    matrix = [[int(count) for count in row] for row in confusion.get("matrix") or ()]
    if not matrix:
        return ""
    pairs = _most_confused(labels, matrix)
    often = f'<p class="note">Most often: {"; ".join(pairs)}.</p>' if pairs else ""
    table = heat_map(labels, matrix) if len(labels) <= _SHOWN_CLASSES else ""
    return (
        f"<section><h2>Confusions{' of ' + escape(name) if name else ''}</h2>"
        f'<p class="note">Rows are the true class, columns the predicted one; blue is right, '
        f"orange confused, deeper for a larger share of the row.</p>{often}{table}</section>"
    )


def _most_confused(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> list[str]:
    wrong = [
        (count, labels[i], labels[j])
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    wrong.sort(key=lambda item: -item[0])
    return [f"{escape(a)} taken for {escape(b)} ({count:,})" for count, a, b in wrong[:5]]


def heat_map(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """A confusion matrix as an HTML table, rows true and columns predicted, with recalls.

    Orange is on a square-root scale, so that rare confusions stay visible. Above 25 classes the
    counts are left to the cells' titles.
    """
    small = len(labels) > 25
    heads = "".join(f'<th scope="col"><span>{escape(label)}</span></th>' for label in labels)
    rows = []
    for index, (label, row) in enumerate(zip(labels, matrix, strict=True)):
        total = sum(row)
        cells = "".join(_cell(labels, index, column, row, small) for column in range(len(row)))
        recall = f"{100 * row[index] / total:.1f} %" if total else "no pictures"
        said = escape(label)
        head = f'<th scope="row" title="{said}">{said}</th>'
        rows.append(f'<tr>{head}{cells}<td class="recall">{recall}</td></tr>')
    return (
        f'<div class="wide"><table class="heat{" small" if small else ""}"><thead><tr><td></td>'
        f'{heads}<td class="recall">recall</td></tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table></div>"
    )


def _cell(labels: Sequence[str], index: int, column: int, row: Sequence[int], small: bool) -> str:
    count = row[column]
    if not count:
        return "<td></td>"
    share = count / sum(row)
    strength = share if index == column else math.sqrt(share)
    kind = ("hit" if index == column else "miss") + (" on" if strength > 0.6 else "")
    said = escape(f"{labels[index]} taken for {labels[column]}: {count}")
    if index == column:
        said = escape(f"{labels[index]} recognised: {count}")
    text = "" if small else f"{count}"
    return f'<td class="{kind}" style="--a:{strength:.3f}" title="{said}">{text}</td>'
