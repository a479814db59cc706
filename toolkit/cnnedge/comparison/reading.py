"""A file of `cnnedge bench --json`, read with suspicion.

A path enters; a Run leaves, or one clear line: the file may be half-written, edited, or of another
program.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CnnedgeError

Entry = dict[str, Any]

_TEXTS = ("model", "sha256", "device", "engine", "engine_version", "precision")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One result. medians, p90s: of each fresh process, in ms; p90s may be empty, or fewer.

    statistic: `median`, or `mean` of a tool that tells no median. entry: the whole result.
    """

    name: str
    statistic: str
    medians: tuple[float, ...]
    p90s: tuple[float, ...]
    entry: Entry = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The results of one file."""

    path: str
    results: tuple[Measured, ...]


def read_run(path: Path) -> Run:
    """Raises CnnedgeError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CnnedgeError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise _no_run(path, "it is no text") from None
    if not text.strip():
        raise _no_run(path, "it is empty")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise _no_run(path, f"it is no JSON, or only a part of it ({error})") from None
    except RecursionError:
        raise _no_run(path, "its JSON is nested without end") from None
    results = content.get("results") if isinstance(content, dict) else None
    if not isinstance(results, list):
        raise _no_run(path, "it has no list of results")
    if not results:
        raise CnnedgeError(f"{path}: it has no results: nothing was measured. Measure again")
    return Run(path=str(path), results=tuple(_measured(r, i, path) for i, r in enumerate(results)))


def _no_run(path: Path, why: str) -> CnnedgeError:
    return CnnedgeError(f"{path}: {why}; wanted: a file of `cnnedge bench MODEL --json FILE`")


def _measured(entry: Any, index: int, path: Path) -> Measured:
    place = f"results[{index}]"

    def need(holds: bool, name: str) -> None:
        if not holds:
            raise _no_run(path, f"{place}.{name} is missing or of another kind")

    need(isinstance(entry, dict), "model")
    for name in _TEXTS:
        need(isinstance(entry.get(name), str), name)
    need(isinstance(entry.get("threads"), int), "threads")
    for name in ("delegate", "latency_ms", "conditions"):
        need(isinstance(entry.get(name), dict), name)
    for name in ("requested", "used"):
        need(isinstance(entry["delegate"].get(name), str), f"delegate.{name}")
    need(isinstance(entry["conditions"].get("protocol"), str), "conditions.protocol")
    repeats = entry.get("repeats")
    need(isinstance(repeats, list) and bool(repeats), "repeats")
    need(all(isinstance(r, dict) for r in repeats), "repeats")
    statistic = "median" if all(_positive(r.get("median_ms")) for r in repeats) else "mean"
    medians = [r.get(f"{statistic}_ms") for r in repeats]
    need(all(map(_positive, medians)), "repeats.median_ms")
    return Measured(
        name=Path(entry["model"]).name,
        statistic=statistic,
        medians=tuple(map(float, medians)),
        p90s=_p90s(entry, repeats),
        entry=entry,
    )


def _p90s(entry: Entry, repeats: Sequence[Entry]) -> tuple[float, ...]:
    told = [float(r["p90_ms"]) for r in repeats if _positive(r.get("p90_ms"))]
    if len(told) == len(repeats):
        return tuple(told)
    # Files of before the figure was written have the samples of all processes in a row.
    samples = entry.get("samples_ms")
    counts = [int(r["count"]) for r in repeats if isinstance(r.get("count"), int)]
    if not isinstance(samples, list) or len(counts) < len(repeats) or min(counts) < 1:
        return ()
    if sum(counts) != len(samples) or not all(map(_positive, samples)):
        return ()
    parts = np.split(np.asarray(samples, np.float64), np.cumsum(counts)[:-1])
    return tuple(float(np.percentile(part, 90)) for part in parts)


def _positive(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 < value < 1e15 and math.isfinite(value)
