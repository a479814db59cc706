"""What a benchmark asks of a device, whatever reaches it.

Nothing enters and nothing leaves: shared types alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..specs import DeviceProfile

# No single inference of an image CNN takes this long; a worker that does hangs.
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing to measure. model: a file here. size: height and width of its input, where the
    file leaves them open."""

    model: Path
    threads: int = 1
    engine: str = "auto"
    delegate: str = "cpu"
    precision: str = "auto"
    options: Mapping[str, str] = field(default_factory=dict)
    allow_disagreement: bool = False
    size: tuple[int, int] | None = None


class Device(Protocol):
    """Measures, in fresh processes. Used by one thread at a time.

    Everything but `close` raises DeviceError where the device cannot be reached, or stopped
    answering: then nothing more can be asked of it.
    """

    name: str
    profile: DeviceProfile

    def place(self, model: Path) -> str:
        """The path of a model on the device; copied there, by content, where it is missing."""
        ...

    def measure(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of one fresh process to a request, in the form of `benchmark.worker`.

        Raises GateError or CnnedgeError for what cannot be measured, beside DeviceError.
        """
        ...

    def temperature_c(self) -> float | None:
        """Of the processor now, where the device tells it."""
        ...

    def close(self) -> None:
        """Leaves the device as it was found, but for what is kept there by content."""
        ...
