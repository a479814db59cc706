"""import.json: what was imported, what pixels it takes, and how far it lies from its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..results import Accuracy
from ..specs.values import plain
from .convention import Convention
from .detective import Tried
from .parity import Parity


@dataclass(frozen=True, kw_only=True)
class Imported:
    """source: the path as given. kind: for people. convention: the pixels that the source took, and
    because: who says so. head: what became of its outputs. network: `tf_keras`, `frozen` or
    `adopted`. parity: None where nothing was converted. tried: best first. notes: for people.
    """

    source: str
    sha256: str
    kind: str
    network: str
    convention: Convention
    because: str
    head: str
    outputs: int
    parity: Parity | None
    accuracy: Accuracy | None
    seconds: float
    tried: tuple[Tried, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def as_json(self) -> Mapping[str, Any]:
        """Of import.json and --json."""
        convention = self.convention
        return {
            "source": self.source,
            "sha256": self.sha256,
            "kind": self.kind,
            "network": self.network,
            "preprocess": {
                "pixels": convention.name,
                "mean": list(convention.mean),
                "std": list(convention.std),
                "bgr": convention.bgr,
                **plain(convention.rule),
                "because": self.because,
            },
            "head": self.head,
            "outputs": self.outputs,
            "parity": None if self.parity is None else self.parity.as_json(),
            "accuracy": plain(self.accuracy),
            "seconds": self.seconds,
            "tried": [each.as_json() for each in self.tried],
            "notes": list(self.notes),
        }
