"""One result of the bench contract, and the file of `cnnedge bench --json` that holds several.

The types of what is measured, written and read again. Values that a reader of older files may
miss have defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from ..conditions import Moment, Reading, State
from ..engines import Ran
from ..results import Accuracy
from ..specs.values import Length, omitted, read
from .answer import Amount, Energy, Latency, Milliseconds, Samples, Window


@dataclass(frozen=True, kw_only=True)
class Floor:
    """By how much two such runs may differ with nothing changed, as fractions; None: not known."""

    median: float | None = None
    p90: float | None = None


@dataclass(frozen=True, kw_only=True)
class Cooled:
    """temperature_c: at the end, where it is told. enough: as cool as asked; None: not known."""

    seconds: float
    temperature_c: Reading | None = None
    enough: bool | None = None


@dataclass(frozen=True, kw_only=True)
class CoolDown:
    """How a device was cooled down before each process, as its profile asks."""

    to_c: float | None = None
    at_most_s: float = 0.0
    waits: tuple[Cooled, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Conditions(State):
    """Of all processes together: the machine, the first process' beginning, the largest shares."""

    protocol: str
    processes: int = 0
    busy_fraction: Reading | None = None
    steal_fraction: Reading | None = None
    others_fraction: Reading | None = None
    cool_down: CoolDown | None = omitted()


@dataclass(frozen=True, kw_only=True)
class Ends(Moment):
    """A process' beginning; after: its end."""

    after: Moment = Moment()


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """One fresh process. Times in milliseconds."""

    init_ms: Amount | None = None
    first_ms: Amount | None = None
    median_ms: Milliseconds | None = None
    mean_ms: Milliseconds | None = None
    p90_ms: Milliseconds | None = None
    count: int = 0
    warmup_count: int = 0
    conditions: Ends = Ends()


@dataclass(frozen=True, kw_only=True)
class Minute:
    """Medians over the windows of a minute, in milliseconds."""

    median: float
    p90: float


@dataclass(frozen=True, kw_only=True)
class Sustained:
    """What happened to latency over minutes without a pause; see `sustained.summary`."""

    seconds: float
    window_seconds: float
    minute_s: float
    first_minute: Minute
    last_minute: Minute
    slowdown: float
    throttled_at_s: float | None
    inferences: int
    samples_every: int
    windows: tuple[Window, ...]


@dataclass(frozen=True, kw_only=True)
class Result(Ran):
    """One model on one device with one runtime, as the bench contract says.

    model: the file's path. sha256: of it. latency_ms: over all processes. unstable: why the
    latencies should not be trusted to a few percent. repeats: of each process. samples_ms: of all,
    in a row.
    """

    model: str
    sha256: str
    size_bytes: int | None = None
    accuracy: Accuracy | None = None
    device: str
    frame_budget_ms: float | None = None
    input_shape: tuple[int, ...] | None = None
    init_ms: float | None = None
    first_ms: float | None = None
    latency_ms: Latency
    noise_floor: Floor = Floor()
    peak_memory_bytes: int | None = None
    memory_growth_bytes: int | None = None
    unstable: tuple[str, ...] = ()
    repeats: Annotated[tuple[Repeat, ...], Length(1)]
    samples_ms: Samples = ()
    conditions: Conditions
    emulated: str | None = omitted()
    statistics_source: str | None = omitted()
    energy: Energy | None = omitted()
    sustained: Sustained | None = omitted()


def read_results(found: Sequence[Mapping[str, Any]]) -> tuple[Result, ...]:
    """The results of a file's `results`. Raises SpecError, which names the field."""
    return tuple(read(Result, entry, f"results[{n}]", others=True) for n, entry in enumerate(found))
