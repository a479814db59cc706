"""What a measured process answers.

Parsed JSON from another process, maybe of another machine, enters; an Answer leaves. What comes
from elsewhere is data: a wrong type or a number out of reason is an error, never a result, and no
text in it holds anything that a terminal would obey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from ..conditions import LARGEST, Machine, Moment, Reading
from ..engines import Ran
from ..errors import CnnedgeError, DeviceError, GateError, SpecError, one_line
from ..harmless import tidy
from ..specs.limits import Range
from ..specs.values import Length, omitted, read
from .protocols import MOST_SAMPLES

# A picosecond: what takes no time was not measured.
Milliseconds = Annotated[float, Range(1e-9, LARGEST)]
Amount = Annotated[float, Range(0, LARGEST)]
Count = Annotated[int, Range(0, int(LARGEST))]
Some = Annotated[int, Range(1, int(LARGEST))]
Samples = Annotated[tuple[Milliseconds, ...], Length(0, 10 * MOST_SAMPLES)]
_SHOWN = 80


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Statistics of latencies in milliseconds; None for what a device's own tool does not tell."""

    median: Milliseconds | None = None
    mean: Milliseconds | None = None
    p90: Milliseconds | None = None
    p99: Milliseconds | None = None
    min: Milliseconds | None = None
    max: Milliseconds | None = None
    std: Amount | None = None
    count: Some

    @property
    def typical(self) -> float:
        """The median, or the mean of a tool that does not tell it."""
        return (self.mean or 0.0) if self.median is None else self.median


# The figures of a tool that keeps no samples; it may not know all of them.
STATISTICS = ("median", "mean", "p90", "p99", "min", "max", "std")


@dataclass(frozen=True, kw_only=True)
class Statistics(Latency):
    """Of a tool that keeps no samples, its median or at least its mean. source: the tool."""

    source: str
    p95: Milliseconds | None = omitted()

    def check(self) -> str | None:
        if self.median is None and self.mean is None:
            return "neither the median nor the mean is known"
        return None


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of a measurement without a pause. t_s: its middle, since the first timed inference.

    cpu_mhz, temperature_c, power_w: read at its end.
    """

    t_s: Milliseconds
    median: Milliseconds
    p90: Milliseconds
    count: Count
    cpu_mhz: Reading | None = omitted()
    temperature_c: Reading | None = omitted()
    power_w: Reading | None = omitted()


@dataclass(frozen=True, kw_only=True)
class Energy:
    """What the whole device drew: while it measured, before, and in an inference's time."""

    source: str = ""
    power_w: Amount
    idle_power_w: Amount | None = None
    mj_per_inference: Amount


@dataclass(frozen=True, kw_only=True)
class Around:
    """The conditions of one process. The fractions: of the CPU, used by others before it and
    during it, and taken by other virtual machines."""

    machine: Machine
    before: Moment
    after: Moment
    busy_fraction: Reading | None = None
    steal_fraction: Reading | None = None
    others_fraction: Reading | None = None


@dataclass(frozen=True, kw_only=True)
class Answer(Ran):
    """What one fresh process measured. sha256: of the model's file. Times in milliseconds.

    samples_ms: each timed inference, or with `windows` every `samples_every`-th of `inferences`;
    empty where a device's own tool keeps none and tells `statistics` instead.
    """

    sha256: str
    input_shape: tuple[int, ...] | None = None
    init_ms: Amount | None = None
    first_ms: Amount | None = None
    warmup_count: Count
    samples_ms: Samples
    statistics: Statistics | None = omitted()
    peak_memory_bytes: Amount | None = None
    memory_growth_bytes: Amount | None = None
    conditions: Around
    energy: Energy | None = None
    windows: Annotated[tuple[Window, ...], Length(1, 10 * MOST_SAMPLES)] | None = omitted()
    inferences: Some | None = omitted()
    samples_every: Some | None = omitted()

    def check(self) -> str | None:
        if not self.samples_ms and self.statistics is None:
            return "samples_ms: there is none, and no statistics in their place"
        if self.windows and (self.inferences is None or self.samples_every is None):
            return "windows: inferences and samples_every go with them"
        return None


def read_answer(said: Any, model: str) -> Answer:
    """The answer of a process about a model, which `model` names in messages.

    Raises what it reports, or DeviceError.
    """
    if not isinstance(said, dict):
        shown = one_line(repr(said), _SHOWN)
        raise DeviceError(f"{model}: the benchmark process answered {shown}; expected an object")
    found = tidy(said)
    raise_reported(found)
    try:
        return read(Answer, found, "", others=True)
    except SpecError as error:
        raise DeviceError(
            f"{model}: the benchmark process answered {error}. The device may run another version "
            "of cnnedge"
        ) from None


def raise_reported(found: dict[str, Any], place: str = "") -> None:
    """Raises what a process reports in an answer's place. place: who, where that is not here."""
    if "error" in found:
        kind = GateError if found.get("exit_code") == 3 else CnnedgeError
        raise kind(f"{place}{found['error']}")
