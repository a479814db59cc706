"""The command line as a user calls it: another process."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_SECONDS = 600
# They import TensorFlow, which takes longer than most of what the tests ask of them.
_SLOW_TO_START = ("train", "convert")
_PRELOADED = ("cnnedge.conversion.session", "cnnedge.training.session")


def cnnedge(
    *arguments: object,
    cwd: Path | None = None,
    python: str = sys.executable,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Runs `python -m cnnedge ...` to its end.

    Where nothing but the arguments, the folder and the environment is asked for, the commands that
    train are forked from a process that has imported TensorFlow and done nothing else.
    """
    words = [*map(str, arguments)]
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "160"} | dict(env or {})
    if words and words[0] in _SLOW_TO_START and python == sys.executable and not options:
        return _forked(words, cwd or Path.cwd(), environment)
    command = [python, "-m", "cnnedge", *words]
    settings: dict[str, Any] = {"capture_output": True, "text": True, "timeout": _SECONDS}
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, cwd=cwd, env=environment, **settings, **options
    )
    return done


def _forked(
    words: Sequence[str], cwd: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_PRELOADED])
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder) / "stdout", Path(folder) / "stderr"
        process = context.Process(
            target=_be_cnnedge, args=([*words], str(cwd), dict(environment), *map(str, printed))
        )
        process.start()
        process.join(_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["cnnedge", *words], _SECONDS)
        out, err = (path.read_text(encoding="utf-8") for path in printed)
    return subprocess.CompletedProcess(["cnnedge", *words], process.exitcode, out, err)


def _be_cnnedge(
    words: Sequence[str], cwd: str, environment: Mapping[str, str], stdout: str, stderr: str
) -> None:
    """What `python -m cnnedge` does, in this process; latencies are measured for less long."""
    import atexit
    import runpy

    from cnnedge.benchmark import protocols

    for descriptor, path in ((1, stdout), (2, stderr)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = os.fdopen(descriptor, "w", encoding="utf-8", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = ["cnnedge", *words]
    shorter: Any = {"processes": 1, "warmup_seconds": 0.05, "runs": 20, "seconds": 0.2}
    protocols.PROTOCOLS["quick"] = dataclasses.replace(protocols.PROTOCOLS["quick"], **shorter)
    try:
        runpy.run_module("cnnedge", run_name="__main__", alter_sys=True)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # multiprocessing ends without them.
        atexit._run_exitfuncs()


def assert_one_clear_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """Exit 1, no traceback, one `Error:` line that holds every part."""
    assert done.returncode == 1, done.stderr[-2000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1, done.stderr[-2000:]
    for part in parts:
        assert part in errors[0], errors[0]
