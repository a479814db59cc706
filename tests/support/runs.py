"""Files of `cnnedge bench --json`, made of numbers: no clock is needed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnedge.benchmark import Result, read_results
from cnnedge.results import instabilities, latency, noise_floor


def result(
    medians: Sequence[float] = (10.0, 10.1, 9.9, 10.05, 9.95, 10.02, 9.98, 10.0),
    *,
    samples: int = 50,
    spread: float = 0.002,
    seed: int = 0,
    **changes: Any,
) -> dict[str, Any]:
    """One result whose fresh processes have these medians, in ms. changes: of its keys."""
    rng = np.random.default_rng(seed)
    parts = [m * (1 + spread * rng.standard_normal(samples)) for m in medians]
    everything = [float(s) for part in parts for s in part]
    conditions = {"cpu": "a CPU", "cores": 4, "protocol": "standard", "processes": len(medians)}
    whole = {
        "model": "models/net.tflite",
        "sha256": "0" * 64,
        "size_bytes": 100_000,
        "accuracy": {"accuracy": 0.93, "ci95": [0.92, 0.94], "count": 1000},
        "device": "local",
        "frame_budget_ms": 33.3,
        "engine": "litert",
        "engine_version": "2.3.0",
        "threads": 1,
        "precision": "f32",
        "delegate": {
            "requested": "cpu",
            "used": "cpu (XNNPACK)",
            "nodes_delegated": 7,
            "nodes_total": 9,
            "left_behind": ["SOFTMAX"],
            "software": None,
            "device": "",
            "passed_over": [],
            "agreement": None,
            "notes": [],
        },
        "init_ms": 1.2,
        "first_ms": 11.0,
        "latency_ms": latency(everything),
        "noise_floor": {"median": noise_floor(medians), "p90": noise_floor(medians)},
        "peak_memory_bytes": 50_000_000,
        "memory_growth_bytes": 9_000_000,
        "unstable": instabilities([part.tolist() for part in parts]),
        "repeats": [
            {
                "median_ms": float(np.median(part)),
                "mean_ms": float(part.mean()),
                "p90_ms": float(np.percentile(part, 90)),
                "count": samples,
                "conditions": {"temperature_c": 40.0},
            }
            for part in parts
        ],
        "samples_ms": everything,
        "conditions": conditions | changes.pop("conditions", {}),
    }
    whole["delegate"] |= changes.pop("delegate", {})
    return whole | changes


def read(*results: dict[str, Any]) -> list[Result]:
    """The same as they are held."""
    return list(read_results(results))


def write(path: Path, *results: dict[str, Any]) -> Path:
    """The file that `cnnedge bench --json` would have written."""
    path.write_text(json.dumps({"results": list(results)}), encoding="utf-8")
    return path
