"""How the tests call the command line: forked where that makes no difference, and it is faster."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.command import STARTED, read_at_start
from support.forks import run_folder
from support.preloaded import stand_in_words


def test_nothing_that_a_test_imports_keeps_commands_from_being_forked() -> None:
    import cv2

    import cnnedge.engines

    assert cv2 and cnnedge.engines
    assert read_at_start(os.environ) == STARTED


ASKS = """
import sys
from pathlib import Path
from support.forks import Program, Start, forked

program = Program(name=sys.argv[1], modules=("json",))
done = forked(program, Start(words=["a word"], folder=Path.cwd(), environment={"PATH": ""}))
print(done.returncode, done.stdout, done.stderr, flush=True)
input()
"""
ASKED = """
import os, sys
from pathlib import Path

# Its parent waits for it alone, and is a fork of the server.
parent = Path(f"/proc/{os.getppid()}/stat").read_text()
print(parent.split()[3], sys.argv[1], os.environ["PATH"], end=" ")
sys.exit("refused")
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux who forked")
def test_workers_share_the_process_that_commands_are_forked_from(tmp_path: Path) -> None:
    (tmp_path / "asked.py").write_text(ASKED)
    around = os.environ | {
        "PYTEST_XDIST_TESTRUNUID": secrets.token_hex(8),
        "PYTHONPATH": str(Path(__file__).parent),
    }
    words = [sys.executable, "-c", ASKS, str(tmp_path / "asked.py")]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen(words, env=around, **pipes) as first,
        subprocess.Popen(words, env=around, **pipes) as second,
    ):
        said = [worker.stdout.readline().split() for worker in (first, second)]
        assert said[0] == said[1]
        code, server, *rest = said[0]
        assert (code, rest) == ("1", ["a", "word", "refused"])
        folder = run_folder(around["PYTEST_XDIST_TESTRUNUID"])
        first.communicate("\n", timeout=60)
        assert folder.exists() and Path(f"/proc/{server}").exists()
        second.communicate("\n", timeout=60)
    limit = time.monotonic() + 60
    while folder.exists():
        assert time.monotonic() < limit, "the server stayed behind its last worker"
        time.sleep(0.05)


def test_a_fork_stands_in_for_a_python() -> None:
    code = "import sys; print('tensorflow' in sys.modules, input()); sys.exit('no more')"
    words = [*stand_in_words(), "-u", "-c", code]
    done = subprocess.run(words, input="a line\n", capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout, done.stderr) == (1, "True a line\n", "no more\n")
