"""Answers of measured processes into one result.

A case and the answers of its processes enter; an entry of the bench contract leaves.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..bundle import ModelFile, read_model
from ..results import (
    bad_conditions,
    figure_instabilities,
    instabilities,
    latency,
    noise_floor,
)
from .answers import SHARES, STATISTICS
from .cooling import Cooled
from .device import Case, Device
from .protocols import Protocol
from .sustained import summary

Answer = dict[str, Any]


def result(
    case: Case,
    answers: Sequence[Answer],
    device: Device,
    protocol: Protocol,
    cooled: Sequence[Cooled | None] = (),
) -> dict[str, Any]:
    """One result; the first process tells engine and delegate, for all: they are alike.

    cooled: how the device was cooled down before each of the processes.
    """
    first = answers[0]
    around = conditions_of(answers, protocol) | _cooling(device, cooled)
    model = read_model(case.model)
    found = {
        "model": str(case.model),
        "sha256": first["sha256"],
        "size_bytes": case.model.stat().st_size,
        "accuracy": _stated_accuracy(model),
        "device": device.name,
        "frame_budget_ms": device.profile.frame_budget_ms,
        "engine": first["engine"],
        "engine_version": first["engine_version"],
        "threads": first["threads"],
        "input_shape": first.get("input_shape"),
        "precision": first["precision"],
        "delegate": first["delegate"],
        "init_ms": _median(answers, "init_ms"),
        "first_ms": _median(answers, "first_ms"),
        "latency_ms": _latency(answers),
        "noise_floor": {
            "median": noise_floor([_typical(a) for a in answers]),
            "p90": noise_floor([p for a in answers if (p := _p90(a)) is not None]),
        },
        "peak_memory_bytes": _whole(_median(answers, "peak_memory_bytes")),
        "memory_growth_bytes": _whole(_median(answers, "memory_growth_bytes")),
        "unstable": _unstable(answers, around, protocol),
        "repeats": [_repeat(a) for a in answers],
        "samples_ms": [s for a in answers for s in a["samples_ms"]],
        "conditions": around,
    }
    return found | _optional(answers, around, protocol)


def _stated_accuracy(model: ModelFile) -> dict[str, Any] | None:
    """{"accuracy", "ci95", "count"} as the file states it; None where it does not."""
    told = model.provenance.accuracy if model.provenance else None
    if told is None:
        return None
    return {"accuracy": told.accuracy, "ci95": list(told.ci95), "count": told.count}


def conditions_of(answers: Sequence[Answer], protocol: Protocol) -> dict[str, Any]:
    """The conditions of all processes together; the shares of the CPU are the largest seen."""
    found = [a["conditions"] for a in answers]
    around: dict[str, Any] = dict(found[0]["machine"] | found[0]["before"])
    around |= {"protocol": protocol.name, "processes": protocol.processes}
    for share in SHARES:
        known = [f[share] for f in found if f.get(share) is not None]
        around[share] = max(known) if known else None
    return around


def _optional(
    answers: Sequence[Answer], around: dict[str, Any], protocol: Protocol
) -> dict[str, Any]:
    """What only some results have."""
    found: dict[str, Any] = {}
    if around.get("emulated"):
        found["emulated"] = around["emulated"]
    sources = dict.fromkeys(a["statistics"]["source"] for a in answers if not a["samples_ms"])
    if sources:
        found["statistics_source"] = (
            f"{', '.join(sources)} keeps no samples: of what it says of {len(answers)} processes, "
            "each figure is the median; the mean is weighted by their counts, min and max are of "
            "all"
        )
    energies = [a["energy"] for a in answers if a.get("energy")]
    if energies:
        found["energy"] = energies[0] | {
            name: statistics.median(e[name] for e in energies)
            for name in ("power_w", "mj_per_inference")
        }
    if protocol.window_seconds and "windows" in answers[0]:
        found["sustained"] = summary(answers[0], protocol.window_seconds)
    return found


def _cooling(device: Device, cooled: Sequence[Cooled | None]) -> dict[str, Any]:
    waits = [c.as_json() for c in cooled if c]
    if not waits:
        return {}
    return {
        "cool_down": {
            "to_c": device.profile.cool_to_c,
            "at_most_s": device.profile.cool_seconds,
            "waits": waits,
        }
    }


def _unstable(answers: Sequence[Answer], around: dict[str, Any], protocol: Protocol) -> list[str]:
    reasons = []
    if around.get("emulated"):
        reasons.append(
            f"the timings are an emulator's ({around['emulated']}) and say nothing about the device"
        )
    if all(a["samples_ms"] for a in answers):
        reasons += instabilities([a["samples_ms"] for a in answers], around)
    else:
        whole = _latency(answers)
        reasons += figure_instabilities(
            [(_typical(a), _p90(a)) for a in answers],
            whole=(whole["median"] or whole["mean"], whole["p90"] if whole["median"] else None),
        )
        reasons += bad_conditions(around)
    if len(answers) < protocol.processes:
        reasons.append(
            f"incomplete: {len(answers)} of {protocol.processes} fresh processes were measured"
        )
    if protocol.window_seconds and "windows" not in answers[0]:
        reasons.append("how latency went over time is not known: the device's tool does not tell")
    return reasons + _slowed(answers) + _warm(around)


def _slowed(answers: Sequence[Answer]) -> list[str]:
    """What the devices' own watchmen say: a board's firmware, a phone's thermal service."""
    moments = [a["conditions"][when] for a in answers for when in ("before", "after")]
    names = [n for m in moments for n in _texts(m.get("throttled"), "now")]
    statuses = [s for m in moments for s in _texts(m, "thermal_status") if s != "none"]
    reasons = []
    if names:
        reasons.append(f"the firmware held the processor back: {', '.join(dict.fromkeys(names))}")
    if statuses:
        reasons.append(f"the thermal status was {', '.join(dict.fromkeys(statuses))}")
    if any(m.get("power_saving") is True for m in moments):
        reasons.append("power saving was on")
    return reasons


def _texts(inside: Any, name: str) -> list[str]:
    found = inside.get(name) if isinstance(inside, dict) else None
    several = found if isinstance(found, list) else [found]
    return [text for text in several if isinstance(text, str)]


def _warm(around: dict[str, Any]) -> list[str]:
    """Where a device did not cool down as far as its profile asks."""
    cooling = around.get("cool_down")
    late = [w for w in cooling["waits"] if w["enough"] is False] if cooling else []
    if not cooling or not late:
        return []
    warmest = max(w["temperature_c"] for w in late)
    return [
        f"the device was still at {warmest:.0f} °C after {cooling['at_most_s']:.0f} s of cooling "
        f"down; wanted: {cooling['to_c']:.0f} °C"
    ]


def _repeat(answer: Answer) -> dict[str, Any]:
    around = answer["conditions"]
    return {
        "init_ms": answer["init_ms"],
        "first_ms": answer["first_ms"],
        "median_ms": _figure(answer, "median"),
        "mean_ms": _figure(answer, "mean"),
        "p90_ms": _p90(answer),
        "count": _count(answer),
        "warmup_count": answer["warmup_count"],
        "conditions": around["before"] | {"after": around["after"]},
    }


def _latency(answers: Sequence[Answer]) -> dict[str, Any]:
    if all(a["samples_ms"] for a in answers):
        return latency([s for a in answers for s in a["samples_ms"]])
    each = [_statistics(a) for a in answers]
    found: dict[str, Any] = {}
    for name in STATISTICS:
        known = [e[name] for e in each if e.get(name) is not None]
        join = {"min": min, "max": max}.get(name, statistics.median)
        found[name] = float(join(known)) if known else None
    weighed = [(e["mean"], e["count"]) for e in each if e.get("mean") is not None]
    if weighed:
        found["mean"] = sum(m * c for m, c in weighed) / sum(c for _, c in weighed)
    return found | {"count": sum(e["count"] for e in each)}


def _statistics(answer: Answer) -> dict[str, Any]:
    if answer["samples_ms"]:
        return latency(answer["samples_ms"])
    told: dict[str, Any] = answer["statistics"]
    return told


def _figure(answer: Answer, name: str) -> float | None:
    if not answer["samples_ms"]:
        told: float | None = answer["statistics"].get(name)
        return told
    samples = np.asarray(answer["samples_ms"], np.float64)
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
    return len(answer["samples_ms"]) or int(answer["statistics"]["count"])


def _median(answers: Sequence[Answer], name: str) -> float | None:
    known = [a[name] for a in answers if a.get(name) is not None]
    return float(np.median(known)) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
