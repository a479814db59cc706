"""Answers of measured processes into one result.

A case and the answers of its processes enter; a Result leaves.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .. import conditions
from ..bundle import ModelFile, read_model
from ..results import Accuracy, figure_instabilities, instabilities, latency, noise_floor
from .answer import STATISTICS, Answer, Energy, Latency
from .device import Case, Device
from .protocols import Protocol
from .result import Conditions, CoolDown, Cooled, Ends, Floor, Repeat, Result
from .sustained import summary
from .trust import bad_conditions, largest_shares


def result(
    case: Case,
    answers: Sequence[Answer],
    device: Device,
    protocol: Protocol,
    cooled: Sequence[Cooled | None] = (),
) -> Result:
    """One result; the first process tells engine and delegate, for all: they are alike.

    cooled: how the device was cooled down before each of the processes.
    """
    first = answers[0]
    waits = tuple(c for c in cooled if c)
    around = replace(
        conditions_of(answers, protocol), cool_down=_cooling(device, waits) if waits else None
    )
    windows = protocol.window_seconds is not None and first.windows is not None
    return Result(
        model=str(case.model),
        sha256=first.sha256,
        size_bytes=case.model.stat().st_size,
        accuracy=_stated_accuracy(read_model(case.model)),
        device=device.name,
        frame_budget_ms=device.profile.frame_budget_ms,
        engine=first.engine,
        engine_version=first.engine_version,
        threads=first.threads,
        input_shape=first.input_shape,
        precision=first.precision,
        delegate=first.delegate,
        init_ms=_median([a.init_ms for a in answers]),
        first_ms=_median([a.first_ms for a in answers]),
        latency_ms=_latency(answers),
        noise_floor=Floor(
            median=noise_floor([_typical(a) for a in answers]),
            p90=noise_floor([p for a in answers if (p := _p90(a)) is not None]),
        ),
        peak_memory_bytes=_whole(_median([a.peak_memory_bytes for a in answers])),
        memory_growth_bytes=_whole(_median([a.memory_growth_bytes for a in answers])),
        unstable=tuple(_unstable(answers, around, protocol)),
        repeats=tuple(_repeat(a) for a in answers),
        samples_ms=tuple(s for a in answers for s in a.samples_ms),
        conditions=around,
        emulated=around.emulated or None,
        statistics_source=_source(answers),
        energy=_energy(answers),
        sustained=summary(first, protocol.window_seconds or 0.0) if windows else None,
    )


def _stated_accuracy(model: ModelFile) -> Accuracy | None:
    told = model.provenance.accuracy if model.provenance else None
    if told is None:
        return None
    return Accuracy(accuracy=told.accuracy, ci95=told.ci95, count=told.count)


def conditions_of(answers: Sequence[Answer], protocol: Protocol) -> Conditions:
    """The conditions of all processes together; the shares of the CPU are the largest seen."""
    found = [a.conditions for a in answers]
    told = conditions.known(found[0].machine) | conditions.known(found[0].before)
    return Conditions(
        protocol=protocol.name, processes=protocol.processes, **largest_shares(found), **told
    )


def _source(answers: Sequence[Answer]) -> str | None:
    """What is to be known of figures that were not made of samples."""
    sources = dict.fromkeys(a.statistics.source for a in answers if a.statistics)
    if not sources:
        return None
    return (
        f"{', '.join(sources)} keeps no samples: each figure is the median over {len(answers)} "
        f"processes; the mean is weighted by their counts, and min and max cover all of them"
    )


def _energy(answers: Sequence[Answer]) -> Energy | None:
    known = [a.energy for a in answers if a.energy]
    if not known:
        return None
    return replace(
        known[0],
        power_w=statistics.median(e.power_w for e in known),
        mj_per_inference=statistics.median(e.mj_per_inference for e in known),
    )


def _cooling(device: Device, waits: tuple[Cooled, ...]) -> CoolDown:
    profile = device.profile
    return CoolDown(to_c=profile.cool_to_c, at_most_s=profile.cool_seconds, waits=waits)


def _unstable(answers: Sequence[Answer], around: Conditions, protocol: Protocol) -> list[str]:
    reasons = []
    if around.emulated:
        reasons.append(
            f"the timings are an emulator's ({around.emulated}) and say nothing about the device"
        )
    if all(a.samples_ms for a in answers):
        reasons += instabilities([a.samples_ms for a in answers])
    else:
        whole = _latency(answers)
        median = whole.median or whole.mean
        reasons += figure_instabilities(
            [(_typical(a), _p90(a)) for a in answers],
            whole=(median or 0.0, whole.p90 if whole.median else None),
        )
    reasons += bad_conditions(around)
    if len(answers) < protocol.processes:
        reasons.append(
            f"incomplete: {len(answers)} of {protocol.processes} fresh processes were measured"
        )
    if protocol.window_seconds and answers[0].windows is None:
        reasons.append(
            "how latency changed over time is unknown: the device's tool does not report it"
        )
    return reasons + _slowed(answers) + _warm(around)


def _slowed(answers: Sequence[Answer]) -> list[str]:
    """What the devices' own watchmen say: a board's firmware, a phone's thermal service."""
    moments = [m for a in answers for m in (a.conditions.before, a.conditions.after)]
    names = [name for m in moments if m.throttled for name in m.throttled.now]
    statuses = [s for m in moments if (s := m.thermal_status) not in (None, "none")]
    reasons = []
    if names:
        reasons.append(f"the firmware limited the processor: {', '.join(dict.fromkeys(names))}")
    if statuses:
        reasons.append(f"the thermal status was {', '.join(map(str, dict.fromkeys(statuses)))}")
    if any(m.power_saving for m in moments):
        reasons.append("power saving was on")
    return reasons


def _warm(around: Conditions) -> list[str]:
    """Where a device did not cool down as far as its profile asks."""
    cooling = around.cool_down
    late = [w for w in cooling.waits if w.enough is False] if cooling else []
    if not cooling or not late:
        return []
    warmest = max(w.temperature_c for w in late if w.temperature_c is not None)
    return [
        f"the device was still at {warmest:.0f} °C after {cooling.at_most_s:.0f} s of cooling "
        f"down; wanted: {cooling.to_c:.0f} °C"
    ]


def _repeat(answer: Answer) -> Repeat:
    around = answer.conditions
    return Repeat(
        init_ms=answer.init_ms,
        first_ms=answer.first_ms,
        median_ms=_figure(answer, "median"),
        mean_ms=_figure(answer, "mean"),
        p90_ms=_p90(answer),
        count=_count(answer),
        warmup_count=answer.warmup_count,
        conditions=Ends(after=around.after, **conditions.known(around.before)),
    )


def _latency(answers: Sequence[Answer]) -> Latency:
    if all(a.samples_ms for a in answers):
        return _of_samples([s for a in answers for s in a.samples_ms])
    each = [_statistics(a) for a in answers]
    found: dict[str, float | None] = {}
    for name in STATISTICS:
        known = [value for e in each if (value := getattr(e, name)) is not None]
        join = {"min": min, "max": max}.get(name, statistics.median)
        found[name] = float(join(known)) if known else None
    weighed = [(e.mean, e.count) for e in each if e.mean is not None]
    if weighed:
        found["mean"] = sum(m * c for m, c in weighed) / sum(c for _, c in weighed)
    return Latency(**found, count=sum(e.count for e in each))


def _of_samples(samples_ms: Sequence[float]) -> Latency:
    return Latency(**latency(samples_ms))


def _statistics(answer: Answer) -> Latency:
    if answer.samples_ms or answer.statistics is None:
        return _of_samples(answer.samples_ms)
    return answer.statistics


def _figure(answer: Answer, name: str) -> float | None:
    if not answer.samples_ms:
        told: float | None = getattr(answer.statistics, name)
        return told
    samples = np.asarray(answer.samples_ms, np.float64)
    if name == "p90":
        return float(np.percentile(samples, 90))
    return float(np.median(samples) if name == "median" else samples.mean())


def _typical(answer: Answer) -> float:
    """The median, or the mean of a tool that does not tell it."""
    median = _figure(answer, "median")
    found = _figure(answer, "mean") if median is None else median
    if found is None:
        raise ValueError("an answer has neither median nor mean")
    return found


def _p90(answer: Answer) -> float | None:
    return _figure(answer, "p90")


def _count(answer: Answer) -> int:
    return len(answer.samples_ms) or _statistics(answer).count


def _median(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.median(known)) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
