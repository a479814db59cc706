"""What a benchmark asks of a device, whatever reaches it.

A Device measures Cases; `targets` has those that are elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..engines import CPU, Runtime
from ..specs import DeviceProfile

if TYPE_CHECKING:
    from .answer import Answer
    from .request import Request


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing to measure. model: a file here. runtime: of its guest, the size of the input."""

    model: Path
    runtime: Runtime = CPU


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

    def measure(self, request: Request) -> Answer:
        """The answer of one fresh process to a request.

        Raises GateError or CnnedgeError for what cannot be measured, beside DeviceError.
        """
        ...

    def temperature_c(self) -> float | None:
        """Of the processor now, where the device tells it."""
        ...

    def close(self) -> None:
        """Leaves the device as it was found, but for what is kept there by content."""
        ...
