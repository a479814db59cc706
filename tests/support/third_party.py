"""Models that others made: all .tflite of MediaPipe's wheel, kept in `.venvs/`.

Nothing enters; the models' paths by their names leave. They have float16 and sparse weights,
custom operators, and inputs and outputs of all kinds.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

from .environments import FOLDER, clean_environment, missing

_RELEASE = "mediapipe==0.10.21"
# Any machine may read the models of this wheel.
_WHEEL = ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--no-deps")
_STAMP = ".complete"


@cache
def mediapipe_models() -> dict[str, Path]:
    """Every model of the wheel by its name; skips where the registry does not answer."""
    folder = FOLDER / "mediapipe-models"
    if not (folder / _STAMP).exists():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check"),
                *("--retries", "2", "--only-binary=:all:", "--dest", str(folder)),
                *(*_WHEEL, _RELEASE),
            ],
            capture_output=True,
            text=True,
            env=clean_environment(),
        )
        wheels = list(folder.glob("mediapipe-*.whl"))
        if done.returncode or not wheels:
            missing(f"the package registry has no {_RELEASE}: {done.stderr[-500:]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            for name in wheel.namelist():
                if name.endswith(".tflite"):
                    (folder / Path(name).name).write_bytes(wheel.read(name))
        wheels[0].unlink()
        (folder / _STAMP).write_text("")
    return {path.stem: path for path in sorted(folder.glob("*.tflite"))}
