"""How long and how often to measure.

A protocol and an engine enter, raw samples leave; nothing is judged here. Sources: warm-up and
minimum of `quick` as TensorFlow Lite's benchmark_model; `standard` as MLPerf Mobile's
single-stream scenario (at least 1,024 queries and 60 s, scored by the 90th percentile, cooled down
before).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..engines import Engine
from ..errors import CnnedgeError

# A model of a few microseconds would fill the JSON with millions of samples in a minute; so many
# per process say all there is to say, and each is kept.
MOST_SAMPLES = 100_000
_BETWEEN_NS = 500_000_000


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """runs and seconds are minima, over all processes together; headline: the figure to quote.

    cool_down: before each process, as the device's profile says. window_seconds: the length of the
    windows that a process without a pause is told in; nothing where samples say it all.
    """

    name: str
    processes: int
    warmup_seconds: float
    runs: int
    seconds: float
    headline: str
    cool_down: bool = False
    window_seconds: float | None = None


PROTOCOLS = {
    "quick": Protocol(
        name="quick", processes=3, warmup_seconds=0.5, runs=150, seconds=3.0, headline="median"
    ),
    "standard": Protocol(
        name="standard",
        processes=8,
        warmup_seconds=1.0,
        runs=1024,
        seconds=60.0,
        headline="p90",
        cool_down=True,
    ),
    "sustained": Protocol(
        name="sustained",
        processes=1,
        # What is warmed up has begun to heat.
        warmup_seconds=0.0,
        runs=1,
        seconds=600.0,
        headline="median",
        cool_down=True,
        window_seconds=1.0,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A part of a measurement without a pause, in milliseconds; t_s: its middle. read: what was
    read at its end."""

    t_s: float
    median: float
    p90: float
    count: int
    read: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Latencies in milliseconds; the first inference and the warm-up are apart.

    inferences: all that were timed; samples_ms holds every `every`-th of them. windows: see
    `measure_windows`.
    """

    first_ms: float
    warmup_count: int
    samples_ms: list[float]
    inferences: int
    every: int = 1
    windows: tuple[Stretch, ...] = ()


def get_protocol(name: str, *, seconds: float | None = None) -> Protocol:
    """The protocol of this name; seconds: another length of `sustained`. Raises CnnedgeError."""
    if name not in PROTOCOLS:
        raise CnnedgeError(f"unknown protocol '{name}'; allowed: {', '.join(PROTOCOLS)}")
    protocol = PROTOCOLS[name]
    if seconds is None:
        return protocol
    if protocol.window_seconds is None:
        raise CnnedgeError(f"protocol {name} has a fixed length; only sustained takes one")
    return dataclasses.replace(protocol, seconds=seconds)


def measure(
    engine: Engine,
    *,
    warmup_seconds: float,
    runs: int,
    seconds: float,
    between: Callable[[], object] | None = None,
) -> Samples:
    """Times inferences until both minima are met, or MOST_SAMPLES.

    A sample is from the call to the output being readable in host memory. The engine's input is
    already set. between: called outside of the samples, every half second.
    """
    clock = time.perf_counter_ns
    first, warmups = _begin(engine, warmup_seconds)
    samples: list[int] = []
    now = clock()
    until, due = now + int(seconds * 1e9), now + _BETWEEN_NS
    while len(samples) < runs or (clock() < until and len(samples) < MOST_SAMPLES):
        if between and clock() >= due:
            between()
            due = clock() + _BETWEEN_NS
        started = clock()
        engine.invoke()
        samples.append(clock() - started)
    return Samples(
        first_ms=first,
        warmup_count=warmups,
        samples_ms=[s / 1e6 for s in samples],
        inferences=len(samples),
    )


def measure_windows(
    engine: Engine,
    *,
    warmup_seconds: float,
    seconds: float,
    window_seconds: float,
    readings: Callable[[], Mapping[str, float]],
) -> Samples:
    """Times inferences without a pause, told in windows of about `window_seconds`.

    t_s is the middle of a window since the first timed inference; `readings` is called at its end.
    Of the samples at most MOST_SAMPLES
    are kept, evenly spread: whenever there are more, every other one is dropped, and from then on
    as many are left out.
    """
    clock = time.perf_counter_ns
    first, warmups = _begin(engine, warmup_seconds)
    kept, every, count = [], 1, 0
    windows: list[Stretch] = []
    started = now = clock()
    while now - started < seconds * 1e9:
        opened, inside = now, []
        while now - opened < window_seconds * 1e9:
            before = clock()
            engine.invoke()
            now = clock()
            inside.append(now - before)
        kept += inside[-count % every :: every]
        count += len(inside)
        while len(kept) > MOST_SAMPLES:
            kept, every = kept[::2], every * 2
        median, p90 = np.percentile(inside, [50, 90])
        middle = (opened + now) / 2 - started
        windows.append(
            Stretch(
                t_s=middle / 1e9,
                median=median / 1e6,
                p90=p90 / 1e6,
                count=len(inside),
                read=readings(),
            )
        )
        now = clock()
    return Samples(
        first_ms=first,
        warmup_count=warmups,
        samples_ms=[s / 1e6 for s in kept],
        inferences=count,
        every=every,
        windows=tuple(windows),
    )


def _begin(engine: Engine, warmup_seconds: float) -> tuple[float, int]:
    """The first inference in milliseconds, and how many warmed up after it."""
    clock = time.perf_counter_ns
    started = clock()
    engine.invoke()
    first = clock() - started
    warmups, until = 0, clock() + int(warmup_seconds * 1e9)
    while clock() < until:
        engine.invoke()
        warmups += 1
    return first / 1e6, warmups
