"""Whether two results were measured under like conditions.

Two results enter; what differs leaves, by key, with both values.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .reading import Measured

# Processors further apart than this at the start run at other clocks, or soon will.
_SAME_TEMPERATURE_C = 10.0


@dataclass(frozen=True)
class Difference:
    """A key, as --allow takes it, and what either side has there."""

    key: str
    base: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.key}: {_shown(self.base)} in BASE, {_shown(self.new)} in NEW"


def _condition(name: str) -> Callable[[Measured], Any]:
    return lambda m: getattr(m.result.conditions, name)


def _now(measured: Measured) -> str | None:
    """Why a board's firmware holds it back now; what it did since boot is past."""
    throttled = measured.result.conditions.throttled
    return ", ".join(throttled.now) if throttled and throttled.now else None


# What must be the same, in the order in which it is said. A governor or a thermal status that
# neither side tells is the same.
_SAME: dict[str, Callable[[Measured], Any]] = {
    "device": lambda m: m.result.device,
    "cpu": _condition("cpu"),
    "architecture": _condition("architecture"),
    "cores": _condition("cores"),
    "engine": lambda m: m.result.engine,
    "engine_version": lambda m: m.result.engine_version,
    "threads": lambda m: m.result.threads,
    "delegate": lambda m: m.result.delegate.used,
    "precision": lambda m: m.result.precision,
    "protocol": _condition("protocol"),
    "governor": _condition("governor"),
    "thermal_status": _condition("thermal_status"),
    "throttled": _now,
    "power_saving": _condition("power_saving"),
    "powered_by": _condition("powered_by"),
    "statistic": lambda m: m.statistic,
}
# Every key that --allow takes.
KEYS = (*_SAME, "temperature_c")


def differences(base: Measured, new: Measured) -> list[Difference]:
    """What is not the same; empty where the two can be compared."""
    found = [
        Difference(key, get(base), get(new)) for key, get in _SAME.items() if get(base) != get(new)
    ]
    return found + _temperatures(base, new)


def _temperatures(base: Measured, new: Measured) -> list[Difference]:
    before, after = (_start_temperature(side) for side in (base, new))
    if before is None or after is None or abs(before - after) <= _SAME_TEMPERATURE_C:
        return []
    return [Difference("temperature_c", round(before, 1), round(after, 1))]


def _start_temperature(side: Measured) -> float | None:
    """The median over the processes of a run, each at its start."""
    told = [r.conditions.temperature_c for r in side.result.repeats]
    known = [degrees for degrees in told if degrees is not None]
    return statistics.median(known) if known else None


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return text if len(text) <= 80 else f"{text[:77]}..."
