"""The command line as a user calls it: another process."""

from __future__ import annotations

import dataclasses
import importlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnedge import child_process
from support.forks import Process, Program, Start, begin, begin_at, forked, server

if TYPE_CHECKING:
    from click.testing import Result

    from cnnedge.benchmark import Protocol

Completed = subprocess.CompletedProcess[str]

_SECONDS = 600
# Of plots that nobody looks at.
SMALL_DPI = 40
# Imported late by those that need them, which is in most processes.
_LATE = (
    *("ai_edge_litert.interpreter", "ai_edge_litert.schema_py_generated", "numpy.random"),
    *("cnnedge.engines.interpreter", "cnnedge.targets.ssh", "cnnedge.targets.adb"),
    *("platformdirs.unix", "rich._emoji_codes"),
)
_WORKSHOP_MODULES = (
    *_LATE,
    *("cnnedge.cli.convert", "cnnedge.cli.train"),
    *("cnnedge.conversion.session", "cnnedge.training.session", "jinja2"),
    *("tensorflow_model_optimization", "matplotlib.pyplot", "sklearn.linear_model", "sklearn.svm"),
)
_DEVICE = (
    *(f"cnnedge.cli.{name}" for name in ("compare", "devices", "evaluate", "verify")),
    *(f"cnnedge.cli.{name}.command" for name in ("bench", "inspect", "run")),
    *("cnnedge.benchmark.session", "cnnedge.scoring", "numpy.ma", *_LATE),
    *("cnnedge.cli.demo", "cnnedge.cli.teach", "cnnedge.targets.browser", "cnnedge.web.server"),
)
WORKSHOP = Program(modules=_WORKSHOP_MODULES, setup=f"{__name__}:judge_in_passing")
_RUNS = Program(modules=_DEVICE, setup=f"{__name__}:measure_for_less_long")
# What each command is forked from; the others start as users start them. `look` and `verify` need
# TensorFlow wherever they are given a run, and measure nothing.
_FORKED = dict.fromkeys(("train", "convert", "look", "study", "verify"), WORKSHOP) | dict.fromkeys(
    ("bench", "compare", "devices", "eval", "inspect", "run"), _RUNS
)
# What asks for one measurement of a model each.
_MEASURE = ("cnnedge.benchmark.worker", "cnnedge.device_scoring.worker")
_MEASURES_AT = "CNNEDGE_TESTS_MEASURE_AT"
_STARTED_AS_EVER = child_process._started
# As users start it, all else the same.
_UNCHANGED = f"{__name__}:as_it_is"
# A Python or a loader reads these when it starts. OpenCV's are not among them: cnnedge sets some
# when it opens a camera, and tests give them only together with a library to load.
_READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "OMP_")
# Thousands of processes start in a test run: each would compile all of cnnedge again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# When it is imported, it sets a variable of the loader's, which would look like a test's own.
_BEFORE = dict(os.environ)
importlib.import_module("cv2")
os.environ.clear()
os.environ.update(_BEFORE)


def cnnedge(
    *arguments: object,
    cwd: Path | None = None,
    python: str = sys.executable,
    env: Mapping[str, str] | None = None,
    brief: bool = False,
    **options: Any,
) -> Completed:
    """Runs `python -m cnnedge ...` to its end.

    Where nothing but the arguments, the folder and the environment is asked for, most commands are
    forked from a process that has imported what they need and done nothing else. brief: `bench`
    measures in one process, where each takes long to start.
    """
    words = [*map(str, arguments)]
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "160"} | dict(env or {})
    program = _FORKED.get(words[0]) if words else None
    plain = python == sys.executable and not options
    if program and plain and read_at_start(environment) == STARTED:
        if brief:
            program = dataclasses.replace(program, setup=f"{__name__}:measure_once")
        return forked(program, _start(words, cwd or Path.cwd(), environment))
    command = [python, "-m", "cnnedge", *words]
    settings: dict[str, Any] = {"capture_output": True, "text": True, "timeout": _SECONDS}
    done: Completed = subprocess.run(command, cwd=cwd, env=environment, **settings, **options)
    return done


class Running:
    """A command that was begun, and runs beside what the test does. pid: of its process."""

    def __init__(self, process: Process) -> None:
        self._end = ThreadPoolExecutor(1).submit(process.ended)
        self.pid = process.pid

    def running(self) -> bool:
        return not self._end.done()

    def send_signal(self, number: int) -> None:
        if self.running():
            os.kill(self.pid, number)

    def end(self) -> Completed:
        """Waits for it."""
        return self._end.result()


def begun(*arguments: object, cwd: Path | None = None, **env: str) -> Running:
    """Begins a command of those that are forked, as `cnnedge` does. env: beside what is set."""
    program = _FORKED[str(arguments[0])]
    return Running(_begin(program, arguments, cwd or Path.cwd(), env))


def served(*arguments: object, **env: str) -> Process:
    """Begins a command that serves until somebody stops it, or a browser has answered."""
    program = dataclasses.replace(_FORKED.get(str(arguments[0]), _RUNS), setup=_UNCHANGED)
    return _begin(program, arguments, Path.cwd(), {"COLUMNS": "200"} | env)


def _begin(
    program: Program, arguments: Sequence[object], cwd: Path, env: Mapping[str, str]
) -> Process:
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "160"} | dict(env)
    assert read_at_start(environment) == STARTED
    return begin(program, _start([*map(str, arguments)], cwd, environment))


def _start(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Start:
    where = {_MEASURES_AT: str(_measures_at())}
    return Start(words=words, folder=folder, environment={**environment, **where})


def _measures_at() -> Path:
    """Where this test run's measuring processes are forked; a command's test has been told."""
    return Path(os.environ.get(_MEASURES_AT) or server(_RUNS))


def fork_what_measures() -> None:
    """From now on, this process forks those that it has models of this machine measured in."""
    child_process._started = _measuring  # type: ignore[assignment]


def _measuring(command: child_process.Command, held: bool) -> Any:
    environment = os.environ | dict(command.environment)
    measures = [*command.words] in (child_process.python_words(name) for name in _MEASURE)
    if held or not measures or read_at_start(environment) != STARTED:
        return _STARTED_AS_EVER(command, held)
    start = Start(folder=Path.cwd(), environment=environment, fed=True)
    return begin_at(_measures_at(), Program(name=command.words[3], modules=()), start)


def as_it_is() -> None:
    """Nothing is done."""


def read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    """What a Python or a loader reads when it starts, and a fork therefore never does."""
    return {n: v for n, v in environment.items() if n.startswith(_READ_AT_START)}


STARTED = read_at_start(os.environ)


def script(path: Path, *arguments: object, cwd: Path) -> Completed:
    """Runs `python SCRIPT ...` to its end, forked from a process with TensorFlow imported."""
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "160"}
    program = dataclasses.replace(WORKSHOP, name=str(path))
    return forked(program, _start([*map(str, arguments)], cwd, environment))


def call(*arguments: object) -> Result:
    """`cnnedge ...` in this process, to its end; what it measures in passing, it measures once."""
    import pytest
    from click.testing import CliRunner

    from cnnedge.benchmark import PROTOCOLS
    from cnnedge.cli import group

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROTOCOLS, "quick", once())
        return CliRunner().invoke(group, [*map(str, arguments)], prog_name="cnnedge")


def measure_for_less_long() -> None:
    """`quick` with as many processes and runs, in a fraction of its time; of this process."""
    from cnnedge.benchmark import PROTOCOLS

    fork_what_measures()
    PROTOCOLS["quick"] = dataclasses.replace(PROTOCOLS["quick"], warmup_seconds=0.01, seconds=0.03)


def judge_in_passing() -> None:
    """What a report tells beside the variants: each latency measured once, and the errors of an
    int8 network's layers from the first pictures alone. Plots have fewer pixels."""
    from cnnedge.conversion import outcome, sensitivity
    from cnnedge.training import canvas

    measure_once()
    canvas.DPI = SMALL_DPI
    outcome._SECONDS = outcome._SECONDS_HURT = 0
    sensitivity._A_PART = 3


def measure_once() -> None:
    """For latencies that are measured in passing: the protocol below, in this process."""
    from cnnedge.benchmark import PROTOCOLS

    fork_what_measures()
    PROTOCOLS["quick"] = once()


def once() -> Protocol:
    """The protocol `quick` with one process and few runs."""
    from cnnedge.benchmark import PROTOCOLS

    quick = PROTOCOLS["quick"]
    return dataclasses.replace(quick, processes=1, warmup_seconds=0.01, runs=10, seconds=0.03)


def assert_one_clear_line(done: Completed, *parts: str) -> None:
    """Exit 1, no traceback, one `Error:` line that holds every part."""
    assert done.returncode == 1, done.stderr[-2000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1, done.stderr[-2000:]
    for part in parts:
        assert part in errors[0], errors[0]
