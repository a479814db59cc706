"""Cases on a device, measured in rounds: A B C A B C, so that what drifts meets all of them alike.

A device and cases enter; results in the form of the bench contract leave, beside what failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CnnedgeError, DeviceError
from ..specs.values import plain
from .answer import Answer
from .combining import result
from .cooling import cool_down
from .device import Case, Device
from .protocols import Protocol
from .request import request_of
from .result import Cooled, Result
from .trust import trust

# Processes done, processes in all, and what runs now.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Failure:
    """What was not measured to its end, and why. case: nothing where it is the device itself."""

    device: str
    case: Case | None
    error: CnnedgeError

    def as_json(self) -> dict[str, Any]:
        """{"device", "model", "threads", "engine", "delegate", "error", "exit_code"}."""
        found: dict[str, Any] = {"device": self.device}
        if self.case is not None:
            found["model"] = str(self.case.model)
            found |= {k: getattr(self.case.runtime, k) for k in ("threads", "engine", "delegate")}
        return found | {"error": str(self.error), "exit_code": self.error.exit_code}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """results: as the bench contract says, in the order of the cases."""

    results: list[Result]
    failures: list[Failure]

    def as_json(self) -> dict[str, Any]:
        """{"results", "trust"}, and "failed" where something did."""
        failed = [f.as_json() for f in self.failures]
        found = {"results": plain(self.results), "trust": plain(trust(self.results))}
        return found | ({"failed": failed} if failed else {})


@dataclass
class _Collected:
    answers: list[Answer] = field(default_factory=list)
    cooled: list[Cooled | None] = field(default_factory=list)
    failure: Failure | None = None


def run_rounds(
    device: Device,
    cases: Sequence[Case],
    protocol: Protocol,
    progress: Progress | None = None,
) -> Outcome:
    """Measures the cases on one device; raises nothing that is the device's or a model's doing.

    A case that fails is left out of the rounds after. Where the device itself stops answering, what
    was measured until then is kept, marked as incomplete.
    """
    collected = [_Collected() for _ in cases]
    lost: Failure | None = None
    total = protocol.processes * len(cases)
    for number in range(total):
        round_, i = divmod(number, len(cases))
        if collected[i].failure:
            continue
        what = title(cases[i], cases)
        tell = _Teller(progress, number, total, what)
        tell()
        try:
            cooled = cool_down(device, tell) if protocol.cool_down else None
            # One process compares the answers for all: its fellows are alike.
            case, first = cases[i], round_ == 0
            there = device.place(case.model)
            answer = device.measure(request_of(there, case.runtime, protocol, compare=first))
        except DeviceError as error:
            lost = Failure(device.name, None, error)
            break
        except CnnedgeError as error:
            collected[i].failure = Failure(device.name, cases[i], error)
            continue
        collected[i].answers.append(answer)
        collected[i].cooled.append(cooled)
    _Teller(progress, total, total, "")()
    failures = [found.failure for found in collected if found.failure]
    return Outcome(
        results=[
            result(case, found.answers, device, protocol, found.cooled)
            for case, found in zip(cases, collected, strict=True)
            if found.answers
        ],
        failures=failures + ([lost] if lost else []),
    )


@dataclass(frozen=True)
class _Teller:
    progress: Progress | None
    done: int
    total: int
    what: str

    def __call__(self, more: str = "") -> None:
        if self.progress:
            self.progress(self.done, self.total, f"{self.what}: {more}" if more else self.what)


def title(case: Case, among: Sequence[Case]) -> str:
    """A case as it is told apart from the others."""
    varied = {n for n in ("engine", "delegate") if len({getattr(c.runtime, n) for c in among}) > 1}
    parts = [case.model.stem, f"{case.runtime.threads} thr."]
    parts += [
        Path(str(getattr(case.runtime, n))).name for n in ("engine", "delegate") if n in varied
    ]
    return ", ".join(parts)
