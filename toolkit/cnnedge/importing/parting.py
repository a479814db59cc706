"""Where an import parts from its source: the first layer whose values are others.

Two traces of the same pictures enter, of the source and of the import; a Parting leaves. An import
has other layers than its source: converters fuse some, split others and turn the channels round. So
a layer of the source agrees where any tensor of the import has its values, in whichever order of
axes; and it parts where none has and nothing that is computed from it agrees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import figures
from .trace import Reals, Step, Trace

# Of the largest value of a layer. Rounding in another order leaves 1e-7 to 1e-5 of it.
LIMIT = 1e-4
# Two tensors are the same layer, computed differently, where this much of the values is the same.
_ALIKE = 0.5
_NEAREST = 6


@dataclass(frozen=True, kw_only=True)
class Parting:
    """layer, kind: the first whose values differ; "" where none does, or where it cannot be told.
    until: the first behind it whose values are in the import and differ; the layer itself, unless
    the import computes it together with what follows: then it may part in any of these. apart: by
    how much they differ at most, of their largest; where no layer parts, the largest of all that
    agree. after: the last one before it that agrees; "" for the picture itself. compared: how many
    layers agree. why: what keeps it from being told, a sentence.
    """

    layer: str = ""
    kind: str = ""
    until: str = ""
    apart: float = math.nan
    after: str = ""
    compared: int = 0
    why: str = ""

    @property
    def text(self) -> str:
        """A sentence for people."""
        if self.why:
            return f"Which layer parts first cannot be told: {self.why}"
        if not self.layer:
            largest = f"the largest difference is {self.apart:.1g} of a layer's largest value"
            return (
                f"No layer parts: {self.compared} were found again in the import, and {largest}. "
                "So it is rounding, which large scores turn into other probabilities"
            )
        shown = f"The first layer that parts is '{self.layer}' ({self.kind})"
        if self.until not in ("", self.layer):
            shown += f", or one that the import computes together with it, up to '{self.until}'"
        if math.isfinite(self.apart):
            shown += f": its values differ by {figures.percent(self.apart, 1)} of the largest"
        else:
            shown += ": nothing in the import resembles its values"
        return f"{shown}; '{self.after}' before it agrees" if self.after else shown

    def as_json(self) -> Mapping[str, Any]:
        """For import.json: what is known of it, in words as well."""
        if self.why:
            return {"why": self.why, "text": self.text}
        return {
            "text": self.text,
            "layer": self.layer or None,
            "kind": self.kind or None,
            "until": self.until or None,
            "apart": self.apart if math.isfinite(self.apart) else None,
            "after": self.after or None,
            "compared": self.compared,
        }


@dataclass(frozen=True, kw_only=True)
class _Found:
    """apart: the largest difference to the nearest tensor, of the largest value. alike: whether
    that tensor is the same layer.
    """

    apart: float
    alike: bool

    @property
    def agrees(self) -> bool:
        return self.apart <= LIMIT


def first(source: Trace, imported: Trace, *, fused: bool = True) -> Parting:
    """The first layer of the source that parts. Both of the same pictures.

    fused: the import may compute several layers at once, and has no values between them.
    """
    tensors = _Tensors(imported)
    found = [None if _idle(step, source) else tensors.nearest(step.values) for step in source]
    agreeing = [f is not None and f.agrees for f in found]
    count = sum(agreeing)
    if not count and not any(f is not None and f.alike for f in found):
        return Parting(why="none of the source's layers is found again in the import")
    reached = _reached(source, agreeing)
    parted = [i for i in range(len(source)) if found[i] is not None and not reached[i]]
    if not parted:
        return Parting(compared=count, apart=max(f.apart for f in found if f and f.agrees))
    guilty = until = parted[0]
    if fused:
        later = (i for i in parted if i == guilty or guilty in _above(source, i))
        until = next((i for i in later if (f := found[i]) and f.alike), guilty)
    nearest = found[until]
    before = [i for i in _above(source, guilty) if agreeing[i]]
    return Parting(
        layer=source[guilty].name,
        kind=source[guilty].kind,
        until=source[until].name,
        apart=nearest.apart if nearest and nearest.alike else math.inf,
        after=source[before[-1]].name if before else "",
        compared=count,
    )


def _idle(step: Step, source: Trace) -> bool:
    """Whether its values say nothing: all of them alike, or those of one of its inputs."""
    values = step.values
    if values.size == 0 or float(values.min()) == float(values.max()):
        return True
    entering = (source[i].values for i in step.inputs if source[i].values.size == values.size)
    return any(np.array_equal(x.ravel(), values.ravel()) for x in entering)


def _reached(source: Trace, agreeing: Sequence[bool]) -> list[bool]:
    """Of each step whether it agrees, or anything that is computed from it does."""
    reached = list(agreeing)
    for number in range(len(source) - 1, -1, -1):
        if reached[number]:
            for i in source[number].inputs:
                reached[i] = True
    return reached


def _above(source: Trace, number: int) -> list[int]:
    """All that a step is computed from, in order."""
    found: set[int] = set()
    open_ones = list(source[number].inputs)
    while open_ones:
        each = open_ones.pop()
        if each not in found:
            found.add(each)
            open_ones += source[each].inputs
    return sorted(found)


class _Tensors:
    """The tensors of an import, by their number of values."""

    def __init__(self, trace: Trace) -> None:
        self._of_size: dict[int, list[tuple[Reals, npt.NDArray[np.float64]]]] = {}
        for step in trace:
            values = _plain(step.values)
            self._of_size.setdefault(values.size, []).append((values, _moments(values)))

    def nearest(self, values: Reals) -> _Found:
        """How far the nearest of as many values is away; infinitely where there is none."""
        ours = _plain(values)
        known = self._of_size.get(ours.size, [])
        moments = _moments(ours)
        by_moments = sorted(known, key=lambda each: float(np.abs(each[1] - moments).sum()))
        best = _Found(apart=math.inf, alike=False)
        for theirs, _ in by_moments[:_NEAREST]:
            for turned in _turned(ours):
                if turned.shape == theirs.shape:
                    best = min(best, _apart(turned, theirs), key=lambda f: (not f.alike, f.apart))
        return best


def _plain(values: Reals) -> Reals:
    """Without axes of one, but for that of the pictures."""
    return values.reshape(len(values), *(n for n in values.shape[1:] if n != 1))


def _moments(values: Reals) -> npt.NDArray[np.float64]:
    """What no order of axes changes; NaN counts as nothing."""
    sure = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    return np.array([sure.mean(), np.sqrt(np.square(sure).mean()), np.abs(sure).max()])


def _turned(values: Reals) -> list[Reals]:
    """With the channels where they are, last, and first."""
    if values.ndim < 3:
        return [values]
    return [values, np.moveaxis(values, 1, -1), np.moveaxis(values, -1, 1)]


def _apart(ours: Reals, theirs: Reals) -> _Found:
    with np.errstate(invalid="ignore", over="ignore"):
        away = np.abs(ours - theirs)
    if not np.isfinite(away).all():
        return _Found(apart=math.inf, alike=False)
    largest = float(np.abs(ours).max())
    spread = float(ours.std())
    noise = float(np.sqrt(np.square(away, dtype=np.float64).mean()))
    return _Found(apart=float(away.max()) / largest, alike=noise <= _ALIKE * spread)
