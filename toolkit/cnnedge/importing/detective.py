"""Which pixels a model was trained on, found out from pictures.

A source and pictures with their classes, or with the answers that it gave elsewhere, enter; what
each convention is worth leaves, and the best one where it can be told. A model that is fed pixels
it does not know answers worse: the right convention has the most right answers and, where others
have as many, the surest ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Dataset, calibration_indices
from ..errors import ModelError
from ..preprocess import Pixels as Frame
from ..results import accuracy, mcnemar
from ..specs.pixels import InputSize, Preprocess
from . import heads
from .convention import RULES, Convention, candidates, with_rule

Answer = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
Right = npt.NDArray[np.bool_]
Reals = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

PICTURES = 200
# Two conventions differ where chance alone would say so once in as many.
_LEVEL = 0.01
_LEAST = 1e-7
# How far a score may be away that somebody wrote with two digits.
_ROUNDED = 0.01
_LITTLE = 1e-4
_TEMPERATURES = tuple(2 ** (power / 4) for power in range(-8, 17))


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What the model answers in one convention. right: of each picture. nats: the logarithm of the
    probability of the right class, at the temperature that suits the model best. apart: the largest
    difference to the scores that the source gave; infinite where they are not known.
    """

    convention: Convention
    right: Right
    nats: Reals
    apart: float = math.inf

    @property
    def rule(self) -> str:
        """For people: scaling, colours and resizing."""
        rule = self.convention.rule
        crop = f" {rule.crop_fraction:g}" if rule.crop_fraction != 1 else ""
        return f"{self.convention.shown}, {rule.resize}{crop}, {rule.interpolation}"

    def as_json(self) -> Mapping[str, Any]:
        """For import.json."""
        said = {"rule": self.rule, **vars(accuracy(self.right))}
        return said | {"apart": self.apart} if math.isfinite(self.apart) else said


@dataclass(frozen=True, kw_only=True)
class Found:
    """tried: best first. convention: None where it cannot be told, and `why` says what stands
    against it. rule_told: whether the resize rule is better than others, or just as good.
    """

    tried: tuple[Tried, ...]
    convention: Convention | None
    why: str
    rule_told: bool = False


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """answer: the source's outputs. pixels: of the pictures by a resize rule, uint8 [n, h, w, c].
    targets: int64 [n], the right output of each. scores: float64 [n], what the source gave it, NaN
    where that is unknown; None where labels are all that there is.
    """

    answer: Answer
    size: InputSize
    pixels: Callable[[Preprocess], Frame]
    targets: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64] | None = None

    @property
    def scored(self) -> bool:
        """Whether there is a score to go by."""
        return self.scores is not None and not bool(np.isnan(self.scores).all())


def chosen(dataset: Dataset, count: int = PICTURES) -> npt.NDArray[np.int64]:
    """int64 indices of at most `count` pictures, the classes in turn."""
    return calibration_indices(dataset, count, 0, "all")


def find(
    evidence: Evidence, known: Convention | None, activation: str | None, progress: Progress
) -> Found:
    """Tries the scalings and orders of colours, then the resize rules with the best of them.

    known: the scaling where somebody said it; only the rules are tried then.
    """
    scalings = (known,) if known else candidates(evidence.size.channels)
    if evidence.scored:
        every = [with_rule(c, rule) for c in scalings for rule in RULES]
        return _by_scores(_ranked(_try(evidence, every, activation, progress)))
    start = with_rule(scalings[0], RULES[1]).rule
    tried = _try(evidence, [with_rule(c, start) for c in scalings], activation, progress)
    best, why = _best(tried, evidence, rules=False)
    if best is None:
        return Found(tried=_ranked(tried), convention=None, why=why)
    ruled = _try(
        evidence,
        [with_rule(best.convention, rule) for rule in RULES if rule != start],
        activation,
        progress,
    )
    rules = _ranked([best, *ruled])
    told, _ = _best(rules, evidence, rules=True)
    # Where rules are alike, the first is the plainest.
    plainest = with_rule(best.convention, RULES[0])
    convention = told.convention if told else plainest
    return Found(
        tried=_ranked([*tried, *ruled]),
        convention=convention,
        why=why,
        rule_told=told is not None,
    )


def _by_scores(tried: tuple[Tried, ...]) -> Found:
    """The one whose scores are those that the source gave, and no other's are."""
    first = tried[0]
    if first.apart > _ROUNDED:
        return Found(
            tried=tried,
            convention=None,
            why=f"no convention gives the scores that the source gave: {first.rule} comes nearest, "
            f"and one score differs by {first.apart:.2f}",
        )
    alike = [t for t in tried[1:] if t.apart < 2 * first.apart + _LITTLE]
    for other in alike:
        if other.convention.shown != first.convention.shown:
            why = f"{first.rule} and {other.rule} give the same scores"
            return Found(tried=tried, convention=None, why=why)
    return Found(tried=tried, convention=first.convention, why="", rule_told=not alike)


def _try(
    evidence: Evidence,
    conventions: Sequence[Convention],
    activation: str | None,
    progress: Progress,
) -> list[Tried]:
    tried = []
    pixels: dict[Any, Any] = {}
    for number, convention in enumerate(conventions):
        progress("trying conventions", number, len(conventions))
        if convention.rule not in pixels:
            pixels[convention.rule] = evidence.pixels(convention.rule)
        raw = evidence.answer(convention.encode(pixels[convention.rule]))
        tried.append(_judged(convention, raw, activation, evidence))
    return tried


def _judged(
    convention: Convention,
    raw: npt.NDArray[np.float32],
    activation: str | None,
    evidence: Evidence,
) -> Tried:
    targets = evidence.targets
    if not np.isfinite(raw).all():
        raw = np.nan_to_num(raw, nan=0.0, posinf=0.0, neginf=0.0)
    try:
        shares = heads.probabilities(raw, heads.head_of(raw, activation, "the model"))
    except ModelError:
        # Not exclusive: the largest is still the answer, and how sure it is says little.
        shares = raw / np.maximum(raw.sum(axis=1, keepdims=True), _LEAST)
    return Tried(
        convention=convention,
        right=shares.argmax(axis=1) == targets,
        nats=_nats(shares.astype(np.float64), targets),
        apart=_apart(shares, evidence),
    )


def _apart(shares: npt.NDArray[np.float32], evidence: Evidence) -> float:
    if evidence.scores is None or not evidence.scored:
        return math.inf
    given = shares[np.arange(len(evidence.targets)), evidence.targets]
    return float(np.nanmax(np.abs(given - evidence.scores)))


def _nats(shares: Reals, targets: Any) -> Reals:
    """How sure the right answers are, once all of them are made as sure as they may be.

    Pixels of too wide a range make a model surer of everything, also where it is wrong: the
    temperature takes that away (Guo et al. 2017).
    """
    logs = np.log(np.clip(shares, _LEAST, 1))
    every: list[Reals] = []
    for temperature in _TEMPERATURES:
        scaled = logs / temperature
        whole = np.log(np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1))
        whole += scaled.max(axis=1)
        every.append(scaled[np.arange(len(targets)), targets] - whole)
    return max(every, key=lambda nats: float(nats.mean()))


def _ranked(tried: Sequence[Tried]) -> tuple[Tried, ...]:
    return tuple(sorted(tried, key=lambda t: (t.apart, -t.right.mean(), -t.nats.mean())))


def _best(tried: Sequence[Tried], evidence: Evidence, *, rules: bool) -> tuple[Tried | None, str]:
    """The one that is beyond chance and clearly better than every other; None and the reason."""
    first, *others = _ranked(tried)
    low = accuracy(first.right).ci95[0]
    chance = float(np.bincount(evidence.targets).max() / len(evidence.targets))
    if not rules and low <= chance:
        return None, (
            f"no convention is beyond chance with {len(evidence.targets)} pictures: the best, "
            f"{first.rule}, may be right for as few as {low:.0%} of pictures, and always "
            f"answering the commonest class is for {chance:.0%}"
        )
    for other in others:
        if not _clearly_better(first, other):
            return None, (
                f"{first.rule} and {other.rule} cannot be told apart with "
                f"{len(evidence.targets)} pictures"
            )
    return first, ""


def _clearly_better(first: Tried, other: Tried) -> bool:
    """By the pictures that only one of them has right, or by how sure the right answers are."""
    if mcnemar(first.right, other.right) < _LEVEL:
        return True
    gain = first.nats - other.nats
    spread = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.inf
    # Student's t of some dozens of pictures is hardly wider than this; of few ones much wider.
    least = 2.6 if len(gain) >= 30 else 6.0
    return bool(gain.mean() > least * max(spread, 1e-12))
