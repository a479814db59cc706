"""`cnnedge compare`: two runs of `cnnedge bench`.

Two runs enter; a Comparison leaves. Nothing here prints.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..errors import CnnedgeError
from ..results import STEADY_MEDIAN, STEADY_P90, noise_floor
from .effect import Effect, effect
from .likeness import KEYS, differences
from .matching import match
from .outcome import Both, Compared, Comparison, Label, Sides, Tail, Verdict
from .reading import Measured, Run

__all__ = ["KEYS", "compare"]

# The worst first.
_ORDER: tuple[Verdict, ...] = ("regression", "improvement", "no difference")


def compare(
    base: Run, new: Run, *, max_slower: float = 0.0, allow: Collection[str] = ()
) -> Comparison:
    """Compares the results that both runs have.

    max_slower: a fraction; a regression up to that is none. allow: keys of KEYS that may differ.

    verdict: "regression" where the interval lies above 1 and the ratio is more than the threshold
    above it: the larger of noise floor and max_slower; "improvement" the other way round; else "no
    difference". The noise floor is the larger of what either run shows in A/A comparisons of its
    own halves, and at least 2 %: two runs of the same model may lie so far apart without anything
    having changed, such as the order of what is linked (Mytkowicz et al., Producing Wrong Data
    Without Doing Anything Obviously Wrong, 2009).

    Raises CnnedgeError: for unlike conditions that are not allowed, for an emulator's timings, and
    for too few processes.
    """
    matches = match(base, new)
    for side, results in (
        ("BASE", [b for b, _ in matches.pairs]),
        ("NEW", [n for _, n in matches.pairs]),
    ):
        _refuse_emulated(side, results)
    _refuse_unlike(matches.pairs, allow)
    compared = [_compared(b, n, max_slower) for b, n in matches.pairs]
    return Comparison(
        base=base.path,
        new=new.path,
        verdict=min((c.verdict for c in compared), key=_ORDER.index),
        max_slower=max_slower,
        compared=tuple(compared),
        only_in_base=tuple(Label(**_label(m)) for m in matches.only_base),
        only_in_new=tuple(Label(**_label(m)) for m in matches.only_new),
    )


def _refuse_emulated(side: str, results: Collection[Measured]) -> None:
    for measured in results:
        emulated = measured.result.emulated
        if emulated:
            raise CnnedgeError(
                f"emulated: {measured.name} of {side} was timed in an emulator ({emulated}), which "
                "says nothing about the device. Compare runs of real devices"
            )


def _refuse_unlike(pairs: Collection[tuple[Measured, Measured]], allow: Collection[str]) -> None:
    found: dict[str, list[str]] = {}
    keys: dict[str, None] = {}
    for base, new in pairs:
        for difference in differences(base, new):
            if difference.key not in allow:
                found.setdefault(str(difference), []).append(base.name)
                keys[difference.key] = None
    if found:
        said = "; ".join(
            text if len(set(names)) == len({b.name for b, _ in pairs}) else f"{names[0]}: {text}"
            for text, names in found.items()
        )
        ways = " ".join(f"--allow {key}" for key in keys)
        raise CnnedgeError(f"unlike conditions: {said}. Measure both alike, or go on with {ways}")


def _compared(base: Measured, new: Measured, max_slower: float) -> Compared:
    found = effect(base.medians, new.medians)
    if found is None:
        few = base if len(base.medians) < 2 else new
        raise CnnedgeError(
            f"{few.name}: {len(few.medians)} fresh process was measured, and nothing tells how "
            "processes vary; wanted: 2 or more. Measure with --protocol quick or standard"
        )
    floor = _floor(base.medians, new.medians, STEADY_MEDIAN)
    threshold = max(floor, max_slower)
    return Compared(
        **_label(base),
        new_model=new.result.model,
        statistic=base.statistic,
        base_ms=getattr(base.result.latency_ms, base.statistic),
        new_ms=getattr(new.result.latency_ms, new.statistic),
        processes=Both(base=len(base.medians), new=len(new.medians)),
        ratio=found.ratio,
        ci95=(found.low, found.high),
        method=found.method,
        noise_floor=floor,
        threshold=threshold,
        verdict=verdict(found, floor, threshold),
        p90=_p90(base, new),
        peak_memory_bytes=_both(base, new, "peak_memory_bytes"),
        size_bytes=_both(base, new, "size_bytes"),
        accuracy=_accuracy(base, new),
        unstable=Sides(base=base.result.unstable, new=new.result.unstable),
        allowed=tuple(differences(base, new)),
    )


def verdict(found: Effect, floor: float, threshold: float) -> Verdict:
    """ "regression", "improvement" or "no difference"; floor, threshold: fractions."""
    if found.low > 1 and found.ratio - 1 > threshold:
        return "regression"
    if found.high < 1 and 1 / found.ratio - 1 > floor:
        return "improvement"
    return "no difference"


def _floor(base: Collection[float], new: Collection[float], least: float) -> float:
    return max(least, *(noise_floor(tuple(side)) or 0.0 for side in (base, new)))


def _p90(base: Measured, new: Measured) -> Tail | None:
    found = effect(base.p90s, new.p90s)
    if found is None:
        return None
    return Tail(
        base_ms=base.result.latency_ms.p90,
        new_ms=new.result.latency_ms.p90,
        ratio=found.ratio,
        ci95=(found.low, found.high),
        noise_floor=_floor(base.p90s, new.p90s, STEADY_P90),
    )


def _both(base: Measured, new: Measured, name: str) -> Both:
    return Both(base=getattr(base.result, name), new=getattr(new.result, name))


def _accuracy(base: Measured, new: Measured) -> Both:
    told = [m.result.accuracy.accuracy if m.result.accuracy else None for m in (base, new)]
    return Both(base=told[0], new=told[1])


def _label(measured: Measured) -> Mapping[str, Any]:
    found = measured.result
    settings = {name: getattr(found, name) for name in ("device", "engine", "threads", "precision")}
    return {"model": found.model} | settings | {"delegate": found.delegate.used}
