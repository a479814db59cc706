"""The command line as a user calls it: another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def cnnedge(
    *arguments: object, cwd: Path | None = None, python: str = sys.executable, **options: object
) -> subprocess.CompletedProcess[str]:
    """Runs `python -m cnnedge ...` to its end."""
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "160"} | dict(options.pop("env", {}))
    return subprocess.run(
        [python, "-m", "cnnedge", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=600,
        **options,
    )


def assert_one_clear_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """Exit 1, no traceback, one `Error:` line that holds every part."""
    assert done.returncode == 1, done.stderr[-2000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1, done.stderr[-2000:]
    for part in parts:
        assert part in errors[0], errors[0]
