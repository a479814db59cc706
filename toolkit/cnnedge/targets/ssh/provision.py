"""What a board needs to run cnnedge, brought there from here.

A board and its connection enter; where its Python and cnnedge's code are leaves. Two layers, each
named by what is in it: the runtime's wheels in a virtual environment of their own, and cnnedge's
code, so that changed code is a small push. What is there already is not pushed again.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

from ...child_process import Command, Completed
from ...errors import DeviceError
from ...harmless import one_line
from ..base import Say
from . import source
from .connection import Connection
from .probe import Board, Python
from .wheels import Pack, choose, fetch

ENVIRONMENTS, CODE, FILES, CACHE = "environments", "code", "files", "cache"
MARKER = ".cnnedge"
_BUILD_SECONDS = 1800.0


@dataclass(frozen=True, kw_only=True)
class Installed:
    """python: the path of the board's interpreter. search: PYTHONPATH for cnnedge to be found.

    cache: what cnnedge keeps there, so that `clean` takes that too.
    """

    python: str
    search: str
    cache: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": self.search,
            "PYTHONNOUSERSITE": "1",
            "PYTHONUTF8": "1",
            "CNNEDGE_CACHE": self.cache,
        }


class Verbs(Protocol):
    """What provisioning does on a board; of SshTarget."""

    name: str
    connection: Connection

    def push(self, local: Path) -> str: ...

    def run_by(self, python: Python, command: Command) -> Completed: ...


def claim(connection: Connection, board: Board) -> None:
    """Makes the board's folder ours. Raises DeviceError: others' files are never touched."""
    name = connection.name
    if not board.ours:
        raise DeviceError(
            f"{name}: its folder {board.folder} holds files that cnnedge did not put there. Name "
            "one of its own in the profile: folder: ~/.cache/cnnedge"
        )
    folder = shlex.quote(board.folder)
    said = connection.script(
        f"mkdir -p -m 700 {folder} && : > {folder}/{MARKER} && echo claimed", 10
    )
    if "claimed" not in said:
        raise DeviceError(
            f"{name}: its folder {board.folder} cannot be written to. Name another in the profile"
        )


def provision(verbs: Verbs, board: Board, say: Say) -> Installed:
    """Brings what is missing. Raises DeviceError; nothing half-made stays on the board."""
    python, kind = choose(verbs.name, board)
    pack = fetch(verbs.name, kind, say)
    code, code_size = source.archive()
    key = f"{hash_file(pack.path)}\0{python.path}\0{python.text}"
    runtime_at = f"{board.folder}/{ENVIRONMENTS}/{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    code_at = f"{board.folder}/{CODE}/{hashlib.sha256(code).hexdigest()[:16]}"
    missing = _missing(verbs.connection, (runtime_at, code_at))
    if runtime_at in missing:
        _check_space(verbs.name, board, pack)
        say(f"{verbs.name}: pushing its runtime, {pack.path.stat().st_size / 1e6:.0f} MB")
        _build(verbs, python, pack, runtime_at, say)
    if code_at in missing:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "cnnedge.zip"
            file.write_bytes(code)
            say(f"{verbs.name}: pushing cnnedge, {len(code) / 1e6:.1f} MB")
            _build(verbs, python, Pack(path=file, unpacked_bytes=code_size), code_at)
    cache = f"{board.folder}/{CACHE}"
    if python.has_venv:
        return Installed(python=f"{runtime_at}/bin/python", search=code_at, cache=cache)
    return Installed(python=python.path, search=f"{code_at}:{runtime_at}/site", cache=cache)


def is_there(connection: Connection, board: Board) -> bool:
    """Whether some runtime was pushed already; which one, only provisioning knows."""
    folder = shlex.quote(f"{board.folder}/{ENVIRONMENTS}")
    return "yes" in connection.script(f'[ -n "$(ls {folder} 2>/dev/null)" ] && echo yes', 10)


def _missing(connection: Connection, folders: Sequence[str]) -> list[str]:
    tests = [f"[ -d {shlex.quote(f)} ] && echo there-{n}." for n, f in enumerate(folders)]
    said = connection.script("\n".join(tests) + "\n", 10)
    return [f for n, f in enumerate(folders) if f"there-{n}." not in said]


def _build(
    verbs: Verbs, python: Python, pack: Pack, into: str, say: Say = lambda _text: None
) -> None:
    there = verbs.push(pack.path)
    say(f"{verbs.name}: unpacking it there, {pack.unpacked_bytes / 1e6:.0f} MB")
    program = resources.files("cnnedge.targets.ssh").joinpath("build.py").read_text("utf-8")
    venv = python.has_venv and pack.path.suffix == ".zip" and f"/{ENVIRONMENTS}/" in into
    request = {"pack": there, "into": into, "venv": venv, "size": pack.unpacked_bytes}
    command = Command(
        words=[python.path, "-I", "-c", program],
        stdin=json.dumps(request).encode(),
        seconds=_BUILD_SECONDS,
    )
    done = verbs.run_by(python, command)
    # Unpacked, it is not needed again; a card of a board is small.
    verbs.connection.script(f"rm -rf {shlex.quote(str(Path(there).parent))}", 10)
    if done.code:
        said = one_line(done.complaint[-2000:], 300)
        raise DeviceError(
            f"{verbs.name}: its runtime could not be unpacked ({said}). Free some space there, or "
            "name another folder in the profile"
        )


def _check_space(name: str, board: Board, pack: Pack) -> None:
    needed = pack.unpacked_bytes + pack.path.stat().st_size
    if board.free_bytes is not None and board.free_bytes < needed:
        raise DeviceError(
            f"{name}: no space: {needed / 1e6:,.0f} MB are needed for its runtime and "
            f"{board.free_bytes / 1e6:,.0f} MB free in {board.folder}. Free some, or name a folder "
            "on another disk in the profile: folder: /mnt/disk/cnnedge"
        )


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
