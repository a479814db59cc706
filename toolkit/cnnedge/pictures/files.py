"""Which files of a folder are pictures, for training and for `cnnedge run` alike.

A folder enters; the files at any depth below it leave, in natural order. Hidden files and folders
are passed over, and so are those that systems and other programs leave behind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from .contents import sniffed
from .suffixes import CONCATENATED_JPEGS, PICTURE_SUFFIXES

# macOS' archives, Windows, Synology's and QNAP's previews, recycle bins.
_LEFT_BEHIND = frozenset(
    {
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "@tmp", "@recycle"),
        *("#recycle", "$recycle.bin", "system volume information"),
    }
)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is passed over."""
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file is taken as a picture: by its suffix, or else by its first bytes.

    A file with a picture's suffix is not opened: a folder of thousands is listed at once, and
    what turns out to be no picture is said when it is read.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix in PICTURE_SUFFIXES:
        return True
    # A pipe or a device would keep whoever opens it waiting.
    if suffix in CONCATENATED_JPEGS or not os.path.isfile(path):
        return False
    try:
        return sniffed(path).kind == "picture"
    except OSError:
        return False


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sorts 'pose 2' before 'pose 10'."""
    parts = re.split(r"([0-9]+)", name)
    return [int(p) if i % 2 else p.casefold() for i, p in enumerate(parts)], name


def entries(folder: Path) -> tuple[list[Path], list[str]]:
    """Folders and file paths right in a folder, in natural order, hidden ones left out.

    Raises OSError.
    """
    with os.scandir(folder) as found:
        shown = [(entry.name, entry.is_dir()) for entry in found if not is_hidden(entry.name)]
    shown.sort(key=lambda item: natural_key(item[0]))
    folders = [folder / name for name, is_folder in shown if is_folder]
    return folders, [os.path.join(folder, name) for name, is_folder in shown if not is_folder]


def files_below(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """File paths at any depth below a folder; links that lead back up are passed over.

    Raises OSError.
    """
    here = os.path.realpath(folder)
    if here in above:
        return
    folders, files = entries(folder)
    yield from files
    for inner in folders:
        yield from files_below(inner, above | {here})
