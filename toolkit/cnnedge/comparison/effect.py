"""By how much one run is slower than another, and how sure that is.

One figure of each fresh process of either run enters; a ratio with its 95 % interval leaves. The
process is what is replicated, not the inference: memory layout and placement are drawn once for
each process, and its inferences share them (Kalibera and Jones, Rigorous Benchmarking in Reasonable
Time, 2013).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..results import Z95

# Fewer processes than these on either side, and no 95 % interval exists by ranks.
_FEWEST_FOR_RANKS = 4
_LARGEST_EXACT = 40
# 97.5 % quantiles of Student's t, for 1 to 30 degrees of freedom.
_T975 = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
    *(2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423),
)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """ratio: new over base, 1 for no change. low, high: its 95 % interval. method: in words."""

    ratio: float
    low: float
    high: float
    method: str


def effect(base: Sequence[float], new: Sequence[float]) -> Effect | None:
    """None where either side has fewer than two processes: nothing tells how they vary.

    From four processes a side on: the Hodges-Lehmann estimate, the median of all ratios of a
    process of one side to one of the other, with the interval that inverts the Mann-Whitney test
    (Hollander and Wolfe, Nonparametric Statistical Methods, 4.3); a process that was disturbed
    cannot widen it without end. Below: Welch's t on logarithms.
    """
    logs = [np.log(np.asarray(side, np.float64)) for side in (base, new)]
    fewest = min(side.size for side in logs)
    if fewest < 2:
        return None
    if fewest < _FEWEST_FOR_RANKS:
        return _welch(*logs)
    return _hodges_lehmann(*logs)


def _hodges_lehmann(base: npt.NDArray[np.float64], new: npt.NDArray[np.float64]) -> Effect:
    apart = np.sort(np.subtract.outer(new, base), axis=None)
    left_out = rank_limit(base.size, new.size)
    return Effect(
        ratio=math.exp(float(np.median(apart))),
        low=math.exp(float(apart[left_out])),
        high=math.exp(float(apart[-1 - left_out])),
        method="Hodges-Lehmann estimate with the Mann-Whitney interval, over fresh processes",
    )


def rank_limit(m: int, n: int) -> int:
    """How many of the m * n sorted differences the 95 % interval leaves out at either end."""
    if max(m, n) > _LARGEST_EXACT:
        spread = math.sqrt(m * n * (m + n + 1) / 12)
        return max(0, math.floor(m * n / 2 - 0.5 - Z95 * spread))
    # Of all orders of m and n values, so many have a Mann-Whitney U of each value.
    counts = _counts(m, n)
    allowed, below, limit = 0.025 * math.comb(m + n, m), 0, 0
    for count in counts:
        below += count
        if below > allowed:
            break
        limit += 1
    # P(U < limit) is the chance that the interval misses at this end.
    return max(0, limit - 1)


def _counts(m: int, n: int) -> list[int]:
    """Coefficients of the Gaussian binomial (m + n over m) in exact integers."""
    counts = [1]
    for i in range(1, m + 1):
        # times (1 - q^(n+i)) / (1 - q^i)
        size = m * n + 1
        counts = counts + [0] * (size - len(counts))
        for k in range(size - 1, n + i - 1, -1):
            counts[k] -= counts[k - n - i]
        for k in range(i, size):
            counts[k] += counts[k - i]
    return counts


def _welch(base: npt.NDArray[np.float64], new: npt.NDArray[np.float64]) -> Effect:
    shares = [float(side.var(ddof=1)) / side.size for side in (base, new)]
    centre, error = float(new.mean() - base.mean()), math.sqrt(sum(shares))
    parts = sum(s**2 / (side.size - 1) for s, side in zip(shares, (base, new), strict=True))
    freedom = sum(shares) ** 2 / parts if parts else float(base.size + new.size - 2)
    reach = t975(freedom) * error
    return Effect(
        ratio=math.exp(centre),
        low=math.exp(centre - reach),
        high=math.exp(centre + reach),
        method="Welch's t interval of log medians, over fresh processes",
    )


def t975(freedom: float) -> float:
    """The 97.5 % quantile of Student's t, of one degree of freedom or more.

    Linear in 1/freedom between whole ones: never too small, and by 2 % too large from 2 on.
    """
    last = len(_T975)
    if freedom >= last:
        # The first terms of the expansion in 1/freedom (Abramowitz and Stegun, 26.7.5).
        z = Z95
        return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    below = max(1, math.floor(freedom))
    if below >= last:
        return _T975[-1]
    share = (1 / below - 1 / max(freedom, 1.0)) / (1 / below - 1 / (below + 1))
    return _T975[below - 1] + share * (_T975[below] - _T975[below - 1])
