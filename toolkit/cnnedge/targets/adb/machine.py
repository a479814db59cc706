"""What a phone is: model, processor, Android, memory; what does not change while it measures.

Android's own properties enter; a Phone leaves. What it does not tell is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..._version import __version__
from ...conditions import Machine
from ...harmless import one_line
from . import sections
from .files import Run

# https://source.android.com/docs/core/architecture/configuration/add-system-properties and the
# Compatibility Definition, 3.2.2.
_PROPERTIES = {
    "manufacturer": "ro.product.manufacturer",
    "model": "ro.product.model",
    "device": "ro.product.device",
    "android": "ro.build.version.release",
    "sdk": "ro.build.version.sdk",
    "build": "ro.build.fingerprint",
    "abilist": "ro.product.cpu.abilist",
    "abi": "ro.product.cpu.abi",
    "soc_maker": "ro.soc.manufacturer",
    "soc": "ro.soc.model",
    "board": "ro.board.platform",
    "hardware": "ro.hardware",
    "qemu": "ro.kernel.qemu",
    "boot_qemu": "ro.boot.qemu",
}
_FILES = {
    "meminfo": "head -n 1 /proc/meminfo",
    "cores": "cat /sys/devices/system/cpu/present",
    "fastest": "for c in /sys/devices/system/cpu/cpu[0-9]*; do "
    'echo "${c##*/cpu} $(cat $c/cpufreq/cpuinfo_max_freq)"; done',
    "toybox": "command -v toybox && echo found",
}
_EMULATORS = ("ranchu", "goldfish", "cutf_cvm", "vsoc")


@dataclass(frozen=True, kw_only=True)
class Phone:
    """abis: that it runs, the best first. emulated: why it is known to be no phone, or nothing."""

    manufacturer: str
    model: str
    android: str
    sdk: int | None
    build: str
    abis: tuple[str, ...]
    soc: str
    memory_bytes: int | None
    cores: int | None
    core_max_mhz: tuple[float, ...]
    emulated: str

    @property
    def title(self) -> str:
        return " ".join(part for part in (self.manufacturer, self.model) if part) or "a phone"

    @property
    def os(self) -> str:
        sdk = f" (SDK {self.sdk})" if self.sdk is not None else ""
        return f"Android {self.android or 'of an unknown version'}{sdk}"

    @property
    def machine(self) -> Machine:
        """Of the conditions of a result."""
        return Machine(
            cnnedge=__version__,
            os=self.os,
            android=self.android or None,
            sdk=self.sdk,
            build=self.build or None,
            hardware=self.title,
            architecture=self.abis[0] if self.abis else None,
            cpu=self.soc or None,
            cores=self.cores,
            core_max_mhz=self.core_max_mhz or None,
            memory_bytes=self.memory_bytes,
            emulated=self.emulated or None,
        )


def read_phone(run: Run) -> Phone:
    """Asks the phone what it is."""
    commands = {name: f"getprop {key}" for name, key in _PROPERTIES.items()} | _FILES
    told = sections.read(run, commands)
    text = {name: one_line(told[name], 120) for name in _PROPERTIES}
    soc = " ".join(part for part in (text["soc_maker"], text["soc"]) if part)
    abis = (text["abilist"] or text["abi"]).split(",")
    return Phone(
        manufacturer=text["manufacturer"],
        model=text["model"],
        android=text["android"],
        sdk=sections.whole_number(text["sdk"]),
        build=text["build"],
        abis=tuple(dict.fromkeys(a.strip() for a in abis if a.strip())),
        soc=soc or text["board"] or text["hardware"],
        memory_bytes=_memory(told["meminfo"]),
        cores=_cores(told["cores"]),
        core_max_mhz=_fastest(told["fastest"]),
        emulated=_emulated(text),
    )


def _emulated(text: dict[str, str]) -> str:
    if "1" in (text["qemu"], text["boot_qemu"]) or text["hardware"] in _EMULATORS:
        return f"an Android emulator ({text['hardware'] or 'qemu'})"
    return ""


def _memory(text: str) -> int | None:
    match = re.fullmatch(r"MemTotal:\s+(\d+) kB", text)
    return int(match[1]) * 1024 if match else None


def _cores(text: str) -> int | None:
    """How many a list such as "0-3,5-8" names."""
    count = 0
    for piece in text.split(","):
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", piece)
        if not match:
            return None
        count += int(match[2] or match[1]) - int(match[1]) + 1
    return count if count > 0 else None


def _fastest(text: str) -> tuple[float, ...]:
    """The highest clock of each core in MHz, by its number; nothing unless each tells it."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(\d{1,4}) (\d{4,9})", line)
        if not match:
            return ()
        found[int(match[1])] = int(match[2]) / 1000
    return tuple(found[core] for core in sorted(found))
