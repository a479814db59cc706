"""What a model may cost: `latency=10ms`, `size=1MB`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import SpecError

_UNITS = {
    "latency": {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3},
    "size": {"B": 1.0, "KB": 1e3, "MB": 1e6, "KiB": 1024.0, "MiB": 1024.0**2},
}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The most that the median inference may take, and the file may weigh; None: anything."""

    latency_ms: float | None = None
    size_bytes: float | None = None

    def holds(self, latency_ms: float, size_bytes: float) -> bool:
        return latency_ms <= (self.latency_ms or float("inf")) and size_bytes <= (
            self.size_bytes or float("inf")
        )


def parse_budget(texts: Sequence[str]) -> Budget:
    """A Budget from `latency=10ms` and `size=1MB`. Raises SpecError."""
    budget = Budget()
    for text in texts:
        found = re.fullmatch(r"\s*(\w+)\s*=\s*([\d.]+(?:e-?\d+)?)\s*([a-zµA-Z]+)\s*", text)
        kind = found[1] if found else ""
        units = _UNITS.get(kind, {})
        unit = next((u for u in units if found and u.lower() == found[3].lower()), None)
        if not found or unit is None:
            raise SpecError(
                f"--budget {text}: expected latency=10ms (us, ms, s) or size=1MB "
                "(B, KB, MB, KiB, MiB)"
            )
        try:
            value = float(found[2]) * units[unit]
        except ValueError:
            raise SpecError(f"--budget {text}: '{found[2]}' is not a number") from None
        if value <= 0:
            raise SpecError(f"--budget {text}: it must be above 0")
        field = "latency_ms" if kind == "latency" else "size_bytes"
        if getattr(budget, field) is not None:
            raise SpecError(f"--budget {text}: {kind} is given twice")
        budget = replace(budget, **{field: value})
    return budget
