"""What a comparison found, as `cnnedge compare --json` writes it: shared types alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .likeness import Difference

Verdict = Literal["regression", "improvement", "no difference"]


@dataclass(frozen=True, kw_only=True)
class Label:
    """A result, as it is told apart. model: its path. delegate: the one that was used."""

    model: str
    device: str
    engine: str
    threads: int
    precision: str
    delegate: str


@dataclass(frozen=True, kw_only=True)
class Both:
    """A figure of either side, None where it is not known."""

    base: float | None
    new: float | None

    @property
    def known(self) -> tuple[float, float] | None:
        """Both, where both are known."""
        return None if self.base is None or self.new is None else (self.base, self.new)


@dataclass(frozen=True, kw_only=True)
class Sides:
    """Why either side should not be trusted to a few percent."""

    base: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The 90th percentile, beside the verdict, which is of the median."""

    base_ms: float | None
    new_ms: float | None
    ratio: float
    ci95: tuple[float, float]
    noise_floor: float


@dataclass(frozen=True, kw_only=True)
class Compared(Label):
    """Two results of one model. ratio: new over base. threshold, noise_floor: fractions.

    processes: how many were measured of either. allowed: what differs between them and may.
    """

    new_model: str
    statistic: str
    base_ms: float | None
    new_ms: float | None
    processes: Both
    ratio: float
    ci95: tuple[float, float]
    method: str
    noise_floor: float
    threshold: float
    verdict: Verdict
    p90: Tail | None
    peak_memory_bytes: Both
    size_bytes: Both
    accuracy: Both
    unstable: Sides
    allowed: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two runs. base, new: their files. max_slower: a fraction that a regression may have."""

    base: str
    new: str
    verdict: Verdict
    max_slower: float
    compared: tuple[Compared, ...]
    only_in_base: tuple[Label, ...]
    only_in_new: tuple[Label, ...]
