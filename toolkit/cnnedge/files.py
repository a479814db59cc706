"""Writes files completely: to a temporary name next to the target, then renames them. Also the
folder where cnnedge keeps results that it need not compute twice.

Content enters, a complete file leaves, or none: a full disk or an interruption never leaves half
a file under the target's name.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import given_files
from .errors import CnnedgeError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and run the command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the command again",
    errno.EACCES: "permission denied; choose a folder that you can write to",
    errno.EPERM: "permission denied; choose a folder that you can write to",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EEXIST: "a file of this name exists already",
    errno.EFBIG: "the file would become larger than the size limit here",
    errno.EISDIR: "this is a folder; name a file",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ELOOP: "these links lead in a circle",
}
_PART = ".part-"
_LONGEST_NAME = 255
_MOST_READ = 2**28
# Folders already searched for leftovers.
_CLEAN: set[Path] = set()
# What a terminal may take for a command, and what UTF-8 cannot hold.
_UNPRINTABLE = re.compile("[\x7f-\x9f\ud800-\udfff]")


def cache_root() -> Path:
    """CNNEDGE_CACHE, else cnnedge/ in the user's own cache folder; it need not exist."""
    own = os.environ.get("CNNEDGE_CACHE")
    if own:
        return Path(own).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("cnnedge", appauthor=False)


@contextlib.contextmanager
def whole(path: Path, *, busy: bool = False) -> Iterator[Path]:
    """Gives a temporary path (same ending) that becomes `path` on success.

    A link is followed: the file it leads to is replaced. What is not a regular file (a device, a
    pipe, a socket, anything under /dev or /proc) cannot be replaced: it is written to.
    busy: much else happens meanwhile, and errors there do not belong to this file. Raises
    CnnedgeError when the file cannot be written; nothing half-written stays.
    """
    if _is_special(path):
        with _through(path, busy) as temporary:
            yield temporary
        return
    held: _Part | None = None
    try:
        with explained(path):
            target = Path(os.path.realpath(path)) if path.is_symlink() else path
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, "")
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(target.parent)
            held = _Part(target)
        with contextlib.nullcontext() if busy else explained(path):
            yield held.path
        with explained(path):
            os.replace(held.path, target)
    finally:
        if held is not None:
            held.close()


class _Part:
    """A new file next to its target, locked while its writer lives."""

    def __init__(self, target: Path) -> None:
        # The end of the name stays: writers go by suffixes such as .keras.
        end = os.fsdecode(os.fsencode(target.name)[len(_PART) + 13 - _LONGEST_NAME :])
        file = None
        while file is None:
            self.path = target.parent / f"{_PART}{secrets.token_hex(6)}-{end}"
            # Not tempfile's private file: the user's umask decides, and the kernel applies it.
            # Reading the umask would mean changing it, for all threads.
            file = held(self.path, 0o666)
        self._file = file

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self._file)


def held(path: Path, mode: int) -> int | None:
    """Makes a file that no other process takes for a leftover; its descriptor, which holds it.

    None if another process took it for one before it was locked: the path is then free again.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
    # Where there are no locks, no process takes anything for a leftover.
    if lock(file) is not False and path.exists():
        return file
    os.close(file)
    path.unlink(missing_ok=True)
    return None


def is_part(name: str) -> bool:
    """Whether a file of that name is one that a writer had not finished."""
    return name.startswith(_PART)


def remove_leftovers(folder: Path) -> None:
    """Deletes what killed writers left in `folder`; once for each folder."""
    if folder in _CLEAN:
        return
    _CLEAN.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if is_part(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_if_left(Path(entry.path))


def _remove_if_left(path: Path) -> None:
    with left_behind(path) as left:
        if left:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def left_behind(path: Path) -> Iterator[bool]:
    """Whether `path` is a file whose lock no living process holds; it is held meanwhile.

    Whatever fails inside is skipped: the file may be another user's.
    """
    with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
        left = False
        with contextlib.suppress(OSError):
            file = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            opened.callback(os.close, file)
            left = bool(lock(file))
        yield left


def lock(file: int) -> bool | None:
    """Locks an open file for as long as it is open; False if another process holds it.

    The kernel releases it when the process ends, however it ends. None if there are no locks.
    """
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


def _is_special(path: Path) -> bool:
    """Whether `path` leads to what is there but is not a file on a disk."""
    if str(path.absolute()).startswith(("/dev/", "/proc/")):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextlib.contextmanager
def _through(path: Path, busy: bool) -> Iterator[Path]:
    """Gives a temporary path whose content is written to `path` on success."""
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder:
        temporary = Path(folder) / path.name
        temporary.touch()
        with contextlib.nullcontext() if busy else explained(path):
            yield temporary
        with explained(path), temporary.open("rb") as content, path.open("wb", 0) as target:
            shutil.copyfileobj(content, target)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns an OSError while writing `path` into a CnnedgeError with a remedy."""
    try:
        yield
    except BrokenPipeError:
        # From the reader of stdout: no file is at fault.
        raise
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise CnnedgeError(f"{path}: cannot write: {reason}") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Writes bytes whole."""
    with whole(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text whole; file names that are not UTF-8 keep their bytes."""
    write_bytes(path, as_bytes(text))


def as_bytes(text: str) -> bytes:
    """UTF-8, with the bytes of file names that Python could not decode as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def read_text(path: Path) -> str:
    """A text that cnnedge wrote. Raises CnnedgeError if it cannot be read."""
    try:
        data = given_files.read(path, at_most=_MOST_READ)
    except OSError as error:
        raise CnnedgeError(f"{path}: cannot read: {error.strerror or error}") from None
    return data.decode("utf-8", "surrogateescape")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises CnnedgeError if there is none."""
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CnnedgeError(f"{path}: the file is damaged: expected a JSON object")
    return found


def write_json(path: Path, payload: Any) -> None:
    """Writes JSON whole, indented."""
    write_text(path, json_text(payload, indent=2) + "\n")


def json_text(payload: Any, *, ascii_only: bool = False, **layout: Any) -> str:
    """JSON that every reader accepts: NaN and infinity become null.

    Control characters, and bytes of file names that are not UTF-8, are escaped; they are read back
    as they were. ascii_only: for a pipe, whose encoding is up to the other side. layout:
    json.dumps' indent and separators.
    """
    layout |= {"ensure_ascii": ascii_only, "allow_nan": False}
    try:
        text = json.dumps(payload, **layout)
    except ValueError:
        text = json.dumps(_finite(payload), **layout)
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value
