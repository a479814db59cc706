"""A board over ssh.

A profile enters; files, commands and measurements go there, answers come back. What a board says
is data: it is bounded, checked, and freed of what a terminal would obey.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

from ...benchmark.answer import Answer
from ...benchmark.asking import measured
from ...benchmark.request import Request
from ...child_process import Collected, Command, Completed, python_words
from ...errors import DeviceError
from ...files import whole
from ...harmless import one_line
from ...specs import DeviceProfile
from ..base import Finding, Say, as_it_is
from ..scratch import folder_on
from . import findings
from .connection import Connection
from .guarded import Pace, keeping, running
from .probe import Board, Python, probe
from .provision import (
    CACHE,
    CODE,
    ENVIRONMENTS,
    FILES,
    MARKER,
    Installed,
    claim,
    hash_file,
    provision,
)
from .wheels import choose

# Of a file that is pulled: predictions of a million pictures are less.
_MOST_PULLED = 1 << 30
_PULL_SECONDS = 3600.0
_CLEAN_SECONDS = 300.0


class SshTarget:
    """A Target (targets.base) over the system's ssh. Nothing is sent before it is needed.

    config: instead of ~/.ssh/config. say: is told what takes time. pace: what may take how long.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        name: str,
        *,
        config: Path | None = None,
        say: Say = lambda _text: None,
        pace: Pace | None = None,
    ) -> None:
        self.name, self.profile = name, profile
        self._say = say
        self.connection = Connection(name, profile.address, config, pace or Pace())
        # Where models here are there, and the reverse for messages.
        self._placed: dict[tuple[str, int, int], str] = {}
        self._local: dict[str, str] = {}

    @cached_property
    def board(self) -> Board:
        """What it is; asked once. Raises DeviceError."""
        return probe(self.connection, self.profile.python, self.profile.folder)

    @cached_property
    def _python(self) -> Python:
        """The interpreter for whatever is done there; its folder is ours from then on."""
        python, _kind = choose(self.name, self.board)
        claim(self.connection, self.board)
        return python

    @cached_property
    def installed(self) -> Installed:
        """Its Python with cnnedge and the runtime, brought there where missing."""
        _ = self._python
        return provision(self, self.board, self._say)

    def check(self) -> Iterator[Finding]:
        """As in targets.base; never raises DeviceError, but tells it."""
        return findings.look(self)

    def push(self, local: Path) -> str:
        """As in targets.base: to files/SHA256/NAME in its folder."""
        try:
            sha256, size = hash_file(local), local.stat().st_size
        except OSError as error:
            raise DeviceError(f"{local}: cannot be read: {error.strerror}") from None
        python = self._python
        path = f"{self.board.folder}/{FILES}/{sha256}/{local.name}"
        job = keeping(local, path, sha256, size)
        self.connection.guarded(shlex.quote(python.path), job, lambda _kind, _content: None)
        return path

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
        command = Command(words=words, stdin=stdin, seconds=seconds, environment=environment or {})
        return self.run_by(self._python, command, line)

    def run_by(
        self, python: Python, command: Command, line: Callable[[str], None] | None = None
    ) -> Completed:
        """The same, guarded by a Python that is there."""
        collected = Collected(line)
        return collected.completed(self._guarded(command, collected, python))

    def cnnedge(
        self,
        arguments: Sequence[str] = (),
        *,
        module: str = "cnnedge",
        stdin: bytes = b"",
        seconds: float = 60.0,
        line: Callable[[str], None] | None = None,
    ) -> Completed:
        """As in targets.base: of the board's own environment."""
        return self.run(
            python_words(module, *arguments, python=self.installed.python),
            stdin=stdin,
            seconds=seconds,
            # One BLAS thread less to disturb a measurement.
            environment=self.installed.environment | {"OPENBLAS_NUM_THREADS": "1"},
            line=line,
        )

    def pull(self, remote: str, local: Path) -> None:
        """As in targets.base."""
        with whole(local) as part, open(part, "wb") as file:
            taken = 0
            errors = bytearray()

            def keep(kind: bytes, content: bytes) -> None:
                nonlocal taken
                if kind == b"R":
                    errors.extend(content[:1000] if len(errors) < 4000 else b"")
                    return
                taken += len(content)
                if taken > _MOST_PULLED:
                    raise DeviceError(f"{self.name}: {remote} is larger than 1 GB; not pulled")
                file.write(content)

            cat = Command(words=["cat", "--", remote], seconds=_PULL_SECONDS)
            code = self._guarded(cat, keep, self._python)
            if code:
                said = one_line(errors.decode("utf-8", "replace"), 200)
                raise DeviceError(f"{self.name}: {remote!r} cannot be read there: {said}")

    def scratch(self) -> AbstractContextManager[str]:
        """As in targets.base."""
        return folder_on(self)

    def clean(self) -> int:
        """As in targets.base. What cnnedge did not put there stays; no Python is needed."""
        board = self.board
        if not board.ours:
            return 0
        folder = shlex.quote(board.folder)
        # Made for this one, where it is in the usual place; one that holds more stays.
        above = shlex.quote(board.folder.removesuffix("/board"))
        parts = f"{FILES} {ENVIRONMENTS} {CODE} {CACHE} {MARKER}"
        said = self.connection.script(
            f"cd {folder} 2>/dev/null || {{ echo freed 0; exit; }}\n"
            f"size=$(du -sk . | cut -f 1)\nrm -rf {parts}\nleft=$(du -sk . | cut -f 1)\n"
            f"cd / && rmdir {folder} 2>/dev/null && left=0\n"
            f"rmdir {above} 2>/dev/null\necho freed $((size - left))\n",
            _CLEAN_SECONDS,
        )
        for name in ("board", "_python", "installed"):
            self.__dict__.pop(name, None)
        self._placed.clear()
        words = said.split()
        if len(words) < 2 or words[-2] != "freed" or not words[-1].isdigit():
            raise DeviceError(
                f"{self.name}: {board.folder} could not be removed: {one_line(said, 200)}"
            )
        return int(words[-1]) * 1024

    def place(self, model: Path) -> str:
        """As in targets.base; asked for once for a file that did not change."""
        key = as_it_is(model)
        if key not in self._placed:
            self._placed[key] = self.push(model)
            self._local[self._placed[key]] = str(model)
        return self._placed[key]

    def measure(self, request: Request) -> Answer:
        """As in benchmark.device."""
        shown = self._local.get(request.model, request.model)
        return measured(self.cnnedge, request, shown, self.name)

    def temperature_c(self) -> float | None:
        """As in benchmark.device: of the first thermal zone."""
        said = self.connection.script("cat /sys/class/thermal/thermal_zone0/temp 2>/dev/null", 10)
        words = said.split()
        number = words[-1] if words else ""
        with contextlib.suppress(ValueError):
            return int(number[:12]) / 1000
        return None

    def close(self) -> None:
        """The connection; what is kept there by content stays."""
        self.connection.close()

    def _guarded(
        self, command: Command, sink: Callable[[bytes, bytes], None], python: Python
    ) -> int:
        ended = self.connection.guarded(shlex.quote(python.path), running(command), sink)
        if ended.late:
            raise DeviceError(
                f"{self.name}: {one_line(command.words[0], 80)} did not end in "
                f"{command.seconds:.0f} s, and was ended there. The board may be overloaded; try "
                "again"
            )
        if ended.code is None:
            raise DeviceError(f"{self.name}: its answer is not to be understood; try again")
        return ended.code
