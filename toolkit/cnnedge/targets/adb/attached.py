"""Which phone is meant: the list of `adb devices -l`, read strictly.

What adb printed enters; a serial leaves, or one line saying why there is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import DeviceError
from ...harmless import one_line

_HEAD = "List of devices attached"
# Of adb's own source (transport.cpp, ConnectionStateName); `device` is the one that works.
_STATES = (
    *("device", "offline", "unauthorized", "authorizing", "connecting", "bootloader", "recovery"),
    *("sideload", "rescue", "host", "detached", "unknown"),
)
_LINE = re.compile(
    r"(?P<serial>\(no serial number\)|\S+)\s+"
    rf"(?P<state>no permissions\b.*?|{'|'.join(_STATES)})"
    r"(?P<about>(?:\s+[a-z_]+:\S*|\s+\d+-[\d.]+)*)\s*"
)
_REMEDIES = {
    "unauthorized": "unlock the phone and accept 'Allow USB debugging?' there; when it does not "
    "ask, revoke USB debugging authorisations in its developer options and plug it in again",
    "authorizing": "unlock the phone and accept 'Allow USB debugging?' there",
    "offline": "unplug the phone and plug it in again, or run: adb reconnect offline",
    "connecting": "wait a moment and try again",
    "no permissions": "this user may not open the USB device: install the udev rules (on Debian: "
    "apt install android-sdk-platform-tools-common), join group plugdev and log in again",
    "bootloader": "the phone is in its bootloader: start Android on it",
    "recovery": "the phone is in recovery: start Android on it",
    "sideload": "the phone is in recovery: start Android on it",
    "rescue": "the phone is in recovery: start Android on it",
}
NONE_REMEDY = (
    "plug a phone in with USB debugging switched on in its developer options (a cable that carries "
    "data), or connect one by network: adb connect ADDRESS:PORT"
)


@dataclass(frozen=True, kw_only=True)
class Attached:
    """One line of the list. about: what adb tells beside the state."""

    serial: str
    state: str
    about: str = ""

    @property
    def usable(self) -> bool:
        return self.state == "device"


def parse(text: str) -> list[Attached]:
    """The phones that `adb devices -l` lists. Raises DeviceError for what is no such list."""
    found = []
    lines = [line.rstrip() for line in text.splitlines()]
    # An adb that has just started its server tells so first.
    lines = [line for line in lines if line and not line.startswith("* ")]
    if not lines or lines[0] != _HEAD:
        raise DeviceError(f"adb devices printed no list of devices: {one_line(text)!r}")
    for line in lines[1:]:
        match = _LINE.fullmatch(line)
        if not match:
            raise DeviceError(
                f"adb devices printed a line that is not understood: {one_line(line)!r}. Update "
                "adb (Android SDK platform-tools)"
            )
        found.append(
            Attached(serial=match["serial"], state=match["state"], about=match["about"].strip())
        )
    return found


def choose(found: Sequence[Attached], serial: str, name: str) -> str:
    """The serial to use: of the one that is asked for, or of the only one. Raises DeviceError."""
    if serial:
        mine = [phone for phone in found if phone.serial == serial]
        if not mine:
            others = f"; attached: {_listed(found)}" if found else ""
            raise DeviceError(
                f"{name}: no phone with serial {one_line(serial)} is attached{others}: "
                f"{NONE_REMEDY}"
            )
        return _usable(mine[0], name)
    if not found:
        raise DeviceError(f"{name}: no phone is attached: {NONE_REMEDY}")
    if len(found) > 1:
        raise DeviceError(
            f"{name}: {len(found)} phones are attached ({_listed(found)}): say which, as "
            "--device adb:SERIAL or by address: SERIAL in a profile"
        )
    return _usable(found[0], name)


def _usable(phone: Attached, name: str) -> str:
    if phone.usable:
        return phone.serial
    known = next((state for state in _REMEDIES if phone.state.startswith(state)), "")
    remedy = _REMEDIES.get(known, "it must be in state 'device': see adb devices -l")
    raise DeviceError(f"{name}: phone {one_line(phone.serial)} is {known or phone.state}: {remedy}")


def _listed(found: Sequence[Attached]) -> str:
    return ", ".join(
        one_line(p.serial) + ("" if p.usable else f" ({one_line(p.state, 20)})") for p in found
    )
