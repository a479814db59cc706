"""Image folders: one folder for each class, or train/, val/ and test/ above the class folders.

A folder enters; a `Listing` of its picture files leaves. Nothing is decoded here. Hidden files and
folders are passed over; files that hold no picture, and whatever else cannot be read, are listed as
skipped.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..pictures import Below, Entries, PassedOver, below, entries, is_picture
from .names import in_order, normalised
from .store import PARTS, TEST, TRAIN, VAL, FileStore, Listing, Skipped

PART_NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "test": TEST,
    "testing": TEST,
}
EXPECTED = (
    "expected one folder per class with .jpg, .png, .webp, ... files in it, "
    "or train/, val/ and test/ with such class folders in each"
)
_NO_CLASS, _NO_PICTURE = "lies in no class folder", "holds no picture"


def folder_listing(root: Path, labels: tuple[str, ...] | None) -> Listing:
    """The pictures of an image folder. Raises DataError when it is not laid out like one."""
    preset = _preset_parts(root)
    places = preset or {root: TRAIN}
    skipped: list[Skipped] = []
    paths: list[str] = []
    names: list[str] = []
    parts: list[int] = []
    empty: dict[str, list[Skipped]] = {}
    for place, part in places.items():
        here = _visible(place)
        skipped += [*map(_loose, here.files), *map(_passed, here.passed)]
        for folder in map(Path, here.folders):
            name = _class_name(folder)
            found, left_out = _pictures_below(folder)
            skipped += left_out
            if not found:
                empty.setdefault(name, []).extend(left_out)
            paths += [os.path.relpath(file, root) for file in found]
            names += [name] * len(found)
            parts += [part] * len(found)
    _check_found(root, names, empty, skipped)
    classes = in_order(names, labels, str(root))
    _check_level(root, classes, places)
    number = {name: index for index, name in enumerate(classes)}
    return Listing(
        source=str(root),
        classes=classes,
        store=FileStore(root, paths),
        targets=np.array([number[name] for name in names], np.int64),
        part=np.array(parts, np.int8),
        own=frozenset(part for part in places.values() if part != TRAIN),
        skipped=tuple(skipped),
        warnings=_skipped_said(skipped),
    )


def _preset_parts(root: Path) -> dict[Path, int]:
    """{folder: part} where train/, val/ or test/ stand above class folders; else nothing."""
    folders = [Path(folder) for folder in _visible(root).folders]
    found = {f: PART_NAMES[f.name.lower()] for f in folders if f.name.lower() in PART_NAMES}
    holding = [f for f in found if _visible(f).folders]
    others = [f.name for f in folders if f not in found]
    # Classes may be called 'train' or 'test' themselves: then pictures lie right in them.
    if not holding or (others and len(found) < 2):
        return {}
    if others:
        raise DataError(
            f"{root}: found '{others[0]}' beside {_listed(f.name for f in found)}; with parts "
            "above the class folders nothing else may stand there. Move it away"
        )
    if TRAIN not in found.values():
        raise DataError(
            f"{root}: found {_listed(f.name for f in found)} but no 'train' folder; " + EXPECTED
        )
    for folder in found:
        if folder not in holding:
            raise DataError(
                f"{folder}: found no class folders in it; {PARTS[found[folder]]} pictures need "
                "their labels too: one folder per class, as in train/"
            )
    if len(set(found.values())) < len(found):
        raise DataError(
            f"{root}: two folders stand for one part: {_listed(f.name for f in found)}; keep one"
        )
    return found


def _visible(folder: Path) -> Entries:
    """What lies in a folder, in natural order, hidden ones left out."""
    try:
        return entries(folder)
    except OSError as error:
        raise _unlistable(folder, error) from None


def _unlistable(folder: Path, error: OSError) -> DataError:
    place = error.filename or folder
    return DataError(f"{place}: cannot be listed: {error.strerror or error}")


def _class_name(folder: Path) -> str:
    try:
        folder.name.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{str(folder)!a}: this folder's name is not valid Unicode; rename it, "
            "because it is the name of a class"
        ) from None
    return normalised(folder.name)


def _pictures_below(folder: Path) -> tuple[list[str], list[Skipped]]:
    """Picture paths at any depth below a class folder, in natural order, and what else is there."""
    try:
        inside: Below = below(folder)
    except OSError as error:
        raise _unlistable(folder, error) from None
    pictures: list[str] = []
    others: list[Skipped] = []
    for file in inside.files:
        if is_picture(file):
            pictures.append(file)
        else:
            others.append(_other(file))
    return pictures, [*others, *map(_passed, inside.passed)]


def _check_found(
    root: Path, names: list[str], empty: dict[str, list[Skipped]], skipped: list[Skipped]
) -> None:
    if not names:
        raise DataError(f"no pictures found in {root}; found {_found(skipped)}; {EXPECTED}")
    for name, others in empty.items():
        if name not in names:
            raise DataError(
                f"{root}: the class folder '{name}' holds no pictures; found {_found(others)}. "
                "Add pictures, or move the folder away"
            )


def _check_level(root: Path, classes: tuple[str, ...], places: Iterable[Path]) -> None:
    if len(classes) > 1:
        return
    for place in places:
        for folder in map(Path, _visible(place).folders):
            inner = [os.path.basename(f) for f in _visible(folder).folders]
            if len(inner) > 1:
                raise DataError(
                    f"{root}: found 1 class, '{classes[0]}', with the folders {_listed(inner[:5])} "
                    f"in it; if those are the classes, give {folder} as the source"
                )


def _loose(file: str) -> Skipped:
    picture = is_picture(file)
    return Skipped(path=file, reason=_NO_CLASS) if picture else _other(file)


def _other(file: str) -> Skipped:
    return Skipped(path=file, reason=_NO_PICTURE)


def _passed(item: PassedOver) -> Skipped:
    return Skipped(path=item.path, reason=item.reason)


def _skipped_said(skipped: list[Skipped]) -> tuple[str, ...]:
    if not skipped:
        return ()
    first = skipped[0]
    return (f"skipped {_found(skipped)}, like {first.path}: {first.reason}",)


def _found(items: Iterable[Skipped]) -> str:
    """'5 .txt files, 1 .md file', or 'nothing else'."""
    counts = Counter(_kind(item) for item in items)
    return (
        ", ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in counts.most_common(5))
        or "no files at all"
    )


def _kind(item: Skipped) -> str:
    if item.reason in (_NO_CLASS, _NO_PICTURE):
        return f"{os.path.splitext(item.path)[1].lower() or 'suffixless'} file"
    # Of 'is a pipe' or 'is a link that leads nowhere' the noun.
    return item.reason.split()[2]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
