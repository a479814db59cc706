"""Lists of class names, as people and tools write them.

A file enters: one name a line, `index name` as Teachable Machine and Coral write it, CSV, or JSON;
the names in the order of a model's outputs leave. And names enter beside a number of outputs: one
for each output leaves, with what had to be said about it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import given_files
from ..errors import ModelError
from ..harmless import harmless

Labels = tuple[str, ...]

_INDEXED = re.compile(r"(\d+)(?:\s*[:,;=\t]\s*|\s+)(\S.*)")
_INDEX_HEADERS = frozenset({"index", "id", "idx", "class_id", "class_index", "label_id", "number"})
_NAME_HEADERS = frozenset(
    {"label", "labels", "name", "class", "classes", "class_name", "category", "display_name"}
)
# Names for a background class before the first real class.
_BACKGROUND = frozenset(
    {"background", "__background__", "???", "none", "nothing", "dummy", "/m/background"}
)
# ImageNet's classes, and the outputs of the many networks that count a background among them.
_IMAGENET = (1000, 1001)
# A list with gaps, such as COCO's, has a few; a number past this is not an index of a class.
_HIGHEST_INDEX = 100_000
# Beyond these limits, it is not a list of class names, or a line is not a name.
_MOST_LABELS, _MOST_CHARACTERS = 100_000, 1_000
_MOST_BYTES = 2**26


def read_labels(path: str | Path) -> Labels:
    """The class names of a file, by its content. Raises ModelError if it is none."""
    path = Path(path)
    try:
        text = given_files.read(path, at_most=_MOST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such file; expected a list of labels") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot read the labels: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ModelError(f"{path}: the labels are not UTF-8 text; save the file as UTF-8") from None
    labels = parse_labels(text, str(path), table=path.suffix.lower() in (".csv", ".tsv"))
    if not any(labels):
        raise ModelError(f"{path}: the file contains no labels; expected one class per line")
    if len(labels) > _MOST_LABELS:
        raise ModelError(
            f"{path}: the file contains {len(labels):,} labels; the limit is {_MOST_LABELS:,}"
        )
    for number, label in enumerate(labels):
        if len(label) > _MOST_CHARACTERS:
            raise ModelError(
                f"{path}: label {number} has {len(label):,} characters; the limit is "
                f"{_MOST_CHARACTERS:,}. Is this a list of class names?"
            )
    return tuple(harmless(name) for name in labels)


def parse_labels(text: str, place: str, *, table: bool = False) -> Labels:
    """The names in a text; `place` names it in messages. table: its fields are separated.

    Empty lines at the end are skipped; one between two names is a class without a name.
    """
    if text.lstrip()[:1] in ("{", "["):
        found = _of_json(text)
        if found is not None:
            return _ordered(found, place) if isinstance(found, dict) else tuple(found)
    lines = [line.strip("\r") for line in text.split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    rows = _rows(lines, place) if table or _has_header(lines) else None
    if rows is not None:
        numbered = _numbered(rows)
        return _ordered(numbered, place) if numbered is not None else _column(rows)
    matches = [_INDEXED.fullmatch(line.strip()) for line in lines if line.strip()]
    pairs = [(int(m[1]), m[2].strip()) for m in matches if m and len(m[1]) < 7]
    if len(pairs) == len(matches) > 1 and _are_indices([number for number, _ in pairs]):
        return _ordered(dict(pairs), place)
    return tuple(line.strip() for line in lines)


def parsed_lines(text: str) -> tuple[Labels | None, tuple[str, ...]]:
    """The names in a model's own list, one per line, and notes about them.

    Empty lines at the end are skipped. None if no name is left, or more than any model has.
    """
    count = text.rstrip().count("\n") + 1
    if count > _MOST_LABELS:
        return None, (
            f"the file's list of {count:,} labels is ignored: the limit is {_MOST_LABELS:,}",
        )
    labels = [line.rstrip("\r") for line in text.split("\n")]
    while labels and not labels[-1].strip():
        labels.pop()
    return _shortened(tuple(labels)) if labels else (None, ())


def _shortened(labels: Labels) -> tuple[Labels, tuple[str, ...]]:
    """The names without harmful characters, none longer than a line; and a note on those cut."""
    cut = [i for i, name in enumerate(labels) if len(name) > _MOST_CHARACTERS]
    said = (
        (
            f"label {cut[0]} has {len(labels[cut[0]]):,} characters: only the first "
            f"{_MOST_CHARACTERS:,} are kept"
            + f", as in other labels that are too long ({len(cut) - 1:,})"
            * (len(cut) > 1),
        )
        if cut
        else ()
    )
    return tuple(harmless(name, _MOST_CHARACTERS) for name in labels), said


def fitting(
    labels: Labels | None, count: int, place: str, *, remedy: str
) -> tuple[Labels, tuple[str, ...]]:
    """A label for each of `count` outputs, and what was assumed.

    A list that differs only by its background class is aligned, and that is reported. place,
    remedy: for the message. Raises ModelError if the list belongs to another model.
    """
    if labels is None:
        return tuple(f"class {i}" for i in range(count)), (
            "the file has no labels: classes are numbered (--labels FILE names them)",
        )
    end = len(labels)
    while end > count and not labels[end - 1].strip():
        end -= 1
    labels = labels[:end]
    said: tuple[str, ...] = ()
    first = labels[0].strip() if labels else ""
    if len(labels) == count + 1 and _is_background(first):
        labels = labels[1:]
        said = (
            f"{count + 1} labels for {count} outputs: the first, '{first}', is treated as a "
            "background class that the model does not have",
        )
    elif (len(labels), count) == _IMAGENET:
        labels = ("background", *labels)
        said = (
            f"{len(labels) - 1} labels for {count} outputs: output 0 is treated as ImageNet's "
            "background class, which the list does not have",
        )
    if len(labels) != count:
        raise ModelError(
            f"{place}: {len(labels)} labels for {count} outputs, so cnnedge cannot tell which "
            f"label belongs to which output; {remedy}"
        )
    return tuple(name or f"class {i}" for i, name in enumerate(labels)), said


def _is_background(name: str) -> bool:
    return name.strip().casefold() in _BACKGROUND


def _of_json(text: str) -> dict[int, str] | list[str] | None:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list) and all(isinstance(x, str) for x in found):
        return found
    if not isinstance(found, Mapping):
        return None
    pairs = list(found.items())
    if all(isinstance(v, str) and k.isdecimal() and len(k) < 7 for k, v in pairs):
        return {int(k): str(v) for k, v in pairs}
    # As Keras' generators write it: the name, then its index.
    if all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for _, v in pairs):
        return {int(v): str(k) for k, v in pairs}
    return None


def _has_header(lines: Sequence[str]) -> bool:
    """Whether a text of any name begins with the header of a table of two columns or more."""
    first = [field.strip().casefold() for field in re.split(r"[,;\t]", lines[0])] if lines else []
    return len(first) > 1 and bool(_NAME_HEADERS.intersection(first))


def _rows(lines: Sequence[str], place: str) -> list[list[str]]:
    first = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=first.count)
    found = csv.reader(io.StringIO("\n".join(lines)), delimiter=separator)
    try:
        return [[field.strip() for field in row] for row in found if row]
    except csv.Error as error:
        raise ModelError(f"{place}: not valid CSV: {error}") from None


def _numbered(rows: list[list[str]]) -> dict[int, str] | None:
    """{index: name} of a table that has both; None for a table of only names."""
    header = [field.casefold() for field in rows[0]] if rows else []
    name_at = next((i for i, field in enumerate(header) if field in _NAME_HEADERS), None)
    index_at = next((i for i, field in enumerate(header) if field in _INDEX_HEADERS), None)
    body = rows if name_at is None and index_at is None else rows[1:]
    width = min((len(row) for row in body), default=0)
    if width < 2:
        return None
    if index_at is None:
        index_at = next(
            (i for i in range(width) if i != name_at and _column_of_indices(body, i)), None
        )
    if index_at is None or not index_at < width or not _column_of_indices(body, index_at):
        return None
    if name_at is None or not name_at < width:
        name_at = 1 if index_at == 0 else 0
    return {int(row[index_at]): row[name_at] for row in body}


def _column(rows: list[list[str]]) -> Labels:
    header = [field.casefold() for field in rows[0]] if rows else []
    at = next((i for i, field in enumerate(header) if field in _NAME_HEADERS), None)
    body = rows if at is None else rows[1:]
    return tuple(row[at or 0] if len(row) > (at or 0) else "" for row in body)


def _column_of_indices(rows: list[list[str]], at: int) -> bool:
    texts = [row[at] for row in rows]
    return all(t.isdecimal() and len(t) < 7 for t in texts) and _are_indices(
        [int(t) for t in texts]
    )


def _are_indices(numbers: Sequence[int]) -> bool:
    """Distinct, with few gaps between them: a year or a house number is not an index."""
    if len(set(numbers)) != len(numbers) or not numbers:
        return False
    return min(numbers) in (0, 1) and max(numbers) < 2 * len(numbers) + 16


def _ordered(numbered: Mapping[int, str], place: str) -> Labels:
    """By number; counted from 1 if there is no 0 and no gap. Gaps have no name."""
    highest = max(numbered, default=-1)
    if highest > _HIGHEST_INDEX:
        raise ModelError(f"{place}: {highest} is not a valid class index")
    start = 1 if min(numbered, default=0) == 1 and highest == len(numbered) else 0
    return tuple(numbered.get(i, "") for i in range(start, highest + 1))
