"""Waiting until a device is as cool as its profile asks for, before a process is measured.

A device enters; how long it took, and how warm it was then, leave.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from .device import Device
from .result import Cooled

# Between two looks at the temperature. Each look wakes the device.
_LOOK_SECONDS = 5.0


def cool_down(device: Device, say: Callable[[str], None]) -> Cooled | None:
    """Waits as the profile says (cool_to_c, cool_seconds); None where it asks for no waiting.

    say: what is waited for, at each look. Raises DeviceError.
    """
    limit, wanted = device.profile.cool_seconds, device.profile.cool_to_c
    if not limit:
        return None
    started = time.monotonic()
    while True:
        warm = device.temperature_c()
        enough = None if warm is None or wanted is None else warm <= wanted
        passed = time.monotonic() - started
        if enough or passed >= limit:
            return Cooled(seconds=round(passed, 1), temperature_c=warm, enough=enough)
        say(_waiting(warm, wanted, limit - passed))
        time.sleep(min(_LOOK_SECONDS, limit - passed))


def _waiting(warm: float | None, wanted: float | None, left: float) -> str:
    if warm is None:
        return f"cooling down, {left:.0f} s left"
    goal = "" if wanted is None else f", to {wanted:.0f} °C"
    return f"cooling down from {warm:.0f} °C{goal}, {left:.0f} s left at most"
