"""Whether an import still is its source: the answers of both, on pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .parting import Parting

Reals = npt.NDArray[np.float32]
LIMIT = 1e-3


@dataclass(frozen=True, kw_only=True)
class Parity:
    """max_abs: the largest difference of a probability. labels_agree: pictures with the same best
    class, of count. pictures: what they are. worst: the numbers of those that differ most, the
    worst first. parting: the first layer that parts; None where the import holds.
    """

    max_abs: float
    labels_agree: int
    count: int
    pictures: str
    worst: tuple[int, ...] = ()
    parting: Parting | None = None

    @property
    def holds(self) -> bool:
        """Within LIMIT, and no label changed."""
        return self.max_abs <= LIMIT and self.labels_agree == self.count

    def as_json(self) -> Mapping[str, Any]:
        """For import.json."""
        return {
            "max_abs": self.max_abs if math.isfinite(self.max_abs) else None,
            "labels_agree": self.labels_agree,
            "count": self.count,
            "pictures": self.pictures,
            "parting": None if self.parting is None else self.parting.as_json(),
        }

    def parted(self, parting: Parting) -> Parity:
        """The same, with the layer where it fails."""
        return replace(self, parting=parting)


def compared(source: Reals, imported: Reals, pictures: str) -> Parity:
    """Probabilities [n, classes] of both. A label that only rounding decides is no difference."""
    apart = np.abs(source - imported)
    top = np.sort(source, axis=1)
    tied = top[:, -1] - top[:, -2] <= 2 * apart.max(axis=1)
    same = (source.argmax(axis=1) == imported.argmax(axis=1)) | (tied & (apart.max(axis=1) < 1e-5))
    largest = float(apart.max()) if np.isfinite(imported).all() else float("inf")
    return Parity(
        max_abs=largest,
        labels_agree=int(same.sum()),
        count=len(source),
        pictures=pictures,
        worst=tuple(int(i) for i in np.argsort(-np.nan_to_num(apart.max(axis=1), nan=np.inf))),
    )
