"""A folder for temporary files that is deleted with the process, however it ends.

What a killed command leaves in the system's folder for temporary files, the next command deletes:
libraries write there too, and none of them tidies up after a kill.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..files import held, left_behind

_PREFIX = "cnnedge-"
_LOCK = ".lock"


@contextlib.contextmanager
def own_temporary_folder() -> Iterator[Path]:
    """Makes a folder for this process and its children; returns its parent folder.

    If none can be made, temporary files go to the usual place.
    """
    above, told = Path(tempfile.gettempdir()), os.environ.get("TMPDIR")
    _remove_left(above)
    file, folder = None, None
    with contextlib.suppress(OSError):
        while file is None:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            file = held(folder / _LOCK, 0o600)
    if folder is None:
        yield above
        return
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield above
    finally:
        tempfile.tempdir = None
        if told is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = told
        shutil.rmtree(folder, ignore_errors=True)
        if file is not None:
            os.close(file)


def _remove_left(above: Path) -> None:
    with contextlib.suppress(OSError), os.scandir(above) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False):
                _remove_if_left(Path(entry.path))


def _remove_if_left(folder: Path) -> None:
    """Deletes a folder of this user that no living process holds."""
    with contextlib.suppress(OSError):
        if folder.stat().st_uid != getattr(os, "getuid", lambda: -1)():
            return
        with left_behind(folder / _LOCK) as left:
            if left:
                shutil.rmtree(folder, ignore_errors=True)
