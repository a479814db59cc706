"""How fast files and networks are on the device that a conversion aims at.

A device and model files enter; results of the bench contract leave.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import conditions
from ..benchmark import Case, Device, LocalDevice, Result, run_cases
from ..benchmark import Protocol as Timing
from ..converter import convert as convert_keras
from ..errors import DeviceError
from ..files import write_bytes

# Enough to rank candidates; what is reported is measured by the whole protocol.
_GLANCE = Timing(
    name="glance", processes=1, warmup_seconds=0.2, runs=40, seconds=0.6, headline="median"
)


@dataclass(frozen=True)
class Timer:
    """Measures on one CPU thread of a device; this machine where none is given."""

    device: Device = field(default_factory=LocalDevice)

    @property
    def name(self) -> str:
        """Of the device; "" for this machine."""
        return "" if isinstance(self.device, LocalDevice) else self.device.name

    @property
    def place(self) -> str:
        """In a sentence."""
        return self.name or "this machine"

    def knock(self) -> None:
        """Raises DeviceError where the device cannot be reached: before hours of training."""
        self.device.temperature_c()

    def files(
        self,
        files: list[Path],
        protocol: Timing,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> list[Result]:
        """Benchmark results of model files, interleaved. Raises DeviceError, CnnedgeError.

        Each with a median; what tools on phones do not tell of the rest is None.
        """
        found = run_cases([Case(model=f) for f in files], protocol, progress, self.device)
        if any(result.latency_ms.median is None for result in found):
            raise DeviceError(
                f"{self.name}: its benchmark tool tells no median, by which variants are compared. "
                "Take a newer one (cnnedge devices fetch), or measure in the phone's Python: "
                "--python"
            )
        return found

    def glance(self, model: Any, pictures: npt.NDArray[np.uint8]) -> tuple[float, int]:
        """Median latency in milliseconds and size in bytes of a Keras model as int8, roughly."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "int8.tflite"
            write_bytes(path, convert_keras(model, "int8", pictures))
            return self.median_ms(path, _GLANCE), path.stat().st_size

    def median_ms(self, file: Path, protocol: Timing) -> float:
        """Of one model file."""
        return self.files([file], protocol)[0].latency_ms.median or 0.0

    def describe(self, results: list[Result]) -> str:
        """The device as a report names it, with what it told of itself."""
        if not self.name:
            return conditions.cpu_name()
        around = results[0].conditions if results else None
        told = [text for text in (around.cpu, around.emulated) if text] if around else []
        return f"{self.name} ({', '.join(told)})" if told else self.name
