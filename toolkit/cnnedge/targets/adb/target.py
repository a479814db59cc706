"""A phone over adb.

A profile enters; files, commands and measurements go to the phone, answers come back. What a phone
says is data: it is bounded, checked, and freed of what a terminal would obey.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ...benchmark.answers import checked
from ...benchmark.device import PATIENCE_SECONDS
from ...bundle import ModelFile, read_model, sized
from ...child_process import python_words
from ...engines.report import PassedOver
from ...errors import CnnedgeError, DeviceError, GateError
from ...files import json_text
from ...specs import DeviceProfile
from ..base import Completed, Finding, Say, as_it_is, one_line
from . import checks, files, measuring, moment, python, shell
from .client import Connection, connect, find_client
from .machine import Phone, read_phone
from .tools import Tool, find_tool


class AdbTarget:
    """A Target (targets.base) over the system's adb. Nothing is sent before it is needed.

    tool: the benchmark_model to run, instead of the one kept in the cache folder. python: measure
    with cnnedge's own benchmark under the phone's Python instead. say: is told what takes time.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        name: str,
        *,
        tool: Path | None = None,
        python: bool = False,
        say: Say = lambda _text: None,
    ) -> None:
        self.name, self.profile, self.python = name, profile, python
        self._given, self._say = tool, say
        # By path on the phone: what lies there came from.
        self._placed: dict[tuple[str, int, int], str] = {}
        self._models: dict[str, ModelFile] = {}

    @cached_property
    def connection(self) -> Connection:
        """Found once. Raises DeviceError."""
        found = connect(find_client(self.name), self.profile.address, self.name)
        shell.require_shell_v2(found)
        return found

    @cached_property
    def folder(self) -> str:
        """Where files are kept on the phone. Raises DeviceError."""
        return files.own_folder(self.profile.folder, self.name)

    @cached_property
    def phone(self) -> Phone:
        """What it is; asked once."""
        return read_phone(self.run)

    @cached_property
    def tool(self) -> Tool:
        """The benchmark_model for it. Raises DeviceError."""
        return find_tool(self._given, self.phone.abis, self.name)

    @cached_property
    def interpreter(self) -> str:
        """The phone's Python. Raises DeviceError."""
        return python.find_python(self.run, self.profile.python, self.name)

    @cached_property
    def _python_environment(self) -> dict[str, str]:
        return python.prepare(self.run, self.push, self.interpreter, self.name, self.folder)

    @cached_property
    def _tool_there(self) -> str:
        return self._push(self.tool.path, program=True)

    def check(self) -> Iterator[Finding]:
        """As in targets.base; never raises DeviceError, but tells it."""
        return checks.findings(self)

    def push(self, local: Path) -> str:
        """As in targets.base: to files/SHA256/NAME in its folder."""
        return self._push(local)

    def _push(self, local: Path, *, program: bool = False) -> str:
        return files.push(self.connection, self.run, local, self.folder, self._say, program=program)

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 60.0,
        environment: Mapping[str, str] | None = None,
        line: Callable[[str], None] | None = None,
        what: str = "",
    ) -> Completed:
        """As in targets.base. what: the command in messages."""
        try:
            return shell.run(
                self.connection,
                words,
                stdin=stdin,
                place=f"{self.folder}/{files.SCRATCH}",
                seconds=seconds,
                environment=environment,
                line=line,
                what=what,
            )
        except ValueError as error:
            raise DeviceError(f"{self.name}: {error}") from None

    def cnnedge(
        self,
        arguments: Sequence[str],
        *,
        module: str = "cnnedge",
        stdin: bytes = b"",
        seconds: float = 60.0,
        line: Callable[[str], None] | None = None,
    ) -> Completed:
        """As in targets.base: under Termux's Python, or the profile's."""
        environment = self._python_environment
        words = python_words(module, *arguments, python=self.interpreter)
        return self.run(words, stdin=stdin, seconds=seconds, environment=environment, line=line)

    def pull(self, remote: str, local: Path) -> None:
        """As in targets.base."""
        files.pull(self.connection, self.run, remote, local)

    def clean(self) -> int:
        """As in targets.base."""
        freed = files.clean(self.connection, self.run, self.folder)
        for name in ("_tool_there", "_python_environment"):
            self.__dict__.pop(name, None)
        self._placed.clear()
        return freed

    def place(self, model: Path) -> str:
        """As in targets.base; asked for once for a file that did not change."""
        key = as_it_is(model)
        if key not in self._placed:
            read = read_model(model)
            self._placed[key] = self.push(model)
            self._models[self._placed[key]] = read
        return self._placed[key]

    def measure(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """As in benchmark.device: by a benchmark_model, or by cnnedge under the phone's Python."""
        model = self._models[request["model"]]
        if self.python:
            return self._measure_by_python(request, str(model.path))
        if sized(model, request.get("size")).data != model.data:
            raise CnnedgeError(
                f"{model.path}: benchmark_model takes a file's input as it is, and this one has to "
                "be brought to one picture: --python measures it, in the phone's own Python"
            )
        if request["delegate"] != "auto":
            return checked(self._measure_by_tool(request, model), str(model.path))
        try:
            found = self._measure_by_tool({**request, "delegate": "gpu"}, model)
            found["delegate"]["requested"] = "auto"
        except GateError as refused:
            found = self._measure_by_tool({**request, "delegate": "cpu"}, model)
            over = PassedOver(delegate="gpu", reason=str(refused))
            found["delegate"] |= {
                "requested": "auto",
                "passed_over": [{"delegate": over.delegate, "reason": over.reason}],
            }
        return checked(found, str(model.path))

    def _measure_by_tool(self, request: Mapping[str, Any], model: ModelFile) -> dict[str, Any]:
        return measuring.measure(self.run, self.phone, self.tool, self._tool_there, model, request)

    def _measure_by_python(self, request: Mapping[str, Any], shown: str) -> dict[str, Any]:
        before = moment.read_moment(self.run)
        done = self.cnnedge(
            [],
            module="cnnedge.benchmark.worker",
            stdin=json_text(dict(request), ascii_only=True).encode(),
            seconds=PATIENCE_SECONDS + float(request["seconds"]),
        )
        try:
            answer = json.loads(done.output)
        except (ValueError, RecursionError):
            said = one_line(done.errors.decode("utf-8", "replace") or done.text)
            raise DeviceError(
                f"{shown}: the benchmark process on {self.name} gave no answer (exit "
                f"{done.code}): {said or 'it said nothing'}"
            ) from None
        found = checked(answer, shown)
        # Android tells more from outside than the process may see.
        around = found["conditions"]
        around["machine"] |= self.phone.as_json()
        around["before"] |= before
        around["after"] |= moment.read_moment(self.run)
        return found

    def temperature_c(self) -> float | None:
        """As in benchmark.device."""
        return moment.processor_temperature(self.run)

    def close(self) -> None:
        """Nothing of ours runs on the phone between two commands."""
