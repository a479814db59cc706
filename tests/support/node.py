"""Node.js for tests of the page: the system's, or the one that `make web` installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def find_node() -> str:
    """The program. Skips the test where there is none; in CI that is a failure."""
    beside = Path(sys.executable).with_name("node")
    found = shutil.which("node") or (str(beside) if beside.exists() else None)
    if found is None:
        reason = "needs Node.js (Debian package nodejs)"
        if os.environ.get("CNNEDGE_CI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def node(*words: str | Path) -> str:
    """What a script prints."""
    done = subprocess.run(
        [find_node(), *map(str, words)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
