"""Commands of this machine, run to their end; and how a Python of our own is started.

Words enter; what the command wrote and how it ended leave, in bounded time and memory. `python -m`
puts the working directory first on the module path, and a numpy.py there, of a stranger's download
folder, would be run in place of numpy: `python_words` finds no module in the working directory.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .harmless import one_line

# More of a command's output is not kept: nothing that is asked of one says so much.
MOST_OUTPUT = 64_000_000
_LONGEST_LINE = 20_000
_READ_AHEAD = 64
# Output that somebody else holds open is waited for no longer.
_JOIN_SECONDS = 2.0

# `-c` puts an empty name for the working directory on the path, and nothing was imported from
# there yet; `-I` would do as much, but drops PYTHONPATH, by which a device finds cnnedge, and `-P`
# is Python 3.11's.
CLEAN_PATH = "import sys; sys.path[:] = [p for p in sys.path if p]"
_RUN = (
    "import runpy; sys.argv[:] = sys.argv[1:]; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


def python_words(module: str, *arguments: str, python: str | None = None) -> list[str]:
    """What `python -m MODULE ARGUMENTS` does, safely.

    python: of another machine; left out, this one, which finds this very cnnedge also where it is
    not installed.
    """
    here = f"; sys.path.append({str(Path(__file__).parents[1])!r})" if python is None else ""
    return [python or sys.executable, "-c", f"{CLEAN_PATH}{here}; {_RUN}", module, *arguments]


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command. seconds: after that it is ended. environment: beside the one it is run in."""

    words: Sequence[str]
    stdin: bytes = b""
    seconds: float = 60.0
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A command that ended. output, errors: at most MOST_OUTPUT bytes each."""

    code: int
    output: bytes
    errors: bytes

    @property
    def text(self) -> str:
        """The output; what is no UTF-8 is marked."""
        return self.output.decode("utf-8", "replace")

    @property
    def complaint(self) -> str:
        """The errors, likewise."""
        return self.errors.decode("utf-8", "replace")

    @property
    def how(self) -> str:
        """How it ended, in words."""
        return f"signal {-self.code}" if self.code < 0 else f"exit {self.code}"


class Late(Exception):
    """A command that did not end in time, and was ended."""


class Collected:
    """Output and errors of a command, as they come. line: gets whole lines of the output, free of
    what a terminal would obey."""

    def __init__(self, line: Callable[[str], None] | None) -> None:
        self.output, self.errors = bytearray(), bytearray()
        self._line = line
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""

    def __call__(self, kind: bytes, content: bytes) -> None:
        """One part: O of the output, R of the errors."""
        into = self.errors if kind == b"R" else self.output
        into += content[: max(0, MOST_OUTPUT - len(into))]
        if self._line and kind == b"O":
            *lines, self._begun = (self._begun + self._decoder.decode(content)).split("\n")
            for text in lines:
                self._line(one_line(text, _LONGEST_LINE))
            self._begun = self._begun[:_LONGEST_LINE]

    def completed(self, code: int) -> Completed:
        """All of it; a last line without its newline is handed over."""
        if self._line and self._begun:
            self._line(one_line(self._begun, _LONGEST_LINE))
            self._begun = ""
        return Completed(code=code, output=bytes(self.output), errors=bytes(self.errors))


def run(
    command: Command,
    *,
    held: bool = False,
    line: Callable[[str], None] | None = None,
    most: int | None = None,
) -> Completed:
    """Runs a command here, to its end or its time limit. Raises OSError, Late.

    held: its standard input stays open behind what it is given until it ends, so that the other
    side of a connection sees by the end of its input that this process is gone; and what it leaves
    running, such as a server, is left alone. Otherwise all of its session ends with it. line: gets
    each line of output as it comes. most: of output, in bytes; a command that says more is ended.
    """
    process = _started(command, held)
    assert process.stdin and process.stdout and process.stderr
    end = process.kill if held else functools.partial(end_session, process)
    until = time.monotonic() + command.seconds
    collected, said = Collected(line), _Reader(process.stdout)
    errors = threading.Thread(target=_drain, args=(process.stderr, collected), daemon=True)
    threads = (
        said,
        errors,
        threading.Thread(target=_feed, args=(process.stdin, command.stdin, held), daemon=True),
        threading.Thread(target=_follow, args=(process, end, said, until), daemon=True),
    )
    late = threading.Event()

    def stop() -> None:
        if process.poll() is None:
            late.set()
        end()

    timer = threading.Timer(command.seconds, stop)
    timer.start()
    try:
        for thread in threads:
            thread.start()
        # `line` is called by who asked, so that what it raises reaches them.
        with contextlib.closing(said.parts()) as parts:
            for part in parts:
                collected(b"O", part)
                if most is not None and len(collected.output) >= most:
                    end()
        code = process.wait()
    finally:
        timer.cancel()
        end()
        process.wait()
        with contextlib.suppress(OSError, ValueError):
            process.stdin.close()
    errors.join(_JOIN_SECONDS)
    if late.is_set():
        raise Late(f"did not end in {command.seconds:.0f} s")
    return collected.completed(code)


def _started(command: Command, held: bool) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(command.words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **command.environment},
        start_new_session=not held,
    )


class _Reader(threading.Thread):
    """Reads a stream ahead, a little."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._parts: queue.Queue[bytes] = queue.Queue(_READ_AHEAD)
        self._over = False

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while not self._over and (part := os.read(self._stream.fileno(), 1 << 16)):
                self._parts.put(part)
        self.finish()

    def parts(self) -> Generator[bytes, None, None]:
        """As they come, to the end."""
        try:
            while part := self._parts.get():
                yield part
        finally:
            self._over = True
            with contextlib.suppress(queue.Empty):
                while True:
                    self._parts.get_nowait()

    def finish(self) -> None:
        """Ends `parts`, once what was read is taken."""
        if not self._over:
            self._parts.put(b"")


def _feed(stream: IO[bytes], content: bytes, held: bool) -> None:
    with contextlib.suppress(OSError, ValueError):
        stream.write(content)
        stream.flush()
        if not held:
            stream.close()


def _drain(stream: IO[bytes], collected: Collected) -> None:
    with contextlib.suppress(OSError, ValueError):
        while part := os.read(stream.fileno(), 1 << 16):
            collected(b"R", part)


def _follow(
    process: subprocess.Popen[bytes], end: Callable[[], None], reader: _Reader, until: float
) -> None:
    """What it left behind may hold its output open: that is not waited for beyond its time."""
    process.wait()
    end()
    reader.join(max(_JOIN_SECONDS, until - time.monotonic()))
    reader.finish()


def end_session(process: subprocess.Popen[bytes]) -> None:
    """Ends all of its session; also what it left running in the background."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
