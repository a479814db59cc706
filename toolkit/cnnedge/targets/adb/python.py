"""cnnedge's own benchmark under a phone's Python, where there is one that adb may run.

A phone enters, words that start its Python leave, or one line on why there is none. Android keeps
apps from each other: adb's shell may run Termux's Python on phones with root or a debuggable build
alone.
"""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Callable
from pathlib import Path

from ...child_process import CLEAN_PATH
from ...errors import DeviceError
from ...harmless import one_line
from ..ssh.source import archive
from .files import CACHE, Run

TERMUX = "/data/data/com.termux/files/usr/bin/python"
_NEEDED = f"{CLEAN_PATH}; import numpy, flatbuffers, cnnedge.benchmark.worker"
_OVER_SSH = (
    "in Termux, install openssh and start sshd, then use it as a board: --device USER@PHONE with "
    "Port 8022 in ~/.ssh/config"
)


def find_python(run: Run, given: str, name: str) -> str:
    """The interpreter: of the profile where that is a path, else Termux's. Raises DeviceError."""
    path = given if given.startswith("/") else TERMUX
    done = run(["sh", "-c", 'test -x "$1"', "sh", path])
    if done.code == 0:
        return path
    raise DeviceError(
        f"{name}: adb's shell cannot run a Python at {one_line(path)}: not installed, or kept by "
        f"Android from other programs (only root or a debuggable phone may): {_OVER_SSH}"
    )


def prepare(
    run: Run, push: Callable[[Path], str], python: str, name: str, folder: str
) -> dict[str, str]:
    """Brings cnnedge's code there; the environment to run it in. Raises DeviceError.

    folder: cnnedge's own on the phone.
    """
    with tempfile.TemporaryDirectory() as here:
        packed = Path(here) / "cnnedge.zip"
        packed.write_bytes(archive()[0])
        there = push(packed)
    environment = {
        "PYTHONPATH": there,
        "PYTHONDONTWRITEBYTECODE": "1",
        # `clean` takes that folder too.
        "CNNEDGE_CACHE": posixpath.join(folder, CACHE),
        "OPENBLAS_NUM_THREADS": "1",
        "PATH": f"{posixpath.dirname(python)}:/system/bin:/usr/bin:/bin",
    }
    words = ["env", *(f"{k}={v}" for k, v in environment.items()), python, "-c", _NEEDED]
    done = run(words, seconds=120)
    if done.code:
        said = done.errors.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise DeviceError(
            f"{name}: the phone's Python cannot run cnnedge: {one_line(said[-1])}. Install what is "
            "missing there (in Termux: pkg install python-numpy; pip install flatbuffers), or "
            "measure with a benchmark_model"
        )
    return environment
