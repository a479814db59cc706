"""Class names: NFC-normalised, of a bounded length and number, in the order a person counts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from ..errors import DataError
from ..pictures import natural_key

MOST_CHARACTERS = 1000
MOST_CLASSES = 65_536
_SYNSET = re.compile(r"(n\d{8})\b[\s:,_-]*")


def normalised(name: str) -> str:
    """Unicode NFC, without spaces around: one name, however a file system or editor wrote it."""
    return unicodedata.normalize("NFC", name).strip()


def label_at(place: str, text: str) -> str:
    """A label as it stands in a file, normalised. Raises DataError for one that is too long."""
    _check_length(text, place)
    return normalised(text)


def in_order(names: Iterable[str], labels: tuple[str, ...] | None, source: str) -> tuple[str, ...]:
    """The class names of a source that brings its own, in natural order.

    Where `labels` names the very same classes, in its order; otherwise it belongs to another,
    numbered source and says nothing about this one.
    """
    distinct = tuple(dict.fromkeys(names))
    # Before the sorting: numbers of thousands of digits are not compared.
    _check_number(len(distinct), source)
    found = tuple(sorted(_printable(distinct, source), key=natural_key))
    if labels is None:
        return found
    wanted = tuple(normalised(label) for label in labels)
    return wanted if sorted(wanted) == sorted(found) else found


def numbered(count: int, labels: tuple[str, ...] | None, source: str) -> tuple[str, ...]:
    """Names of classes 0..count-1: `labels`, or the numbers. Raises DataError on a mismatch."""
    _check_number(count, source)
    if labels is None:
        return tuple(str(number) for number in range(count))
    if len(labels) != count or len(set(labels)) != count:
        raise DataError(
            f"{source}: data.labels holds {len(labels)} names ({len(set(labels))} different), but "
            f"the targets go from 0 to {count - 1}; give {count} different names, in that order, "
            "or none: --set data.labels=null"
        )
    return _printable(tuple(normalised(label) for label in labels), source)


def alike(names: tuple[str, ...]) -> tuple[str, ...]:
    """Warnings: classes that a person would take for one, told apart by case or dashes alone."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(re.sub(r"[\s_-]+", "", name).casefold(), []).append(name)
    return tuple(
        f"the classes {' and '.join(map(repr, group))} differ by case, spaces or dashes alone, and "
        "are learnt as different things; give them one name if they are one"
        for plain, group in groups.items()
        if plain and len(group) > 1
    )


def _check_number(count: int, source: str) -> None:
    if count > MOST_CLASSES:
        raise DataError(
            f"{source}: found {count:,} classes, and at most {MOST_CLASSES:,} are learnt; are its "
            "labels the names of things?"
        )


def _check_length(name: str, place: str) -> None:
    if len(name) > MOST_CHARACTERS:
        raise DataError(
            f"{place}: {name[:40]!r}... cannot name a class: it is of {len(name):,} characters, "
            f"and at most {MOST_CHARACTERS:,} are allowed. Rename it"
        )


def _printable(names: tuple[str, ...], source: str) -> tuple[str, ...]:
    """The names, all fit to stand on a line of a labels file each. Raises DataError."""
    for name in names:
        _check_length(name, source)
        # Of the category Cs are bytes that are no text, as in file names.
        if not name or any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
            raise DataError(
                f"{source}: {name!r} cannot name a class; expected text on one line, "
                "more than spaces, without control characters. Rename it"
            )
    return names


def matched(names: Sequence[str], labels: Sequence[str]) -> tuple[int | None, ...]:
    """For each name the index of the label that means it, None where none does or several do.

    As it is written; else without regard to case, spaces, hyphens and underscores; else as one of
    the names that a label lists ("tench, Tinca tinca"), or as its WordNet number; else as the
    number of a class that has no name.
    """
    exact = {normalised(label): i for i, label in reversed(list(enumerate(labels)))}
    loose: dict[str, set[int]] = {}
    parts: dict[str, set[int]] = {}
    for i, label in enumerate(labels):
        loose.setdefault(_loose(label), set()).add(i)
        synset = _SYNSET.match(label)
        rest = label[synset.end() :] if synset else label
        keys = [*rest.split(","), *([synset[1], rest] if synset else [])]
        for key in {_loose(key) for key in keys}:
            parts.setdefault(key, set()).add(i)
    found: list[int | None] = []
    for name in names:
        index = exact.get(normalised(name))
        for known in (loose, parts) if index is None else ():
            candidates = known.get(_loose(name), set())
            if len(candidates) == 1 and index is None:
                (index,) = candidates
        if index is None and name.isdecimal():
            index = exact.get(f"class {int(name)}")
        found.append(index)
    return tuple(found)


def _loose(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", normalised(name)).strip().casefold()
