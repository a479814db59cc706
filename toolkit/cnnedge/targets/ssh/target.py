"""A board over ssh.

A profile enters; files, commands and measurements go there, answers come back. What a board says
is data: it is bounded, checked, and freed of what a terminal would obey.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ...benchmark.answers import checked
from ...benchmark.device import PATIENCE_SECONDS
from ...child_process import python_words
from ...errors import CnnedgeError, DeviceError
from ...files import json_text, whole
from ...specs import DeviceProfile
from ..base import MOST_OUTPUT, Completed, Finding, Say, as_it_is, one_line
from ..output import Collected
from . import findings
from .connection import Connection
from .guarded import Pace
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
        self.connection.guarded(
            shlex.quote(python.path),
            {"keep": {"path": path, "sha256": sha256, "size": size}},
            lambda _kind, _content: None,
            payload=_parts(local),
            size=size,
        )
        return path

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 60.0,
        environment: Mapping[str, str] | None = None,
        line: Callable[[str], None] | None = None,
        python: Python | None = None,
    ) -> Completed:
        """As in targets.base. python: what guards the command there; chosen where not given."""
        collected = Collected(MOST_OUTPUT, line)
        ended = self._guarded(words, stdin, seconds, environment or {}, collected, python)
        collected.end()
        return Completed(code=ended, output=bytes(collected.output), errors=bytes(collected.errors))

    def cnnedge(
        self,
        arguments: Sequence[str],
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

            code = self._guarded(["cat", "--", remote], b"", _PULL_SECONDS, {}, keep, None)
            if code:
                said = one_line(errors.decode("utf-8", "replace"), 200)
                raise DeviceError(f"{self.name}: {remote!r} cannot be read there: {said}")

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

    def measure(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """As in benchmark.device."""
        model = str(request["model"])
        shown = self._local.get(model, model)
        done = self.cnnedge(
            [],
            module="cnnedge.benchmark.worker",
            stdin=json_text(dict(request), ascii_only=True).encode(),
            seconds=PATIENCE_SECONDS + float(request["seconds"]),
        )
        try:
            answer = json.loads(done.output)
            if isinstance(answer, dict) and "error" in answer:
                # There it has another path, which tells nobody anything.
                said = one_line(str(answer["error"]).replace(model, shown), 2000)
                answer = {"error": f"{self.name}: {said}", "exit_code": answer.get("exit_code")}
            return checked(answer, f"{self.name}: {shown}")
        except (ValueError, RecursionError):
            raise self._died(done, shown) from None

    def _died(self, done: Completed, model: str) -> CnnedgeError:
        """One model may end its process; the device is still there."""
        tail = one_line(done.errors.decode("utf-8", "replace")[-600:], 300)
        how = f"signal {-done.code}" if done.code < 0 else f"exit {done.code}"
        if done.code == 0:
            return DeviceError(
                f"{self.name}: {model}: its answer is not to be understood: "
                f"{one_line(done.text[:400], 80)}. The board may hold another version of cnnedge: "
                f"cnnedge devices clean {self.name}"
            )
        return CnnedgeError(f"{self.name}: {model}: the benchmark process died ({how}): {tail}")

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
        self,
        words: Sequence[str],
        stdin: bytes,
        seconds: float,
        environment: Mapping[str, str],
        sink: Callable[[bytes, bytes], None],
        python: Python | None,
    ) -> int:
        python = python or self._python
        ended = self.connection.guarded(
            shlex.quote(python.path),
            {"words": list(words), "environment": dict(environment), "seconds": seconds},
            sink,
            payload=[stdin[at : at + 65536] for at in range(0, len(stdin), 65536)],
            size=len(stdin),
            seconds=seconds,
        )
        if ended.get("late"):
            raise DeviceError(
                f"{self.name}: {one_line(words[0], 80)} did not end in {seconds:.0f} s, and was "
                "ended there. The board may be overloaded; try again"
            )
        code = ended.get("code")
        if not isinstance(code, int):
            raise DeviceError(f"{self.name}: its answer is not to be understood; try again")
        return code


def _parts(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while part := file.read(1 << 16):
            yield part
