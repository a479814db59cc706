"""A comparison in words and figures, for the terminal and for Markdown alike."""

from __future__ import annotations

from collections.abc import Sequence

from ..figures import percent
from .outcome import Compared


def settings(compared: Sequence[Compared]) -> list[str]:
    """The settings that tell the compared apart."""
    names = ("device", "engine", "threads", "delegate", "precision")
    return [name for name in names if len({getattr(c, name) for c in compared}) > 1]


def change(ratio: float) -> str:
    """1.034 as +3.4 %."""
    percent = 100 * (ratio - 1)
    if percent >= 1000:
        return f"{ratio:,.0f} times"
    return f"{percent:+.1f} %".replace("+0.0 %", "0.0 %").replace("-0.0 %", "0.0 %")


def resolution(c: Compared) -> list[str]:
    """What a "no difference" could not have seen, where that is much."""
    if c.verdict != "no difference":
        return []
    unseen = max(c.threshold, c.ci95[1] - 1)
    if unseen <= 0.05:
        return []
    return [
        f"these runs could not have shown a slowdown of less than {percent(unseen, 1)}; measure "
        "again on a quieter machine, or with --protocol standard"
    ]


def doubts(c: Compared) -> list[str]:
    """Why either run is not to be trusted to a few percent, and what was allowed to differ."""
    said = [
        f"{side} may be unstable: {'; '.join(reasons)}"
        for side, reasons in (("base", c.unstable.base), ("new", c.unstable.new))
        if reasons
    ]
    return said + [f"{d.key} differs: {d.base} and {d.new}" for d in c.allowed]
