"""The files of a folder, in natural order, whatever else is there.

A folder or a glob pattern enters; files leave, and what was passed over with the reason: folders
that cannot be listed, links that lead nowhere or to what was already seen, pipes, sockets and
devices. Hidden files and folders, and what systems and other programs leave behind, are passed over
without a word. Each folder is listed once, so links cannot make the way endless.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from .. import given_files

# macOS' archives, Windows, Synology's and QNAP's previews, recycle bins.
_LEFT_BEHIND = frozenset(
    {
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "@tmp", "@recycle"),
        *("#recycle", "$recycle.bin", "system volume information"),
    }
)
_ANY_DEPTH = "**"


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """What is neither a file nor a folder to enter. reason: 'is a pipe', 'is a link that ...'."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Entries:
    """What is directly in one folder, as paths, each in natural order."""

    folder: str
    folders: tuple[str, ...]
    files: tuple[str, ...]
    passed: tuple[PassedOver, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Below:
    """All files at any depth below a folder, those of a folder before those of its folders."""

    files: tuple[str, ...]
    passed: tuple[PassedOver, ...] = ()


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is skipped."""
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sorts 'pose 2' before 'pose 10'."""
    parts = re.split(r"([0-9]+)", name)
    return [int(p) if i % 2 else p.casefold() for i, p in enumerate(parts)], name


def entries(folder: str | os.PathLike[str]) -> Entries:
    """Folders and files directly in a folder. Raises OSError if it cannot be listed."""
    with os.scandir(folder) as found:
        shown = [(entry.name, *_judged(entry)) for entry in found if not is_hidden(entry.name)]
    shown.sort(key=lambda item: natural_key(item[0]))
    folders, files, passed = [], [], []
    for name, mode, reason in shown:
        path = os.path.join(folder, name)
        if reason:
            passed.append(PassedOver(path=path, reason=reason))
        elif stat.S_ISDIR(mode):
            folders.append(path)
        else:
            files.append(path)
    return Entries(
        folder=os.fspath(folder), folders=tuple(folders), files=tuple(files), passed=tuple(passed)
    )


def below(folder: str | os.PathLike[str]) -> Below:
    """The files below a folder. Raises OSError if the folder itself cannot be listed."""
    files: list[str] = []
    passed: list[PassedOver] = []
    for found in _walk(folder):
        if isinstance(found, Entries):
            files += found.files
            passed += found.passed
        else:
            passed.append(found)
    return Below(files=tuple(files), passed=tuple(passed))


def matching(pattern: str) -> list[str]:
    """The paths that a glob pattern matches, `**` for folders at any depth; without order."""
    parts = pattern.split(os.sep)
    if _ANY_DEPTH not in parts:
        return glob.glob(pattern)
    at = parts.index(_ANY_DEPTH)
    head = os.sep.join(parts[:at]) or (os.sep if pattern.startswith(os.sep) else "")
    tail = os.sep.join(parts[at + 1 :]) or "*"
    found: set[str] = set()
    for start in glob.glob(head) if head else [os.curdir]:
        # Python's own ** follows every link, as often as links lead on.
        with contextlib.suppress(OSError):
            for entry in _walk(start):
                if isinstance(entry, Entries):
                    here = "" if entry.folder == os.curdir else glob.escape(entry.folder)
                    found.update(matching(os.path.join(here, tail)))
    return list(found)


def _walk(folder: str | os.PathLike[str]) -> Iterator[Entries | PassedOver]:
    """Each folder once, by its identity, not by its name."""
    seen = {_identity(folder)}
    first = entries(folder)
    yield first
    waiting = list(reversed(first.folders))
    while waiting:
        inner = waiting.pop()
        try:
            who = _identity(inner)
            if who in seen:
                reason = "is a folder that was already read through another path"
                yield PassedOver(path=inner, reason=reason)
                continue
            seen.add(who)
            listed = entries(inner)
        except OSError as error:
            reason = f"is a folder that cannot be listed: {error.strerror or error}"
            yield PassedOver(path=inner, reason=reason)
            continue
        yield listed
        waiting += reversed(listed.folders)


def _identity(folder: str | os.PathLike[str]) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _judged(entry: os.DirEntry[str]) -> tuple[int, str]:
    """st_mode of what an entry is or leads to; and why it is skipped, else nothing."""
    link = entry.is_symlink()
    try:
        if entry.is_dir():
            up = link and _leads_up(entry)
            return stat.S_IFDIR, "is a link that leads back to a parent folder" if up else ""
        if entry.is_file():
            return stat.S_IFREG, ""
        mode = entry.stat().st_mode
    except OSError as error:
        what = "broken link" if link else "file of unknown type"
        return 0, f"is a {what}: {error.strerror or error}"
    return mode, f"is a {given_files.kind_of(mode) or 'file of another kind'}"


def _leads_up(entry: os.DirEntry[str]) -> bool:
    here, there = os.path.realpath(os.path.dirname(entry.path)), os.path.realpath(entry.path)
    return os.path.commonpath([here, there]) == there
