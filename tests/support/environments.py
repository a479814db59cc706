"""Virtual environments of their own for tests, kept in `.venvs/` under the repository root.

A name and requirements enter, the environment's Python leaves. An environment carries a stamp
that is written last: one without it was interrupted and is made anew.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from cnnedge.errors import MissingExtraError
from support.reporters import Quiet

if TYPE_CHECKING:
    from cnnedge.importing.environment import Wanted

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venvs"
# The cache folder for tests that import what needs an environment of its own.
IMPORT_CACHE = FOLDER / "cache"

_STAMP = ".complete"
_SOURCES_STAMP = ".sources"
# All that `pip install .` reads.
_PROJECT = (
    *("pyproject.toml", "setup.cfg", "setup.py", "README.md", "LICENSE"),
    *("toolkit", "models", "recipes", "devices"),
)
# What pip says when it is the registry that does not answer, and not the requirements that
# contradict each other.
_UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProtocolError",
    "ProxyError",
    "Network is unreachable",
    "name resolution",
    "(from versions: none)",
)


def environment(name: str, requirements: Sequence[str], *, key: str = "") -> Path:
    """The Python of an environment with the requirements installed; made where it is missing.

    key: what makes an environment another one, where the requirements' own text does not say.
    Skips the test where the package registry does not answer, or fails it when CNNEDGE_CI=1.
    """
    key = "\0".join((key or "\0".join(requirements), platform.python_version()))
    folder = FOLDER / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    with _locked(folder):
        if not (folder / _STAMP).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder)
            install(_python(folder), name, requirements)
            (folder / _STAMP).write_text("")
    return _python(folder)


def project_environment(name: str, extra: str = "") -> Path:
    """The Python of an environment in which a user ran `pip install .` or `.[extra]`.

    Not editable, and from a copy, so that no build folder stays in the tree. Dependencies are
    resolved once for each setup.cfg; the package is installed anew when its sources change.
    """
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "cnnedge"
        sources = _copy_project(copy)
        asked = f"{copy}[{extra}]" if extra else str(copy)
        key = extra + "".join(
            (copy / f).read_text() for f in ("setup.cfg", "setup.py", "pyproject.toml")
        )
        python = environment(name, [asked], key=key)
        stamp = python.parents[1] / _SOURCES_STAMP
        with _locked(python.parents[1]):
            if not stamp.exists() or stamp.read_text() != sources:
                stamp.unlink(missing_ok=True)
                install(python, name, ["--force-reinstall", "--no-deps", str(copy)])
                stamp.write_text(sources)
    return python


def import_environment(wanted: Wanted) -> Path:
    """The Python of an environment that `cnnedge import` makes, under CNNEDGE_CACHE in `.venvs/`.

    Skips or fails as `environment` does.
    """
    from cnnedge.importing.environment import python_of

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNEDGE_CACHE", str(IMPORT_CACHE))
        try:
            return python_of(wanted, None, Quiet())
        except MissingExtraError as error:
            if "no package registry answers" in str(error):
                missing(str(error))
            raise


def packages(name: str, python: Path, requirements: Sequence[str]) -> Path:
    """A folder with these packages alone, for the PYTHONPATH of that Python; made once."""
    key = "\0".join((*requirements, platform.python_version()))
    folder = FOLDER / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    with _locked(folder):
        if not (folder / _STAMP).exists():
            shutil.rmtree(folder, ignore_errors=True)
            install(python, name, ["--no-deps", "--target", str(folder), *requirements])
            (folder / _STAMP).write_text("")
    return folder


def install(python: Path, name: str, requirements: Sequence[str]) -> None:
    """`pip install` with these arguments; skips or fails as `environment` does."""
    # Several times as fast; it knows nothing of pip's settings, which may name the only registry.
    uv = Path(sys.executable).with_name("uv")
    if uv.exists():
        fast = [str(uv), "pip", "install", "--quiet", "--python", str(python), *requirements]
        with_uv = subprocess.run(fast, capture_output=True, env=clean_environment(), cwd=FOLDER)
        if with_uv.returncode == 0:
            return
    # The pip of the tests' own environment: none needs to be unpacked first. Most of what is
    # installed is never imported, so nothing is compiled ahead.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    quiet = ["--disable-pip-version-check", "--retries", "2", "--no-warn-script-location"]
    done = subprocess.run(
        [*pip, "--no-compile", *quiet, *requirements],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment(),
        cwd=FOLDER,
    )
    if done.returncode == 0:
        return
    tail = "\n".join(done.stdout.splitlines()[-15:])
    if any(sign in done.stdout for sign in _UNREACHABLE):
        errors = [line for line in done.stdout.splitlines() if line.startswith("ERROR:")]
        missing(f"the package registry is out of reach for '{name}': {' '.join(errors) or tail}")
    pytest.fail(f"environment '{name}': pip install {' '.join(requirements)} failed:\n{tail}")


def clean_environment() -> dict[str, str]:
    """This process's environment without what would leak its packages into another Python."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}


def missing(what: str) -> NoReturn:
    """Skips the test for something that this machine lacks; fails it when CNNEDGE_CI=1."""
    if os.environ.get("CNNEDGE_CI") == "1":
        pytest.fail(what)
    pytest.skip(what)


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time: two test runs in one tree share the environments."""
    FOLDER.mkdir(exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        try:
            import fcntl
        except ModuleNotFoundError:  # Windows
            yield
            return
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        missing(f"no virtual environment (on Debian: python3-venv): {done.stdout}{done.stderr}")


def _copy_project(target: Path) -> str:
    """Copies what the package is built from; returns a hash of it."""
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
    target.mkdir()
    for name in _PROJECT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=skipped)
        else:
            shutil.copy(source, target / name)
    digest = hashlib.sha256()
    for file in sorted(p for p in target.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(target)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
