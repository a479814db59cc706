"""A file of `cnnedge bench --json`, read with suspicion.

A path enters; a Run leaves, or one clear line: the file may be half-written, edited, or of another
program.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..benchmark import Result, read_results
from ..errors import CnnedgeError, SpecError
from ..harmless import tidy


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One result. medians, p90s: of each fresh process, in ms; p90s may be empty, or fewer.

    statistic: `median`, or `mean` of a tool that tells no median.
    """

    name: str
    statistic: str
    medians: tuple[float, ...]
    p90s: tuple[float, ...]
    result: Result = field(repr=False)


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
    try:
        measured = tuple(_measured(result, path) for result in read_results(tidy(results)))
    except SpecError as error:
        raise _no_run(path, str(error)) from None
    return Run(path=str(path), results=measured)


def _no_run(path: Path, why: str) -> CnnedgeError:
    return CnnedgeError(f"{path}: {why}; wanted: a file of `cnnedge bench MODEL --json FILE`")


def _measured(result: Result, path: Path) -> Measured:
    repeats = result.repeats
    told = [r.median_ms for r in repeats]
    statistic = "mean" if None in told else "median"
    medians = [r.mean_ms for r in repeats] if None in told else told
    known = tuple(m for m in medians if m is not None)
    if len(known) < len(repeats):
        raise _no_run(path, "repeats.median_ms is missing or of another kind")
    return Measured(
        name=Path(result.model).name,
        statistic=statistic,
        medians=known,
        p90s=_p90s(result),
        result=result,
    )


def _p90s(result: Result) -> tuple[float, ...]:
    told = tuple(r.p90_ms for r in result.repeats if r.p90_ms is not None)
    if len(told) == len(result.repeats):
        return told
    # Files of before the figure was written have the samples of all processes in a row.
    counts = [r.count for r in result.repeats]
    if min(counts) < 1 or sum(counts) != len(result.samples_ms):
        return ()
    parts = np.split(np.asarray(result.samples_ms, np.float64), np.cumsum(counts)[:-1])
    return tuple(float(np.percentile(part, 90)) for part in parts)
