"""The guard on a board: started once for many commands, and gone when it should be."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnedge.errors import DeviceError
from cnnedge.targets.ssh import Pace, SshTarget
from support.boards import board, eventually, wheels_cache  # noqa: F401
from support.sshd import Sshd

# A guard that hears nothing for so long leaves.
SILENCE = 2.0


@pytest.fixture
def pi4(served: Sshd, tmp_path: Path) -> Iterator[SshTarget]:
    pace = Pace(connect=5, beat=0.2, silence=SILENCE)
    target = board(served.config, tmp_path / "board", pace=pace)
    yield target
    target.close()


def guard_of(target: SshTarget) -> int:
    """The process that runs what the board is asked."""
    return int(target.run(["sh", "-c", "echo $PPID"]).text)


def gone(process: int) -> bool:
    return eventually(lambda: not Path(f"/proc/{process}").exists())


def test_one_serves_commands_and_files(pi4: SshTarget, tmp_path: Path) -> None:
    first = guard_of(pi4)
    file = tmp_path / "file"
    file.write_bytes(os.urandom(300_000))
    # Pushed, already there, pulled, empty input, much input, another exit code.
    for _ in range(2):
        there = pi4.push(file)
    pi4.pull(there, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    assert pi4.run(["sha256sum"], stdin=file.read_bytes()).code == 0
    assert pi4.run(["false"]).code == 1
    assert guard_of(pi4) == first
    pi4.close()
    assert gone(first)
    assert guard_of(pi4) != first


def test_one_that_hears_nothing_leaves(pi4: SshTarget) -> None:
    first = guard_of(pi4)
    time.sleep(SILENCE)
    assert gone(first)
    assert guard_of(pi4) != first


def test_a_long_command_is_no_silence(pi4: SshTarget) -> None:
    first = guard_of(pi4)
    pi4.run(["sleep", str(1.5 * SILENCE)])
    assert guard_of(pi4) == first


@pytest.mark.parametrize("words", [["sleep", "60"], ["/no/such/program"]])
def test_after_a_failure_another_one_serves(pi4: SshTarget, words: list[str]) -> None:
    first = guard_of(pi4)
    with pytest.raises(DeviceError):
        pi4.run(words, seconds=0.2)
    assert gone(first)
    assert guard_of(pi4) != first


def test_one_that_was_killed_is_not_asked_again(pi4: SshTarget) -> None:
    first = guard_of(pi4)
    os.kill(first, signal.SIGKILL)
    (idle,) = pi4.connection._idle.values()
    assert eventually(lambda: not idle.waits, SILENCE / 3)
    assert guard_of(pi4) != first


def test_a_target_that_nobody_closes_leaves_none(served: Sshd, tmp_path: Path) -> None:
    target = board(served.config, tmp_path / "board")
    first = guard_of(target)
    del target
    assert gone(first)
