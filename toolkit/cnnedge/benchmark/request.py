"""What a fresh process is asked to measure.

A runtime and a protocol enter; a Request leaves, which travels to the process as JSON.
docs/protocol.md describes it for whoever measures on a device of another kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ..engines import CPU, Runtime
from ..specs.limits import Range
from .protocols import Protocol

# A day: no protocol is longer.
_Seconds = Annotated[float, Range(0, 86_400)]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One measurement. model: its path, on the device that measures.

    compare: hold the answers of a delegate against the CPU's. warmup_seconds: before the first
    sample. runs, seconds: minima of what is timed. window_seconds: time without a pause, told in
    windows of this length; None for samples alone.
    """

    model: str
    runtime: Runtime = CPU
    compare: bool = False
    warmup_seconds: _Seconds
    runs: Annotated[int, Range(1, 10**9)]
    seconds: _Seconds
    window_seconds: Annotated[float | None, Range(0.001, 86_400)] = None


def request_of(model: str, runtime: Runtime, protocol: Protocol, *, compare: bool) -> Request:
    """The share of a protocol that one of its processes measures."""
    return Request(
        model=model,
        runtime=runtime,
        compare=compare,
        warmup_seconds=protocol.warmup_seconds,
        runs=-(-protocol.runs // protocol.processes),
        seconds=protocol.seconds / protocol.processes,
        window_seconds=protocol.window_seconds,
    )
