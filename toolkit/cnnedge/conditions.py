"""The conditions a measurement was made under: machine, load, clocks, temperature, versions.

Nothing enters but the machine itself; what it is, and how it is at a moment, leave. What a
platform does not tell is left out, never guessed.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from ._version import __version__
from .specs.limits import Range
from .specs.values import omitted

# No time, size or temperature of a measurement is larger.
LARGEST = 1e15
Reading = Annotated[float, Range(-LARGEST, LARGEST)]
T = TypeVar("T", "Machine", "Moment")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What does not change during a measurement. What a device does not tell is None.

    cores: that may be used. emulated: why it is known that the code runs on another processor
    than it is for: its timings tell nothing of the device that it claims to be. android, sdk,
    build, hardware, core_max_mhz: of phones. browser: its name and version, where it is one that
    measured; of memory_bytes, a browser tells a power of two, and 8 GB at most.
    """

    cnnedge: str | None = omitted()
    python: str | None = omitted()
    browser: str | None = omitted()
    os: str | None = omitted()
    android: str | None = omitted()
    sdk: int | None = omitted()
    build: str | None = omitted()
    hardware: str | None = omitted()
    architecture: str | None = omitted()
    cpu: str | None = omitted()
    cores: int | None = omitted()
    core_max_mhz: tuple[Reading, ...] | None = omitted()
    memory_bytes: Annotated[int | None, Range(0, LARGEST)] = omitted()
    emulated: str | None = omitted()


@dataclass(frozen=True, kw_only=True)
class Throttled:
    """Why a Raspberry Pi's firmware slows it down, in words."""

    now: tuple[str, ...] = ()
    since_boot: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Battery:
    """Of a laptop or a board, as Linux tells it, or as a browser does. percent: 0 to 100."""

    percent: int | None = None
    status: str | None = None


@dataclass(frozen=True, kw_only=True)
class Moment:
    """How a device is at a moment. What it does not tell is None.

    time: ISO 8601, UTC. cpu_mhz: of the first core, or of a phone's fastest; cpu_mhz_range: of the
    slowest and the fastest. Skin, GPU, NPU and battery readings, thermal_status, powered_by,
    core_mhz, screen and power_saving: of phones. visibility: of a page in a browser.
    """

    time: str | None = omitted()
    load_average_1min: Reading | None = omitted()
    governor: str | None = omitted()
    cpu_mhz: Reading | None = omitted()
    cpu_mhz_range: tuple[Reading, Reading] | None = omitted()
    core_mhz: tuple[Reading, ...] | None = omitted()
    temperature_c: Reading | None = omitted()
    skin_temperature_c: Reading | None = omitted()
    gpu_temperature_c: Reading | None = omitted()
    npu_temperature_c: Reading | None = omitted()
    thermal_status: str | None = omitted()
    throttled: Throttled | None = omitted()
    battery: Battery | None = omitted()
    battery_percent: Reading | None = omitted()
    battery_status: str | None = omitted()
    battery_temperature_c: Reading | None = omitted()
    battery_charge_uah: int | None = omitted()
    powered_by: str | None = omitted()
    screen: str | None = omitted()
    power_saving: bool | None = omitted()
    visibility: str | None = omitted()


@dataclass(frozen=True, kw_only=True)
class State(Machine, Moment):
    """A machine at a moment."""


def machine() -> Machine:
    """This one."""
    return Machine(
        cnnedge=__version__,
        python=platform.python_version(),
        os=platform.platform(),
        architecture=platform.machine(),
        cpu=cpu_name(),
        cores=usable_cores(),
        memory_bytes=_memory_bytes(),
        emulated=emulated(),
    )


def moment() -> Moment:
    """Now, as far as this machine tells it."""
    return Moment(
        time=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        load_average_1min=_load(),
        governor=_read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        cpu_mhz=clock_mhz(),
        cpu_mhz_range=_megahertz_range(),
        temperature_c=temperature_c(),
        throttled=throttled(),
        battery=_battery(),
    )


def state() -> State:
    """This machine, now."""
    return State(**known(machine()), **known(moment()))


def merged(device: T, *more: Machine | Moment) -> T:
    """The same with what others tell of it; what they do not know stays."""
    return dataclasses.replace(device, **{k: v for other in more for k, v in known(other).items()})


def known(of: Machine | Moment) -> dict[str, Any]:
    """What is told, by its name."""
    named = ((f.name, getattr(of, f.name)) for f in dataclasses.fields(of))
    return {name: value for name, value in named if value is not None}


def cpu_name() -> str:
    """The processor's own name, as far as the platform tells it."""
    info = _read("/proc/cpuinfo") or ""
    lines = (line.partition(":") for line in info.splitlines())
    fields = {key.strip(): value.strip() for key, _, value in lines}
    board = _read("/proc/device-tree/model")
    name = fields.get("model name") or fields.get("Model") or platform.processor()
    return (board or "").strip("\0") or name or platform.machine()


def usable_cores() -> int:
    """The cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


@dataclass(frozen=True)
class Ticks:
    """CPU time since boot, of all cores: idle, taken by other virtual machines, all."""

    idle: int
    stolen: int
    total: int


def ticks() -> Ticks | None:
    """The CPU time so far, or None where there is no /proc/stat."""
    first = (_read("/proc/stat") or "").split("\n", 1)[0].split()
    if len(first) < 9 or first[0] != "cpu":
        return None
    counts = [int(t) for t in first[1:9]]
    return Ticks(idle=counts[3] + counts[4], stolen=counts[7], total=sum(counts))


def stolen_fraction(before: Ticks | None, after: Ticks | None) -> float | None:
    """The share of CPU time between two readings that other virtual machines took."""
    if not before or not after or after.total <= before.total:
        return None
    return (after.stolen - before.stolen) / (after.total - before.total)


def busy_fraction(seconds: float = 0.5) -> float | None:
    """The share of the CPU that is in use now, watched for a moment in which we do nothing.

    The load average would still tell of our own training a minute ago.
    """
    before = ticks()
    time.sleep(seconds if before else 0)
    after = ticks()
    if not before or not after or after.total <= before.total:
        return None
    return 1 - (after.idle - before.idle) / (after.total - before.total)


def reset_peak_memory() -> bool:
    """Starts the peak of this process anew, where Linux allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_memory_bytes() -> int:
    """The largest resident size of this process since its start or the last reset."""
    status = _read("/proc/self/status") or ""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, others kibibytes.
    return peak if sys.platform == "darwin" else peak * 1024


def temperature_c() -> float | None:
    """Of the processor, as Linux' first thermal zone tells it."""
    reading = _read("/sys/class/thermal/thermal_zone0/temp")
    return int(reading) / 1000 if reading and reading.lstrip("-").isdigit() else None


def emulated() -> str | None:
    """What shows that this code is translated for another processor, or None.

    A virtual machine is none: its instructions run as they are.
    """
    kernel = _read("/proc/sys/kernel/arch")
    if kernel and _family(kernel) != _family(platform.machine()):
        return f"runs as {platform.machine()} on a kernel for {kernel}"
    # qemu-user shows a process its own command line without qemu, its thread's as it is.
    for place in ("thread-self", "self/task/" + str(os.getpid()), str(os.getppid())):
        words = (_read(f"/proc/{place}/cmdline") or "").split("\0")
        if os.path.basename(words[0]).startswith("qemu-") and "system" not in words[0]:
            return f"runs under {os.path.basename(words[0])}"
    return None


def throttled() -> Throttled | None:
    """Why a Raspberry Pi's firmware slows it down; None for others."""
    said = _read("/sys/devices/platform/soc/soc:firmware/get_throttled")
    if said is None and (tool := shutil.which("vcgencmd")):
        try:
            done = subprocess.run(
                [tool, "get_throttled"], capture_output=True, text=True, timeout=5
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        said = done.stdout.strip().rpartition("=")[2]
    try:
        return throttled_names(int(said or "", 16))
    except ValueError:
        return None


def throttled_names(flags: int) -> Throttled:
    """The bits of `vcgencmd get_throttled`, as the Raspberry Pi documentation names them."""
    reasons = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
    return Throttled(
        now=tuple(name for bit, name in enumerate(reasons) if flags >> bit & 1),
        since_boot=tuple(name for bit, name in enumerate(reasons) if flags >> (bit + 16) & 1),
    )


def _family(machine: str) -> str:
    """Machines that one processor runs: a 32-bit system under a 64-bit kernel is no emulation."""
    machine = machine.lower()
    if machine.startswith(("arm", "aarch")):
        return "arm"
    return "x86" if re.fullmatch(r"i[3-6]86|x86_64|amd64", machine) else machine


def _battery() -> Battery | None:
    """The first one."""
    for supply in sorted(Path("/sys/class/power_supply").glob("*")):
        if _read(f"{supply}/type") == "Battery" and _read(f"{supply}/scope") != "Device":
            percent = _read(f"{supply}/capacity") or ""
            return Battery(
                percent=int(percent) if percent.isdigit() else None,
                status=_read(f"{supply}/status"),
            )
    return None


def clock_mhz() -> float | None:
    """Of the first core now."""
    reading = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
    return int(reading) / 1000 if reading and reading.isdigit() else None


def _megahertz_range() -> tuple[float, float] | None:
    """The slowest and the fastest core's clock now."""
    cores = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    found = [int(r) / 1000 for r in (_read(str(c)) for c in cores) if r and r.isdigit()]
    return (min(found), max(found)) if found else None


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return None
