"""A CSV file of picture paths and labels.

Columns path, label and, where wanted, split (train, val or test), with or without a header that
names them. Paths are relative to the CSV file's folder. A `Listing` leaves.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from ..errors import DataError
from .folders import PART_NAMES
from .names import in_order, normalised
from .store import TRAIN, FileStore, Listing

_COLUMNS = {
    "path": {"path", "file", "filename", "image", "picture"},
    "label": {"label", "class", "target"},
    "split": {"split", "part", "set"},
}
Row = tuple[str, str, str]


def csv_listing(path: Path, labels: tuple[str, ...] | None) -> Listing:
    """The pictures of a CSV file. Raises DataError with file and line where it cannot be used."""
    rows = _rows(path)
    classes = in_order((label for _, label, _ in rows), labels, str(path))
    number = {name: index for index, name in enumerate(classes)}
    parts = [PART_NAMES[split] if split else TRAIN for _, _, split in rows]
    if any(split for _, _, split in rows) and TRAIN not in parts:
        raise DataError(f"{path}: the column 'split' names no train picture; some are needed")
    return Listing(
        source=str(path),
        classes=classes,
        store=FileStore(path.parent, [file for file, _, _ in rows]),
        targets=np.array([number[label] for _, label, _ in rows], np.int64),
        part=np.array(parts, np.int8),
        own=frozenset(part for part in parts if part != TRAIN),
    )


def _rows(path: Path) -> list[Row]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            lines = [(reader.line_num, cells) for cells in reader if any(c.strip() for c in cells)]
    except UnicodeDecodeError:
        raise DataError(f"{path}: this is not UTF-8 text; save the table as CSV, UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not valid CSV: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not lines:
        raise DataError(f"{path}: the table is empty; expected lines like pictures/1.jpg,cat")
    columns = _header(lines[0][1])
    width = 3
    if columns is None:
        columns = {"path": 0, "label": 1, "split": 2}
    else:
        width = len(lines[0][1])
        lines = lines[1:]
    if not lines:
        raise DataError(f"{path}: the table has a header and no rows; expected path,label")
    return [_row(f"{path}:{number}", cells, columns, width) for number, cells in lines]


def _header(cells: list[str]) -> dict[str, int] | None:
    """{column: place} when the first line names path and label, in any order."""
    lowered = [cell.strip().lower() for cell in cells]
    found = {
        column: place
        for column, words in _COLUMNS.items()
        for place, cell in enumerate(lowered)
        if cell in words
    }
    return found if {"path", "label"} <= found.keys() else None


def _row(place: str, cells: list[str], columns: dict[str, int], width: int) -> Row:
    if len(cells) <= max(columns["path"], columns["label"]) or len(cells) > width:
        raise DataError(
            f"{place}: found {len(cells)} column{'s' * (len(cells) != 1)}; expected path,label or "
            "path,label,split, with commas between. Put a value that holds a comma in "
            'double quotes: "a, b"'
        )
    file, label = cells[columns["path"]].strip(), normalised(cells[columns["label"]])
    where = columns.get("split", len(cells))
    split = cells[where].strip().lower() if where < len(cells) else ""
    if not file or not label:
        raise DataError(f"{place}: the {'label' if file else 'path'} is empty")
    if split and split not in PART_NAMES:
        raise DataError(f"{place}: split is '{split}'; allowed: train, val, test, or nothing")
    return file, label, split
