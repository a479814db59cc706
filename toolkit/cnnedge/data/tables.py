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

from ..errors import DataError
from ..pictures import PICTURE_SUFFIXES
from .folders import PART_NAMES
from .names import in_order, normalised
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
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
Row = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class _Table:
    """lines: number and cells of each that is not empty. separator: between the cells."""

    lines: list[tuple[int, list[str]]]
    separator: str


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


def _read(path: Path) -> _Table:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: this is not UTF-8 text; save the table as CSV, UTF-8") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    # Excel writes the separator into a first line of its own.
    told = re.match(r"sep=([,;\t])\r?\n", text)
    candidates = told[1] if told else "".join(_SEPARATORS)
    first = 1 if told else 0
    body = text[told.end() :] if told else text
    tables, problem = [], None
    for separator in candidates:
        try:
            tables.append(_parsed(path, body, separator, first))
        except DataError as error:
            problem = problem or error
    if problem and not any(len(cells) > 1 for table in tables for _, cells in table.lines):
        raise problem
    if not tables[0].lines:
        raise DataError(f"{path}: the table is empty; expected lines like pictures/1.jpg,cat")
    return max(tables, key=lambda table: _likelihood(path.parent, table))


def _parsed(path: Path, text: str, separator: str, before: int) -> _Table:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    try:
        lines = [
            (before + reader.line_num, cells) for cells in reader if any(c.strip() for c in cells)
        ]
    except csv.Error as error:
        place = f"{path}:{before + reader.line_num}"
        raise DataError(f"{place}: not valid CSV: {error}") from None
    return _Table(lines=lines, separator=separator)


def _likelihood(folder: Path, table: _Table) -> tuple[bool, bool, float]:
    """What settles the separator: a header that is understood, pictures, lines of several."""
    known = _named(table.lines[0][1]).keys()
    pictures = any(_is_picture(folder, cell) for _, cells in table.lines[:2] for cell in cells)
    several = sum(len(cells) > 1 for _, cells in table.lines) / len(table.lines)
    return {"path", "label"} <= known, pictures, several


def _columns(path: Path, table: _Table) -> _Columns:
    number, cells = table.lines[0]
    found = _named(cells)
    if {"path", "label"} <= found.keys():
        return _Columns(places=found, width=len(cells), header=True)
    plain = _Columns(places={"path": 0, "label": 1, "split": 2}, width=3, header=False)
    if not found or len(cells) < 2 or _is_picture(path.parent, cells[0]):
        if len(cells) > 1 and _is_unknown_header(path.parent, table):
            raise DataError(
                f"{path}:{number}: no picture and no header that is understood: "
                f"{', '.join(repr(c.strip()) for c in cells[:6])}. Name the columns path and "
                "label (file_name, image_path, image_id and class, class_name, category, target "
                "are understood too)"
            )
        return plain
    missing = "label" if "path" in found else "path"
    others = [n for n in range(len(cells)) if n not in found.values()]
    if len(others) != 1 or not found.keys() & {"path", "label"}:
        names = ", ".join(repr(c.strip()) for c in cells[:6])
        raise DataError(
            f"{path}:{number}: which column is the {missing}? Found {names}; name it '{missing}'"
        )
    guessed = f"the column '{cells[others[0]].strip()}' is taken for the {missing}"
    return _Columns(
        places=found | {missing: others[0]}, width=len(cells), header=True, guessed=guessed
    )


def _named(cells: list[str]) -> dict[str, int]:
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
        return (folder / _there(folder, cell.strip())).is_file()
    except (OSError, ValueError):
        return False


def _there(folder: Path, file: str) -> str:
    """A path as this system writes it, with the suffix that an id leaves away."""
    if "\\" in file and os.sep != "\\" and not (folder / file).exists():
        file = file.replace("\\", "/")
    if Path(file).suffix.lower() in PICTURE_SUFFIXES or (folder / file).exists():
        return file
    return next((name for name in _with_suffixes(file) if (folder / name).is_file()), file)


def _with_suffixes(file: str) -> Iterator[str]:
    for suffix in sorted(PICTURE_SUFFIXES):
        yield from (file + suffix, file + suffix.upper())


def _row(place: str, cells: list[str], columns: _Columns, separator: str) -> Row:
    places = columns.places
    if len(cells) <= max(places["path"], places["label"]) or len(cells) > columns.width:
        raise DataError(
            f"{place}: found {len(cells)} column{'s' * (len(cells) != 1)}; expected path,label or "
            f"path,label,split, with {_SEPARATORS[separator]} between. Put a value that holds one "
            'in double quotes: "a, b"'
        )
    file, label = cells[places["path"]].strip(), normalised(cells[places["label"]])
    where = places.get("split", len(cells))
    split = cells[where].strip().lower() if where < len(cells) else ""
    if not file or not label:
        raise DataError(f"{place}: the {'label' if file else 'path'} is empty")
    if "\0" in file:
        raise DataError(f"{place}: the path holds a NUL character, which no path has")
    if os.name == "posix" and re.match(r"[A-Za-z]:[\\/]", file):
        raise DataError(
            f"{place}: {file} is a path of a Windows computer; write paths relative to the folder "
            "of the table, such as pictures/1.jpg"
        )
    if split and split not in PART_NAMES:
        raise DataError(f"{place}: split is '{split}'; allowed: train, val, test, or nothing")
    return file, label, split
