"""One measurement in a fresh process, which runs this module.

A request (JSON) enters on standard input, an answer (JSON) leaves on standard output. A process
of its own makes initialisation, first inference and peak memory true figures of this model
alone; only what runs a model is imported here.
"""

from __future__ import annotations

import os
import sys

from .. import conditions
from ..bundle import read_model, sized
from ..engines import Engine, load_engine, random_inputs
from ..specs.values import plain
from .answer import Answer, Around, Window
from .asking import answered
from .power import PowerLog, find_meter
from .protocols import Samples, Stretch, measure, measure_windows
from .request import Request


def answer(request: Request) -> Answer:
    """Measures as the request says; with window_seconds without a pause, told in windows too."""
    runtime = request.runtime
    model = sized(read_model(request.model), runtime.guest.size)
    machine, began = conditions.machine(), conditions.moment()
    busy = conditions.busy_fraction()
    meter = find_meter()
    power = PowerLog(meter)
    ticks, own = conditions.ticks(), sum(os.times()[:4])
    resettable = conditions.reset_peak_memory()
    before = conditions.peak_memory_bytes()
    # This process may die of it: who started it says so.
    engine = load_engine(model, runtime, known=True)
    for at, values in enumerate(random_inputs(model)):
        engine.set_input(values, at)
    samples = _measure(engine, request, power if meter else None)
    peak = conditions.peak_memory_bytes()
    later = conditions.ticks()
    around = Around(
        machine=machine,
        before=began,
        after=conditions.moment(),
        busy_fraction=busy,
        steal_fraction=conditions.stolen_fraction(ticks, later),
        others_fraction=_others(ticks, later, sum(os.times()[:4]) - own),
    )
    if request.compare:
        from .frames import compare

        compare(model, engine, allow=runtime.allow_disagreement)
    windows = tuple(_window(stretch) for stretch in samples.windows)
    return Answer(
        **vars(engine.described()),
        sha256=model.sha256,
        input_shape=tuple(model.input.shape),
        init_ms=engine.init_ms,
        first_ms=samples.first_ms,
        warmup_count=samples.warmup_count,
        samples_ms=tuple(samples.samples_ms),
        peak_memory_bytes=peak,
        memory_growth_bytes=peak - before if resettable else None,
        conditions=around,
        energy=power.told(sum(samples.samples_ms) / len(samples.samples_ms)),
        windows=windows or None,
        inferences=samples.inferences if windows else None,
        samples_every=samples.every if windows else None,
    )


def _window(stretch: Stretch) -> Window:
    return Window(
        t_s=stretch.t_s,
        median=stretch.median,
        p90=stretch.p90,
        count=stretch.count,
        cpu_mhz=stretch.read.get("cpu_mhz"),
        temperature_c=stretch.read.get("temperature_c"),
        power_w=stretch.read.get("power_w"),
    )


def _others(
    before: conditions.Ticks | None, after: conditions.Ticks | None, own_seconds: float
) -> float | None:
    """The share of the CPU that other programs used meanwhile; the hypervisor's is apart."""
    if not before or not after or after.total <= before.total:
        return None
    used = (after.total - after.idle - after.stolen) - (before.total - before.idle - before.stolen)
    own = own_seconds * os.sysconf("SC_CLK_TCK")
    return max(0.0, (used - own) / (after.total - before.total))


def _measure(engine: Engine, request: Request, power: PowerLog | None) -> Samples:
    if request.window_seconds is None:
        return measure(
            engine,
            warmup_seconds=request.warmup_seconds,
            runs=request.runs,
            seconds=request.seconds,
            between=power.read if power else None,
        )
    return measure_windows(
        engine,
        warmup_seconds=request.warmup_seconds,
        seconds=request.seconds,
        window_seconds=request.window_seconds,
        readings=lambda: _readings(power),
    )


def _readings(power: PowerLog | None) -> dict[str, float]:
    """What a look at the kernel's files tells: no other program may run between two windows."""
    told = {"cpu_mhz": conditions.clock_mhz(), "temperature_c": conditions.temperature_c()}
    known = {key: value for key, value in told.items() if value is not None}
    return known | (power.read() if power else {})


def main() -> int:
    """Reads the request, prints the answer; a CnnedgeError becomes {"error", "exit_code"}."""
    return answered(Request, lambda request: plain(answer(request)))


if __name__ == "__main__":
    sys.exit(main())
