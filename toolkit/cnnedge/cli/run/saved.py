"""What --save wrote on a device, brought here: a file, or a folder of pictures."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ...errors import CnnedgeError, DeviceError
from ...files import write_bytes
from ...harmless import one_line

if TYPE_CHECKING:  # what is saved here needs no device
    from ...targets import Target


def check_place(save: Path) -> None:
    """Raises CnnedgeError where a folder of pictures is to be and a file is."""
    if not save.suffix and save.exists() and not save.is_dir():
        raise CnnedgeError(f"--save {save}: a file of this name exists already")


def fetch(target: Target, there: str, save: Path) -> None:
    """Brings here what lies at `there`. A name without suffix is a folder, as in `open_sink`."""
    if save.suffix:
        target.pull(there, save)
        return
    packed = f"{there}.tar"
    done = target.run(["tar", "-cf", packed, "-C", there, "."], seconds=600)
    if done.code:
        said = one_line(done.errors.decode("utf-8", "replace"))
        raise DeviceError(f"{target.name}: --save {save} could not be packed there: {said}")
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder:
        local = Path(folder) / "saved.tar"
        target.pull(packed, local)
        try:
            _unpack(local, save)
        except tarfile.TarError as error:
            raise DeviceError(
                f"{target.name}: what it saved cannot be read ({error}); run it again"
            ) from None


def _unpack(packed: Path, folder: Path) -> None:
    """Its plain files by their last names: a device's word leads to no other place."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(packed, "r:") as tar:
        for entry in tar:
            held, name = tar.extractfile(entry), PurePosixPath(entry.name).name
            if entry.isreg() and held is not None and not name.startswith("."):
                write_bytes(folder / name, held.read())
