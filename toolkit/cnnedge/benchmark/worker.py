"""One measurement in a fresh process, which runs this module.

A request (JSON) enters on standard input, an answer (JSON) leaves on standard output. A process
of its own makes initialisation, first inference and peak memory true figures of this model
alone; only what runs a model is imported here.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from .. import conditions
from ..bundle import read_model, sized
from ..engines import Engine, load_engine, random_inputs
from ..errors import CnnedgeError
from ..files import json_text
from .power import Energy, find_meter
from .protocols import Samples, measure, measure_windows


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Measures as the request says: model, engine, threads, delegate, warm-up, runs, seconds.

    With window_seconds, without a pause and in windows: the answer tells them too.
    """
    model = sized(read_model(request["model"]), request.get("size"))
    around: dict[str, Any] = {"machine": conditions.machine(), "before": conditions.moment()}
    around["busy_fraction"] = conditions.busy_fraction()
    meter = find_meter()
    energy = Energy(meter)
    ticks, own = conditions.ticks(), sum(os.times()[:4])
    resettable = conditions.reset_peak_memory()
    before = conditions.peak_memory_bytes()
    engine = load_engine(
        model,
        engine=request["engine"],
        threads=request["threads"],
        delegate=request["delegate"],
        precision=request["precision"],
        options=request["options"],
        # This process may die of it: who started it says so.
        known=True,
    )
    for at, values in enumerate(random_inputs(model)):
        engine.set_input(values, at)
    samples = _measure(engine, request, energy if meter else None)
    peak = conditions.peak_memory_bytes()
    later = conditions.ticks()
    around["steal_fraction"] = conditions.stolen_fraction(ticks, later)
    around["others_fraction"] = _others(ticks, later, sum(os.times()[:4]) - own)
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
        "input_shape": list(model.input.shape),
        "init_ms": engine.init_ms,
        "first_ms": samples.first_ms,
        "warmup_count": samples.warmup_count,
        "samples_ms": samples.samples_ms,
        "peak_memory_bytes": peak,
        "memory_growth_bytes": peak - before if resettable else None,
        "conditions": around,
        "energy": energy.as_json(sum(samples.samples_ms) / len(samples.samples_ms)),
    } | _sustained(samples)


def _others(
    before: conditions.Ticks | None, after: conditions.Ticks | None, own_seconds: float
) -> float | None:
    """The share of the CPU that other programs used meanwhile; the hypervisor's is apart."""
    if not before or not after or after.total <= before.total:
        return None
    used = (after.total - after.idle - after.stolen) - (before.total - before.idle - before.stolen)
    own = own_seconds * os.sysconf("SC_CLK_TCK")
    return max(0.0, (used - own) / (after.total - before.total))


def _measure(engine: Engine, request: dict[str, Any], energy: Energy | None) -> Samples:
    window = request.get("window_seconds")
    if window is None:
        return measure(
            engine,
            warmup_seconds=request["warmup_seconds"],
            runs=request["runs"],
            seconds=request["seconds"],
            between=energy.read if energy else None,
        )
    return measure_windows(
        engine,
        warmup_seconds=request["warmup_seconds"],
        seconds=request["seconds"],
        window_seconds=window,
        readings=lambda: _readings(energy),
    )


def _readings(energy: Energy | None) -> dict[str, float]:
    """What a look at the kernel's files tells: no other program may run between two windows."""
    told = {"cpu_mhz": conditions.clock_mhz(), "temperature_c": conditions.temperature_c()}
    known = {key: value for key, value in told.items() if value is not None}
    return known | (energy.read() if energy else {})


def _sustained(samples: Samples) -> dict[str, Any]:
    if not samples.windows:
        return {}
    return {
        "windows": samples.windows,
        "inferences": samples.inferences,
        "samples_every": samples.every,
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
    sys.stdout.writelines([json_text(result, ascii_only=True)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
