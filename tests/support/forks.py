"""Processes that have imported what commands need, and fork one for each command.

Starting a Python and importing OpenCV and LiteRT takes longer than most of what the tests ask of a
command, and TensorFlow takes longer still. Words, a folder and an environment enter; the exit code
and what was printed leave.

The workers of a test run share the servers, one for each set of modules. A server listens on the
socket that is its standard input, and ends with the last worker that may still ask it.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import gc
import hashlib
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Where pytest-xdist tells workers the name of their run.
RUN = "PYTEST_XDIST_TESTRUNUID"
_LENGTH = 8
_SECONDS = 600
# The first byte on a connection. A guest asks for nothing: while it stays, the server does.
_REQUEST, _GUEST = b"r", b"g"
_STREAMS = ("stdin", "stdout", "stderr")
_CODE = "-c"
# Waited for by nobody: a server may outlive the worker that began it, and not the run.
_BEGUN: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is run. name: `cnnedge`, as `python -m` does; the path of a script; or `-c`.

    modules: imported before the fork. setup: `module:function`, called first after it; or "".
    """

    name: str = "cnnedge"
    modules: tuple[str, ...]
    setup: str = ""


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a program is started. environment: all of it. fed: there is a pipe to its standard input,
    which is empty otherwise, and it leads a process group."""

    words: Sequence[str] = ()
    folder: Path
    environment: Mapping[str, str]
    fed: bool = False


class Process:
    """A program that was begun; used as a subprocess.Popen with text on its pipes, and bytes on the
    one that it is fed by."""

    def __init__(self, connection: socket.socket, words: Sequence[str], pipes: Sequence[int]):
        self._connection, self._words = connection, words
        self.stdin = os.fdopen(pipes[0], "wb")
        self.stdout, self.stderr = (os.fdopen(out, encoding="utf-8") for out in pipes[1:])
        self.returncode: int | None = None
        self._waits = threading.Lock()
        self.pid = int(_read(connection, _LENGTH))

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        late = subprocess.TimeoutExpired([*self._words], timeout or 0)
        if not self._waits.acquire(timeout=-1 if timeout is None else timeout):
            raise late
        try:
            if self.returncode is None:
                self._connection.settimeout(timeout)
                self.returncode = int(_read(self._connection, _LENGTH))
                self._connection.close()
        except (TimeoutError, BlockingIOError):
            raise late from None
        finally:
            self._waits.release()
        return self.returncode

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def ended(self) -> subprocess.CompletedProcess[str]:
        """Its end, with what it printed. Raises subprocess.TimeoutExpired after ten minutes; the
        process is then ended."""
        with self.stdout, self.stderr, ThreadPoolExecutor(2) as readers:
            texts = [readers.submit(each.read) for each in (self.stdout, self.stderr)]
            try:
                code = self.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            printed = [text.result() for text in texts]
        return subprocess.CompletedProcess([*self._words], code, *printed)


def begin(program: Program, start: Start) -> Process:
    """The program in a process of its own, forked from this run's server with its modules."""
    return begin_at(server(program), program, start)


def begin_at(address: Path, program: Program, start: Start) -> Process:
    """The same from the server at this address."""
    pipes = [os.pipe() for _ in _STREAMS]
    theirs, ours = zip(pipes[0], *((into, out) for out, into in pipes[1:]), strict=True)
    connection = _asked(address, program, start, theirs)
    for descriptor in theirs:
        os.close(descriptor)
    process = Process(connection, [program.name, *start.words], ours)
    if not start.fed:
        process.stdin.close()
    return process


def _asked(address: Path, program: Program, start: Start, streams: Sequence[int]) -> socket.socket:
    """A connection on which the process' number and its exit code will come."""
    request = json.dumps(
        {
            "name": program.name,
            "setup": program.setup,
            "words": [*start.words],
            "cwd": str(start.folder),
            "env": {**start.environment},
            "fed": start.fed,
        }
    ).encode()
    connection = _connected(address)
    socket.send_fds(connection, [_REQUEST], streams)
    connection.settimeout(_SECONDS)
    connection.sendall(f"{len(request):{_LENGTH}}".encode() + request)
    return connection


def stand_in() -> None:
    """Has a fork do what this process was started for, on its standard streams, and ends as that.

    Its arguments: the server's address; then those of `python -u -c CODE`.
    """
    address, code = Path(sys.argv[1]), sys.argv[-1]
    start = Start(words=[code], folder=Path.cwd(), environment=os.environ)
    connection = _asked(address, Program(name=_CODE, modules=()), start, range(len(_STREAMS)))
    _read(connection, _LENGTH)
    # Whoever started it sees by their end that the fork has ended.
    for descriptor in (0, 1):
        os.close(descriptor)
    connection.settimeout(None)
    os._exit(int(_read(connection, _LENGTH)) & 0xFF)


def forked(program: Program, start: Start) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, to its end; as `Process.ended`."""
    return begin(program, start).ended()


def server(program: Program) -> Path:
    """Where this run's server with the modules of that program listens; it stays while this process
    does."""
    # The module of `setup` comes first: it sees the environment before the others change it.
    return _server(*filter(None, [program.setup.partition(":")[0]]), *program.modules)


@functools.cache
def _server(*modules: str) -> Path:
    """Where this run's server with these modules listens; begun by the worker that is first."""
    folder = run_folder(os.environ.get(RUN, str(os.getpid())))
    folder.mkdir(exist_ok=True)
    address = folder / hashlib.sha256("\0".join(modules).encode()).hexdigest()[:12]
    with open(address.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            guest = _connected(address)
        except (FileNotFoundError, ConnectionRefusedError):
            # Nobody has begun it, or it was killed.
            address.unlink(missing_ok=True)
            _begin(address, modules)
            guest = _connected(address)
        guest.sendall(_GUEST)
    atexit.register(guest.close)
    return address


def run_folder(run: str) -> Path:
    """Where the servers of a test run with this name listen; gone when they are."""
    return Path(tempfile.gettempdir()) / f"forks-{run[:16]}"


def _begin(address: Path, modules: Sequence[str]) -> None:
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        words = [sys.executable, "-c", code, str(address), *modules]
        quiet = subprocess.DEVNULL
        _BEGUN.append(subprocess.Popen(words, stdin=listener.fileno(), stdout=quiet))


def _connected(address: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(address))
    return connection


def serve() -> None:
    """The server; its arguments are its address and the modules."""
    address = Path(sys.argv[1])
    for module in sys.argv[2:]:
        importlib.import_module(module)
    # Collections in the forks need not walk through what the imports made.
    gc.freeze()
    listener = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    guests = selectors.DefaultSelector()
    guests.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in guests.select():
            if key.fileobj is listener:
                _welcome(listener, guests)
            else:
                guests.unregister(key.fileobj)
                key.data.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if len(guests.get_map()) == 1:
            return _leave(address)


def _leave(address: Path) -> None:
    for path in (address, address.with_suffix(".lock")):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        address.parent.rmdir()


def _welcome(listener: socket.socket, guests: selectors.BaseSelector) -> None:
    """Keeps a guest, or forks for a request."""
    connection, _ = listener.accept()
    first, descriptors, _flags, _address = socket.recv_fds(connection, 1, len(_STREAMS))
    if first == _GUEST:
        guests.register(connection, selectors.EVENT_READ, connection)
        return
    if first == _REQUEST and os.fork() == 0:
        listener.close()
        guests.close()
        _answer(connection, descriptors)
    connection.close()
    for descriptor in descriptors:
        os.close(descriptor)


def _answer(connection: socket.socket, pipes: Sequence[int]) -> None:
    """One command from its start to its end; in a process of its own."""
    with connection as client:
        request = json.loads(_read(client, int(_read(client, _LENGTH))))
        pid = os.fork()
        if pid == 0:
            client.close()
            _become(request, pipes)
        for pipe in pipes:
            os.close(pipe)
        if request["fed"]:
            # Before anybody is told of it, and may want to end the group.
            with contextlib.suppress(ProcessLookupError):
                os.setpgid(pid, pid)
        client.sendall(f"{pid:{_LENGTH}}".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(OSError):
            client.sendall(f"{code:{_LENGTH}}".encode())
    os._exit(0)


def _read(client: socket.socket, length: int) -> bytes:
    parts = b""
    while len(parts) < length:
        part = client.recv(length - len(parts))
        if not part:
            raise EOFError("the process that commands are forked from has died")
        parts += part
    return parts


def _become(request: dict[str, Any], pipes: Sequence[int]) -> None:
    """The program in this process; never returns."""
    code = 1
    try:
        for descriptor, (given, name) in enumerate(zip(pipes, _STREAMS, strict=True)):
            os.dup2(given, descriptor)
            os.close(given)
            mode = "w" if descriptor else "r"
            stream = os.fdopen(descriptor, mode, encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        sys.argv = [request["name"], *request["words"]]
        code = _exit_code(request["name"], request["setup"])
    finally:
        # As at the end of any Python.
        threading._shutdown()  # type: ignore[attr-defined]
        _flush()
        atexit._run_exitfuncs()
        _flush()
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _exit_code(name: str, setup: str) -> int:
    module, _, function = setup.partition(":")
    try:
        if module:
            getattr(importlib.import_module(module), function)()
        if name == _CODE:
            exec(sys.argv[1], {"__name__": "__main__"})
        elif name.endswith(".py"):
            sys.path.insert(0, str(Path(name).parent))
            runpy.run_path(name, run_name="__main__")
        else:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as left:
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
        return left.code if isinstance(left.code, int) else int(bool(left.code))
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0
