"""A source that is here, brought to a device: each frame keeps the name that it has here.

What --source names and a target enter; the source as the device finds it leaves, with the way back
from a name there to one here.
"""

from __future__ import annotations

import glob
import os
import re
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ... import given_files
from ...camera.stills import natural
from ...errors import DeviceError, SourceError
from ...harmless import one_line
from ...pictures import below, matching

if TYPE_CHECKING:  # a source that is here needs no device
    from ...targets import Target

# Names of their own: a file or folder of such a name needs its path, as in ./sample.
_NO_FILE = re.compile(r"sample|\d+|gst:.*|(?!file://)[a-z][a-z0-9+.-]*://.*", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """source: for --source there. names: of each file there, what it is called here."""

    source: str
    names: Mapping[str, str] = field(default_factory=dict)

    def here(self, name: str) -> str:
        """The name here of a frame that is labelled there, as `clip.mp4#3` or `a/b.jpg`."""
        file, mark, number = name.partition("#")
        if name in self.names:
            return self.names[name]
        return f"{self.names[file]}{mark}{number}" if file in self.names else self.text(name)

    def text(self, said: str) -> str:
        """A text of the device, with what is called by another name here."""
        for there, here in sorted(self.names.items(), key=lambda names: -len(names[0])):
            said = said.replace(there, here)
        return said


def is_no_file(source: str) -> bool:
    """Whether --source means a camera, a stream or the built-in scene, whatever lies here."""
    return _NO_FILE.fullmatch(source) is not None


def placed(target: Target, source: str, place: str) -> Placed:
    """Pushes what is here; what is not is the device's own. Raises SourceError, DeviceError.

    place: a folder there, for this command alone.
    """
    path = given_files.expanded(source.removeprefix("file://"))
    if is_no_file(source):
        return Placed(source=source)
    if os.path.isfile(path):
        there = target.push(path)
        return Placed(source=there, names={there: source})
    if os.path.isdir(path):
        files = {f"{place}/source/{p.relative_to(path).as_posix()}": p for p in _below(path)}
        _unpack(target, source, place, files)
        names = {there: str(here) for there, here in files.items()}
        return Placed(source=f"{place}/source", names=names | {f"{place}/source": str(path)})
    if not glob.has_magic(source):
        return Placed(source=source)
    found = filter(os.path.isfile, matching(str(path)))
    chosen = [Path(file) for file in sorted(found, key=natural)]
    if not chosen:
        raise SourceError(f"--source {source}: no file matches this pattern in {Path.cwd()}")
    # A folder for each: pictures of equal names stay apart, and all in the order they have here.
    width = len(str(len(chosen)))
    files = {
        f"{place}/source/{number:0{width}}/{p.name.lstrip('.') or 'file'}": p
        for number, p in enumerate(chosen)
    }
    _unpack(target, source, place, files)
    pattern = f"{glob.escape(place)}/source/*/*"
    return Placed(source=pattern, names={t: str(h) for t, h in files.items()} | {pattern: source})


def _below(folder: Path) -> list[Path]:
    try:
        return [Path(file) for file in below(folder).files]
    except OSError as error:
        raise SourceError(f"--source {folder}: cannot be listed: {error.strerror}") from None


def _unpack(target: Target, source: str, place: str, files: Mapping[str, Path]) -> None:
    """Brings files there, each to its place; of a link, what it leads to."""
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder:
        packed = Path(folder) / "source.tar"
        with tarfile.open(packed, "w", dereference=True) as tar:
            root = tarfile.TarInfo("source")
            root.type, root.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(root)
            for there, here in files.items():
                tar.add(here, there.removeprefix(f"{place}/"), recursive=False)
        done = target.run(["tar", "-xf", target.push(packed), "-C", place], seconds=600)
    if done.code:
        said = one_line(done.errors.decode("utf-8", "replace"))
        raise DeviceError(f"{target.name}: --source {source} could not be unpacked there: {said}")
