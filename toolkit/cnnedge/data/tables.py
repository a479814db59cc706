"""A CSV file of picture paths and labels.

Columns path, label and, where wanted, split (train, val or test), with or without a header that
names them; commas, semicolons or tabs between. Paths are relative to the CSV file's folder. A
`Listing` leaves.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import given_files
from ..errors import DataError
from ..pictures import PICTURE_SUFFIXES
from .folders import PART_NAMES
from .names import in_order, label_at
from .store import TRAIN, FileStore, Listing

# Names of columns, without case, spaces and dashes; of several that are there the first counts.
_COLUMNS = {
    "path": (
        *("path", "filepath", "imagepath", "imgpath", "picturepath", "file", "filename"),
        *("imagefile", "imagefilename", "imagename", "imgname", "fname", "image", "img", "picture"),
        *("photo", "imageid", "imgid", "id"),
    ),
    "label": (
        *("label", "labels", "labelname", "class", "classname", "classlabel", "classes"),
        *("category", "categoryname", "target", "targets", "tag", "y", "classid", "labelid"),
    ),
    "split": ("split", "part", "set", "subset"),
}
# A table of a few million pictures; a row of a path and a label with a few columns more.
MOST_BYTES = 2**28
MOST_ROWS = 5_000_000
MOST_IN_A_ROW = 2**20
_LONGEST_PATH = 4096
# So many rows settle which separator it is, and so many cells whether pictures are named.
_SAMPLE, _MOST_ASKED = 1000, 50
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
Row = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class _Table:
    """lines: number and cells of each that is not empty. separator: between the cells.

    whole: whether these are all.
    """

    lines: list[tuple[int, list[str]]]
    separator: str
    whole: bool = True


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Where path, label and split stand. header: whether a line names them; guessed: the name of
    one that only its neighbour tells."""

    places: dict[str, int]
    width: int
    header: bool
    guessed: str = ""


def csv_listing(path: Path, labels: tuple[str, ...] | None) -> Listing:
    """The pictures of a CSV file. Raises DataError with file and line where it cannot be used."""
    table = _read(path)
    columns = _columns(path, table)
    lines = table.lines[1:] if columns.header else table.lines
    if not lines:
        raise DataError(f"{path}: the table has a header and no rows; expected path,label")
    rows = [_row(f"{path}:{number}", cells, columns, table.separator) for number, cells in lines]
    classes = in_order((label for _, label, _ in rows), labels, str(path))
    number = {name: index for index, name in enumerate(classes)}
    parts = [PART_NAMES[split] if split else TRAIN for _, _, split in rows]
    if any(split for _, _, split in rows) and TRAIN not in parts:
        raise DataError(f"{path}: the column 'split' names no train picture; some are needed")
    return Listing(
        source=str(path),
        classes=classes,
        store=FileStore(path.parent, [_there(path.parent, file) for file, _, _ in rows]),
        targets=np.array([number[label] for _, label, _ in rows], np.int64),
        part=np.array(parts, np.int8),
        own=frozenset(part for part in parts if part != TRAIN),
        warnings=(f"{path}: {columns.guessed}",) if columns.guessed else (),
    )


def text_of(path: Path) -> str:
    """The text of a table. Raises DataError."""
    try:
        return given_files.read(path, at_most=MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: this is not UTF-8 text; save the table as CSV, UTF-8") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read(path: Path) -> _Table:
    text = text_of(path)
    # Excel writes the separator into a first line of its own.
    told = re.match(r"sep=([,;\t])\r?\n", text)
    candidates = told[1] if told else "".join(SEPARATORS)
    first = 1 if told else 0
    body = text[told.end() :] if told else text
    tables, problem = [], None
    for separator in candidates:
        try:
            tables.append(_parsed(path, body, separator, first, most=_SAMPLE))
        except DataError as error:
            problem = problem or error
    if problem and not any(len(cells) > 1 for table in tables for _, cells in table.lines):
        raise problem
    if not any(table.lines for table in tables):
        raise DataError(f"{path}: the table is empty; expected lines like pictures/1.jpg,cat")
    likely = max(tables, key=lambda table: _likelihood(path.parent, table))
    if likely.whole:
        return likely
    return _parsed(path, body, likely.separator, first, most=MOST_ROWS)


def _parsed(path: Path, text: str, separator: str, before: int, *, most: int) -> _Table:
    """The first `most` rows, empty ones too. Raises DataError with the line."""
    bounded = _Bounded(text)
    reader = csv.reader(bounded, strict=True, delimiter=separator)
    lines = []
    try:
        for number, cells in enumerate(reader):
            bounded.taken = 0
            if any(c.strip() for c in cells):
                lines.append((before + reader.line_num, cells))
            if number == MOST_ROWS:
                raise csv.Error(f"the table is too long; at most {MOST_ROWS:,} rows are read")
            if number == most:
                return _Table(lines=lines, separator=separator, whole=False)
    except csv.Error as error:
        place = f"{path}:{before + reader.line_num}"
        raise DataError(f"{place}: not valid CSV: {error}") from None
    return _Table(lines=lines, separator=separator)


class _Bounded:
    """The lines of a text for csv.reader, which makes one row of however many it wants.

    taken: characters since the last row; whoever gets a row sets it to 0.
    """

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.taken = 0

    def __iter__(self) -> _Bounded:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.taken += len(line)
        if self.taken > MOST_IN_A_ROW:
            raise csv.Error(f"a row of more than {MOST_IN_A_ROW:,} characters")
        return line


def _likelihood(folder: Path, table: _Table) -> tuple[bool, bool, float]:
    """What settles the separator: a header that is understood, pictures, lines of several."""
    known = named_columns(table.lines[0][1]).keys()
    first = [cell for _, cells in table.lines[:2] for cell in cells[:_MOST_ASKED]]
    pictures = any(_is_picture(folder, cell) for cell in first)
    several = sum(len(cells) > 1 for _, cells in table.lines) / len(table.lines)
    return {"path", "label"} <= known, pictures, several


def _columns(path: Path, table: _Table) -> _Columns:
    number, cells = table.lines[0]
    found = named_columns(cells)
    if {"path", "label"} <= found.keys():
        return _Columns(places=found, width=len(cells), header=True)
    plain = _Columns(places={"path": 0, "label": 1, "split": 2}, width=3, header=False)
    if not found or len(cells) < 2 or _is_picture(path.parent, cells[0]):
        if len(cells) > 1 and _is_unknown_header(path.parent, table):
            raise DataError(
                f"{path}:{number}: no picture and no header that is understood: "
                f"{_shown(cells)}. Name the columns path and "
                "label (file_name, image_path, image_id and class, class_name, category, target "
                "are understood too)"
            )
        return plain
    missing = "label" if "path" in found else "path"
    others = [n for n in range(len(cells)) if n not in found.values()]
    if len(others) != 1 or not found.keys() & {"path", "label"}:
        raise DataError(
            f"{path}:{number}: which column is the {missing}? Found {_shown(cells)}; name it "
            f"'{missing}'"
        )
    guessed = f"the column {_shown(cells[others[0] :][:1])} is taken for the {missing}"
    return _Columns(
        places=found | {missing: others[0]}, width=len(cells), header=True, guessed=guessed
    )


def _shown(cells: list[str]) -> str:
    return ", ".join(f"{cell.strip()!r:.60}" for cell in cells[:6])


def named_columns(cells: list[str]) -> dict[str, int]:
    """{column: place} of the names that a line holds, in any order."""
    plain = [re.sub(r"[\W_]+", "", cell).lower() for cell in cells]
    found = {}
    for column, words in _COLUMNS.items():
        place = next((plain.index(word) for word in words if word in plain), None)
        if place is not None:
            found[column] = place
    return found


def _is_unknown_header(folder: Path, table: _Table) -> bool:
    """Whether the first line names no picture, and the second does."""
    firsts = [cells[0] for _, cells in table.lines[:2]]
    return len(firsts) > 1 and [_is_picture(folder, f) for f in firsts] == [False, True]


def _is_picture(folder: Path, cell: str) -> bool:
    try:
        return os.path.isfile(folder / _there(folder, cell.strip()))
    except ValueError:
        return False


def _there(folder: Path, file: str) -> str:
    """A path as this system writes it, with the suffix that an id leaves away."""
    if "\\" in file and os.sep != "\\" and not os.path.exists(folder / file):
        file = file.replace("\\", "/")
    if Path(file).suffix.lower() in PICTURE_SUFFIXES or os.path.exists(folder / file):
        return file
    return next((name for name in _with_suffixes(file) if os.path.isfile(folder / name)), file)


def _with_suffixes(file: str) -> Iterator[str]:
    for suffix in sorted(PICTURE_SUFFIXES):
        yield from (file + suffix, file + suffix.upper())


def _row(place: str, cells: list[str], columns: _Columns, separator: str) -> Row:
    places = columns.places
    if len(cells) <= max(places["path"], places["label"]) or len(cells) > columns.width:
        raise DataError(
            f"{place}: found {len(cells)} column{'s' * (len(cells) != 1)}; expected path,label or "
            f"path,label,split, with {SEPARATORS[separator]} between. Put a value that holds one "
            'in double quotes: "a, b"'
        )
    file, label = cells[places["path"]].strip(), label_at(place, cells[places["label"]])
    where = places.get("split", len(cells))
    split = cells[where].strip().lower() if where < len(cells) else ""
    if not file or not label:
        raise DataError(f"{place}: the {'label' if file else 'path'} is empty")
    if len(file) > _LONGEST_PATH:
        raise DataError(f"{place}: the path is of {len(file):,} characters, which no path has")
    if "\0" in file:
        raise DataError(f"{place}: the path holds a NUL character, which no path has")
    if os.name == "posix" and re.match(r"[A-Za-z]:[\\/]", file):
        raise DataError(
            f"{place}: {file} is a path of a Windows computer; write paths relative to the folder "
            "of the table, such as pictures/1.jpg"
        )
    if split and split not in PART_NAMES:
        raise DataError(f"{place}: split is {split!r:.40}; allowed: train, val, test, or nothing")
    return file, label, split
