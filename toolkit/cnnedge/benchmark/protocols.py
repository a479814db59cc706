"""How long and how often to measure.

A protocol and an engine enter, raw samples leave; nothing is judged here. Sources: warm-up and
minimum of `quick` as TensorFlow Lite's benchmark_model; `standard` as MLPerf Mobile's
single-stream scenario (at least 1,024 queries and 60 s, scored by the 90th percentile).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..engines import Engine
from ..errors import CnnedgeError

# A model of a few microseconds would fill the JSON with millions of samples in a minute; so many
# per process say all there is to say, and each is kept.
MOST_SAMPLES = 100_000


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """runs and seconds are minima, over all processes together; headline: the figure to quote."""

    name: str
    processes: int
    warmup_seconds: float
    runs: int
    seconds: float
    headline: str


PROTOCOLS = {
    "quick": Protocol(
        name="quick", processes=3, warmup_seconds=0.5, runs=150, seconds=3.0, headline="median"
    ),
    "standard": Protocol(
        name="standard", processes=4, warmup_seconds=1.0, runs=1024, seconds=60.0, headline="p90"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Latencies in milliseconds; the first inference and the warm-up are apart."""

    first_ms: float
    warmup_count: int
    samples_ms: list[float]


def get_protocol(name: str) -> Protocol:
    """The protocol of this name. Raises CnnedgeError."""
    if name not in PROTOCOLS:
        raise CnnedgeError(f"there is no protocol '{name}'; allowed: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def measure(engine: Engine, *, warmup_seconds: float, runs: int, seconds: float) -> Samples:
    """Times inferences until both minima are met, or MOST_SAMPLES.

    A sample is from the call to the output being readable in host memory. The engine's input is
    already set.
    """
    clock = time.perf_counter_ns
    started = clock()
    engine.invoke()
    first = clock() - started
    warmups, until = 0, clock() + int(warmup_seconds * 1e9)
    while clock() < until:
        engine.invoke()
        warmups += 1
    samples: list[int] = []
    until = clock() + int(seconds * 1e9)
    while len(samples) < runs or (clock() < until and len(samples) < MOST_SAMPLES):
        started = clock()
        engine.invoke()
        samples.append(clock() - started)
    return Samples(
        first_ms=first / 1e6, warmup_count=warmups, samples_ms=[s / 1e6 for s in samples]
    )
