"""What a source's outputs are, and how they become probabilities of at least two classes.

The outputs for some pictures enter; one of HEADS leaves, and what it means in numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..decoding import softmax
from ..errors import ModelError

Reals = npt.NDArray[np.float32]
# Probabilities as they are; values that softmax makes some of; one score of the second of two.
SHARES, LOGITS, ONE, ONE_LOGIT = "softmax", "logits", "sigmoid of one", "one logit"
_SLACK = 1e-3


def require_several(head: str, place: str, instead: str) -> None:
    """Raises ModelError, with what to do instead, for a head of one output."""
    if head not in (SHARES, LOGITS):
        raise ModelError(
            f"{place}: it has one output; a run needs a score for each class. {instead}"
        )


def head_of(raw: Reals, activation: str | None, place: str) -> str:
    """What outputs [n, k] are, by what they look like, or by what a person says of them.

    Raises ModelError for what is not scores of exclusive classes.
    """
    if raw.ndim != 2 or not raw.shape[1]:
        raise ModelError(
            f"{place}: its output has the shape {list(raw.shape)}; a classifier gives one row of "
            "scores for each picture. Remove what comes after the scores, and save it again"
        )
    if not np.isfinite(raw).all():
        raise ModelError(
            f"{place}: the model itself answers NaN or infinity for ordinary pictures; its weights "
            "are damaged, or its pixels are scaled otherwise: try --pixels"
        )
    within = bool(raw.min() >= -_SLACK and raw.max() <= 1 + _SLACK)
    whole = within and bool(np.abs(raw.sum(axis=1) - 1).max() < 10 * _SLACK)
    if raw.shape[1] == 1:
        return _of_one(within, activation, place)
    if activation == "index" or (activation == "none" and not whole):
        raise ModelError(
            f"{place}: --activation {activation} does not fit its {raw.shape[1]} outputs, from "
            f"{raw.min():.3g} to {raw.max():.3g}; leave it out, or say softmax"
        )
    if whole:
        return SHARES
    if activation == "sigmoid" or (activation is None and within and len(raw) > 1):
        raise ModelError(
            f"{place}: its {raw.shape[1]} outputs lie within 0..1 and do not add up to 1: each "
            "class is judged by itself. cnnedge's runs tell exclusive classes apart; if these are, "
            "and softmax is missing: --activation softmax"
        )
    # The softmax of logarithms of probabilities is the probabilities.
    return LOGITS


def _of_one(within: bool, activation: str | None, place: str) -> str:
    """Of a single score, the second of two classes'."""
    if activation not in (None, "sigmoid", "none") or (activation == "none" and not within):
        raise ModelError(
            f"{place}: --activation {activation} does not fit its one output; sigmoid is for the "
            "score of the second of two classes"
        )
    return ONE if within else ONE_LOGIT


def probabilities(raw: Reals, head: str) -> Reals:
    """float32 [n, classes], at least two."""
    if head == SHARES:
        return raw
    if head == LOGITS:
        return np.stack([softmax(row) for row in raw])
    second: Any = raw if head == ONE else 1 / (1 + np.exp(-raw))
    return np.concatenate([1 - second, second], axis=1).astype(np.float32)


def classes(outputs: int) -> int:
    """How many classes so many outputs tell apart."""
    return max(2, outputs)
