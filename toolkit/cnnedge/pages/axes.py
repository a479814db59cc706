"""Axes of the reports' charts: values enter, places in SVG units and round ticks leave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A range of values over a range of SVG units, with the values that get a grid line."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """The SVG coordinate of a value."""
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def value_axis(values: Sequence[float], start: float, end: float) -> Axis:
    """An axis over positive values: logarithmic if they span more than a factor of 4."""
    low, high = min(values), max(values)
    if low <= 0 or high / low <= 4:
        return linear_axis(values, start, end, floor=0.0)
    low, high = low / 1.35, high * 1.35
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    decades = len(exponents)
    steps = (1, 2, 5) if decades <= 3 else (1, 3) if decades <= 4 else (1,)
    ticks = tuple(m * 10.0**e for e in exponents for m in steps if low <= m * 10.0**e <= high)
    return Axis(low=low, high=high, start=start, end=end, ticks=ticks, log=True)


def linear_axis(
    values: Sequence[float], start: float, end: float, floor: float | None = None
) -> Axis:
    """An axis with about five round ticks and some room around the values."""
    low, high = min(values), max(values)
    room = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    low, high = low - room, high + room
    if floor is not None:
        low = max(low, floor)
    ticks = round_ticks(low, high)
    return Axis(low=low, high=high, start=start, end=end, ticks=ticks)


def round_ticks(low: float, high: float) -> tuple[float, ...]:
    """About five round values within the range."""
    rough = (high - low) / 5
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(m * scale for m in (1, 2, 2.5, 5, 10) if m * scale >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(i * step, 12) for i in range(first, last + 1))
