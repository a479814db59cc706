"""A real X server without a screen, its pixels, and a keyboard for it.

A folder enters; a display leaves that windows open on and that can be photographed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from support.environments import missing

T = TypeVar("T")


@dataclass
class Display:
    """A running Xvfb. folder: where it keeps its pixels."""

    name: str
    folder: Path
    server: subprocess.Popen[bytes]

    @property
    def env(self) -> dict[str, str]:
        """What a program needs to draw here."""
        return {"DISPLAY": self.name, "WAYLAND_DISPLAY": "", "QT_QPA_PLATFORM": "xcb"}

    def photograph(self) -> np.ndarray:
        """What is on the screen: uint8 [h, w, 3] BGR."""
        data = (self.folder / "Xvfb_screen0").read_bytes()
        header = np.frombuffer(data[:100], ">u4")
        size, width, height, stride, colours = header[[0, 4, 5, 12, 19]].tolist()
        begin = size + 12 * colours
        pixels = np.frombuffer(data, np.uint8, stride * height, begin).reshape(height, stride)
        return np.array(pixels[:, : 4 * width].reshape(height, width, 4)[:, :, :3])

    def windows(self, name: str) -> list[str]:
        """The numbers of the windows of this name that are there."""
        return self._xdotool("search", "--onlyvisible", "--name", name).split()

    def window(self, name: str) -> str:
        """The number of the window of this name, once it is there; it gets the keyboard."""
        number = until(lambda: self.windows(name))[0]
        self._xdotool("windowfocus", "--sync", number)
        return number

    def resize(self, window: str, width: int, height: int) -> None:
        """Gives a window another size, as a user pulling at its corner does."""
        self._xdotool("windowsize", window, str(width), str(height))

    def hide_pointer(self) -> None:
        """Moves the mouse out of the picture."""
        self._xdotool("mousemove", "4000", "4000")

    def press(self, key: str) -> None:
        """A key by its X name."""
        self._xdotool("key", key)

    def _xdotool(self, *arguments: str) -> str:
        done = subprocess.run(
            ["xdotool", *arguments], env=os.environ | self.env, capture_output=True, text=True
        )
        return done.stdout


@contextlib.contextmanager
def virtual_display(folder: Path) -> Iterator[Display]:
    """An Xvfb with a screen of 1280 x 800. Skips the test where it or xdotool is missing."""
    for program in ("Xvfb", "xdotool"):
        if not shutil.which(program):
            missing(f"no {program} (on Debian: the package {program.lower()})")
    read, write = os.pipe()
    folder.mkdir(exist_ok=True)
    # Without -noreset the server starts anew, its picture too, when its last window closes.
    screen = ["-screen", "0", "1280x800x24", "-fbdir", str(folder), "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), *screen], pass_fds=[write], stderr=subprocess.DEVNULL
    )
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        assert number, "Xvfb did not start"
        yield Display(f":{number}", folder, server)
    finally:
        server.terminate()
        server.wait()


def until(found: Callable[[], T], seconds: float = 60) -> T:
    """What `found` returns as soon as it is true; fails when it never is."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value
