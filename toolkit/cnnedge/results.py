"""Numbers out of samples: latency statistics, accuracies with intervals, paired tests, stability.

Judging is kept apart from measuring: nothing here times anything.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from .specs.limits import MOST_WHOLE, Range

Share = Annotated[float, Range(0, 1)]
Count = Annotated[int, Range(0, MOST_WHOLE)]

# 97.5 % quantile of the normal distribution: two-sided 95 % intervals.
Z95 = 1.959963984540054
# Of the CPU: they hold the clocks down.
SLOW_GOVERNORS = ("powersave", "conservative")

# Two runs of the same are to agree so far: MLPerf Mobile allows 5 % at its p90.
STEADY_MEDIAN, STEADY_P90 = 0.02, 0.05
# More processes than these can be halved in too many ways to try each.
_MOST_HALVED = 12


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """A fraction of `count` pictures, with its 95 % interval."""

    accuracy: Share
    count: Count
    ci95: tuple[Share, Share]


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """Fractions of one class' pictures; None where nothing can be said."""

    label: str
    count: Count
    precision: Share | None
    recall: Share | None


@dataclass(frozen=True, kw_only=True)
class PictureError:
    """How far drawn pictures lie from those of a reference, in levels of 255.

    psnr_db: peak signal-to-noise ratio over all pixels of all pictures, 10 log10(255^2 / mean
    squared difference), at most MOST_PSNR_DB. lowest_db: of the worst picture. largest: difference
    of a single value. count: pictures.
    """

    psnr_db: Annotated[float, Range(-1000, 1000)]
    lowest_db: Annotated[float, Range(-1000, 1000)]
    largest: Annotated[float, Range(0)]
    count: Count


# Of equal pictures, whose ratio has no end.
MOST_PSNR_DB = 120.0


def picture_error(
    drawn: Sequence[npt.NDArray[Any]], reference: Sequence[npt.NDArray[Any]]
) -> PictureError:
    """Of pictures [h, w, channels] in levels 0..255, pairwise of one shape.

    Pictures that hold NaN or infinity are infinitely far, 0 dB.
    """
    errors, largest = [], 0.0
    for found, wanted in zip(drawn, reference, strict=True):
        difference = found.astype(np.float64) - wanted.astype(np.float64)
        finite = bool(np.isfinite(difference).all())
        errors.append(float(np.mean(difference**2)) if finite else 255.0**2)
        largest = max(largest, float(np.abs(difference).max(initial=0.0)) if finite else 255.0)
    return PictureError(
        psnr_db=_decibels(float(np.mean(errors))),
        lowest_db=_decibels(max(errors)),
        largest=largest,
        count=len(errors),
    )


def _decibels(error: float) -> float:
    return min(MOST_PSNR_DB, 10 * math.log10(255.0**2 / error)) if error > 0 else MOST_PSNR_DB


def wilson(correct: int, count: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a proportion (Wilson 1927), as fractions 0..1."""
    if count == 0:
        return (0.0, 1.0)
    p = correct / count
    spread = Z95 * math.sqrt(p * (1 - p) / count + Z95**2 / (4 * count**2))
    centre = p + Z95**2 / (2 * count)
    scale = 1 + Z95**2 / count
    return (max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))


def accuracy(right: npt.NDArray[np.bool_]) -> Accuracy:
    """Of right answers, bool [n]."""
    correct, count = int(right.sum()), int(right.size)
    return Accuracy(
        accuracy=correct / count if count else 0.0, count=count, ci95=wilson(correct, count)
    )


def mcnemar(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> float:
    """Two-sided exact p-value that two models err equally often on the same pictures.

    before, after: whether each answered each picture right, bool [n] (McNemar 1947, as an exact
    binomial test over the pictures on which they differ).
    """
    lost = int(np.sum(before & ~after))
    won = int(np.sum(~before & after))
    n, k = lost + won, min(lost, won)
    if n == 0:
        return 1.0
    log_half = n * math.log(0.5)
    tail = sum(
        math.exp(math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + log_half)
        for i in range(k + 1)
    )
    return min(1.0, 2 * tail)


def confusion(
    targets: npt.NDArray[np.int64], predictions: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """Counts [classes, classes]; rows are the true class, columns the predicted."""
    flat = np.bincount(targets * classes + predictions, minlength=classes * classes)
    return flat.reshape(classes, classes)


def per_class(matrix: npt.NDArray[np.int64], labels: Sequence[str]) -> tuple[ClassScore, ...]:
    """Precision, recall and count of each class; null where nothing can be said."""
    found = matrix.sum(axis=0)
    there = matrix.sum(axis=1)
    return tuple(
        ClassScore(
            label=label,
            count=int(there[i]),
            precision=float(matrix[i, i] / found[i]) if found[i] else None,
            recall=float(matrix[i, i] / there[i]) if there[i] else None,
        )
        for i, label in enumerate(labels)
    )


def latency(samples_ms: Sequence[float]) -> Mapping[str, Any]:
    """The statistics of latency samples, in milliseconds, named as in the bench contract."""
    values = np.asarray(samples_ms, np.float64)
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    return {
        "median": float(p50),
        "mean": float(values.mean()),
        "p90": float(p90),
        "p99": float(p99),
        "min": float(values.min()),
        "max": float(values.max()),
        "std": float(values.std(ddof=1)) if values.size > 1 else 0.0,
        "count": int(values.size),
    }


def stage(samples_ms: Sequence[float]) -> dict[str, float]:
    """Median, p90 and p99 of one stage, in milliseconds; zeros where it never ran."""
    values = np.asarray(samples_ms if len(samples_ms) else [0.0], np.float64)
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    return {"median": float(p50), "p90": float(p90), "p99": float(p99)}


def noise_floor(figures: Sequence[float]) -> float | None:
    """By how much two such runs may differ with nothing changed; None of fewer than two processes.

    figures: one of each fresh process of a run, such as its median, above 0. The processes are
    parted into two halves in every way (or 2,000 of them), and the halves' medians compared: 19 of
    20 such A/A comparisons differ by less (Good, Permutation Tests, 2000). Halves are smaller than
    runs: the difference is scaled by the square root of what that adds to its variance. Gives a
    fraction.
    """
    values = np.log(np.asarray(figures, np.float64))
    if values.size < 2:
        return None
    half = values.size // 2
    if values.size <= _MOST_HALVED:
        halves = [np.array(c) for c in itertools.combinations(range(values.size), half)]
    else:
        rng = np.random.default_rng(0)
        halves = [rng.permutation(values.size)[:half] for _ in range(2000)]
    apart = [abs(float(np.median(values[h]) - np.median(np.delete(values, h)))) for h in halves]
    scale = math.sqrt(2 / values.size / (1 / half + 1 / (values.size - half)))
    return math.expm1(scale * float(np.quantile(apart, 0.95, method="higher")))


def instabilities(repeats_ms: Sequence[Sequence[float]]) -> list[str]:
    """Why latency samples should not be trusted to a few percent; empty when they can be.

    repeats_ms: the samples of each fresh process, in order.
    """
    repeats = [np.asarray(r, np.float64) for r in repeats_ms]
    median, p90 = np.percentile(np.concatenate(repeats), [50, 90])
    reasons = figure_instabilities(
        [(float(np.median(r)), float(np.percentile(r, 90))) for r in repeats],
        whole=(float(median), float(p90)),
    )
    drifts = [_drift(r) for r in repeats]
    if max(abs(d) for d in drifts) > 0.05:
        worst = max(drifts, key=abs)
        reasons.append(f"latency drifted by {worst:+.0%} from the first third to the last")
    return reasons


def figure_instabilities(
    repeats: Sequence[tuple[float, float | None]], *, whole: tuple[float, float | None]
) -> list[str]:
    """What the figures of the processes alone tell: (median, p90) of each, and of all together."""
    reasons = []
    median, p90 = whole
    if p90 is not None and p90 > 1.10 * median:
        reasons.append(f"p90 is {100 * (p90 / median - 1):.0f} % above the median")
    medians = [m for m, _ in repeats]
    spread = max(medians) / min(medians) - 1
    if spread > 0.05:
        reasons.append(f"the medians of {len(medians)} fresh processes differ by {spread:.0%}")
    p90s = [p for _, p in repeats if p is not None]
    for name, figures, most in (("median", medians, STEADY_MEDIAN), ("p90", p90s, STEADY_P90)):
        floor = noise_floor(figures)
        if floor is not None and floor > most:
            reasons.append(f"two such runs may differ by {100 * floor:.1f} % in their {name}")
    return reasons


def _drift(samples: npt.NDArray[np.float64]) -> float:
    third = samples.size // 3
    if third < 5:
        return 0.0
    return float(np.median(samples[-third:]) / np.median(samples[:third]) - 1)
