"""What LiteRT's benchmark_model printed, the C++ tool or the Python one (`litert-benchmark`).

Its output and errors, as one text, enter; a Run leaves. Forms: benchmark_litert_model.h and .py in
litert/tools and litert/python/tools of LiteRT, 2025 and 2026.
"""

from __future__ import annotations

import dataclasses
import re

from .printed import (
    NUMBER,
    Run,
    Stat,
    growth_bytes,
    lines,
    not_understood,
    number,
    only,
    peak_bytes,
    phases,
    require_order,
)

_HEAD = re.compile(r"^.*BENCHMARK RESULTS.*$", re.MULTILINE)
_VERSION = re.compile(r"LiteRT(?: runtime)? version:? ?v?(\d+\.\d+\.\d+)", re.IGNORECASE)
_RUNS = r" \((?P<count>\d+) runs\)"
# Times of two decimals, in milliseconds.
_HALF_DIGIT = 0.0051


def parse(text: str) -> Run:
    """Raises DeviceError for what the tool does not print."""
    heads = list(_HEAD.finditer(text))
    if len(heads) != 1:
        raise not_understood(f"'BENCHMARK RESULTS' {len(heads)} times instead of once", text)
    results = text[heads[0].end() :]
    init = only(rf"Model initialization:\s+(?P<ms>{NUMBER}) ms", results, "model initialization")
    first = only(rf"Warmup \(first\):\s+(?P<ms>{NUMBER}) ms", results, "the first warm-up")
    warmup = only(rf"Warmup \(avg\):\s+{NUMBER} ms{_RUNS}", results, "the warm-up")
    mean = only(rf"Inference \(avg\):\s+(?P<ms>{NUMBER}) ms{_RUNS}", results, "inference")
    printed = Stat(
        count=int(mean["count"]),
        first=None,
        mean=number(mean["ms"]),
        min=_time("min", results),
        max=_time("max", results),
        std=_time("std", results),
        median=_time("median", results),
        p95=_time("p95", results),
    )
    require_order(printed, text)
    latency = _finer(printed, text[: heads[0].start()], text)
    version = _VERSION.search(text)
    return Run(
        init_ms=number(init["ms"]),
        first_ms=number(first["ms"]),
        warmup_count=int(warmup["count"]),
        latency=latency,
        peak_memory_bytes=peak_bytes(results),
        memory_growth_bytes=growth_bytes(results),
        version=version[1] if version else "",
        rounded=latency is printed,
    )


def _finer(printed: Stat, before: str, text: str) -> Stat:
    """The same statistics in microseconds, where the tool told them before its results."""
    found = phases(before)
    if not found:
        return printed
    finer = found[-1]
    require_order(finer, text)
    mean, exact = printed.mean or 0.0, finer.mean or 0.0
    if finer.count != printed.count or abs(mean - exact) > _HALF_DIGIT + 1e-4 * mean:
        raise not_understood(
            f"two averages that contradict each other ({exact} and {mean} ms)", text
        )
    known = {f.name: getattr(finer, f.name) for f in dataclasses.fields(Stat)}
    return dataclasses.replace(printed, **{k: v for k, v in known.items() if v is not None})


def _time(name: str, results: str) -> float | None:
    """The C++ tool leaves the unit of `std` out."""
    found = list(lines(rf"Inference \({name}\):\s+(?P<ms>{NUMBER})(?: ms)?", results))
    if len(found) > 1:
        raise not_understood(f"{len(found)} lines of inference ({name})", results)
    return number(found[0]["ms"]) if found else None
