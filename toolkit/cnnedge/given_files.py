"""Reads a file that somebody names: an ordinary file, and no more of it than is needed.

A path enters; its bytes, or the file open for reading, leave. Whoever opens a pipe waits for its
other side, and a device may never end: neither is opened. What stands in the way is an OSError
whose `strerror` is fit for a message.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

Named = str | os.PathLike[str]

_CHUNK = 2**16
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_KINDS = (
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


def opened(path: Named) -> io.BufferedReader:
    """An ordinary file, open for reading. Raises OSError, also for anything else with a name."""
    return os.fdopen(_descriptor(path), "rb")


def read(path: Named, *, at_most: int) -> bytes:
    """The bytes of an ordinary file. Raises OSError, also for more than `at_most` of them."""
    with os.fdopen(_descriptor(path), "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size <= at_most:
            data = file.read(size + 1)
            # What the system makes up (/proc) has no size, and some files grow.
            while len(data) <= at_most and (more := file.read(_CHUNK)):
                data += more
            if len(data) <= at_most:
                return data
    said = f"the file is too large; the limit is {at_most:,} bytes"
    raise OSError(errno.EFBIG, said, str(path))


def kind(path: Named) -> str:
    """What is there if neither file nor folder: pipe, socket or device; else nothing."""
    try:
        return kind_of(os.stat(path).st_mode)
    except (OSError, ValueError):
        return ""


def no_file(found: str) -> str:
    """What to say about a pipe, socket or device if a file is expected."""
    return f"this is a {found}, not a file; write its output to a file, and name that file"


def is_text(path: Named) -> bool:
    """Whether a name is valid text: OpenCV ends the process at other bytes."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def expanded(path: str) -> Path:
    """A path with ~ as the home folder; with the ~ of an unknown user it stays unchanged."""
    return Path(os.path.expanduser(path))


def kind_of(mode: int) -> str:
    """As `kind`, by st_mode."""
    return next((name for is_one, name in _KINDS if is_one(mode)), "")


def _descriptor(path: Named) -> int:
    try:
        _check(os.stat(path), path)
        # Somebody may put a pipe there meanwhile: by these flags its opening does not wait.
        descriptor = os.open(path, _FLAGS)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"this cannot be a path: {error}", repr(path)) from None
    try:
        _check(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(status: os.stat_result, path: Named) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    found = kind_of(status.st_mode)
    if found:
        raise OSError(errno.EINVAL, no_file(found), str(path))
