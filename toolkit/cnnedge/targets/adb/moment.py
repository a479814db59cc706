"""How a phone is at a moment: temperatures, battery, clocks, thermal status, screen.

What Android's services and the kernel print enters; a Moment leaves. What a phone does not tell, or
tells out of reason, is left out, never guessed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

from ...conditions import Moment
from . import sections
from .files import Run

_COMMANDS = {
    "thermal": "dumpsys thermalservice",
    "zones": "for z in /sys/class/thermal/thermal_zone*; do "
    'echo "$(cat $z/temp) $(cat $z/type)"; done',
    "battery": "dumpsys battery",
    "power": "dumpsys power | grep -E 'mWakefulness=|Display Power: state='",
    "saver": "settings get global low_power",
    "clocks": "for c in /sys/devices/system/cpu/cpu[0-9]*; do "
    'f=$c/cpufreq; echo "${c##*/cpu} $(cat $f/scaling_cur_freq) $(cat $f/scaling_governor)"; done',
    "load": "cat /proc/loadavg",
}
_BUSY = {"busy": "head -n 1 /proc/stat; sleep 0.5; head -n 1 /proc/stat"}
# android.os.Temperature and android.os.PowerManager.
_CPU, _GPU, _SKIN, _NPU = 0, 1, 3, 9
_THERMAL_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_TEMPERATURE = re.compile(r"Temperature\{mValue=(-?[\d.]+), mType=(-?\d+), mName=([^,}\n]*),")
_CPU_ZONE = re.compile(r"(?:^|[-_])(?:cpu|big|mid|little|soc|cluster|tsens)", re.IGNORECASE)
# android.os.BatteryManager, BATTERY_STATUS_*.
_CHARGING = {2: "charging", 3: "discharging", 4: "not charging", 5: "full"}
# A sensor that reads otherwise reads nothing.
_COLDEST, _HOTTEST = -30.0, 150.0


def read_moment(run: Run) -> Moment:
    """All that can change."""
    return _moment(sections.read(run, _COMMANDS))


def read_beginning(run: Run) -> tuple[Moment, float | None]:
    """The same, and the share of the CPU that is in use, watched for half a second."""
    told = sections.read(run, _COMMANDS | _BUSY)
    return _moment(told), _busy(told["busy"])


def _moment(told: Mapping[str, str]) -> Moment:
    thermal = _thermal(told["thermal"])
    now = datetime.datetime.now(datetime.timezone.utc)
    return Moment(
        time=now.isoformat(timespec="seconds"),
        temperature_c=_processor(thermal, told["zones"]),
        skin_temperature_c=_highest(thermal, _SKIN),
        gpu_temperature_c=_highest(thermal, _GPU),
        npu_temperature_c=_highest(thermal, _NPU),
        thermal_status=_thermal_status(told["thermal"]),
        screen=_screen(told["power"]),
        power_saving={"0": False, "1": True}.get(told["saver"]),
        load_average_1min=_load(told["load"]),
        **_battery(told["battery"]),
        **_clocks(told["clocks"]),
    )


def processor_temperature(run: Run) -> float | None:
    """Of the processor, where the phone tells it."""
    told = sections.read(run, {k: _COMMANDS[k] for k in ("thermal", "zones")})
    return _processor(_thermal(told["thermal"]), told["zones"])


def _thermal(text: str) -> list[tuple[int, float]]:
    """Types and °C of the current readings; the cached ones may be hours old."""
    _, found, current = text.partition("Current temperatures from HAL:")
    current = current.partition("Current cooling devices")[0]
    if not found:
        return []
    read = [(int(m[2]), _celsius(m[1])) for m in _TEMPERATURE.finditer(current)]
    return [(kind, value) for kind, value in read if value is not None]


def _highest(thermal: list[tuple[int, float]], kind: int) -> float | None:
    return max((value for k, value in thermal if k == kind), default=None)


def _processor(thermal: list[tuple[int, float]], zones: str) -> float | None:
    """By Android's thermal service, else the hottest of the kernel's processor zones."""
    told = _highest(thermal, _CPU)
    if told is not None:
        return told
    found = []
    for line in zones.splitlines():
        match = re.fullmatch(r"(-?\d{1,7}) (\S+)", line)
        if match and _CPU_ZONE.search(match[2]):
            # The kernel counts thousandths of a degree; a few vendors whole ones.
            raw = int(match[1])
            found.append(_celsius(str(raw / 1000 if abs(raw) >= 1000 else raw)))
    return max((value for value in found if value is not None), default=None)


def _celsius(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    # Sensors that are not fitted read exactly 0.
    return value if _COLDEST < value < _HOTTEST and value != 0 else None


def _thermal_status(text: str) -> str | None:
    match = re.search(r"^Thermal Status: (\d)\s*$", text, re.MULTILINE)
    return _THERMAL_STATUS[int(match[1])] if match and int(match[1]) < 7 else None


def _battery(text: str) -> Mapping[str, Any]:
    fields = dict(re.findall(r"^\s*([A-Za-z ]+): (-?\w+)\s*$", text, re.MULTILINE))
    level, scale, tenths = (
        sections.whole_number(fields.get(k, "")) for k in ("level", "scale", "temperature")
    )
    state = sections.whole_number(fields.get("status", ""))
    powered = [k for k in ("AC", "USB", "Wireless", "Dock") if fields.get(f"{k} powered") == "true"]
    percent = 100 * level / scale if level is not None and scale and scale > 0 else None
    return {
        "battery_percent": percent if percent is not None and 0 <= percent <= 100 else None,
        "battery_status": _CHARGING.get(state) if state is not None else None,
        "battery_temperature_c": None if tenths is None else _celsius(str(tenths / 10)),
        "powered_by": ", ".join(powered) or ("battery" if fields else None),
        "battery_charge_uah": sections.whole_number(fields.get("Charge counter", "")),
    }


def _clocks(text: str) -> Mapping[str, Any]:
    clocks, governors = {}, {}
    for line in text.splitlines():
        match = re.fullmatch(r"(\d{1,4}) (\d{4,9}) ([\w-]{1,40})", line)
        if match:
            clocks[int(match[1])] = int(match[2]) / 1000
            governors[int(match[1])] = match[3]
    if not clocks:
        return {}
    return {
        "governor": ", ".join(sorted(set(governors.values()))),
        "cpu_mhz": max(clocks.values()),
        "core_mhz": tuple(clocks[core] for core in sorted(clocks)),
    }


def _screen(text: str) -> str | None:
    match = re.search(r"mWakefulness=(\w+)", text)
    if match:
        return "on" if match[1] == "Awake" else "off"
    match = re.search(r"Display Power: state=(\w+)", text)
    return {"ON": "on", "OFF": "off"}.get(match[1]) if match else None


def _load(text: str) -> float | None:
    match = re.match(r"(\d+\.\d+) ", text)
    return float(match[1]) if match else None


def _busy(text: str) -> float | None:
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"cpu\s+((?:\d+ ?){8,10})", line)
        if match:
            counts = [int(n) for n in match[1].split()[:8]]
            found.append((counts[3] + counts[4], sum(counts)))
    if len(found) != 2 or found[1][1] <= found[0][1]:
        return None
    return 1 - (found[1][0] - found[0][0]) / (found[1][1] - found[0][1])
