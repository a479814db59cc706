"""What it takes to measure on a phone, and what would spoil a measurement, one by one.

A target enters; findings leave, each as soon as it is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ...child_process import Completed
from ...conditions import Moment
from ...errors import DeviceError
from ...specs import DeviceProfile
from ..base import Finding
from ..pixels import Checked, pixels_finding
from . import files
from .client import Connection, find_client, list_attached
from .machine import Phone
from .moment import read_moment
from .tools import Tool

_ENOUGH_BYTES = 200_000_000
_LEAST_CHARGE = 20
_WARM_BATTERY_C = 40.0
_DEFAULT_WARM_C = 60.0


class Subject(Checked, Protocol):
    """What is looked at; an AdbTarget."""

    profile: DeviceProfile
    python: bool

    def ask(self, words: Sequence[str], *, seconds: float = 60.0, what: str = "") -> Completed: ...

    @property
    def connection(self) -> Connection: ...

    @property
    def folder(self) -> str: ...

    @property
    def phone(self) -> Phone: ...

    @property
    def tool(self) -> Tool: ...

    @property
    def interpreter(self) -> str: ...


def findings(target: Subject) -> Iterator[Finding]:
    """Ends at what makes the rest unknowable. Raises nothing that is the phone's doing."""
    try:
        adb = find_client(target.name)
        yield Finding(what="adb", ok=True, found=str(adb))
        attached = list_attached(adb, target.name)
        count = len(attached)
        yield Finding(what="attached", ok=None, found=f"{count} phone{'' if count == 1 else 's'}")
        serial = target.connection.serial
        yield Finding(what="authorised", ok=True, found=f"serial {serial}")
    except DeviceError as error:
        yield _failed("reachable", error, target)
        return
    try:
        phone = target.phone
        yield from _about(phone)
        yield _space(target)
        yield _tool(target)
        if target.python:
            yield pixels_finding(target)
        yield from _now(read_moment(target.ask), target.profile.cool_to_c or _DEFAULT_WARM_C)
    except DeviceError as error:
        yield _failed("answers", error, target)


def _failed(what: str, error: DeviceError, target: Subject) -> Finding:
    """An error's text without the device's name, which is said already, parted at its remedy."""
    found, _, remedy = str(error).removeprefix(f"{target.name}: ").rpartition(": ")
    return Finding(what=what, ok=False, found=found or remedy, remedy=remedy if found else "")


def _about(phone: Phone) -> Iterator[Finding]:
    emulated = bool(phone.emulated)
    yield Finding(
        what="phone",
        ok=None,
        found=f"{phone.title}{f', {phone.emulated}' if emulated else ''}",
        remedy="its timings are of no phone" if emulated else "",
    )
    old = phone.sdk is not None and phone.sdk < 24
    yield Finding(
        what="system",
        ok=None if phone.sdk is None else not old,
        found=phone.os,
        remedy="Android 7 or later is needed" if old else "",
    )
    cores = f", {phone.cores} cores" if phone.cores else ""
    yield Finding(what="processor", ok=None, found=f"{phone.soc or 'not told'}{cores}")
    yield Finding(what="ABI", ok=bool(phone.abis), found=", ".join(phone.abis) or "not told")


def _space(target: Subject) -> Finding:
    free = files.free_bytes(target.ask, target.folder)
    if free is None:
        return Finding(what="space", ok=None, found="not told")
    return Finding(
        what="space",
        ok=free >= _ENOUGH_BYTES,
        found=f"{free / 1e6:,.0f} MB free for {target.folder}",
        remedy="free some space, or run: cnnedge devices clean",
    )


def _tool(target: Subject) -> Finding:
    if target.python:
        try:
            return Finding(what="Python", ok=True, found=target.interpreter)
        except DeviceError as error:
            return _failed("Python", error, target)
    try:
        tool = target.tool
    except DeviceError as error:
        return _failed("tool", error, target)
    kinds = {"tflite": "TensorFlow Lite's", "litert": "LiteRT's"}
    found = f"{kinds[tool.kind]} benchmark_model, {tool.path}"
    return Finding(
        what="tool", ok=None if tool.notes else True, found=found, remedy=" ".join(tool.notes)
    )


def _now(moment: Moment, warm_c: float) -> Iterator[Finding]:
    yield _screen(moment)
    yield _battery(moment)
    warm = moment.temperature_c
    yield Finding(
        what="temperature",
        ok=None if warm is None else warm <= warm_c,
        found="not told" if warm is None else f"{warm:.0f} °C",
        remedy=f"let it cool to {warm_c:.0f} °C",
    )
    status = moment.thermal_status
    yield Finding(
        what="thermal status",
        ok=None if status is None else status == "none",
        found=status or "not told",
        remedy="it is throttling: let it cool, out of its case",
    )
    saving = moment.power_saving
    yield Finding(
        what="power saving",
        ok=None if saving is None else not saving,
        found="not told" if saving is None else "on" if saving else "off",
        remedy="switch battery saver off",
    )
    clocks = moment.core_mhz
    told = f"{', '.join(f'{c:.0f}' for c in clocks)} MHz, {moment.governor}" if clocks else ""
    yield Finding(what="clocks", ok=None, found=told or "not told")


def _screen(moment: Moment) -> Finding:
    screen = moment.screen
    return Finding(
        what="screen",
        ok=None if screen is None else screen == "off",
        found=screen or "not told",
        remedy="switch it off: what it draws heats the phone and takes memory bandwidth",
    )


def _battery(moment: Moment) -> Finding:
    percent, warm = moment.battery_percent, moment.battery_temperature_c
    if percent is None:
        return Finding(what="battery", ok=None, found="not told")
    degrees = "" if warm is None else f", {warm:.0f} °C"
    state = moment.battery_status
    return Finding(
        what="battery",
        ok=percent >= _LEAST_CHARGE and (warm is None or warm <= _WARM_BATTERY_C),
        found=f"{percent:.0f} %{f', {state}' if state else ''}{degrees}",
        remedy=f"charge it beyond {_LEAST_CHARGE} % and cool it below {_WARM_BATTERY_C:.0f} °C: a "
        "low or hot battery lowers the clocks",
    )
