"""What devices share, however they are reached: the verbs of each, and what a check finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..benchmark import Device
from ..child_process import Completed

# One line for the user while something takes its time: "pushing 38 MB of wheels".
Say = Callable[[str], None]


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


class Target(Device, Protocol):
    """A device with the same four verbs for every transport: check, push, run, pull.

    Also a benchmark's Device. Raises DeviceError, in one line that names the device, what was
    found and what to do; a GateError for a delegate that is refused there.
    """

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
        arguments: Sequence[str] = (),
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

    def scratch(self) -> AbstractContextManager[str]:
        """A new folder there for the files of one command, gone afterwards. Raises DeviceError."""
        ...

    def clean(self) -> int:
        """Removes all that cnnedge keeps there; the bytes that this freed."""
        ...


def as_it_is(path: Path) -> tuple[str, int, int]:
    """A file's path, time and size: equal while nobody writes to it. Zeros where none is there."""
    there = path.stat() if path.exists() else None
    return str(path), there.st_mtime_ns if there else 0, there.st_size if there else 0
