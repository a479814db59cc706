"""What a browser can do of a Runtime, and what `cnnedge devices check` finds out about one.

A target enters; findings leave, one by one. Also what a page is asked for its pixels.
"""

from __future__ import annotations

import base64
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...conditions import Machine, Moment
from ...engines import Runtime
from ...errors import CnnedgeError, GateError, SpecError
from ...harmless import one_line, tidy
from ...pixel_check import questions
from ...specs.values import plain, read
from ...web.errands import Errand
from ..base import Finding
from ..pixels import pixels_finding

_SECONDS = 60.0
_DELEGATES = ("auto", "cpu", "gpu")


@dataclass(frozen=True, kw_only=True)
class About:
    """What a page says of its browser. threads: at most; no_threads, no_gpu: why, where there are
    none. gpu: by name. software: whether the CPU computes it. quantised: whether WebGPU would run
    int8 models."""

    machine: Machine
    moment: Moment
    threads: int
    no_threads: str
    gpu: str
    no_gpu: str
    software: bool
    quantised: bool


def require(runtime: Runtime, name: str) -> None:
    """Refuses what no browser can do, before anything is served. name: of the device.

    Raises CnnedgeError; GateError for a delegate.
    """
    if runtime.delegate not in _DELEGATES:
        raise GateError(
            f"{name}: --delegate {runtime.delegate}: a browser has cpu (WebAssembly) and gpu "
            "(WebGPU); auto takes the GPU where it is one"
        )
    if runtime.engine not in ("auto", "litert"):
        raise CnnedgeError(
            f"{name}: --engine {runtime.engine}: a browser runs models with LiteRT.js alone; leave "
            "--engine out"
        )
    if runtime.precision not in ("auto", "f32"):
        raise CnnedgeError(
            f"{name}: --precision {runtime.precision}: a browser computes in f32; leave "
            "--precision out"
        )
    if runtime.options:
        option = next(iter(runtime.options))
        raise CnnedgeError(
            f"{name}: --delegate-option {option}: LiteRT.js takes no options; leave it out"
        )


def findings(target: Any) -> Iterator[Finding]:
    """Raises nothing: what fails is the finding."""
    try:
        errand = Errand(worker="about", request={}, more={"shown": target.name})
        about = _read(target.visit.ask(errand, _SECONDS))
    except (CnnedgeError, TimeoutError) as error:
        said = str(error).removeprefix(f"{target.name}: ") or "it does not answer"
        yield Finding(what="page", ok=False, found=said, remedy="Open the page again")
        return
    machine, moment = about.machine, about.moment
    yield Finding(what="page", ok=True, found=machine.browser or "a browser without a name")
    parts = (machine.os, machine.hardware, machine.architecture)
    cores = f"{machine.cores} cores" if machine.cores else "cores not told"
    hardware = ", ".join([p for p in parts if p] + [cores])
    yield Finding(what="hardware", ok=None, found=hardware)
    yield _threads(about)
    yield _gpu(about)
    front = moment.visibility != "hidden"
    yield Finding(
        what="page in front",
        ok=front,
        found="yes" if front else "no: it is in the background",
        remedy="" if front else "Bring it to the front: browsers slow down what is not seen",
    )
    awake = moment.screen is not None
    yield Finding(
        what="screen",
        ok=True if awake else None,
        found="is kept on" if awake else "may go off",
        remedy="" if awake else "Set the longest time until the screen goes off",
    )
    if moment.battery:
        percent, status = moment.battery.percent, moment.battery.status
        yield Finding(what="battery", ok=None, found=f"{percent} %, {status}")
    yield pixels_finding(target)


def _threads(about: About) -> Finding:
    if about.threads > 1:
        return Finding(what="threads", ok=True, found=f"up to {about.threads}")
    return Finding(what="threads", ok=None, found=f"one: {about.no_threads}")


def _gpu(about: About) -> Finding:
    if not about.gpu:
        return Finding(what="WebGPU", ok=None, found=f"none: {about.no_gpu}")
    models = "" if about.quantised else "; for float32 models only"
    if about.software:
        return Finding(what="WebGPU", ok=None, found=f"{about.gpu}: the CPU computes it{models}")
    return Finding(what="WebGPU", ok=True, found=f"{about.gpu}{models}")


def _read(answer: bytes) -> About:
    """Raises CnnedgeError."""
    try:
        return read(About, tidy(json.loads(answer)), "", others=True)
    except (ValueError, RecursionError, SpecError) as error:
        raise CnnedgeError(f"its answer is not understood: {one_line(str(error), 200)}") from None


def pixel_questions() -> Mapping[str, Any]:
    """What a page needs for the digests of `pixel_check`."""
    found = questions()
    check = {
        "picture": base64.b64encode(found.picture).decode(),
        "sizes": [list(size) for size in found.sizes],
        "rules": [plain(rule) for rule in found.rules],
    }
    return {"shown": "the pixels", "check": check}


def entries_of(parcel: Path) -> int:
    """How many pictures a parcel holds."""
    with tarfile.open(parcel, "r:") as tar:
        return sum(1 for _ in tar)
