"""How far the latencies of one session can be trusted.

Results enter; one judgement leaves, with what disturbed them in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..results import SLOW_GOVERNORS
from .result import Conditions, Result

# Shares of the CPU that were not ours.
_SHARES = ("busy_fraction", "steal_fraction", "others_fraction")


@dataclass(frozen=True, kw_only=True)
class Trust:
    """unstable, results: how many of how many call themselves so. median, p90: the largest noise
    floors, as fractions; None where too few processes ran to know. causes: what disturbed them."""

    unstable: int
    results: int
    median: float | None
    p90: float | None
    causes: tuple[str, ...]


def trust(results: Sequence[Result]) -> Trust | None:
    """None where nothing speaks against them. An emulator's say nothing and are left out."""
    own = [r for r in results if not r.emulated]
    doubtful = [r for r in own if r.unstable]
    if not doubtful:
        return None
    floors = [r.noise_floor for r in own]
    return Trust(
        unstable=len(doubtful),
        results=len(own),
        median=_largest([f.median for f in floors]),
        p90=_largest([f.p90 for f in floors]),
        causes=tuple(bad_conditions(_worst([r.conditions for r in own]))),
    )


def trust_line(found: Trust) -> str:
    """What `trust` found, in one sentence."""
    floors = [
        f"{100 * floor:.{0 if floor >= 0.1 else 1}f} % ({name})"
        for name, floor in (("median", found.median), ("p90", found.p90))
        if floor is not None
    ]
    known = f"accurate to {' and '.join(floors)} at best" if floors else "of unknown accuracy"
    causes = f": {', '.join(found.causes)}" if found.causes else ""
    return f"latencies: {known}{causes}; {found.unstable} of {found.results} results are unstable"


def bad_conditions(around: Conditions) -> list[str]:
    """What in the conditions of a run makes its latencies doubtful."""
    reasons = []
    busy, others, steal = around.busy_fraction, around.others_fraction, around.steal_fraction
    if busy is not None and busy > 0.1:
        reasons.append(f"{busy:.0%} of the CPU was in use by other programs before the run")
    if others is not None and others > 0.1:
        reasons.append(f"{others:.0%} of the CPU was in use by other programs during the run")
    if around.governor in SLOW_GOVERNORS:
        reasons.append(f"the CPU governor is '{around.governor}'")
    if steal is not None and steal > 0.02:
        reasons.append(f"other virtual machines took {steal:.0%} of the CPU time")
    return reasons


def _worst(found: Sequence[Conditions]) -> Conditions:
    slow = (c.governor for c in found if c.governor in SLOW_GOVERNORS)
    return Conditions(protocol="", governor=next(slow, None), **largest_shares(found))


def largest_shares(found: Sequence[Any]) -> Mapping[str, Any]:
    """Of the CPU, what was not ours: the most of each share that was seen; None if it is unknown.

    found: whatever has these shares as attributes.
    """
    return {share: _largest([getattr(each, share) for each in found]) for share in _SHARES}


def _largest(values: Sequence[float | None]) -> float | None:
    return max((v for v in values if v is not None), default=None)
