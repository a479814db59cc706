"""What both kinds of benchmark_model print alike: statistics and memory.

The text of a run enters; numbers leave. The text is of another machine: what is not exactly as the
tools print it is an error that shows it. Source of the forms: TensorFlow's
core/util/stats_calculator.h and lite/tools/benchmark/benchmark_model.cc, 2019 to 2026.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...benchmark.answer import Statistics
from ...errors import DeviceError
from ...harmless import one_line

SOURCE = "benchmark_model"
NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
# Log libraries put "INFO: ", "INFO: [file.h:94] " or logcat's "I tflite  : " before a line.
PREFIX = r"(?:(?:INFO|I(?: +\w+)?)\s*: )?(?:\[[\w./]+:\d+\] ?)?"
_COUNT = re.compile(rf"^{PREFIX}(count=\d.*?)\s*$", re.MULTILINE)
_FULL = re.compile(
    rf"count=(?P<count>\d+) first=(?P<first>{NUMBER}) curr={NUMBER} min=(?P<min>{NUMBER}) "
    rf"max=(?P<max>{NUMBER}) avg=(?P<avg>{NUMBER}) std=(?P<std>{NUMBER})"
    rf"(?: p5={NUMBER} median=(?P<median>{NUMBER}) p95=(?P<p95>{NUMBER}))?"
)
# One run, or several that took exactly as long.
_SAME = re.compile(rf"count=(?P<count>\d+) curr=(?P<curr>{NUMBER})(?: ?\(all same\))?")
_NONE = "count=0"
# Averages are printed with 6 digits.
_ROUNDING = 1e-4


@dataclass(frozen=True, kw_only=True)
class Stat:
    """The statistics of one phase, in milliseconds; None for what the tool did not print."""

    count: int
    first: float | None
    mean: float | None
    min: float | None
    max: float | None
    std: float | None
    median: float | None = None
    p95: float | None = None

    @property
    def statistics(self) -> Statistics:
        """As an answer without samples has them. A time that rounds to nothing is not known, and
        neither tool prints p90 and p99."""
        return Statistics(
            median=self.median or None,
            mean=self.mean or None,
            min=self.min or None,
            max=self.max or None,
            std=self.std,
            count=self.count,
            source=SOURCE,
            p95=self.p95 or None,
        )


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a benchmark_model. Times in milliseconds; None for what it did not tell.

    rounded: the statistics are of two decimals only.
    """

    init_ms: float
    first_ms: float
    warmup_count: int
    latency: Stat
    peak_memory_bytes: int | None
    memory_growth_bytes: int | None
    version: str = ""
    rounded: bool = False


def phases(text: str) -> list[Stat]:
    """The statistics lines in their order. Raises DeviceError for one that is not understood."""
    return [_stat(match[1]) for match in _COUNT.finditer(text)]


def only(pattern: str, text: str, what: str) -> Mapping[str, str]:
    """The named groups of a line that must be there, once. Raises DeviceError."""
    found = list(lines(pattern, text))
    if len(found) != 1:
        raise not_understood(
            f"{'no' if not found else len(found)} line{'s' if len(found) > 1 else ''} of {what}",
            text,
        )
    return found[0]


def lines(pattern: str, text: str) -> Iterator[Mapping[str, str]]:
    """The named groups of each line that is as a pattern says, from end to end."""
    for match in re.finditer(rf"^{PREFIX}{pattern}\s*$", text, re.MULTILINE):
        yield match.groupdict()


def number(text: str) -> float:
    """A finite number. Raises DeviceError."""
    value = float(text)
    if not math.isfinite(value):
        raise DeviceError(f"benchmark_model printed {one_line(text, 40)}: no finite number")
    return value


def growth_bytes(text: str) -> int | None:
    """By how much the tool's memory grew from its start to its end, where it tells."""
    forms = (
        rf"Memory footprint delta from the start of the tool \(MB\): init={NUMBER} "
        rf"overall=(?P<mb>{NUMBER})",
        # The same figure under the name that it had until 2020.
        rf"Peak memory footprint \(MB\): init={NUMBER} overall=(?P<mb>{NUMBER})",
        rf"Overall footprint:\s+(?P<mb>{NUMBER}) MB",
    )
    return _megabytes(forms, text)


def peak_bytes(text: str) -> int | None:
    """The largest memory that was watched during the run, where the tool watched it."""
    forms = (
        rf"Overall peak memory footprint \(MB\) via periodic monitoring: (?P<mb>{NUMBER})",
        rf"Peak memory:\s+(?P<mb>{NUMBER}) MB",
    )
    return _megabytes(forms, text)


def require_order(stat: Stat, text: str) -> None:
    """Raises DeviceError for statistics that contradict themselves."""
    told = [v for v in (stat.min, stat.median, stat.p95, stat.max) if v is not None]
    within = stat.mean is None or not told or told[0] * 0.999 <= stat.mean <= told[-1] * 1.001
    if told != sorted(told) or not within or stat.count < 1:
        raise not_understood("statistics that contradict themselves", text)


def agrees(one: float, other: float) -> bool:
    """Whether two figures are the same but for how they are printed."""
    return math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=0.0011)


def not_understood(what: str, text: str) -> DeviceError:
    """The error that shows what was printed: its end, where the tools put their results."""
    kept = " ".join(text.split())[-200:]
    return DeviceError(
        f"benchmark_model printed {what}; it ended with: {one_line(kept) or 'nothing'}"
    )


def _stat(line: str) -> Stat:
    if line == _NONE:
        nothing = dict.fromkeys(("first", "mean", "min", "max", "std"))
        return Stat(count=0, **nothing)
    if match := _SAME.fullmatch(line):
        same = number(match["curr"]) / 1e3
        std = 0.0 if int(match["count"]) > 1 else None
        return Stat(
            count=int(match["count"]),
            first=same,
            mean=same,
            min=same,
            max=same,
            std=std,
            median=same,
        )
    match = _FULL.fullmatch(line)
    if not match:
        raise not_understood(f"a line of statistics that is not understood: {one_line(line)!r}", "")
    ms = {k: number(v) / 1e3 for k, v in match.groupdict().items() if v and k != "count"}
    return Stat(
        count=int(match["count"]),
        first=ms["first"],
        mean=ms["avg"],
        min=ms["min"],
        max=ms["max"],
        std=ms["std"],
        median=ms.get("median"),
        p95=ms.get("p95"),
    )


def _megabytes(forms: tuple[str, ...], text: str) -> int | None:
    for form in forms:
        for found in lines(form, text):
            return int(number(found["mb"]) * 1024 * 1024)
    return None
