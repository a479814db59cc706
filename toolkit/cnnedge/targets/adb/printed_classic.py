"""What TensorFlow Lite's classic benchmark_model printed.

Its output and errors, as one text, enter; a Run leaves. Forms: lite/tools/benchmark of TensorFlow,
1.14 (2019) to 2.21.
"""

from __future__ import annotations

from .printed import (
    NUMBER,
    Run,
    agrees,
    growth_bytes,
    lines,
    not_understood,
    number,
    only,
    peak_bytes,
    phases,
    require_order,
)

_TIMINGS = (
    rf"Inference timings in us: Init: (?P<init>{NUMBER}), First inference: (?P<first>{NUMBER}), "
    rf"Warmup \(avg\): (?P<warmup>{NUMBER}|-?nan), Inference \(avg\): (?P<mean>{NUMBER})"
)
# Until TensorFlow 2.1.
_TIMINGS_2019 = (
    rf"Average inference timings in us: Warmup: (?P<warmup>{NUMBER}|-?nan), "
    rf"Init: (?P<init>{NUMBER}), (?:Inference|no stats): (?P<mean>{NUMBER})"
)


def parse(text: str) -> Run:
    """Raises DeviceError for what the tool does not print."""
    old = any(True for _ in lines(_TIMINGS_2019, text))
    timings = only(_TIMINGS_2019 if old else _TIMINGS, text, "inference timings")
    found = phases(text)
    if len(found) != 2:
        raise not_understood(f"{len(found)} lines of statistics instead of 2", text)
    warmup, latency = found
    require_order(latency, text)
    mean = number(timings["mean"]) / 1e3
    if latency.mean is None or not agrees(latency.mean, mean):
        raise not_understood(
            f"two averages that contradict each other ({latency.mean} and {mean} ms)", text
        )
    # Without a warm-up the first timed inference is the first of all.
    first = warmup.first if warmup.count else latency.first
    if first is None:
        raise not_understood("no first inference", text)
    return Run(
        init_ms=number(timings["init"]) / 1e3,
        first_ms=first,
        warmup_count=warmup.count,
        latency=latency,
        peak_memory_bytes=peak_bytes(text),
        memory_growth_bytes=growth_bytes(text),
    )
