"""Tables of numbers: one-dimensional signals in a .csv file.

A path enters; numbers with their lines and, where there is one, a column of labels leave. Commas,
semicolons or tabs stand between the cells; a first line without numbers names the columns.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..specs.limits import closest
from .tables import SEPARATORS, text_of

Values = npt.NDArray[np.float32]

# A million rows of a recording, or a hundred thousand signals of a hundred values.
_MOST_CELLS = 50_000_000
# Columns that say when, in a recording.
_TIME = frozenset({"time", "t", "seconds", "minutes", "min", "s", "ms", "timestamp", "index"})
_LABELS = frozenset({"label", "class", "target", "category"})
_SHOWN = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """values: float32 [rows, columns]; lines: of the file, one for each row. labels: one for each
    row, None where there is no such column."""

    values: Values
    lines: tuple[int, ...]
    labels: tuple[str, ...] | None


def read_table(path: Path, label: str | None = None, *, labelled: bool) -> Table:
    """The numbers of a .csv file. label: the name of the column of labels.

    labelled: the last column holds labels where none is named; otherwise only if it is called so,
    or holds texts. Raises DataError with file and line.
    """
    rows = _rows(path)
    first, cells = rows[0]
    header = cells if not any(_number(cell) is not None for cell in cells) else None
    body = rows[1:] if header else rows
    if not body:
        raise DataError(f"{path}: the table has a header and no rows; expected rows of numbers")
    width = len(body[0][1])
    _check_widths(path, body, width)
    if header is not None and len(header) != width:
        raise DataError(
            f"{path}:{first}: the header names {len(header)} columns, but the rows have {width}"
        )
    place = _label_place(path, header, body[0][1], label, labelled=labelled)
    columns = [i for i in range(width) if i != place and not _says_when(header, i)]
    if not columns:
        raise DataError(f"{path}: the table has no column of numbers beside its labels")
    values = np.array(
        [[_value(path, line, cells, i) for i in columns] for line, cells in body], np.float32
    )
    labels = None if place is None else tuple(cells[place].strip() for _, cells in body)
    return Table(values=values, lines=tuple(line for line, _ in body), labels=labels)


def number_at(text: str, place: str) -> float:
    """A finite number. Raises DataError. place: names where it stands."""
    found = _number(text)
    if found is None:
        raise DataError(f"{place}: expected a number, found {text.strip()!r:.{_SHOWN}}")
    return found


def split_cells(line: str) -> list[str]:
    """The cells of one line, whatever stands between them; spaces count where nothing else does."""
    separator = next((s for s in (";", "\t", ",") if s in line), None)
    return line.split(separator)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    text = text_of(path)
    sample = text[:10_000].split("\n", 1)[0]
    separator = max(SEPARATORS, key=sample.count)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    found, count = [], 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((reader.line_num, cells))
                count += len(cells)
            if count > _MOST_CELLS:
                raise csv.Error(f"the table has more than {_MOST_CELLS:,} cells")
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not valid CSV: {error}") from None
    if not found:
        raise DataError(f"{path}: the table is empty; expected rows of numbers")
    return found


def _check_widths(path: Path, body: Sequence[tuple[int, list[str]]], width: int) -> None:
    wrong = next(((line, cells) for line, cells in body if len(cells) != width), None)
    if wrong:
        raise DataError(
            f"{path}:{wrong[0]}: found {len(wrong[1])} columns; the first row has {width}, and "
            "every row must have as many"
        )


def _label_place(
    path: Path, header: list[str] | None, row: list[str], label: str | None, *, labelled: bool
) -> int | None:
    names = [name.strip() for name in header or ()]
    if label is not None:
        if label in names:
            return names.index(label)
        known = f"its columns are {', '.join(names[:6])}" if names else "it has no header"
        raise DataError(
            f"{path}: there is no column '{label}'.{closest(label, names)} Here, {known}. Name the "
            "column of labels: --set data.signals.label=NAME"
        )
    called = next((i for i, name in enumerate(names) if name.lower() in _LABELS), None)
    if called is not None:
        return called
    return len(row) - 1 if labelled or _number(row[-1]) is None else None


def _says_when(header: list[str] | None, column: int) -> bool:
    """Whether a column holds times: only a header tells."""
    if header is None:
        return False
    return header[column].strip().lower().split(" ")[0].split("_")[0] in _TIME


def _value(path: Path, line: int, cells: list[str], column: int) -> float:
    return number_at(cells[column], f"{path}:{line}, column {column + 1}")


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) and abs(found) < 1e30 else None
