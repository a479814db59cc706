"""Makes docs/live_window.png: a photograph of the window of `cnnedge run --show`.

The window opens on a virtual display. Needs the Debian packages xvfb and xdotool, as the tests do.

    python docs/window_picture.py OUT.png MODEL.tflite
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from cnnedge.overlay.shapes import GOOD

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.display import Display, virtual_display

WIDTH, HEIGHT = 960, 720
# Until the figures have settled and the hints are gone.
SETTLED_SECONDS = 8.0


def main() -> None:
    target, model = sys.argv[1:]
    command = ["run", model, "--source", "sample", "--show", "--delegate", "cpu"]
    with tempfile.TemporaryDirectory() as folder, virtual_display(Path(folder)) as display:
        run = subprocess.Popen(
            [sys.executable, "-m", "cnnedge", *command],
            env=os.environ | display.env,
            stdout=subprocess.DEVNULL,
        )
        window = display.window("^cnnedge")
        time.sleep(2)
        display.resize(window, WIDTH, HEIGHT)
        display.hide_pointer()
        time.sleep(SETTLED_SECONDS)
        # The surest of some labels: one that is just changing says little.
        pictures = [_later(display) for _ in range(20)]
        cv2.imwrite(target, max(pictures, key=_green))
        display.press("q")
        run.wait()


def _later(display: Display) -> np.ndarray:
    time.sleep(0.1)
    return display.photograph()[:HEIGHT, :WIDTH]


def _green(picture: np.ndarray) -> int:
    return int((picture[:, : WIDTH // 2] == GOOD).all(axis=2).sum())


if __name__ == "__main__":
    main()
