"""cnnedge's own code as one archive: what runs here is what runs on the board.

Nothing enters; an archive of the package's files leaves, the same for the same files.
"""

from __future__ import annotations

import importlib
import io
import zipfile
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Traversable

# Packages whose files may lie elsewhere than beside the code.
_DATA = ("recipes", "models", "devices")
# Pictures to train on stay here, and libraries that run on this machine alone.
_LEFT_OUT = (".npz", ".pyc", ".so", ".dylib", ".pyd")
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def archive() -> tuple[bytes, int]:
    """The archive, and the bytes that it takes unpacked."""
    files: dict[str, bytes] = {}
    _collect(resources.files("cnnedge"), "cnnedge", files)
    for name in _DATA:
        folder = resources.files(importlib.import_module(f"cnnedge.{name}"))
        _collect(folder, f"cnnedge/{name}", files)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(files):
            out.writestr(zipfile.ZipInfo(path, _FIXED_DATE), files[path], zipfile.ZIP_DEFLATED)
    return packed.getvalue(), sum(len(content) + 2048 for content in files.values())


def _collect(folder: Traversable, path: str, files: dict[str, bytes]) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__":
                _collect(entry, f"{path}/{entry.name}", files)
        elif not entry.name.endswith(_LEFT_OUT):
            files[f"{path}/{entry.name}"] = entry.read_bytes()
