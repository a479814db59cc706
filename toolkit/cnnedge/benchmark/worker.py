"""One measurement in a fresh process: `python -m cnnedge.benchmark.worker`.

A request (JSON) enters on standard input, an answer (JSON) leaves on standard output. A process
of its own makes initialisation, first inference and peak memory true figures of this model
alone; only what runs a model is imported here.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from .. import conditions
from ..bundle import read_model
from ..engines import load_engine, random_inputs
from ..errors import CnnedgeError
from .protocols import measure


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Measures as the request says: model, engine, threads, delegate, warm-up, runs, seconds."""
    model = read_model(request["model"])
    around: dict[str, Any] = {"machine": conditions.machine(), "before": conditions.moment()}
    around["busy_fraction"] = conditions.busy_fraction()
    ticks = conditions.ticks()
    resettable = conditions.reset_peak_memory()
    before = conditions.peak_memory_bytes()
    engine = load_engine(
        model,
        engine=request["engine"],
        threads=request["threads"],
        delegate=request["delegate"],
        precision=request["precision"],
        options=request["options"],
    )
    for at, values in enumerate(random_inputs(model)):
        engine.set_input(values, at)
    samples = measure(
        engine,
        warmup_seconds=request["warmup_seconds"],
        runs=request["runs"],
        seconds=request["seconds"],
    )
    peak = conditions.peak_memory_bytes()
    around["steal_fraction"] = conditions.stolen_fraction(ticks, conditions.ticks())
    around["after"] = conditions.moment()
    if request["compare"]:
        from .frames import compare

        compare(model, engine, allow=request["allow_disagreement"])
    return {
        "engine": engine.name,
        "engine_version": engine.version,
        "threads": engine.threads,
        "precision": engine.precision,
        "delegate": engine.delegate.as_json(),
        "sha256": model.sha256,
        "init_ms": engine.init_ms,
        "first_ms": samples.first_ms,
        "warmup_count": samples.warmup_count,
        "samples_ms": samples.samples_ms,
        "peak_memory_bytes": peak,
        "memory_growth_bytes": peak - before if resettable else None,
        "conditions": around,
    }


def main() -> int:
    """Reads the request, prints the answer; a CnnedgeError becomes {"error", "exit_code"}."""
    request = json.load(sys.stdin)
    try:
        result = answer(request)
    except CnnedgeError as error:
        result = {"error": str(error), "exit_code": error.exit_code}
    except (RuntimeError, ValueError) as error:
        # What an engine raises for a model that loads and does not run.
        said = " ".join(str(error).split())
        result = {"error": f"{request['model']}: the model does not run: {said}", "exit_code": 1}
    json.dump(result, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
