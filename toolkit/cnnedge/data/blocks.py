"""What the readers of arrays hand over: one part's pictures and labels, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """One part's arrays as found: pictures `x`, labels `y`, and where they stand."""

    name: str
    part: int
    where: str
    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
