"""The process in which a model file is tried: a fork of this one where that is safe, or a new one.

A new Python imports numpy and the runtime first, which takes most of the trial; a fork has them.
Bytes of a model enter; what the process said, and how it ended, leave.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import selectors
import signal
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from typing import Protocol

# What a fork ends with where its own code, not the model's, fails.
_FAILED = 70
_MOST_BYTES = 2**20
_MOST_DESCRIPTORS = 2**16
# Runtimes with threads that a fork would inherit the locks of, or wait for.
THREADED = frozenset({"tensorflow", "openvino"})


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What to try. memory_bytes: beside what the process holds already. seconds: of the CPU."""

    data: bytes
    engine: str
    memory_bytes: int
    seconds: int


class TrialProcess(Protocol):
    """A process under way; what subprocess.Popen does of it."""

    returncode: int | None

    def communicate(self, *, timeout: float | None = None) -> tuple[bytes, bytes]:
        """(standard output, standard error). Raises subprocess.TimeoutExpired."""

    def kill(self) -> None:
        """Ends it at once."""


def can_fork() -> bool:
    """Whether a fork can go on as if it were alone: no other thread holds a lock for ever there.

    macOS' own libraries do not survive a fork. TensorFlow's threads may hold anything, and OpenVINO
    would wait for its threads, which a fork has not.
    """
    return (
        sys.platform == "linux"
        and threading.active_count() == 1
        and not sys.modules.keys() & THREADED
    )


def started(attempt: Attempt) -> TrialProcess | None:
    """The process; None where this system starts none."""
    try:
        return Forked(attempt) if can_fork() else _new(attempt)
    except OSError:
        return None


class Forked:
    """A copy of this process that tries a model and ends."""

    def __init__(self, attempt: Attempt) -> None:
        self.returncode: int | None = None
        said, native = os.pipe(), os.pipe()
        with warnings.catch_warnings():
            # Python 3.12 warns of threads, and those of numpy's BLAS end before a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            _try(attempt, said[1], native[1])
        os.close(said[1])
        os.close(native[1])
        self._pipes = (said[0], native[0])

    def communicate(self, *, timeout: float | None = None) -> tuple[bytes, bytes]:
        """(standard output, standard error), to the process' end. Raises TimeoutExpired."""
        import subprocess

        until = None if timeout is None else time.monotonic() + timeout
        parts: dict[int, bytearray] = {pipe: bytearray() for pipe in self._pipes}
        with selectors.DefaultSelector() as selector:
            for pipe in self._pipes:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    raise subprocess.TimeoutExpired("a trial", timeout or 0)
                for key, _ in selector.select(left):
                    part = os.read(key.fd, 1 << 16)
                    if not part:
                        selector.unregister(key.fd)
                    room = max(0, _MOST_BYTES - len(parts[key.fd]))
                    parts[key.fd] += part[:room]
        self._wait()
        said, native = (bytes(parts[pipe]) for pipe in self._pipes)
        return said, native

    def kill(self) -> None:
        """Ends it at once, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._wait()

    def _wait(self) -> None:
        if self.returncode is None:
            try:
                _, status = os.waitpid(self._pid, 0)
                self.returncode = os.waitstatus_to_exitcode(status)
            except ChildProcessError:
                # Whoever ignores SIGCHLD has no children to wait for.
                self.returncode = 0
            for pipe in self._pipes:
                os.close(pipe)


def _try(attempt: Attempt, said: int, native: int) -> None:
    """The fork's whole life. Nothing of the process that it was a copy of may go on in it."""
    try:
        # A Ctrl-C, or whoever ends this process, ends the fork too: its handlers are not for it.
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(kind, signal.SIG_DFL)
        faulthandler.disable()
        _redirect(said, native)
        from .. import model_trial

        model_trial.attempt(attempt.engine, attempt.data, attempt.memory_bytes, attempt.seconds)
    finally:
        os._exit(_FAILED)


def _redirect(said: int, native: int) -> None:
    """Standard input is empty, output and errors go to the pipes, and nothing else stays open."""
    import fcntl

    # Also where this process had closed its own, and a pipe has got such a number.
    said, native = (fcntl.fcntl(pipe, fcntl.F_DUPFD, 10) for pipe in (said, native))
    nothing = fcntl.fcntl(os.open(os.devnull, os.O_RDONLY), fcntl.F_DUPFD, 10)
    for source, target in ((nothing, 0), (said, 1), (native, 2)):
        os.dup2(source, target)
    os.closerange(3, _MOST_DESCRIPTORS)


def _new(attempt: Attempt) -> TrialProcess:
    import subprocess
    import tempfile

    from ..child_process import python_words

    numbers = str(attempt.memory_bytes), str(attempt.seconds)
    words = python_words("cnnedge.model_trial", attempt.engine, *numbers)
    # numpy's threads and their stacks would count as the model's.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    # A file: the process reads when it is ready, and this one need not wait to write.
    with tempfile.TemporaryFile() as stdin:
        stdin.write(attempt.data)
        stdin.seek(0)
        pipe = subprocess.PIPE
        return subprocess.Popen(words, stdin=stdin, stdout=pipe, stderr=pipe, env=environment)
