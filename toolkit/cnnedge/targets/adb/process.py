"""One local command with a time limit, its input held open, its output kept in bounds.

Words enter; what the command wrote and how it ended leave.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from ..base import MOST_OUTPUT

# A line that never ends is handed over in pieces.
_LONGEST_LINE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Ended:
    """code: None where the limit was reached and the command was ended."""

    code: int | None
    output: bytes
    errors: bytes


def run(
    words: Sequence[str],
    *,
    seconds: float,
    stdin: bytes = b"",
    hold: bool = False,
    environment: Mapping[str, str] | None = None,
    line: Callable[[str], None] | None = None,
) -> Ended:
    """Runs a command to its end, at most `seconds` long.

    hold: its standard input stays open after `stdin`, until it ends by itself; so that the other
    side of a connection sees by the end of its input that this process is gone. Raises OSError
    where it cannot be started.
    """
    started = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=None if environment is None else dict(environment),
    )
    assert started.stdin and started.stdout and started.stderr
    output, errors = bytearray(), bytearray()
    threads = [
        threading.Thread(target=_feed, args=(started.stdin, stdin, hold), daemon=True),
        threading.Thread(target=_read, args=(started.stdout, output, line), daemon=True),
        threading.Thread(target=_read, args=(started.stderr, errors, None), daemon=True),
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    code: int | None = None
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = started.wait(seconds)
    finally:
        started.kill()
        started.wait()
        # A server that the command left behind may hold its output open.
        for thread in threads:
            thread.join(max(2.0, until - time.monotonic()) if code is not None else 2.0)
        with contextlib.suppress(OSError, ValueError):
            started.stdin.close()
    return Ended(code=code, output=bytes(output), errors=bytes(errors))


def _feed(pipe: IO[bytes], data: bytes, hold: bool) -> None:
    with contextlib.suppress(OSError, ValueError):
        pipe.write(data)
        pipe.flush()
        if not hold:
            pipe.close()


def _read(pipe: IO[bytes], kept: bytearray, line: Callable[[str], None] | None) -> None:
    rest = b""
    with contextlib.suppress(OSError, ValueError):
        while piece := pipe.read1(65536):  # type: ignore[attr-defined]
            kept += piece[: max(0, MOST_OUTPUT - len(kept))]
            if line is None:
                continue
            *whole, rest = (rest + piece).split(b"\n")
            for text in whole:
                line(text.decode("utf-8", "replace").rstrip("\r"))
            if len(rest) > _LONGEST_LINE:
                line(rest.decode("utf-8", "replace"))
                rest = b""
        if line is not None and rest:
            line(rest.decode("utf-8", "replace").rstrip("\r"))
