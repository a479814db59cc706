"""The client's side of `targets.guard`: requests to a device, over any command that reaches it.

The words of a local process that starts the guard there, and requests, one after the other, enter;
how each ended there leaves, its output on the way. Ends in bounded time, whatever the other side
does.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import IO

from ...child_process import Command
from ...errors import SpecError
from ...specs.values import plain, read
from .. import guard

# Output as it comes: "O" output or "R" errors, and the bytes.
Sink = Callable[[bytes, bytes], None]

_MOST_NOISE = 1 << 16
_MOST_ERRORS = 1 << 14
# Slower than this, a network is not one that a model can be pushed over.
_BYTES_PER_SECOND = 20_000


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What may take how long, in seconds.

    connect: to be let in. beat: between two signs of life, in both directions. silence: without
    any, the other side is gone.
    """

    connect: float = 10.0
    beat: float = 5.0
    silence: float = 30.0


class Unanswered(Exception):
    """No ending came from the guard. errors: what the local process said; code: its exit code.

    greeted: whether the guard had started.
    """

    def __init__(self, what: str, errors: str, code: int | None, greeted: bool) -> None:
        super().__init__(what)
        self.errors, self.code, self.greeted = errors, code, greeted


def bootstrap() -> tuple[str, bytes]:
    """A Python program in one line that any shell takes between double quotes, and what it reads.

    It holds no character that a shell would change; the guard itself follows on standard input.
    """
    source = resources.files("cnnedge.targets").joinpath("guard.py").read_bytes()
    size = len(source)
    read = f"functools.reduce(lambda s,_:s+os.read(0,{size}-len(s)),range({size}),bytes())"
    return f"import os,functools;exec({read})", source


@dataclass(frozen=True, kw_only=True)
class Keep:
    """A file to be kept there, under a path that its SHA-256 names."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the guard is asked for: a file to keep, or a command to run.

    payload: the file, or the command's input; size: of it, in bytes, and seconds, of the command,
    say how long it all may take.
    """

    asked: Keep | Command
    payload: Iterable[bytes]
    size: int
    seconds: float = 0.0

    def as_json(self, pace: Pace) -> str:
        """The request, as the guard reads it."""
        if isinstance(self.asked, Keep):
            said: dict[str, object] = {"keep": plain(self.asked)}
        else:
            said = {
                "words": list(self.asked.words),
                "environment": dict(self.asked.environment),
                "seconds": self.asked.seconds,
            }
        return json.dumps(said | {"beat": pace.beat, "silence": pace.silence})


def keeping(file: Path, path: str, sha256: str, size: int) -> Job:
    """The job of keeping a file of here there."""
    return Job(asked=Keep(path=path, sha256=sha256, size=size), payload=_parts(file), size=size)


def running(command: Command) -> Job:
    """The job of running a command."""
    stdin = command.stdin
    return Job(
        asked=command,
        payload=[stdin[at : at + 65536] for at in range(0, len(stdin), 65536)],
        size=len(stdin),
        seconds=command.seconds,
    )


def _parts(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while part := file.read(1 << 16):
            yield part


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What the guard says last. code: of the command. late: it was ended. refused: why nothing was
    done."""

    code: int | None = None
    late: bool = False
    refused: str | None = None


class Guard:
    """A guard that was started there, for one job after the other.

    words: start it; source: what it reads first, as `bootstrap` gives it.
    """

    def __init__(self, words: Sequence[str], source: bytes, pace: Pace) -> None:
        self._source, self._pace = source, pace
        self._errors = bytearray()
        self._greeted = False
        self._heard = time.monotonic()
        self._frames: queue.Queue[tuple[bytes, bytes]] = queue.Queue(64)
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C is for us: we end it, in our order.
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=target, daemon=True)
            for target in (self._read, self._keep_errors)
        ]
        for thread in self._readers:
            thread.start()

    @property
    def waits(self) -> bool:
        """Whether it can be asked again: it leaves by itself when it hears nothing."""
        idle = time.monotonic() - self._heard
        return idle < self._pace.silence / 2 and self._process.poll() is None

    def serve(self, job: Job, sink: Sink) -> Ending:
        """What it says last. Raises Unanswered. It is over then, and after whatever sink raises,
        and after an ending that is no success: what was not taken of the payload is on its way."""
        wanted, over = threading.Event(), threading.Event()
        writer = threading.Thread(target=self._write, args=(job, wanted, over), daemon=True)
        writer.start()
        ending = None
        try:
            ending = self._listen(job, wanted, sink)
            return ending
        except _Silent as silent:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
            self._process.kill()
            self._readers[1].join(1)
            errors = bytes(self._errors).decode("utf-8", "replace")
            code = self._process.wait()
            raise Unanswered(str(silent), errors, code, self._greeted) from None
        finally:
            over.set()
            wanted.set()
            if ending is None:
                self._end()
            writer.join(2)
            if writer.is_alive():
                self._end()
            elif ending and (ending.late or ending.refused is not None):
                self.leave()
            self._heard = time.monotonic()

    def _listen(self, job: Job, wanted: threading.Event, sink: Sink) -> Ending:
        started = time.monotonic()
        longest = self._pace.connect + job.size / _BYTES_PER_SECOND + job.seconds
        longest += 2 * self._pace.silence
        while True:
            try:
                kind, content = self._frames.get(timeout=self._pace.silence)
            except queue.Empty:
                raise _Silent(f"no sign of life for {self._pace.silence:.0f} s") from None
            if kind == b"W":
                wanted.set()
            elif kind in (b"O", b"R"):
                sink(kind, content)
            elif kind == b"X":
                try:
                    return read(Ending, json.loads(content), "", others=True)
                except (ValueError, RecursionError, SpecError):
                    raise _Silent("its answer is not to be understood") from None
            elif kind != b"H":
                raise _Silent("the connection ended")
            if time.monotonic() - started > longest:
                raise _Silent(f"not done after {longest:.0f} s")

    def _read(self) -> None:
        """What shells say before the guard's greeting is passed over."""
        stream = self._process.stdout
        assert stream
        noise = b""
        try:
            while len(noise) < _MOST_NOISE and guard.GREETING not in noise:
                byte = stream.read(1)
                if not byte:
                    return
                noise += byte
            self._greeted = guard.GREETING in noise
            while self._greeted:
                head = stream.read(guard.HEAD)
                length = int.from_bytes(head[1:], "big")
                if len(head) < guard.HEAD or length > guard.LONGEST:
                    return
                content = stream.read(length)
                if len(content) < length:
                    return
                self._frames.put((head[:1], content))
        except (OSError, ValueError):
            return
        finally:
            self._frames.put((b"", b""))

    def _keep_errors(self) -> None:
        stream = self._process.stderr
        assert stream
        with contextlib.suppress(OSError, ValueError):
            while part := stream.read1(4096):  # type: ignore[attr-defined]
                self._errors += part
                del self._errors[:-_MOST_ERRORS]

    def _write(self, job: Job, wanted: threading.Event, over: threading.Event) -> None:
        stream = self._process.stdin
        assert stream
        with contextlib.suppress(OSError, ValueError):
            source, self._source = self._source, b""
            stream.write(source + guard.frame(b"J", job.as_json(self._pace).encode()))
            stream.flush()
            self._beat_until(wanted, stream)
            for part in job.payload:
                if over.is_set():
                    return
                stream.write(guard.frame(b"D", part))
            if over.is_set():
                return
            stream.write(guard.frame(b"E"))
            stream.flush()
            self._beat_until(over, stream)

    def _beat_until(self, event: threading.Event, stream: IO[bytes]) -> None:
        while not event.wait(self._pace.beat):
            stream.write(guard.frame(b"H"))
            stream.flush()

    def leave(self) -> None:
        """Ends one that serves nothing: it does so by itself when its input closes."""
        assert self._process.stdin
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()
        self._end()

    def _end(self) -> None:
        """The local process is gone after this; its pipes closed make the guard end, too."""
        process = self._process
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()
        process.wait()
        # A reader may wait for room in the queue.
        with contextlib.suppress(queue.Empty):
            while True:
                self._frames.get_nowait()
        for thread in self._readers:
            thread.join(2)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()


class _Silent(Exception):
    """Why no answer is waited for any longer."""
