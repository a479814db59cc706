"""What was asked for and what ran where: the part of a result that says what computed it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

from ..specs.limits import Range
from ..specs.values import Reader, plain_fields

_Count = Annotated[int, Range(0, 10**15)]


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """A delegate that `auto` did not take, and why."""

    delegate: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A delegate's outputs beside the CPU's for the same inputs.

    frames: inferences compared. agrees: every difference is within the tolerance.
    largest_difference and tolerance: of one value, in `unit`: `steps` of a quantised output, or
    `of the range` (a fraction of the largest magnitude in the CPU's output). labels_equal: frames
    with the same best index of the first output.
    """

    frames: _Count
    agrees: bool
    largest_difference: float
    tolerance: float
    unit: str
    labels_equal: _Count

    def as_json(self) -> dict[str, Any]:
        """largest_difference: None where an output was no number; JSON has no infinity."""
        finite = math.isfinite(self.largest_difference)
        return asdict(self) | {"largest_difference": self.largest_difference if finite else None}

    @classmethod
    def from_plain(cls, said: Any, name: str, reader: Reader) -> Agreement:
        """What `as_json` made. Raises SpecError."""
        untold = isinstance(said, Mapping) and said.get("largest_difference", 0) is None
        found: Agreement = reader({**said, "largest_difference": 0.0} if untold else said, name)
        return replace(found, largest_difference=math.inf) if untold else found


@dataclass(frozen=True, kw_only=True)
class DelegateReport:
    """What was asked for and what ran where.

    requested: as the user wrote it. used: `cpu`, `cpu (XNNPACK)`, `gpu (WebGPU)`, ... or the name
    of a library. left_behind: names of the operators not delegated. software: whether a "GPU" is
    the CPU in disguise; None where none was used. device: the adapter's or device's name, ""
    where it has none. passed_over: what `auto` tried first. agreement: None until it was checked.
    notes: what a person should know about the choice, a sentence each.
    """

    requested: str
    used: str
    nodes_delegated: _Count
    nodes_total: _Count
    left_behind: tuple[str, ...] = ()
    software: bool | None = None
    device: str = ""
    passed_over: tuple[PassedOver, ...] = ()
    agreement: Agreement | None = None
    notes: tuple[str, ...] = ()

    @property
    def on_cpu(self) -> bool:
        """Whether the CPU's own kernels computed it, so that there is nothing to compare."""
        return self.used.startswith("cpu")

    def as_json(self) -> dict[str, Any]:
        return plain_fields(self)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What computed: engine and delegate, as every result says it.

    engine: its name. threads: of the CPU. precision: of floating-point arithmetic, or `unknown`.
    """

    engine: str
    engine_version: str
    threads: _Count
    precision: str
    delegate: DelegateReport

    def as_json(self) -> dict[str, Any]:
        """{"engine", "engine_version", "threads", "precision", "delegate"}, and what else an
        answer or a result holds."""
        return plain_fields(self)
