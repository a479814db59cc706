"""What was asked for and what ran where: the part of a result that says what computed it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from ..specs.limits import Range
from ..specs.values import Reader, omitted, plain_fields

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
    with the same best index of the first output. psnr_db: of a model that answers pictures, how
    far the worst of them lies from the CPU's, and left out of others.
    """

    frames: _Count
    agrees: bool
    largest_difference: float
    tolerance: float
    unit: str
    labels_equal: _Count
    psnr_db: float | None = omitted()

    @property
    def alike(self) -> str:
        """How alike the answers are as people see them, in words."""
        if self.psnr_db is not None:
            return f"the worst picture has a PSNR of {self.psnr_db:.1f} dB to the CPU's"
        return f"the best class is the same in {self.labels_equal} of {self.frames} frames"

    def as_json(self) -> dict[str, Any]:
        """largest_difference: None where an output was no number; JSON has no infinity."""
        finite = math.isfinite(self.largest_difference)
        found = plain_fields(self)
        return found | {"largest_difference": self.largest_difference if finite else None}

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


def rest_on_the_cpu(count: int, names: Sequence[str], total: int, *, cut: bool) -> tuple[str, ...]:
    """A note on the operators that a delegate left, by name; none where it took all.

    cut: operators that it would have taken may be among them, cut off by the named ones.
    """
    if not count:
        return ()
    listed = ", ".join(names)
    if not listed:
        why = "which it does not name"
    else:
        why = f"{listed} and what they cut off from the rest" if cut else listed
    runs = "operator runs" if count == 1 else "operators run"
    return (f"{count} of {total} {runs} on the CPU: {why}",)


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
