"""A device that answers what a test tells it to: for tools, sensors and lies that are not here.

A real answer of this machine is where each starts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cnnedge.benchmark import LocalDevice
from cnnedge.benchmark.answers import checked
from cnnedge.specs import DeviceProfile

REQUEST = {
    "engine": "auto",
    "threads": 1,
    "delegate": "cpu",
    "precision": "auto",
    "options": {},
    "compare": False,
    "allow_disagreement": False,
    "warmup_seconds": 0.01,
    "runs": 60,
    "seconds": 0.0,
    "window_seconds": None,
}


def real_answer(model: Path, **changes: Any) -> dict[str, Any]:
    """What a fresh process of this machine answers about a model."""
    return LocalDevice().measure(REQUEST | {"model": str(model)} | changes)


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
        self.requests: list[Mapping[str, Any]] = []
        self.closed = False
        self._answers = answers
        self._temperatures = temperatures

    def place(self, model: Path) -> str:
        return f"/there/{model.name}"

    def measure(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return checked(answer, request["model"])

    def temperature_c(self) -> float | None:
        return next(self._temperatures) if self._temperatures else None

    def close(self) -> None:
        self.closed = True


def changed(answer: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """A copy of an answer, changed."""
    copied = copy.deepcopy(answer)
    change(copied)
    return copied
