"""The standard streams and signals of a command, made safe before anything is printed.

What comes from elsewhere (names of files, labels, metadata, answers of devices) may hold control
codes, which a terminal obeys: `clean` shows them instead, and every console here prints cleaned.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import signal
import sys
import time
from collections.abc import Iterable
from types import FrameType
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ..errors import CnnedgeError
from ..harmless import HARMFUL

# For terminals without UTF-8.
_PLAIN = {"–": "-", "—": "-", "…": "...", "→": "->", "×": "x", "µ": "u", "·": "-", "’": "'"}
_AGAIN_SECONDS = 2.0


class StdoutError(CnnedgeError):
    """The output cannot be written: for example, the disk that stdout goes to is full."""


class CleanConsole(Console):
    """A console that shows control codes in what it prints instead of sending them."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control is None and HARMFUL.search(segment.text):
                segment = Segment(clean(segment.text), segment.style)
            yield segment


def clean(text: str) -> str:
    """The text with what a terminal would obey, or could not show, escaped as \\xNN or \\uNNNN."""
    return HARMFUL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def prepare() -> None:
    """Standard streams that exist, accept every character, and report a problem in one line.

    SIGTERM and SIGHUP end a command as Ctrl-C does: files are closed, and results are kept.
    """
    codecs.register_error("cnnedge", _replaced)
    for number in (0, 1, 2):
        _open_if_closed(number)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = _stream(sys.stdout, 1)
    sys.stderr = _stream(sys.stderr, 2)
    _take_signals()


def finish() -> None:
    """Prints what is still to be printed. Raises StdoutError, BrokenPipeError."""
    sys.stdout.flush()


def leave(code: int) -> int:
    """To be called last: nothing after it may print a traceback."""
    for each in _signals():
        signal.signal(each, signal.SIG_IGN)
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except (OSError, ValueError, CnnedgeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    return code


def _open_if_closed(number: int) -> None:
    """A file that is opened later must not become the standard stream of this number."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _stream(stream: Any, number: int) -> Any:
    buffer = getattr(stream, "buffer", None)
    if stream is not None and not isinstance(buffer, (io.BufferedWriter, io.FileIO)):
        # Somebody holds it already, as tests do.
        return stream
    encoding = stream.encoding if stream is not None else "utf-8"
    raw = _Guarded(number)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="cnnedge",
        line_buffering=number == 2 or raw.isatty() or isinstance(buffer, io.FileIO),
    )


class _Guarded(io.RawIOBase):
    """A standard stream. A full stderr is not reported; the end of stdout is one clear line."""

    def __init__(self, number: int) -> None:
        self._number = number

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: Any) -> int:
        try:
            return os.write(self._number, data)
        except BrokenPipeError:
            if self._number == 2:
                return len(data)
            raise
        except OSError as error:
            if self._number == 2:
                return len(data)
            raise StdoutError(
                f"standard output: cannot write: {error.strerror or error}. Redirect it to another "
                "place, or free some space"
            ) from None


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or _plainly(c) for c in found), error.end


def _plainly(character: str) -> str:
    return clean(character) if HARMFUL.match(character) else "?"


def _signals() -> list[signal.Signals]:
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def _take_signals() -> None:
    last = -_AGAIN_SECONDS

    def stop(number: int, frame: FrameType | None) -> None:
        # Whoever presses Ctrl-C six times means once: a second one in the middle of tidying up
        # would leave things half done.
        nonlocal last
        now = time.monotonic()
        if now - last >= _AGAIN_SECONDS:
            last = now
            raise KeyboardInterrupt

    stop.stops_cnnedge = True  # type: ignore[attr-defined]
    for number in _signals():
        # nohup ignores SIGHUP, and shells SIGINT for what they run in the background.
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, stop)
