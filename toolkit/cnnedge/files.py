"""Writing files whole: to a temporary name beside the target, then renamed.

Content enters, a complete file leaves, or none: a full disk or an interruption never leaves half
a file under the target's name.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import CnnedgeError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and run the command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the command again",
    errno.EACCES: "permission denied; choose a folder that you may write to",
    errno.EPERM: "permission denied; choose a folder that you may write to",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EEXIST: "a file of this name is in the way",
    errno.EFBIG: "the file grew past the size that is allowed here",
}


@contextlib.contextmanager
def whole(path: Path, *, busy: bool = False) -> Iterator[Path]:
    """Gives a temporary path (same folder, same ending) that becomes `path` on success.

    busy: much else happens meanwhile, and what goes wrong there is not this file's. Raises
    CnnedgeError when the file cannot be written; nothing half-written stays.
    """
    temporary: Path | None = None
    try:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # The whole name stays at the end: writers go by suffixes such as .keras.
            name = path.parent / f".part-{secrets.token_hex(6)}-{path.name}"
            # Not tempfile's private file: the user's umask decides, and the kernel applies it.
            # Reading the umask would mean changing it, for all threads.
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        temporary = name
        with contextlib.nullcontext() if busy else explained(path):
            yield temporary
        with explained(path):
            os.replace(temporary, path)
        temporary = None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns an OSError while writing `path` into a CnnedgeError with a remedy."""
    try:
        yield
    except BrokenPipeError:
        # Of who reads what is printed: no file is at fault.
        raise
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise CnnedgeError(f"{path}: cannot write: {reason}") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Writes bytes whole."""
    with whole(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text whole."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, payload: Any) -> None:
    """Writes JSON whole, indented."""
    write_text(path, json_text(payload, indent=2) + "\n")


def json_text(payload: Any, *, ascii_only: bool = False, **layout: Any) -> str:
    """JSON that every reader takes: numbers that are none (NaN, infinity) are null.

    ascii_only: for a pipe, whose encoding is the other side's affair. layout: json.dumps' indent
    and separators.
    """
    layout |= {"ensure_ascii": ascii_only, "allow_nan": False}
    try:
        return json.dumps(payload, **layout)
    except ValueError:
        return json.dumps(_finite(payload), **layout)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value
