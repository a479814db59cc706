"""Times as text for the page of benchmark results. Milliseconds enter, text leaves."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from ..pages.text import format_ms

# Below, microseconds read better.
_LEAST_MS = 0.1


def time_text(ms: float) -> str:
    """Three digits: 33.1 µs, 12.3 ms."""
    if ms < _LEAST_MS:
        return f"{1000 * ms:.3g}\u00a0µs"
    return f"{ms:.3g}\u00a0ms" if ms < 999.5 else format_ms(ms)


def tick_text(ticks: Sequence[float]) -> Callable[[float], str]:
    """What writes the ticks of an axis: one unit for all, with enough decimals to differ."""
    scale, unit = (1000.0, "µs") if max(ticks, default=1.0) < _LEAST_MS else (1.0, "ms")
    steps = [scale * (b - a) for a, b in itertools.pairwise(sorted(ticks))]
    step = min(steps, default=1.0)
    decimals = next((d for d in range(7) if abs(round(step, d) - step) < 1e-6 * step), 7)
    return lambda ms: f"{scale * ms:,.{decimals}f}\u00a0{unit}"
