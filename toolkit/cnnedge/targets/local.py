"""This machine with the verbs of a device.

Nothing enters but a profile; files stay where they are, commands run here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from .. import conditions
from ..benchmark.local import LocalDevice
from ..child_process import python_words
from ..errors import DeviceError
from ..files import whole
from ..preprocess import implementation
from ..results import SLOW_GOVERNORS
from .base import MOST_OUTPUT, Completed, Finding, one_line
from .output import Collected


class LocalTarget(LocalDevice):
    """A Target (targets.base) that is here."""

    def check(self) -> Iterator[Finding]:
        """As in targets.base: what can disturb a measurement here."""
        about, now = conditions.machine(), conditions.moment()
        found = f"{about['cpu']}, {about['cores']} cores, {about['os']}"
        yield Finding(what="hardware", ok=None, found=found)
        if "emulated" in about:
            yield Finding(
                what="emulated",
                ok=False,
                found=about["emulated"],
                remedy="Its timings tell nothing of a device: use it to try things out only",
            )
        yield Finding(what="Python", ok=True, found=f"{about['python']}, {sys.executable}")
        compiled = implementation() == "compiled"
        yield Finding(
            what="pixels",
            ok=True if compiled else None,
            found="by compiled code" if compiled else "by portable code, several times slower",
            remedy=""
            if compiled
            else "For the fast code, install a C compiler (sudo apt-get install gcc libc6-dev) and "
            "then cnnedge again",
        )
        governor = now.get("governor")
        yield Finding(
            what="clocks",
            ok=None if governor is None else governor not in SLOW_GOVERNORS,
            found=f"governor {governor}" if governor else "not told",
            remedy="For steadier timings: sudo cpupower frequency-set -g performance"
            if governor in SLOW_GOVERNORS
            else "",
        )
        degrees = now.get("temperature_c")
        told = "not told" if degrees is None else f"{degrees:.0f} °C"
        yield Finding(what="temperature", ok=None, found=told)
        busy = conditions.busy_fraction()
        if busy is not None:
            yield Finding(
                what="load",
                ok=busy <= 0.1,
                found=f"{busy:.0%} of the processor is in use",
                remedy="" if busy <= 0.1 else "Close other programs before you measure",
            )

    def push(self, local: Path) -> str:
        """The file where it is."""
        return str(local)

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 60.0,
        environment: Mapping[str, str] | None = None,
        line: Callable[[str], None] | None = None,
    ) -> Completed:
        """As in targets.base."""
        collected = Collected(MOST_OUTPUT, line)
        try:
            process = subprocess.Popen(
                list(words),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(
                f"{self.name}: {one_line(words[0], 80)} does not start: {error.strerror}"
            ) from None
        assert process.stdin and process.stdout and process.stderr
        threads = [
            threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True),
            threading.Thread(target=_drain, args=(process.stderr, b"R", collected), daemon=True),
            threading.Thread(target=_follow, args=(process,), daemon=True),
        ]
        late = threading.Event()

        def stop() -> None:
            late.set()
            _end(process)

        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            for thread in threads:
                thread.start()
            # `line` is called by who asked, so that what it raises reaches them.
            _drain(process.stdout, b"O", collected)
            code = process.wait()
        finally:
            timer.cancel()
            _end(process)
        threads[1].join(1)
        if late.is_set():
            raise DeviceError(
                f"{self.name}: {one_line(words[0], 80)} did not end in {seconds:.0f} s, and was "
                "ended"
            )
        collected.end()
        return Completed(code=code, output=bytes(collected.output), errors=bytes(collected.errors))

    def cnnedge(
        self,
        arguments: Sequence[str],
        *,
        module: str = "cnnedge",
        stdin: bytes = b"",
        seconds: float = 60.0,
        line: Callable[[str], None] | None = None,
    ) -> Completed:
        """As in targets.base: of this Python."""
        return self.run(python_words(module, *arguments), stdin=stdin, seconds=seconds, line=line)

    def pull(self, remote: str, local: Path) -> None:
        """As in targets.base: a copy."""
        if not Path(remote).is_file():
            raise DeviceError(f"{self.name}: there is no file {remote}")
        with whole(local) as part:
            shutil.copyfile(remote, part)

    def clean(self) -> int:
        """Nothing was put anywhere."""
        return 0


def _feed(stream: IO[bytes], content: bytes) -> None:
    with contextlib.suppress(OSError):
        stream.write(content)
        stream.close()


def _drain(stream: IO[bytes], kind: bytes, collected: Collected) -> None:
    with contextlib.suppress(OSError, ValueError):
        while part := os.read(stream.fileno(), 1 << 16):
            collected(kind, part)


def _follow(process: subprocess.Popen[bytes]) -> None:
    """What it left in the background would hold its output open."""
    process.wait()
    _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """All of its session; also what it left running in the background."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
