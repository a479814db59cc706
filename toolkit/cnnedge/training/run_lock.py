"""Who works in a run folder: one process at a time, and nowhere but in it.

The path of a run enters; the right to write there leaves, for as long as the process lives.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import RunFolderError
from ..files import as_bytes, explained, lock, remove_leftovers
from .run_folder import LOCK, RunFolder


@contextlib.contextmanager
def occupied(path: Path) -> Iterator[None]:
    """Holds the run folder `path`, which must be there.

    The lock goes with the process, however that ends. Raises RunFolderError if another process
    holds it, and where a part of the run is a link that leads out of it.
    """
    check_links(path)
    place = path / LOCK
    while True:
        with explained(place):
            file = os.open(place, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        if not lock(file) and _locks_here():
            holder = _holder(file)
            os.close(file)
            raise RunFolderError(
                f"{path}: {holder} is already using this run folder. Wait for it to finish, or "
                "stop it, or choose another --out"
            )
        if _is_at(file, place):
            break
        # Whoever held it has just removed it.
        os.close(file)
    try:
        for folder in (path, path / "export", path / "compress", path / "compress" / "measured"):
            remove_leftovers(folder)
        with contextlib.suppress(OSError):
            os.truncate(file, 0)
            os.pwrite(file, _described(), 0)
        yield
    finally:
        with contextlib.suppress(OSError):
            place.unlink()
        os.close(file)


def check_links(path: Path) -> None:
    """Raises RunFolderError if writing to the run `path` would write elsewhere."""
    run = RunFolder(path)
    home = Path(os.path.realpath(path))
    parts = [path / name for name in run.names]
    for folder in run.folders:
        parts.append(folder)
        if not folder.is_symlink():
            parts += [Path(root) / n for root, ds, fs in os.walk(folder) for n in (*ds, *fs)]
    for part in parts:
        if not part.is_symlink():
            continue
        target = Path(os.path.realpath(part))
        if home not in target.parents:
            raise RunFolderError(
                f"{part}: this is a link to {target}, but the parts of a run must be in its own "
                "folder. Replace the link with the file or folder itself"
            )


def _locks_here() -> bool:
    try:
        import fcntl  # noqa: F401
    except ImportError:
        return False
    return True


def _is_at(file: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), place.stat())
    except OSError:
        return False


def _described() -> bytes:
    words = " ".join(["cnnedge", *sys.argv[1:3]])
    return as_bytes(f"{os.getpid()}\n{words}\n{time.strftime('%H:%M:%S on %Y-%m-%d')}\n")


def _holder(file: int) -> str:
    """Another process, by what it wrote into the lock; only that is reported."""
    text = os.pread(file, 1000, 0).decode("utf-8", "replace")
    number, words, since, *_ = [*text.splitlines(), "", "", ""]
    if not number.isdecimal():
        return "another cnnedge process"
    return f"process {number} ('{words}', since {since})"
