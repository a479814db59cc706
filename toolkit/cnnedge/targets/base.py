"""What devices share, however they are reached.

Nothing enters and nothing leaves: shared types alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..specs import DeviceProfile

# One line for the user while something takes its time: "pushing 38 MB of wheels".
Say = Callable[[str], None]

# More of a device's output is not kept: nothing that is asked of one says so much.
MOST_OUTPUT = 64_000_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that `cnnedge devices check` looked at.

    ok: whether it is as it should be; None where it only informs, or cannot be known. found: in a
    few words. remedy: what to do, where it is not ok.
    """

    what: str
    ok: bool | None
    found: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A command that ended on a device. output, errors: at most MOST_OUTPUT bytes each."""

    code: int
    output: bytes
    errors: bytes

    @property
    def text(self) -> str:
        """The output; what is no UTF-8 is marked."""
        return self.output.decode("utf-8", "replace")


class Target(Protocol):
    """A device with the same four verbs for every transport: check, push, run, pull.

    Also a benchmark.device.Device. Raises DeviceError, in one line that names the device, what was
    found and what to do; a GateError for a delegate that is refused there.
    """

    name: str
    profile: DeviceProfile

    def check(self) -> Iterator[Finding]:
        """What it takes to measure there, one by one; each as soon as it is known."""
        ...

    def push(self, local: Path) -> str:
        """A file's path on the device. It is copied where none of the same content is there."""
        ...

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 60.0,
        environment: Mapping[str, str] | None = None,
        line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Runs one command to its end; `words` arrive there as they are here.

        seconds: after that it is ended, there too, and DeviceError raised. line: gets each line of
        output as it comes.
        """
        ...

    def cnnedge(
        self,
        arguments: Sequence[str],
        *,
        module: str = "cnnedge",
        stdin: bytes = b"",
        seconds: float = 60.0,
        line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Runs `cnnedge ARGUMENTS` there, or another module; brought there where missing.

        Raises DeviceError where no Python can run.
        """
        ...

    def pull(self, remote: str, local: Path) -> None:
        """Copies a file of the device here, whole or not at all."""
        ...

    def clean(self) -> int:
        """Removes all that cnnedge keeps there; the bytes that this freed."""
        ...

    def place(self, model: Path) -> str: ...

    def measure(self, request: Mapping[str, Any]) -> dict[str, Any]: ...

    def temperature_c(self) -> float | None: ...

    def close(self) -> None: ...


def as_it_is(path: Path) -> tuple[str, int, int]:
    """A file's path, time and size: equal while nobody writes to it. Zeros where none is there."""
    there = path.stat() if path.exists() else None
    return str(path), there.st_mtime_ns if there else 0, there.st_size if there else 0


def one_line(text: str, most: int = 300) -> str:
    """What a device said, as data: one line, nothing that a terminal would obey, not too long."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."
