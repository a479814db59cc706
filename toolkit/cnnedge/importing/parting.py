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

from .trace import Reals, Step, Trace

# Of the largest value of a layer. Rounding in another order leaves 1e-7 to 1e-5 of it.
LIMIT = 1e-4
# Two tensors are the same layer, computed differently, where this much of the values is the same.
_ALIKE = 0.5
_NEAREST = 6
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Parting:
    """layer, kind: the first whose values differ; "" where none does, or where it cannot be told.
    apart: by how much at most, of the layer's largest value; where no layer parts, the largest of
    all that agree. after: the last one before it that agrees; "" for the picture itself. within:
    layers between both that are no tensors of their own in the import; it may part in any of them.
    compared: how many layers agree. why: what keeps it from being told, a sentence.
    """

    layer: str = ""
    kind: str = ""
    apart: float = math.nan
    after: str = ""
    within: tuple[str, ...] = ()
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
        shown = f"The first layer that parts is '{self.layer}' ({self.kind}): " + (
            f"its values differ by {self.apart:.1%} of the largest"
            if math.isfinite(self.apart)
            else "nothing in the import resembles its values"
        )
        shown += f"; '{self.after}' before it agrees" if self.after else "; none before it agrees"
        if self.within:
            names = ", ".join(f"'{name}'" for name in self.within[-_SHOWN:])
            more = "others and " if len(self.within) > _SHOWN else ""
            shown += f". The import has no values of {more}{names}, so it may be there as well"
        return shown

    def as_json(self) -> Mapping[str, Any]:
        """For import.json: what is known of it, in words as well."""
        if self.why:
            return {"why": self.why, "text": self.text}
        return {
            "text": self.text,
            "layer": self.layer or None,
            "kind": self.kind or None,
            "apart": self.apart if math.isfinite(self.apart) else None,
            "after": self.after or None,
            "within": list(self.within),
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


def first(source: Trace, imported: Trace) -> Parting:
    """The first layer of the source that parts. Both of the same pictures."""
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
    guilty = parted[0]
    for i in parted:
        # What is fused with it has as many values: an activation, a normalisation.
        fused = guilty in _above(source, i) and source[i].values.size == source[guilty].values.size
        if (i == guilty or fused) and (each := found[i]) and each.alike:
            guilty = i
            break
    above = _above(source, guilty)
    within = [i for i in above if not reached[i]]
    before = [i for i in above if agreeing[i]]
    nearest = found[guilty]
    assert nearest is not None
    return Parting(
        layer=source[guilty].name,
        kind=source[guilty].kind,
        apart=nearest.apart if nearest.alike else math.inf,
        after=source[before[-1]].name if before else "",
        within=tuple(dict.fromkeys(source[i].name for i in within)),
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
