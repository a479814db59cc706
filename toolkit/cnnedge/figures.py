"""Numbers as people read them: percentages, intervals, bytes and latencies."""

from __future__ import annotations

from collections.abc import Sequence

# In place of an unknown figure.
UNKNOWN = "–"


def percent(fraction: float, digits: int = 2) -> str:
    """0.9312 as 93.12 %."""
    return f"{100 * fraction:.{digits}f} %"


def interval(ci95: Sequence[float]) -> str:
    """A 95 % interval of fractions, in percent."""
    return f"{100 * ci95[0]:.1f}–{100 * ci95[1]:.1f} %"


def size(count: int) -> str:
    """Bytes for people: 1 KB is 1,000 bytes."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.1f} KB"
    return f"{count / 1_000_000:.2f} MB"


def milliseconds(value: float | None) -> str:
    """Latency for people: three significant digits; a dash if it is not known."""
    if value is None:
        return UNKNOWN
    if value < 0.1:
        return f"{1000 * value:.{1 if value >= 0.01 else 2}f} µs"
    if value >= 1000:
        return f"{value:,.0f} ms"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f} ms"


def threads(count: int) -> str:
    """1 thread, 4 threads."""
    return f"{count} thread{'' if count == 1 else 's'}"
