"""A device that answers what a test tells it to: for tools, sensors and lies that are not here.

A real answer of this machine is where each starts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cnnedge.benchmark import LocalDevice
from cnnedge.benchmark.answer import Answer, read_answer
from cnnedge.benchmark.request import Request
from cnnedge.engines import Runtime
from cnnedge.specs import DeviceProfile, plain


def asked(model: object, *, runs: int = 60, seconds: float = 0.0, **runtime: Any) -> Request:
    """A short measurement of a model on the CPU, or as the runtime's fields say."""
    where = Runtime(**{"delegate": "cpu"} | runtime)
    return Request(model=str(model), runtime=where, warmup_seconds=0.01, runs=runs, seconds=seconds)


def real_answer(model: Path) -> dict[str, Any]:
    """What a fresh process of this machine answers about a model, as it travels."""
    answer: dict[str, Any] = plain(LocalDevice().measure(asked(model)))
    return answer


class ToldDevice:
    """Answers in turn; an exception among them is raised. temperatures: told in turn."""

    def __init__(
        self,
        answers: Iterator[Any],
        *,
        name: str = "told",
        temperatures: Iterator[float | None] | None = None,
        **profile: Any,
    ) -> None:
        self.name = name
        self.profile = DeviceProfile(**profile)
        self.requests: list[Request] = []
        self.closed = False
        self._answers = answers
        self._temperatures = temperatures

    def place(self, model: Path) -> str:
        return f"/there/{model.name}"

    def measure(self, request: Request) -> Answer:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return read_answer(answer, request.model)

    def temperature_c(self) -> float | None:
        return next(self._temperatures) if self._temperatures else None

    def close(self) -> None:
        self.closed = True


def changed(answer: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """A copy of an answer, changed."""
    copied = copy.deepcopy(answer)
    change(copied)
    return copied
