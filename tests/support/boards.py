"""Boards for tests: targets on a real sshd, with little patience."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cnnedge.specs import DeviceProfile
from cnnedge.targets.ssh import Pace, SshTarget
from support.environments import FOLDER
from support.sshd import NAME, running

# A tenth of what users get: loopback is quick.
HASTY = Pace(connect=3, beat=0.3, silence=3)
# Wheels are fetched once for all test runs.
CACHE = FOLDER / "cache"


@pytest.fixture(scope="module", autouse=True)
def wheels_cache() -> Iterator[None]:
    """For test files that import it: wheels are kept where all test runs find them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(CACHE))
        yield


def board(
    config: Path,
    folder: Path | str = "",
    *,
    address: str = NAME,
    python: str = "python3",
    pace: Pace | None = HASTY,
    said: list[str] | None = None,
) -> SshTarget:
    """A target there. said: gets what the user would be told."""
    profile = DeviceProfile(transport="ssh", address=address, folder=str(folder), python=python)
    say = said.append if said is not None else lambda _text: None
    return SshTarget(profile, NAME, config=config, pace=pace, say=say)


def ends(mark: str, seconds: float = 15.0) -> bool:
    """Whether no process with this mark in its command line is left after so long at most."""
    return eventually(lambda: not running(mark), seconds)


def eventually(holds: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Whether it holds at some time."""
    end = time.monotonic() + seconds
    while not (there := holds()) and time.monotonic() < end:
        time.sleep(0.05)
    return there


def files_in(folder: Path) -> list[str]:
    """All that lies there, but for the mark of whose it is."""
    found = (p.relative_to(folder) for p in folder.rglob("*") if not p.is_dir())
    return sorted(str(p) for p in found if p.name != ".cnnedge")
