"""Unpacks an environment on a board: whole under its name, or not there at all.

This file is sent to the board and runs there, with its Python's standard library alone, as what
the guard watches over. A request (JSON: pack, into, venv, size) enters on standard input. pack: an
archive of wheels, unpacked into a virtual environment or, where venv is false, into a folder
`site`; or an archive of a package, unpacked as it is, its C compiled where there is a compiler.
Nothing leaves but an exit code and, on standard error, the reason.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from typing import Any

_BUILDING = ".building-"
_SOURCE = ("cnnedge", "preprocess", "resample.c")
_COMPILE_SECONDS = 120


def build(pack: str, into: str, venv: bool, size: int) -> None:
    """Raises OSError, zipfile.BadZipFile, and SystemExit for a lack of space."""
    above = os.path.dirname(into)
    os.makedirs(above, mode=0o700, exist_ok=True)
    _sweep(above)
    there = os.statvfs(above)
    free = there.f_bavail * there.f_frsize
    if free < size:
        sys.exit(f"no space: {size / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB free")
    folder = os.path.join(above, f"{_BUILDING}{os.getpid()}")
    try:
        os.mkdir(folder, mode=0o700)
        _unpack(pack, folder, _site(folder, venv))
        if not os.path.exists(into):
            os.rename(folder, into)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _site(folder: str, venv: bool) -> str:
    """Where packages go."""
    if not venv:
        return os.path.join(folder, "site")
    import venv as module

    module.create(folder, symlinks=True, with_pip=False)
    version = ".".join(map(str, sys.version_info[:2]))
    return os.path.join(folder, "lib", f"python{version}", "site-packages")


def _unpack(pack: str, folder: str, site: str) -> None:
    with zipfile.ZipFile(pack) as outer:
        names = outer.namelist()
        wheels = [n for n in names if n.endswith(".whl")]
        if not wheels:
            outer.extractall(folder)
            _compile(os.path.join(folder, *_SOURCE))
        for name in wheels:
            with outer.open(name) as inner, zipfile.ZipFile(inner) as wheel:
                wheel.extractall(site)
    if wheels:
        _spread(site)


def _compile(source: str) -> None:
    """cnnedge's piece of C as the library that it looks for; without it numpy does the work."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None or not os.path.exists(source):
        return
    with open(source, "rb") as file:
        name = hashlib.sha256(file.read()).hexdigest()[:16]
    part = f"{source}.part"
    words = [compiler, "-O3", "-shared", "-fPIC", f'-DSOURCE_HASH="{name}"', source, "-o", part]
    try:
        subprocess.run(words, check=True, capture_output=True, timeout=_COMPILE_SECONDS)
        os.rename(part, os.path.join(os.path.dirname(source), "_resample.so"))
    except (OSError, subprocess.SubprocessError):
        if os.path.exists(part):
            os.remove(part)


def _spread(site: str) -> None:
    """What a wheel keeps apart for the installer, for that is what we are."""
    for name in os.listdir(site):
        for part in ("purelib", "platlib"):
            source = os.path.join(site, name, part)
            if name.endswith(".data") and os.path.isdir(source):
                shutil.copytree(source, site, dirs_exist_ok=True)


def _sweep(above: str) -> None:
    """Removes what a power cut left: folders whose builder is not alive any more."""
    for name in os.listdir(above):
        builder = name[len(_BUILDING) :]
        if name.startswith(_BUILDING) and not os.path.exists(f"/proc/{builder}"):
            shutil.rmtree(os.path.join(above, name), ignore_errors=True)


def main() -> int:
    """Builds what standard input asks for."""

    def leave(_number: int, _frame: Any) -> None:
        sys.exit("ended")

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)
    try:
        build(**json.load(sys.stdin))
    except (OSError, zipfile.BadZipFile) as error:
        sys.exit(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
