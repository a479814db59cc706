"""What a field of a dataclass may hold: bounds, and the nearest of the allowed names.

Apart from the YAML reader, because files for a device are read without YAML: importing that takes
a tenth of the time from a command to its first label.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

# Whole numbers of 64 bits, the usual limit.
MOST_WHOLE = 2**63 - 1
_MOST_COMPARED, _LONGEST_COMPARED = 5_000, 100


@dataclass(frozen=True)
class Range:
    """Bounds of a number, inclusive; None leaves a side open."""

    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is not None and self.high is not None:
            return f"from {_bound(self.low)} to {_bound(self.high)}"
        if self.low is not None:
            return f"at least {_bound(self.low)}"
        return f"at most {_bound(self.high or 0)}"

    def holds(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def _bound(number: float) -> str:
    return f"{number}" if isinstance(number, int) else f"{number:g}"


def closest(name: str, allowed: Iterable[str]) -> str:
    """' Did you mean X?' for the nearest allowed name, or nothing."""
    # Long names, and long lists of them, take minutes to compare.
    near = [text for text in list(allowed)[:_MOST_COMPARED] if len(text) <= _LONGEST_COMPARED]
    name = str(name)[:_LONGEST_COMPARED]
    matches = difflib.get_close_matches(name, near, n=1, cutoff=0.5)
    return f" Did you mean '{matches[0]}'?" if matches else ""
