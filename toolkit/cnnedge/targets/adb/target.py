"""A phone over adb.

A profile enters; files, commands and measurements go to the phone, answers come back. What a phone
says is data: it is bounded, checked, and freed of what a terminal would obey.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from ...benchmark.answer import Answer, read_answer
from ...benchmark.asking import measured
from ...benchmark.request import Request
from ...bundle import ModelFile, read_model, sized
from ...child_process import Command, Completed, python_words
from ...conditions import merged
from ...engines.report import PassedOver
from ...errors import CnnedgeError, DeviceError, GateError
from ...specs import DeviceProfile
from ...specs.values import plain
from ..base import Finding, Say, as_it_is
from ..scratch import folder_on
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
    def store(self) -> files.Store:
        """The files there. Raises DeviceError."""
        return files.Store(self.connection, self.ask, self.folder, self._say)

    @cached_property
    def phone(self) -> Phone:
        """What it is; asked once."""
        return read_phone(self.ask)

    @cached_property
    def tool(self) -> Tool:
        """The benchmark_model for it. Raises DeviceError."""
        return find_tool(self._given, self.phone.abis, self.name)

    @cached_property
    def interpreter(self) -> str:
        """The phone's Python. Raises DeviceError."""
        return python.find_python(self.ask, self.profile.python, self.name)

    @cached_property
    def _python_environment(self) -> dict[str, str]:
        return python.prepare(self.ask, self.push, self.interpreter, self.name, self.folder)

    @cached_property
    def _tool_there(self) -> str:
        return self.store.push(self.tool.path, program=True)

    def check(self) -> Iterator[Finding]:
        """As in targets.base; never raises DeviceError, but tells it."""
        return checks.findings(self)

    def push(self, local: Path) -> str:
        """As in targets.base: to files/SHA256/NAME in its folder."""
        return self.store.push(local)

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
        return self._run(command, line=line)

    def ask(self, words: Sequence[str], *, seconds: float = 60.0, what: str = "") -> Completed:
        """A command of cnnedge's own. what: it is called in messages."""
        return self._run(Command(words=words, seconds=seconds), what=what)

    def _run(
        self, command: Command, *, line: Callable[[str], None] | None = None, what: str = ""
    ) -> Completed:
        place = f"{self.folder}/{files.SCRATCH}"
        try:
            return shell.run(self.connection, command, place=place, line=line, what=what)
        except ValueError as error:
            raise DeviceError(f"{self.name}: {error}") from None

    def cnnedge(
        self,
        arguments: Sequence[str] = (),
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
        self.store.pull(remote, local)

    def scratch(self) -> AbstractContextManager[str]:
        """As in targets.base."""
        return folder_on(self)

    def clean(self) -> int:
        """As in targets.base."""
        freed = self.store.clean()
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

    def measure(self, request: Request) -> Answer:
        """As in benchmark.device: by a benchmark_model, or by cnnedge under the phone's Python."""
        model = self._models[request.model]
        if self.python:
            return self._measure_by_python(request, str(model.path))
        if sized(model, request.runtime.guest.size).data != model.data:
            raise CnnedgeError(
                f"{model.path}: benchmark_model takes a file's input as it is, and this one has to "
                "be brought to one picture: --python measures it, in the phone's own Python"
            )
        if request.runtime.delegate != "auto":
            return self._measure_by_tool(request, model)
        try:
            found = self._measure_by_tool(_on("gpu", request), model)
            passed: tuple[PassedOver, ...] = ()
        except GateError as refused:
            found = self._measure_by_tool(_on("cpu", request), model)
            passed = (PassedOver(delegate="gpu", reason=str(refused)),)
        report = replace(found.delegate, requested="auto", passed_over=passed)
        return replace(found, delegate=report)

    def _measure_by_tool(self, request: Request, model: ModelFile) -> Answer:
        bench = measuring.Bench(
            run=self.ask, phone=self.phone, tool=self.tool, there=self._tool_there
        )
        # What a tool printed is held against what an answer may be.
        found = measuring.measure(bench, model, request)
        return read_answer(plain(found), str(model.path))

    def _measure_by_python(self, request: Request, shown: str) -> Answer:
        before = moment.read_moment(self.ask)
        found = measured(self.cnnedge, request, shown, self.name)
        # Android tells more from outside than the process may see.
        around = found.conditions
        told = replace(
            around,
            machine=merged(around.machine, self.phone.machine),
            before=merged(around.before, before),
            after=merged(around.after, moment.read_moment(self.ask)),
        )
        return replace(found, conditions=told)

    def temperature_c(self) -> float | None:
        """As in benchmark.device."""
        return moment.processor_temperature(self.ask)

    def close(self) -> None:
        """Nothing of ours runs on the phone between two commands."""


def _on(delegate: str, request: Request) -> Request:
    return replace(request, runtime=request.runtime.on(delegate))
