"""What was asked for and what ran where: the part of a result that says what computed it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


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

    frames: int
    agrees: bool
    largest_difference: float
    tolerance: float
    unit: str
    labels_equal: int

    def as_json(self) -> dict[str, Any]:
        """largest_difference: None where an output was no number; JSON has no infinity."""
        finite = math.isfinite(self.largest_difference)
        return asdict(self) | {"largest_difference": self.largest_difference if finite else None}


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
    nodes_delegated: int
    nodes_total: int
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
        return {
            "requested": self.requested,
            "used": self.used,
            "nodes_delegated": self.nodes_delegated,
            "nodes_total": self.nodes_total,
            "left_behind": list(self.left_behind),
            "software": self.software,
            "device": self.device,
            "passed_over": [asdict(p) for p in self.passed_over],
            "agreement": self.agreement.as_json() if self.agreement else None,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> DelegateReport:
        """What `as_json` made. Raises KeyError, TypeError or ValueError where it is not that."""
        agreement = found.get("agreement")
        if agreement is not None:
            largest = agreement["largest_difference"]
            agreement = Agreement(
                **agreement
                | {"largest_difference": math.inf if largest is None else float(largest)}
            )
        return cls(
            requested=str(found["requested"]),
            used=str(found["used"]),
            nodes_delegated=int(found["nodes_delegated"]),
            nodes_total=int(found["nodes_total"]),
            left_behind=tuple(map(str, found["left_behind"])),
            software=found["software"],
            device=str(found["device"]),
            passed_over=tuple(PassedOver(**p) for p in found["passed_over"]),
            agreement=agreement,
            notes=tuple(map(str, found["notes"])),
        )
