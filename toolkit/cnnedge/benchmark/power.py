"""The power a device draws, where its own sensors tell it.

Linux' sysfs enters; watts and where they were read leave. A battery tells it while it discharges
(power_now, or current_now and voltage_now), a board with an INA sensor by its hwmon entry
(power*_input, or curr*_input and in*_input). Units as the kernel documents them: µW, µA, µV for
power_supply; µW, mA, mV for hwmon.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .answer import Energy

# The rail that feeds the whole board, as NVIDIA's boards label it.
_WHOLE_BOARD = "VDD_IN"


@dataclass(frozen=True)
class Meter:
    """source: which sensor. watts: reads it; None where it does not answer."""

    source: str
    watts: Callable[[], float | None]


def find_meter(sysfs: Path = Path("/sys")) -> Meter | None:
    """The sensor nearest to the whole device's power: a discharging battery, then hwmon."""
    battery = next(_batteries(sysfs / "class/power_supply"), None)
    if battery:
        return battery
    rails = list(_rails(sysfs / "class/hwmon"))
    whole = [rail for rail in rails if _WHOLE_BOARD in rail.source]
    return next(iter(whole or rails), None)


class PowerLog:
    """The power between the inferences of a process, and what it was before them."""

    def __init__(self, meter: Meter | None) -> None:
        self._meter = meter
        self._idle = meter.watts() if meter else None
        self._read: list[float] = []

    def read(self) -> dict[str, float]:
        """{"power_w"} now, or {}."""
        watts = self._meter.watts() if self._meter else None
        if watts is None:
            return {}
        self._read.append(watts)
        return {"power_w": watts}

    def told(self, milliseconds: float) -> Energy | None:
        """None where nothing is known.

        milliseconds: an inference's mean latency. The energy is all that the device draws in that
        time, not only what the inference adds.
        """
        if not self._meter or not self._read:
            return None
        power = sum(self._read) / len(self._read)
        return Energy(
            source=self._meter.source,
            power_w=power,
            idle_power_w=self._idle,
            mj_per_inference=power * milliseconds,
        )


def _batteries(folder: Path) -> Iterator[Meter]:
    for supply in _inside(folder):
        if _text(supply / "type") != "Battery" or _text(supply / "status") != "Discharging":
            continue
        for watts in (
            _product(1e-6, supply / "power_now"),
            _product(1e-12, supply / "current_now", supply / "voltage_now"),
        ):
            if watts() is not None:
                yield Meter(f"battery {supply.name}", watts)


def _rails(folder: Path) -> Iterator[Meter]:
    for chip in _inside(folder):
        name = _text(chip / "name") or chip.name
        for file in sorted(chip.glob("power*_input")):
            label = _text(chip / file.name.replace("_input", "_label"))
            yield Meter(f"{name} {label or file.name}", _product(1e-6, file))
        for file in sorted(chip.glob("curr*_input")):
            volts = chip / file.name.replace("curr", "in")
            label = _text(chip / volts.name.replace("_input", "_label"))
            if volts.exists():
                yield Meter(f"{name} {label or file.name}", _product(1e-6, file, volts))


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _product(unit: float, *files: Path) -> Callable[[], float | None]:
    def watts() -> float | None:
        values = [_text(file) for file in files]
        try:
            # Some batteries count a current that leaves them as negative.
            return abs(math.prod(int(v or "") for v in values)) * unit
        except ValueError:
            return None

    return watts


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
