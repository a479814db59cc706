"""Benchmarks on this machine: fresh processes, interleaved over models and thread counts.

Model paths and settings enter; results in the form of the bench contract leave.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from .. import conditions
from ..bundle import read_model
from ..errors import CnnedgeError, GateError
from ..results import instabilities, latency
from .protocols import Protocol, get_protocol

if TYPE_CHECKING:
    from ..classifier import Classifier

# A string: a classifier brings OpenCV, which the measured processes must not load.
Model = Union[str, Path, "Classifier"]

# No single inference of an image CNN takes this long; a worker that does hangs.
_PATIENCE_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing to measure."""

    model: Path
    threads: int = 1
    engine: str = "auto"
    delegate: str = "cpu"
    precision: str = "auto"
    options: Mapping[str, str] = field(default_factory=dict)
    allow_disagreement: bool = False


@dataclass
class _Collected:
    answers: list[dict[str, Any]] = field(default_factory=list)


def bench(
    models: Model | Sequence[Model],
    *,
    threads: Iterable[int] = (1,),
    delegates: Iterable[str] = ("cpu",),
    engine: str | Iterable[str] = "auto",
    precision: str = "auto",
    delegate_options: Mapping[str, str] | None = None,
    allow_disagreement: bool = False,
    protocol: str = "quick",
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Any]:
    """Measures every model with every engine, delegate and thread count.

    models: one or several, each a path or what `cnnedge.load` gave (measured by its file).
    engine: one or several. precision, delegate_options: as `cnnedge.load` takes them.
    allow_disagreement: report a delegate whose answers differ from the CPU's, and go on.
    progress: called with processes done, processes in all, and what runs now. Returns
    {"results": [...]} as the bench contract says. Raises CnnedgeError.
    """
    chosen = get_protocol(protocol)
    threads, delegates = tuple(threads), tuple(delegates)
    engines = (engine,) if isinstance(engine, str) else tuple(engine)
    cases = [
        Case(
            model=m,
            threads=t,
            engine=e,
            delegate=d,
            precision=precision,
            options=_options_for(d, e, delegate_options or {}),
            allow_disagreement=allow_disagreement,
        )
        for m in _paths(models)
        for e in engines
        for d in delegates
        for t in threads
    ]
    for path in dict.fromkeys(case.model for case in cases):
        read_model(path)
    return {"results": run_cases(cases, chosen, progress)}


def _options_for(delegate: str, engine: str, options: Mapping[str, str]) -> dict[str, str]:
    """The CPU measured beside a delegate takes none of its options."""
    return {} if delegate == "cpu" and engine != "openvino" else dict(options)


def _paths(models: Model | Sequence[Model]) -> list[Path]:
    several = [models] if isinstance(models, (str, Path)) or hasattr(models, "model") else models
    return [Path(m) if isinstance(m, (str, Path)) else m.model.path for m in several]


def run_cases(
    cases: Sequence[Case],
    protocol: Protocol,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[dict[str, Any]]:
    """Measures the cases in rounds, A B C A B C: what drifts meets all of them alike."""
    collected = [_Collected() for _ in cases]
    around = conditions.machine() | conditions.moment()
    around |= {"protocol": protocol.name, "processes": protocol.processes}
    around["busy_fraction"] = conditions.busy_fraction()
    before = conditions.ticks()
    total = protocol.processes * len(cases)
    varied = {
        name
        for name in ("engine", "delegate", "threads")
        if len({getattr(c, name) for c in cases}) > 1
    }
    for round_ in range(protocol.processes):
        for i, case in enumerate(cases):
            if progress:
                progress(round_ * len(cases) + i, total, _title(case, varied))
            # One process compares the answers for all: its fellows are alike.
            collected[i].answers.append(_ask(case, protocol, compare=round_ == 0))
    if progress:
        progress(total, total, "")
    around["steal_fraction"] = conditions.stolen_fraction(before, conditions.ticks())
    return [_result(c, got.answers, around) for c, got in zip(cases, collected, strict=True)]


def _title(case: Case, varied: set[str]) -> str:
    parts = [case.model.stem, f"{case.threads} thr."]
    parts += [Path(str(getattr(case, n))).name for n in ("engine", "delegate") if n in varied]
    return ", ".join(parts)


def _ask(case: Case, protocol: Protocol, *, compare: bool) -> dict[str, Any]:
    request = {
        "model": str(case.model),
        "engine": case.engine,
        "threads": case.threads,
        "delegate": case.delegate,
        "precision": case.precision,
        "options": dict(case.options),
        "compare": compare,
        "allow_disagreement": case.allow_disagreement,
        "warmup_seconds": protocol.warmup_seconds,
        "runs": -(-protocol.runs // protocol.processes),
        "seconds": protocol.seconds / protocol.processes,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "cnnedge.benchmark.worker"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            # One BLAS thread less to disturb the measurement.
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired:
        raise CnnedgeError(
            f"{case.model}: the benchmark gave no answer in {_PATIENCE_SECONDS} s and was ended"
        ) from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        tail = " ".join(done.stderr.split()[-30:])
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
        raise CnnedgeError(f"{case.model}: the benchmark process died ({how}): {tail}") from None
    if "error" in answer:
        raise (GateError if answer["exit_code"] == 3 else CnnedgeError)(answer["error"])
    return answer


def _result(case: Case, answers: list[dict[str, Any]], around: dict[str, Any]) -> dict[str, Any]:
    repeats = [a["samples_ms"] for a in answers]
    first = answers[0]
    growth = [a["memory_growth_bytes"] for a in answers if a["memory_growth_bytes"] is not None]
    return {
        "model": str(case.model),
        "sha256": first["sha256"],
        "device": "local",
        "engine": first["engine"],
        "engine_version": first["engine_version"],
        "threads": first["threads"],
        "precision": first["precision"],
        "delegate": first["delegate"],
        "init_ms": float(np.median([a["init_ms"] for a in answers])),
        "first_ms": float(np.median([a["first_ms"] for a in answers])),
        "latency_ms": latency([s for r in repeats for s in r]),
        "peak_memory_bytes": int(np.median([a["peak_memory_bytes"] for a in answers])),
        "memory_growth_bytes": int(np.median(growth)) if growth else None,
        "unstable": instabilities(repeats, around),
        "repeats": [
            {
                "init_ms": a["init_ms"],
                "first_ms": a["first_ms"],
                "median_ms": float(np.median(a["samples_ms"])),
                "count": len(a["samples_ms"]),
                "warmup_count": a["warmup_count"],
            }
            for a in answers
        ],
        "samples_ms": [s for r in repeats for s in r],
        "conditions": around,
    }
