"""Where predictions of two machines part.

Predictions of the same pictures enter; which pictures, from which stage on and by how much leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from ..classifier import Classifier
from .predictions import Predictions

MOST_FLIPPED = 200


Stage = Literal["decode", "resize", "network"]


@dataclass(frozen=True, kw_only=True)
class Flipped:
    """A picture with another best class."""

    picture: str
    here: str
    there: str


@dataclass(frozen=True, kw_only=True)
class FirstDifference:
    """The first picture whose output differs.

    stage: the first that parts (decode: the file gave other pixels; resize: the model's input did;
    network: the same input gave another output). largest_difference: in steps of a quantised
    output, else in its own unit.
    """

    index: int
    picture: str
    stage: str
    largest_difference: float
    unit: str


@dataclass(frozen=True, kw_only=True)
class Differences:
    """identical: pictures with bit-identical outputs. flips: pictures with another best class;
    flipped: the first MOST_FLIPPED of them. stages: on how many pictures each was the first to
    part."""

    identical: int
    flips: int
    flipped: tuple[Flipped, ...]
    largest_difference: float
    first_difference: FirstDifference | None
    stages: Mapping[str, int]


def differences(
    classifier: Classifier, here: Predictions, there: Predictions, names: Sequence[str]
) -> Differences:
    """What differs between the predictions of two machines for the same pictures."""
    equal = (here.raw == there.raw).all(axis=1)
    best = [predictions.best(classifier) for predictions in (here, there)]
    flipped = np.flatnonzero(best[0] != best[1])
    decoded, prepared = here.decoded != there.decoded, here.prepared != there.prepared
    stage = np.where(decoded, "decode", np.where(prepared, "resize", "network"))
    parted = decoded | prepared | ~equal
    found = np.flatnonzero(~equal)
    first = None
    if len(found):
        at = int(found[0])
        first = FirstDifference(
            index=at,
            picture=names[at],
            stage=str(stage[at]),
            largest_difference=_largest(here.raw[at], there.raw[at]),
            unit="steps" if here.raw.dtype.kind in "iu" else "score",
        )
    labels = classifier.labels
    return Differences(
        identical=int(equal.sum()),
        flips=len(flipped),
        flipped=tuple(
            Flipped(picture=names[i], here=labels[int(best[0][i])], there=labels[int(best[1][i])])
            for i in flipped[:MOST_FLIPPED].tolist()
        ),
        largest_difference=_largest(here.raw, there.raw),
        first_difference=first,
        stages={name: int(np.sum(parted & (stage == name))) for name in get_args(Stage)},
    )


def _largest(here: Any, there: Any) -> float:
    apart = np.abs(here.astype(np.float64) - there.astype(np.float64))
    return float(apart.max(initial=0.0))
