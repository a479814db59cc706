"""Answers of measured processes into one result.

A case and the answers of its processes enter; an entry of the bench contract leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..results import instabilities, latency
from .device import Case, Device
from .protocols import Protocol


def result(
    case: Case, answers: Sequence[dict[str, Any]], device: Device, protocol: Protocol
) -> dict[str, Any]:
    """One result; the first process tells engine and delegate, for all: they are alike."""
    repeats = [a["samples_ms"] for a in answers]
    first = answers[0]
    around = conditions_of(answers, protocol)
    unstable = instabilities(repeats, around)
    if len(answers) < protocol.processes:
        unstable.append(
            f"incomplete: {len(answers)} of {protocol.processes} fresh processes were measured"
        )
    return {
        "model": str(case.model),
        "sha256": first["sha256"],
        "device": device.name,
        "engine": first["engine"],
        "engine_version": first["engine_version"],
        "threads": first["threads"],
        "precision": first["precision"],
        "delegate": first["delegate"],
        "init_ms": _median(answers, "init_ms"),
        "first_ms": _median(answers, "first_ms"),
        "latency_ms": latency([s for r in repeats for s in r]),
        "peak_memory_bytes": int(_median(answers, "peak_memory_bytes")),
        "memory_growth_bytes": _growth(answers),
        "unstable": unstable,
        "repeats": [
            {
                "init_ms": a["init_ms"],
                "first_ms": a["first_ms"],
                "median_ms": float(np.median(a["samples_ms"])),
                "count": len(a["samples_ms"]),
                "warmup_count": a["warmup_count"],
                "conditions": a["conditions"]["before"] | {"after": a["conditions"]["after"]},
            }
            for a in answers
        ],
        "samples_ms": [s for r in repeats for s in r],
        "conditions": around,
    }


def conditions_of(answers: Sequence[dict[str, Any]], protocol: Protocol) -> dict[str, Any]:
    """The conditions of all processes together; the shares of the CPU are the largest seen."""
    found = [a["conditions"] for a in answers]
    around: dict[str, Any] = dict(found[0]["machine"] | found[0]["before"])
    around |= {"protocol": protocol.name, "processes": protocol.processes}
    for share in ("busy_fraction", "steal_fraction"):
        known = [f[share] for f in found if f.get(share) is not None]
        around[share] = max(known) if known else None
    return around


def _median(answers: Sequence[dict[str, Any]], name: str) -> float:
    return float(np.median([a[name] for a in answers]))


def _growth(answers: Sequence[dict[str, Any]]) -> int | None:
    known = [a["memory_growth_bytes"] for a in answers if a["memory_growth_bytes"] is not None]
    return int(np.median(known)) if known else None
