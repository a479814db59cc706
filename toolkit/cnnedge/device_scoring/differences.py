"""Where predictions of two machines part.

Predictions of the same pictures enter; which pictures, from which stage on and by how much leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..classifier import Classifier
from .predictions import Predictions

MOST_FLIPPED = 200


def differences(
    classifier: Classifier, here: Predictions, there: Predictions, names: Sequence[str]
) -> dict[str, Any]:
    """What differs, for the JSON.

    identical: pictures with bit-identical outputs. flipped: {"picture", "here", "there"} of those
    with another best class, the first MOST_FLIPPED. first_difference: None, or of the first
    picture whose output differs: its place and name, `stage`, the first that parts (decode: the
    file gave other pixels; resize: the model's input did; network: the same input gave another
    output), and the largest difference, in steps of a quantised output, else in its own unit.
    stages: on how many pictures each stage was the first to part.
    """
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
        first = {
            "index": at,
            "picture": names[at],
            "stage": str(stage[at]),
            "largest_difference": _largest(here.raw[at], there.raw[at]),
            "unit": "steps" if here.raw.dtype.kind in "iu" else "score",
        }
    labels = classifier.labels
    return {
        "identical": int(equal.sum()),
        "flips": len(flipped),
        "flipped": [
            {
                "picture": names[i],
                "here": labels[int(best[0][i])],
                "there": labels[int(best[1][i])],
            }
            for i in flipped[:MOST_FLIPPED].tolist()
        ],
        "largest_difference": _largest(here.raw, there.raw),
        "first_difference": first,
        "stages": {
            name: int(np.sum(parted & (stage == name))) for name in ("decode", "resize", "network")
        },
    }


def _largest(here: Any, there: Any) -> float:
    apart = np.abs(here.astype(np.float64) - there.astype(np.float64))
    return float(apart.max(initial=0.0))
