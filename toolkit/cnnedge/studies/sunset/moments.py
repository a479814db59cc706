"""The classical features: moments of colour on a grid, as the course's sunset detector has them.

Pixels enter; 294 numbers leave: the mean and the variance of L, S and T in each cell of 7 x 7,
with L = R + G + B, S = R - B and T = R - 2 G + B.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float64]

GRID = 7
SIDE = 98
CELL = SIDE // GRID
# Rows: R, G, B; columns: L, S, T.
LST = np.array([[1, 1, 1], [1, 0, -2], [1, -1, 1]], np.float64)
COUNT = GRID * GRID * 3 * 2


def lst(pixels: npt.NDArray[np.uint8]) -> Features:
    """RGB as L, S, T: float64 [..., 3]. pixels: uint8 [..., 3]."""
    return np.asarray(pixels.astype(np.float64) @ LST, np.float64)


def moments(pixels: npt.NDArray[np.uint8]) -> Features:
    """float64 [n, 294]: cell by cell in rows, three means and then three variances each.

    pixels: uint8 [n, 98, 98, 3] RGB.
    """
    cells = lst(pixels).reshape(-1, GRID, CELL, GRID, CELL, 3)
    both = (cells.mean(axis=(2, 4)), cells.var(axis=(2, 4)))
    return np.concatenate(both, axis=-1).reshape(len(pixels), COUNT)
