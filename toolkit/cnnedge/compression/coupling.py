"""Numbers that belong together.

Pairs of int64 arrays enter, number by number; what leaves is, for each number, the first of all
that are coupled with it, directly or through others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

IntArray = npt.NDArray[np.int64]


class Coupling:
    """Numbers, each coupled with none or with others."""

    def __init__(self) -> None:
        self._count = 0
        self._coupled: list[tuple[IntArray, IntArray]] = []

    def fresh(self, count: int) -> IntArray:
        """New channels, coupled to none."""
        first, self._count = self._count, self._count + count
        return np.arange(first, first + count, dtype=np.int64)

    def couple(self, one: IntArray, other: IntArray) -> None:
        """The channels of two tensors leave together, each with its counterpart."""
        self._coupled.append((one, other))

    def roots(self) -> IntArray:
        """For each channel the first of all that are coupled with it."""
        pairs = self._coupled or [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
        edges = coo_matrix((np.ones(len(one)), (one, other)), (self._count, self._count))
        _, parts = connected_components(edges, directed=False)
        _, firsts = np.unique(parts, return_index=True)
        roots: IntArray = firsts[parts]
        return roots


def in_order(values: IntArray) -> IntArray:
    """Each value once, where it came first."""
    _, firsts = np.unique(values, return_index=True)
    ordered: IntArray = values[np.sort(firsts)]
    return ordered
