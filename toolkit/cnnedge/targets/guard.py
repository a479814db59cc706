"""Watches over commands on a device: nothing is left running there, nothing half-written.

This file is sent to the device and runs there, with its Python's standard library alone. Frames
enter on standard input and leave on standard output: a letter, a length (4 bytes, big-endian),
content.

In: J the request (JSON), D a part of the payload, E its end, H a sign of life.
Out: W send the payload, O output, R errors, H a sign of life, X how it ended (JSON), the last.

Jobs come one after the other, each when the one before has ended. A command runs in a session of
its own, which is ended (SIGTERM, then SIGKILL, all of it) when standard input closes, when no sign
of life came for so many seconds, or at its time limit. A network that was cut closes nothing for
hours: hence the signs of life.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

GREETING = b"\ncnnedge guard 1\n"
HEAD = 5
# A frame is never longer: who sends one that is does not speak this language.
LONGEST = 1 << 20
# Output that the network does not take is not read on beyond this.
_WAITING = 1 << 20
_GRACE_SECONDS = 2.0
_QUIET_SECONDS = 0.3
_PART = ".part-"
_MORE_SPACE = "Free some, or name a folder on another disk in the profile"


class Gone(Exception):
    """The other side is not there any more."""


class Refused(Exception):
    """What was asked for cannot be done here; the text says why."""


def frame(kind: bytes, content: bytes = b"") -> bytes:
    """One frame."""
    return kind + len(content).to_bytes(4, "big") + content


class Wire:
    """Frames over two pipes, neither of which is ever waited for alone."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        os.set_blocking(sink, False)
        self._in, self._out = bytearray(), bytearray(GREETING)
        self.beat = self.silence = 60.0
        self._heard = self._said = time.monotonic()
        self._closed = False

    def send(self, kind: bytes, content: bytes = b"") -> None:
        for at in range(0, max(len(content), 1), LONGEST):
            self._out += frame(kind, content[at : at + LONGEST])

    def frames(self) -> Iterator[tuple[bytes, bytes]]:
        """Those that are here whole."""
        while len(self._in) >= HEAD:
            length = int.from_bytes(self._in[1:HEAD], "big")
            if length > LONGEST:
                raise Gone
            if len(self._in) < HEAD + length:
                return
            kind, content = bytes(self._in[:1]), bytes(self._in[HEAD : HEAD + length])
            del self._in[: HEAD + length]
            yield kind, content

    def pump(self, others: list[int], seconds: float) -> list[int]:
        """Moves what can be moved; the descriptors among `others` that can be read. Raises Gone."""
        now = time.monotonic()
        if now - self._said >= self.beat:
            self._said = now
            self.send(b"H")
        if self._closed or now - self._heard > self.silence:
            raise Gone
        wait = max(0.0, min(seconds, self._said + self.beat - now))
        watched = [] if self.is_full else others
        writable = [self._sink] if self._out else []
        ready, room, _ = select.select([self._source, *watched], writable, [], wait)
        if room:
            self._write()
        if self._source in ready:
            part = os.read(self._source, 1 << 16)
            self._closed = not part
            self._in += part
            self._heard = time.monotonic()
        return [n for n in ready if n != self._source]

    @property
    def is_full(self) -> bool:
        """Whether more waits to be taken than should."""
        return len(self._out) >= _WAITING

    def flush(self) -> None:
        """Until the other side took what is left, for as long as it is there. Raises Gone."""
        while self._out:
            self.pump([], self.beat)

    def _write(self) -> None:
        try:
            del self._out[: os.write(self._sink, self._out[: 1 << 16])]
        except BlockingIOError:
            return
        except OSError:
            raise Gone from None

    def request(self) -> dict[str, Any]:
        """The next job, once it comes. Raises Gone."""
        while True:
            for kind, content in self.frames():
                if kind == b"H":
                    continue
                if kind != b"J":
                    raise Gone
                asked: dict[str, Any] = json.loads(content)
                self.beat, self.silence = asked["beat"], asked["silence"]
                return asked
            self.pump([], self.beat)

    def payload(self) -> Iterator[bytes]:
        """Its parts, to its end. Raises Gone."""
        while True:
            for kind, content in self.frames():
                if kind == b"E":
                    return
                if kind == b"D":
                    yield content
            self.pump([], self.beat)


def keep(wire: Wire, path: str, sha256: str, size: int) -> dict[str, Any]:
    """Receives a file: whole, with the right content, or not at all. Raises Gone, Refused.

    Its folder is named by its content; what is not whole yet is in the folder above.
    """
    if _is_whole(wire, path, sha256, size):
        return {"path": path, "there": True}
    above = os.path.dirname(os.path.dirname(path))
    part = None
    try:
        os.makedirs(above, mode=0o700, exist_ok=True)
        _sweep(above)
        _room(above, size)
        descriptor, part = tempfile.mkstemp(prefix=f"{_PART}{os.getpid()}-", dir=above)
        digest = hashlib.sha256()
        wire.send(b"W")
        with open(descriptor, "wb") as file:
            for content in wire.payload():
                file.write(content)
                digest.update(content)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != sha256:
            raise Refused("what arrived is not what was sent; try again")
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        os.replace(part, path)
        part = None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Refused(
                f"no space: the disk became full while {size / 1e6:,.1f} MB were written to "
                f"{above}; nothing of it was kept. {_MORE_SPACE}"
            ) from None
        raise Refused(f"{path}: {error.strerror}") from None
    finally:
        if part:
            os.unlink(part)
    return {"path": path, "there": False}


def _sweep(folder: str) -> None:
    """Removes what a power cut left: parts whose writer is not alive any more."""
    for name in os.listdir(folder):
        writer = name[len(_PART) :].split("-")[0]
        if name.startswith(_PART) and writer.isdigit() and not os.path.exists(f"/proc/{writer}"):
            os.unlink(os.path.join(folder, name))


def _is_whole(wire: Wire, path: str, sha256: str, size: int) -> bool:
    try:
        if os.path.getsize(path) != size:
            return False
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while True:
                content = file.read(1 << 20)
                if not content:
                    return digest.hexdigest() == sha256
                digest.update(content)
                wire.pump([], 0)
    except OSError:
        return False


def _room(folder: str, size: int) -> None:
    """Raises Refused. Half a megabyte more: a full disk makes everything else fail."""
    there = os.statvfs(folder)
    free = there.f_bavail * there.f_frsize
    if free < size + (1 << 19):
        raise Refused(
            f"no space: {size / 1e6:,.1f} MB are needed and {free / 1e6:,.1f} MB free in {folder}. "
            f"{_MORE_SPACE}"
        )


class Command:
    """A process in a session of its own, and what it says."""

    def __init__(self, words: list[str], environment: dict[str, str], stdin: Any) -> None:
        self._process = subprocess.Popen(
            words,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **environment},
        )
        assert self._process.stdout and self._process.stderr
        out, errors = self._process.stdout.fileno(), self._process.stderr.fileno()
        self.pipes = {out: b"O", errors: b"R"}

    def pass_on(self, ready: list[int], wire: Wire) -> None:
        for number in ready:
            kind = self.pipes.get(number)
            if kind:
                content = os.read(number, 1 << 16)
                if content:
                    wire.send(kind, content)
                else:
                    del self.pipes[number]

    def has_ended(self) -> bool:
        """Not yet collected: until then, nothing else can have its number."""
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, how) is not None

    def end(self) -> int:
        """Ends all of its session's group; the exit code, negative for a signal."""
        if not self.has_ended():
            self._signal(signal.SIGTERM)
            end = time.monotonic() + _GRACE_SECONDS
            while not self.has_ended() and time.monotonic() < end:
                time.sleep(0.02)
        self._signal(signal.SIGKILL)
        return self._process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def run(wire: Wire, request: dict[str, Any], woken: int) -> dict[str, Any]:
    """The command to its end. Raises Gone, Refused."""
    # The whole payload first: a command that does not read cannot then hold up the signs of life.
    with tempfile.TemporaryFile() as stdin:
        wire.send(b"W")
        for content in wire.payload():
            stdin.write(content)
        stdin.seek(0)
        try:
            command = Command(request["words"], request["environment"], stdin)
        except OSError as error:
            raise Refused(f"{request['words'][0]}: {error.strerror}") from None
    limit = time.monotonic() + request["seconds"]
    late = False
    try:
        while not command.has_ended():
            left = limit - time.monotonic()
            if late := left <= 0:
                break
            command.pass_on(wire.pump([*command.pipes, woken], left), wire)
            for _ in wire.frames():
                pass
            _drain(woken)
    finally:
        code = command.end()
    _empty(command, wire)
    return {"late": True} if late else {"code": code}


def _empty(command: Command, wire: Wire) -> None:
    """Passes on what is in the pipes still. Who left its session may hold them open for ever."""
    heard = time.monotonic()
    while command.pipes and time.monotonic() - heard < _QUIET_SECONDS:
        ready = wire.pump(list(command.pipes), _QUIET_SECONDS)
        command.pass_on(ready, wire)
        for _ in wire.frames():
            pass
        if ready or wire.is_full:
            heard = time.monotonic()


def _drain(woken: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(woken, 4096)


def _woken_by_children() -> int:
    """A descriptor that can be read as soon as a child ended."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _leave(_number: int, _frame: Any) -> None:
    raise Gone


def _serve(wire: Wire, woken: int) -> None:
    """One request to its end. Raises Gone."""
    request = wire.request()
    try:
        kept = request.get("keep")
        ended = keep(wire, **kept) if kept else run(wire, request, woken)
    except Refused as refused:
        ended = {"refused": str(refused)}
    except OSError as error:
        ended = {"refused": str(error)}
    wire.send(b"X", json.dumps(ended).encode())
    wire.flush()


def main() -> int:
    """Serves requests until nobody is there any more."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _leave)
    woken = _woken_by_children()
    wire = Wire(0, os.dup(1))
    try:
        while True:
            _serve(wire, woken)
    except Gone:
        return 1


if __name__ == "__main__":
    sys.exit(main())
