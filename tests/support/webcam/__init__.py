"""A webcam for machines without one: `webcam.c`, built and preloaded into another Python."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from ..environments import missing

_SOURCE = Path(__file__).with_name("webcam.c")
_NULL = os.makedev(1, 3)


class Webcam:
    """A device node that a preloaded Python finds a camera behind."""

    def __init__(self, folder: Path, device: Path) -> None:
        self.device = device
        self.number = device.name.removeprefix("video")
        self._folder = folder
        self._state = folder / "state"
        self.be("here")
        picture = np.full((720, 1280, 3), 77, np.uint8)
        cv2.imwrite(str(folder / "frame.jpg"), picture)
        done = subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", folder / "webcam.so", _SOURCE, "-ldl"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def be(self, state: str) -> None:
        """here, busy, gone or stalled."""
        self._state.write_text(state)

    def python(self, program: str) -> subprocess.CompletedProcess[str]:
        """Runs a program that meets the camera; `be(state)` and `node` are there for it."""
        lines = (
            "from pathlib import Path\nfrom cnnedge.camera import *\n"
            f"node = Path({str(self.device)!r})\n"
            f"be = Path({str(self._state)!r}).write_text\n"
        )
        environment = os.environ | {
            "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "1",
            "LD_PRELOAD": str(self._folder / "webcam.so"),
            "WEBCAM_DEVICE": str(self.device),
            "WEBCAM_STATE": str(self._state),
            "WEBCAM_JPEG": str(self._folder / "frame.jpg"),
        }
        return subprocess.run(
            [sys.executable, "-c", lines + program],
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
        )


@contextmanager
def webcam(folder: Path) -> Iterator[Webcam]:
    """A webcam at a free /dev/video number; skips where no device node can be made."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root can make a device node, and on Linux alone")
    if not shutil.which("cc"):
        missing("no C compiler (on Debian: the package gcc)")
    device = next(p for i in range(40, 64) if not (p := Path(f"/dev/video{i}")).exists())
    try:
        os.mknod(device, 0o660 | stat.S_IFCHR, _NULL)
    except OSError as error:
        pytest.skip(f"no device node can be made in /dev here: {error}")
    try:
        yield Webcam(folder, device)
    finally:
        device.unlink(missing_ok=True)
