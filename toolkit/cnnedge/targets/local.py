"""This machine with the verbs of a device.

Nothing enters but a profile; files stay where they are, commands run here.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from .. import child_process, conditions
from ..benchmark.local import LocalDevice
from ..child_process import Command, Completed, Late, python_words
from ..errors import DeviceError
from ..files import whole
from ..harmless import one_line
from ..preprocess import implementation
from ..results import SLOW_GOVERNORS
from .base import Finding
from .scratch import folder_on


class LocalTarget(LocalDevice):
    """A Target (targets.base) that is here."""

    def check(self) -> Iterator[Finding]:
        """As in targets.base: what can disturb a measurement here."""
        about, now = conditions.machine(), conditions.moment()
        found = f"{about.cpu}, {about.cores} cores, {about.os}"
        yield Finding(what="hardware", ok=None, found=found)
        if about.emulated:
            yield Finding(
                what="emulated",
                ok=False,
                found=about.emulated,
                remedy="Its timings tell nothing of a device: use it to try things out only",
            )
        yield Finding(what="Python", ok=True, found=f"{about.python}, {sys.executable}")
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
        governor = now.governor
        yield Finding(
            what="clocks",
            ok=None if governor is None else governor not in SLOW_GOVERNORS,
            found=f"governor {governor}" if governor else "not told",
            remedy="For steadier timings: sudo cpupower frequency-set -g performance"
            if governor in SLOW_GOVERNORS
            else "",
        )
        degrees = now.temperature_c
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
        """As in targets.base: runs one command to its end. Raises DeviceError."""
        try:
            command = Command(
                words=words, stdin=stdin, seconds=seconds, environment=environment or {}
            )
            return child_process.run(command, line=line)
        except OSError as error:
            raise DeviceError(
                f"{self.name}: {one_line(words[0], 80)} does not start: {error.strerror}"
            ) from None
        except Late as late:
            raise DeviceError(
                f"{self.name}: {one_line(words[0], 80)} {late}, and was ended"
            ) from None

    def cnnedge(
        self,
        arguments: Sequence[str] = (),
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

    def scratch(self) -> AbstractContextManager[str]:
        """As in targets.base."""
        return folder_on(self)

    def clean(self) -> int:
        """Nothing was put anywhere."""
        return 0
