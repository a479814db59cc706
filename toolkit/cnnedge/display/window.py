"""A live window: BGR frames enter, the keys that were pressed leave."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from typing import IO, Any

from ..child_process import python_words
from ..errors import CnnedgeError
from ..preprocess import Pixels

# Before each frame on its way to the viewer: height and width, 0 and 0 for none.
HEADER = struct.Struct("<II")

_INSTEAD = "Remove --show, or write a video: --save out.mp4"
_SECONDS_TO_OPEN = 60.0
_NAMES = {27: "escape", 32: "space", 13: "enter", 10: "enter"}


@dataclass(frozen=True, kw_only=True)
class WindowState:
    """What a window reports after a frame.

    keys: pressed since the last frame, as characters in lower case, or `space`, `escape`,
    `enter`. size: (width, height) in pixels, (0, 0) where unknown. open: False once the user has
    closed it. lost: why it closed without the user, "" while it exists.
    """

    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    open: bool = True
    lost: str = ""


class Window:
    """A window in a separate process, so that a display that disappears takes nothing with it.

    It has the size of the first frame until the user changes it. One thread at a time may
    use it. Raises CnnedgeError if there is no display, or none that opens.
    """

    def __init__(self, title: str) -> None:
        self._display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or ""
        if sys.platform.startswith("linux") and not self._display:
            remote = "SSH_CONNECTION" in os.environ
            why = " in this ssh session" if remote else ""
            way = "connect with ssh -X, remove" if remote else "remove"
            raise CnnedgeError(
                f"--show needs a display, but there is none here (DISPLAY is not set{why}); {way} "
                "--show, or write a video: --save out.mp4"
            )
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the window
        self._process = subprocess.Popen(
            python_words("cnnedge.display.viewer", title),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # Ctrl-C in the terminal is for the run, which then closes the window.
            start_new_session=True,
        )
        self._opened()

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, frame: Pixels | None = None) -> WindowState:
        """Shows a frame, uint8 [h, w, 3], or the last one on; waits until it is shown."""
        try:
            assert self._process.stdin is not None
            if frame is None:
                self._process.stdin.write(HEADER.pack(0, 0))
            else:
                self._process.stdin.write(HEADER.pack(*frame.shape[:2]))
                self._process.stdin.write(
                    frame.data if frame.flags.c_contiguous else frame.tobytes()
                )
            self._process.stdin.flush()
            reply = self._reply()
        except (OSError, ValueError):
            reply = None
        if reply is None:
            return WindowState(open=False, lost=self._reason() or "it ended without a message")
        keys = tuple(_NAMES.get(key, chr(key).lower()) for key in reply["keys"])
        return WindowState(keys=keys, size=tuple(reply["size"]), open=reply["open"])

    def close(self) -> None:
        """Closes the window; from any thread."""
        with contextlib.suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _opened(self) -> None:
        late = threading.Timer(_SECONDS_TO_OPEN, self._process.kill)
        late.start()
        try:
            reply = self._reply()
        finally:
            late.cancel()
        if reply is None:
            reason = self._reason() or "it does not answer"
            self.close()
            raise CnnedgeError(
                f"--show: no window can be opened on the display '{self._display}' ({reason}). Is "
                f"it your display, and does it still exist? {_INSTEAD}"
            )
        if reply["error"]:
            self.close()
            raise CnnedgeError(
                f"--show: this OpenCV cannot open windows ({reply['error']}); install "
                "opencv-python instead of opencv-python-headless"
            )

    def _reply(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def _reason(self) -> str:
        """The first line that the viewer wrote other than remarks on fonts."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        if self._errors.closed:
            return ""
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").splitlines()
        said = [line.strip() for line in lines if line.strip() and "Font" not in line]
        return said[0][:200] if said else ""
