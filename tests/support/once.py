"""What is made once for all workers of a test run."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` filled, whichever worker came first; nobody may change what is in it."""
    root = folders.getbasetemp()
    # With xdist each worker has a folder of its own in the run's.
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder, done = root / f"shared-{name}", root / f"shared-{name}.done"
    with open(root / f"shared-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            assert not folder.exists(), f"{name} could not be made; see the first test that failed"
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
