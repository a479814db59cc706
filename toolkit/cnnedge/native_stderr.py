"""What a native library writes to the standard error stream, as text.

The runtimes report delegates and reasons for failure there and nowhere else.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator


class Captured:
    """The text written while captured; complete when the block has ended."""

    text = ""


# A descriptor is the whole process's: of two threads that redirect it at once, the second would
# keep the first one's file for the real stream, and put that back for good.
_TURN = threading.RLock()


@contextlib.contextmanager
def captured(*, stdout: bool = False) -> Iterator[Captured]:
    """Redirects file descriptor 2 of the whole process for a short block; one thread at a time.

    stdout: descriptor 1 too, for a library that logs to it and would spoil results in a pipe.
    """
    result = Captured()
    with _TURN, tempfile.TemporaryFile() as sink:
        saved = {}
        for descriptor in (1, 2) if stdout else (2,):
            # A process may lack either; then there is nothing to capture.
            with contextlib.suppress(OSError):
                saved[descriptor] = os.dup(descriptor)
        try:
            _flush(stdout)
            for descriptor in saved:
                os.dup2(sink.fileno(), descriptor)
            yield result
        finally:
            _flush(stdout)
            for descriptor, kept in saved.items():
                os.dup2(kept, descriptor)
                os.close(kept)
            sink.seek(0)
            result.text = sink.read().decode("utf-8", "replace")


def _flush(stdout: bool) -> None:
    for stream in (sys.stdout, sys.stderr) if stdout else (sys.stderr,):
        if stream:
            with contextlib.suppress(ValueError, OSError):
                stream.flush()
    if stdout:
        # A library's own buffer; unflushed it would come out when the process ends.
        with contextlib.suppress(OSError, AttributeError, TypeError):
            ctypes.CDLL(None).fflush(None)


# What log libraries put before a message: "E0000 00:00:1795.0 12273 file.cc:736] ", "ERROR: ",
# "WARNING: [file.cc:12] ".
_PREFIX = re.compile(
    r"^(?:[EWF]\d{4} [\d:.]+ +\d+ \S+\] |(?:ERROR|WARNING|Warning|Error): (?:\[[^\]]+\] ?)?)+"
)
_CHATTER = re.compile(
    r"^(?:INFO|VERBOSE|DEBUG)|^I\d{4} |^=== |Logging before InitGoogle|^\s*at .*\(\S+:\d+\)$"
    r"|^(?:\S*/)?[\w/]+\.(?:cc|cpp|h):\d+$|^Traceback|^Exception ignored|^  File |^    "
)


def complaints(text: str, most: int = 3) -> list[str]:
    """The messages in what a library wrote, without its chatter and log prefixes, each once."""
    lines = (line.rstrip() for line in text.splitlines())
    kept = (_PREFIX.sub("", line).strip(" .└") for line in lines if not _CHATTER.search(line))
    return list(dict.fromkeys(line for line in kept if line))[:most]
