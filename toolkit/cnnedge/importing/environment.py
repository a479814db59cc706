"""Environments that cnnedge makes for what cannot live beside it, and keeps in its cache folder.

What must be in one enters; the Python of an environment that has it leaves: one that a person
names, or ours, made at the first use. One without its stamp was interrupted and is made anew.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .. import child_process
from ..errors import MissingExtraError
from ..files import cache_root, explained, lock, write_text
from ..harmless import one_line
from .opened import Reporter

_STAMP = "complete"
_SECONDS = 3600.0
_UNREACHABLE = re.compile(
    "NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|Network is unreachable"
    "|name resolution|from versions: none|No matching distribution",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """name: of the folder and for people. pins: `package==version`; with `from_index` all that is
    installed, so that no version is chosen on the day. option: names an environment that is there.
    size: for people. reads: what it is needed for. by_hand: what a person would install. words:
    more for pip.
    index: a further registry, asked for the pins of `from_index` alone: it may answer for no other
    name, and is slow to say that it has none.
    """

    name: str
    pins: tuple[str, ...]
    option: str
    size: str
    reads: str
    by_hand: str
    words: tuple[str, ...] = ()
    index: str = ""
    from_index: tuple[str, ...] = ()

    @property
    def all_pins(self) -> tuple[str, ...]:
        """What is installed in the end."""
        return (*self.from_index, *self.pins)

    @property
    def folder(self) -> Path:
        """Where ours is, or will be."""
        key = "\0".join((*self.all_pins, *self.words, self.index, platform.python_version()))
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        return cache_root() / "environments" / f"{self.name}-{digest}"


def python_of(wanted: Wanted, given: str | None, reporter: Reporter) -> Path:
    """The Python of the environment. given: the folder of one, or a program in it.

    Raises MissingExtraError, with what to do, where there is none and none can be made.
    """
    if given is not None:
        return _named(wanted, Path(given).expanduser())
    folder = wanted.folder
    if not (folder / _STAMP).is_file():
        with explained(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            _made_alone(wanted, folder, reporter)
    return _python(folder)


def _named(wanted: Wanted, path: Path) -> Path:
    found = _python(path) if path.is_dir() else path.parent / _python(Path()).name
    if not found.is_file():
        raise MissingExtraError(
            f"{wanted.option} {path}: there is no Python there; name the folder of an environment "
            f"with {wanted.by_hand}"
        )
    return found.absolute()


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _made_alone(wanted: Wanted, folder: Path, reporter: Reporter) -> None:
    """By one process at a time."""
    with open(folder.with_name(f"{folder.name}.lock"), "w") as file:
        while not lock(file.fileno()) and os.name == "posix":
            reporter.stage("waiting for another import that installs the same", 0, 0)
            time.sleep(0.5)
        if (folder / _STAMP).is_file():
            return
        reporter.note(f"installing {wanted.name} into {folder} ({wanted.size}, once)")
        reporter.stage(f"installing {wanted.name}", 0, 0)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _make(wanted, folder)
            write_text(folder / _STAMP, "\n".join(wanted.all_pins) + "\n")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _make(wanted: Wanted, folder: Path) -> None:
    venv = [sys.executable, "-Im", "venv"]
    if _own_pip_serves_others():
        _run(wanted, folder, [*venv, "--without-pip", str(folder)])
        pip = [sys.executable, "-Im", "pip", "--python", str(_python(folder))]
    else:
        _run(wanted, folder, [*venv, str(folder)])
        pip = [str(_python(folder)), "-Im", "pip"]
    quiet = (
        *("install", "--quiet", "--no-deps"),
        "--disable-pip-version-check",
        "--no-input",
        "--retries",
        "2",
        "--only-binary=:all:",
        "--no-compile",
    )
    if wanted.from_index:
        further = ("--extra-index-url", wanted.index) if wanted.index else ()
        _run(wanted, folder, [*pip, *quiet, *further, *wanted.from_index])
    _run(wanted, folder, [*pip, *quiet, *wanted.words, *wanted.pins])


def _own_pip_serves_others() -> bool:
    """Whether there is a pip here, and it knows `--python`: unpacking another takes seconds."""
    try:
        major, minor = metadata.version("pip").split(".")[:2]
        return (int(major), int(minor)) >= (22, 3)
    except (metadata.PackageNotFoundError, ValueError):
        return False


def _run(wanted: Wanted, folder: Path, words: list[str]) -> None:
    # pip starts the other Python without -I.
    alone = {"PYTHONPATH": "", "PYTHONHOME": ""}
    try:
        done = child_process.run(
            child_process.Command(words=words, seconds=_SECONDS, environment=alone)
        )
        said, failed = done.text + done.complaint, done.code != 0
    except (OSError, child_process.Late) as error:
        said, failed = str(error), True
    if failed:
        raise MissingExtraError(_why(wanted, said))


def _why(wanted: Wanted, said: str) -> str:
    lines = [line for line in said.splitlines() if line.startswith("ERROR")] or said.splitlines()
    last = one_line(lines[-1], 200) if lines else "pip said nothing"
    reason = (
        f"no package registry answers for it ({last}). Repeat this once with a network"
        if _UNREACHABLE.search(said)
        else f"it cannot be installed here ({last}). Install it elsewhere"
    )
    return (
        f"{wanted.reads} needs {wanted.name}, and {reason}, or name an environment that has "
        f"{wanted.by_hand}: {wanted.option} FOLDER"
    )
