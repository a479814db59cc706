"""What a native library writes to the standard error stream, as text.

The runtimes report delegates and reasons for failure there and nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


class Captured:
    """The text written while captured; complete when the block has ended."""

    text = ""


@contextlib.contextmanager
def captured() -> Iterator[Captured]:
    """Redirects file descriptor 2 of the whole process for a short block."""
    result = Captured()
    try:
        saved = os.dup(2)
    except OSError:
        # A process may have no standard error at all; then there is nothing to capture.
        yield result
        return
    with tempfile.TemporaryFile() as sink:
        sys.stderr.flush() if sys.stderr else None
        os.dup2(sink.fileno(), 2)
        try:
            yield result
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            sink.seek(0)
            result.text = sink.read().decode("utf-8", "replace")
