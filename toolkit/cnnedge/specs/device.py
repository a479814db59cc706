"""Device profiles: how to reach a device, what it has, its frame budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ..errors import SpecError
from .composing import compose
from .limits import Range
from .strict import build

Transport = Literal["local", "ssh", "adb", "browser"]
Delegate = Literal["cpu", "gpu", "nnapi", "npu"]


@dataclass(frozen=True, kw_only=True)
class DeviceProfile:
    """One device.

    address: ssh: a host of ~/.ssh/config, a name or an address, with user@ before it where needed;
    adb: the serial, or nothing for the only phone; local, browser: nothing.
    soc, cores, memory_gb, os: what it is, as its maker states. threads: the counts worth
    measuring there. delegates: what can be expected to run on it. frame_budget_ms: per picture.
    power: how to feed it so that its clocks hold. python: the interpreter on a board. folder: where
    files are kept on the device; nothing for the usual place of its kind.
    cool_to_c, cool_seconds: before each measured process of a long protocol, wait until it is as
    cool as that, but at most this long; exactly this long if the temperature is unknown.
    measured: whether cnnedge was run on the hardware itself.
    """

    description: str = ""
    transport: Transport = "local"
    address: str = ""
    soc: str = ""
    cores: Annotated[int, Range(1, 1024)] | None = None
    memory_gb: Annotated[float, Range(0.1, 4096)] | None = None
    os: str = ""
    threads: tuple[Annotated[int, Range(1, 256)], ...] = (1,)
    delegates: tuple[Delegate, ...] = ("cpu",)
    frame_budget_ms: Annotated[float, Range(0.1, 60_000)] = 33.3
    power: str = ""
    python: str = "python3"
    folder: str = ""
    cool_to_c: Annotated[float, Range(20, 100)] | None = None
    cool_seconds: Annotated[float, Range(0, 3600)] = 0.0
    measured: bool = False


def parse_device(text: str, source: str) -> DeviceProfile:
    """A DeviceProfile from YAML text. Raises SpecError."""
    profile = build(DeviceProfile, compose(text, source))
    if profile.address and profile.transport in ("local", "browser"):
        raise SpecError(
            f"{source}: address: {profile.address}: an address is allowed only with the transports "
            f"ssh and adb, not with {profile.transport}. Remove it, or name another transport"
        )
    if profile.transport == "ssh" and not profile.address:
        raise SpecError(
            f"{source}: transport ssh needs an address: a host from ~/.ssh/config, or user@host"
        )
    return profile
