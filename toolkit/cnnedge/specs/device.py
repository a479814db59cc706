"""Device profiles: how to reach a device, what it has, its frame budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from .strict import Range, build, compose


@dataclass(frozen=True, kw_only=True)
class DeviceProfile:
    """One device. threads: what its benchmarks use by default; frame_budget_ms: per picture."""

    description: str = ""
    transport: Literal["local"] = "local"
    threads: tuple[Annotated[int, Range(1, 256)], ...] = (1,)
    delegates: tuple[Literal["cpu"], ...] = ("cpu",)
    frame_budget_ms: Annotated[float, Range(0.1, 60_000)] = 33.3


def parse_device(text: str, source: str) -> DeviceProfile:
    """A DeviceProfile from YAML text. Raises SpecError."""
    return build(DeviceProfile, compose(text, source))
