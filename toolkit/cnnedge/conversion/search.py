"""The best variant within a budget of latency and size, found by measuring.

A Work and a Budget enter; all that was made on the way leaves, with the pick and the reason. A
candidate is timed and weighed before it is trained: how fast a network is does not depend on its
weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..benchmark import get_protocol
from ..compression.techniques import smaller_models
from ..errors import CnnedgeError
from ..specs import Channels, Distil, Format, Qat, Technique, Variant
from .budget import Budget
from .entries import Entry
from .gate import judged
from .making import Made
from .work import Work

# Measured again with all others at the end: leave room for noise.
_MARGIN = 0.95
# Formats that every run can be had in without training, the most exact first.
_FORMATS: tuple[Format, ...] = ("float32", "float16", "dynamic", "int8")
# Less accuracy than this is not worth a slower model.
_TELL_APART = 0.001


@dataclass(frozen=True, kw_only=True)
class Found:
    """made: everything, in order. name: of the pick; None where nothing holds. why: in words."""

    made: list[Made]
    budget: Budget
    name: str | None
    why: str


def search(work: Work, budget: Budget, make: Callable[[Variant], Made]) -> Found:
    """Builds candidates until one is within the budget and the gate.

    First the formats without training; then fewer channels, as many as the budget lets stay,
    fine-tuned, then taught by the whole model, then trained for int8. Raises CnnedgeError.
    """
    made = [_timed(work, make(Variant(format=form))) for form in _FORMATS]
    if pick := _best(work, budget, made):
        return _found(work, budget, made, pick)
    if work.data.recipe.training.method == "pretrained":
        why = "for a published network, only the format can change: train it on your pictures first"
        return Found(made=made, budget=budget, name=None, why=why)
    for techniques in _ladder(work, budget, made):
        try:
            made.append(_timed(work, make(Variant(techniques=techniques))))
        except CnnedgeError as error:
            work.data.reporter.note(
                f"{Variant(techniques=techniques).name} cannot be made: {error}"
            )
            continue
        if pick := _best(work, budget, made):
            return _found(work, budget, made, pick)
    return Found(made=made, budget=budget, name=None, why=_nearest(work, budget, made))


def _ladder(work: Work, budget: Budget, made: list[Made]) -> list[tuple[Technique, ...]]:
    whole = made[-1].entry
    if _holds(budget, whole):
        # int8 fits and is refused by the gate alone.
        return [(Qat(),), (Distil(), Qat())]
    channels = Channels(macs=_fraction(work, budget, whole.size_bytes))
    return [(channels,), (channels, Distil()), (channels, Distil(), Qat())]


def _fraction(work: Work, budget: Budget, whole_bytes: int) -> float:
    """The largest fraction of multiply-accumulates whose int8 model is within the budget.

    whole_bytes: of the whole network's int8 file, with all that travels in it. Found by halving,
    each candidate measured. Raises CnnedgeError where none is.
    """
    model = work.workshop.own
    smaller = smaller_models(work.workshop, model)
    pictures = work.calibration(8)
    travels = whole_bytes - work.timer.glance(model, pictures)[1]
    low, high = 0.02, 1.0
    best: float | None = None
    for step in range(8):
        middle = (low * high) ** 0.5
        work.data.reporter.stage(f"measuring at {100 * middle:.0f} % of the work", step, 8)
        try:
            latency, size = work.timer.glance(smaller(middle), pictures)
        except CnnedgeError:
            low = middle
            continue
        if budget.holds(latency / _MARGIN, (size + travels) / _MARGIN):
            best, low = middle, middle
        else:
            high = middle
        if high / low < 1.08:
            break
    if best is None:
        raise CnnedgeError(
            "removing channels cannot bring this network within the budget on "
            f"{work.timer.place}. Allow more, or train a smaller network: 'cnnedge models' lists "
            "them"
        )
    # A readable name, and never above what was measured.
    return max(0.01, int(100 * best) / 100)


def _best(work: Work, budget: Budget, made: list[Made]) -> Made | None:
    """The most accurate that holds; of those about as accurate, the fastest."""
    gate = work.data.recipe.convert.max_drop
    holding = [m for m in made if judged(m.entry, gate).status == "ok" and _holds(budget, m.entry)]
    if not holding:
        return None
    top = max(_accuracy(m) for m in holding)
    alike = [m for m in holding if _accuracy(m) >= top - _TELL_APART]
    return min(alike, key=lambda m: (m.entry.searched_ms or 0.0, m.entry.size_bytes))


def _accuracy(made: Made) -> float:
    return float(made.entry.accuracy or 0.0)


def _timed(work: Work, made: Made) -> Made:
    """With its median within this search."""
    file = work.data.run.export / made.entry.file
    median = work.timer.median_ms(file, get_protocol("quick"))
    return replace(made, entry=replace(made.entry, searched_ms=median))


def _holds(budget: Budget, entry: Entry) -> bool:
    return budget.holds(entry.searched_ms or 0.0, entry.size_bytes)


def _found(work: Work, budget: Budget, made: list[Made], pick: Made) -> Found:
    entry = pick.entry
    said = [f"{entry.searched_ms or 0.0:.3g} ms", f"{entry.size_bytes / 1e3:.0f} KB"]
    if entry.accuracy is not None and entry.drop_points is not None:
        said.append(f"{100 * entry.accuracy:.2f} % right ({_lost(entry.drop_points)})")
    others = [m for m in made if m is not pick]
    refused = sum(judged(m.entry, work.data.recipe.convert.max_drop).status != "ok" for m in others)
    outside = sum(not _holds(budget, m.entry) for m in others)
    why = (
        f"{entry.name} is within the budget and the most accurate that is: {', '.join(said)}; "
        f"of {len(others)} others {outside} cost more than allowed and {refused} lost too much"
    )
    return Found(made=made, budget=budget, name=entry.name, why=why)


def _lost(points: float) -> str:
    """In words: a drop below zero is a gain."""
    return f"{abs(points):.2f} points {'gained' if points < 0 else 'lost'}"


def _nearest(work: Work, budget: Budget, made: list[Made]) -> str:
    gate = work.data.recipe.convert.max_drop
    within = [m for m in made if _holds(budget, m.entry)]
    if not within:
        return "nothing came within the budget: allow more, or begin with a smaller network"
    best = max(within, key=_accuracy).entry
    return (
        f"the best within the budget, {best.name}, loses {best.drop_points:.2f} points; the gate "
        f"allows {gate:g}. Allow more, fine-tune longer (--set compress.channels.epochs=), or "
        "give it a larger budget"
    )
