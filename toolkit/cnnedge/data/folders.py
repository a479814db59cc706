"""Image folders: one folder for each class, or train/, val/ and test/ above the class folders.

A folder enters; a `Listing` of its picture files leaves. Nothing is decoded here. Hidden files and
folders are passed over; other files that hold no picture are listed as skipped.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..pictures import entries, files_below, is_picture
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


def folder_listing(root: Path, labels: tuple[str, ...] | None) -> Listing:
    """The pictures of an image folder. Raises DataError when it is not laid out like one."""
    preset = _preset_parts(root)
    places = preset or {root: TRAIN}
    skipped: list[Skipped] = []
    paths: list[str] = []
    names: list[str] = []
    parts: list[int] = []
    empty: dict[str, list[str]] = {}
    for place, part in places.items():
        folders, files = _visible(place)
        skipped += [_loose(file) for file in files]
        for folder in folders:
            name = _class_name(folder)
            found, others = _pictures_below(folder)
            skipped += [_other(file) for file in others]
            if not found:
                empty.setdefault(name, []).extend(others)
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
    folders, _ = _visible(root)
    found = {f: PART_NAMES[f.name.lower()] for f in folders if f.name.lower() in PART_NAMES}
    holding = [f for f in found if _visible(f)[0]]
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


def _visible(folder: Path) -> tuple[list[Path], list[str]]:
    """Folders and file paths in a folder, in natural order, hidden ones left out."""
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


def _pictures_below(folder: Path) -> tuple[list[str], list[str]]:
    """Picture paths and other paths at any depth below a class folder, in natural order."""
    pictures: list[str] = []
    others: list[str] = []
    try:
        for file in files_below(folder):
            (pictures if is_picture(file) else others).append(file)
    except OSError as error:
        raise _unlistable(folder, error) from None
    return pictures, others


def _check_found(
    root: Path, names: list[str], empty: dict[str, list[str]], skipped: list[Skipped]
) -> None:
    if not names:
        found = _suffixes(item.path for item in skipped)
        raise DataError(f"no pictures found in {root}; found {found}; {EXPECTED}")
    for name, others in empty.items():
        if name not in names:
            raise DataError(
                f"{root}: the class folder '{name}' holds no pictures; found {_suffixes(others)}. "
                "Add pictures, or move the folder away"
            )


def _check_level(root: Path, classes: tuple[str, ...], places: Iterable[Path]) -> None:
    if len(classes) > 1:
        return
    for place in places:
        for folder in _visible(place)[0]:
            inner = [f.name for f in _visible(folder)[0]]
            if len(inner) > 1:
                raise DataError(
                    f"{root}: found 1 class, '{classes[0]}', with the folders {_listed(inner[:5])} "
                    f"in it; if those are the classes, give {folder} as the source"
                )


def _loose(file: str) -> Skipped:
    picture = is_picture(file)
    return Skipped(path=file, reason="lies in no class folder") if picture else _other(file)


def _other(file: str) -> Skipped:
    return Skipped(path=file, reason="holds no picture")


def _skipped_said(skipped: list[Skipped]) -> tuple[str, ...]:
    if not skipped:
        return ()
    found = _suffixes(item.path for item in skipped)
    first = skipped[0]
    return (f"skipped {found}, like {first.path}: {first.reason}",)


def _suffixes(files: Iterable[str]) -> str:
    """'5 .txt files, 1 .md file', or 'nothing else'."""
    counts = Counter(os.path.splitext(file)[1].lower() or "suffixless" for file in files)
    return (
        ", ".join(f"{n} {suffix} file{'s' * (n > 1)}" for suffix, n in counts.most_common(5))
        or "no files at all"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
