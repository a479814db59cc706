"""Whether a device makes the same input pixels as this machine.

A target enters, one finding for `cnnedge devices check` leaves.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from ..child_process import Completed
from ..errors import DeviceError
from ..harmless import one_line
from ..pixel_check import Digests, digests, read
from .base import Finding

_SECONDS = 300.0
_SLOWER = "by portable code, which is several times slower"


class Checked(Protocol):
    """A device whose pixels are looked at; a Target."""

    name: str

    def cnnedge(
        self, arguments: Sequence[str] = (), *, module: str = "cnnedge", seconds: float = 60.0
    ) -> Completed: ...


def pixels_finding(target: Checked) -> Finding:
    """Decodes and scales one picture there and here. Raises nothing: what fails is the finding."""
    try:
        done = target.cnnedge(module="cnnedge.pixel_check", seconds=_SECONDS)
        there = read(json.loads((done.text.strip().splitlines() or [""])[-1]))
    except (DeviceError, ValueError) as error:
        said = str(error).removeprefix(f"{target.name}: ")
        return Finding(what="pixels", ok=None, found=f"not known: {one_line(said, 200)}")
    if there is None:
        said = one_line(done.complaint[-500:] or done.text, 200)
        return Finding(what="pixels", ok=None, found=f"not known: {said}")
    return _compared(digests(), there, target.name)


def _compared(here: Digests, there: Digests, name: str) -> Finding:
    parted = here.parted(there)
    if parted == ["decoding"]:
        return Finding(
            what="pixels",
            ok=False,
            found="a JPEG is decoded to other pixels than here",
            remedy="Give both machines the same opencv-python",
        )
    if parted:
        return Finding(
            what="pixels",
            ok=False,
            found=f"other pixels than here by {one_line(', '.join(parted), 120)}",
            remedy=f"Bring cnnedge there anew: cnnedge devices clean {name}",
        )
    same = f"the same as here, by all {len(here.rules)} resize rules"
    if there.implementation == "compiled":
        return Finding(what="pixels", ok=True, found=same)
    return Finding(
        what="pixels",
        ok=None,
        found=f"{same}; {_SLOWER}",
        remedy="For the fast code, install a C compiler there (sudo apt-get install gcc libc6-dev) "
        f"and bring cnnedge anew: cnnedge devices clean {name}",
    )
