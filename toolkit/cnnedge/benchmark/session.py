"""`cnnedge.bench`: models on devices, with engines, delegates and thread counts.

Model paths and settings enter; results in the form of the bench contract leave.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Union

from ..bundle import read_model, sized
from ..engines import CPU, Runtime
from .device import Case, Device
from .local import LocalDevice
from .protocols import Protocol, get_protocol
from .result import Result
from .rounds import Outcome, Progress, run_rounds

if TYPE_CHECKING:
    from ..classifier import Classifier

# A string: a classifier brings OpenCV, which the measured processes must not load.
Model = Union[str, Path, "Classifier"]


def bench(
    models: Model | Sequence[Model],
    *,
    threads: Iterable[int] = (1,),
    delegates: Iterable[str] = ("cpu",),
    engine: str | Iterable[str] = "auto",
    runtime: Runtime = CPU,
    size: tuple[int, int] | None = None,
    protocol: str | Protocol = "quick",
    devices: Sequence[Device] = (),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measures every model with every engine, delegate and thread count on every device.

    models: one or several, each a path or what `cnnedge.load` gave (measured by its file).
    engine: one or several. runtime: what all of them share: precision, a delegate's options,
    whether answers may differ from the CPU's; its engine, delegate and threads are not read.
    size: height and width of the input, for files that leave them open.
    protocol: a name, or one of `cnnedge.benchmark.get_protocol`.
    devices: opened by `cnnedge.targets.open_device`; this machine when none is given. Several
    measure at the same time, each one case at a time.
    progress: called with processes done, processes in all, and what runs now. Returns {"results":
    [...]} as the bench contract says. Raises the first failure, once all that can be measured was
    measured and nothing was: CnnedgeError. What failed beside results is under "failed".
    """
    engines = (engine,) if isinstance(engine, str) else tuple(engine)
    shared = _sized(runtime, size)
    runtimes = each_runtime(shared, engines=engines, delegates=delegates, threads=threads)
    cases = cases_of(models, runtimes)
    chosen = get_protocol(protocol) if isinstance(protocol, str) else protocol
    outcome = measure_all(
        {device: cases_on(device, cases) for device in devices or (LocalDevice(),)},
        chosen,
        progress,
    )
    if outcome.failures and not outcome.results:
        raise outcome.failures[0].error
    return outcome.as_json()


def each_runtime(
    shared: Runtime,
    *,
    engines: Iterable[str],
    delegates: Iterable[str],
    threads: Iterable[int],
) -> list[Runtime]:
    """One for each engine, delegate and thread count; the rest as `shared` says."""
    # The CPU measured beside a delegate takes none of its options.
    return [
        dataclasses.replace(
            shared,
            engine=engine,
            delegate=delegate,
            threads=count,
            options={} if delegate == "cpu" and engine != "openvino" else shared.options,
        )
        for engine, delegate, count in itertools.product(engines, delegates, threads)
    ]


def cases_of(models: Model | Sequence[Model], runtimes: Sequence[Runtime] = (CPU,)) -> list[Case]:
    """One case for each model and runtime; every model was read once."""
    cases = [
        Case(model=path, runtime=_sized(runtime, size))
        for path, size in _paths(models)
        for runtime in runtimes
    ]
    for path, size in dict.fromkeys((case.model, case.runtime.guest.size) for case in cases):
        sized(read_model(path), size)
    return cases


def cases_on(device: Device, cases: Sequence[Case]) -> list[Case]:
    """The cases that differ on a device: WebGPU has no threads of the CPU to be counted."""
    if device.profile.transport != "browser":
        return list(cases)
    found: dict[Any, Case] = {}
    for case in cases:
        runtime = case.runtime
        threads = 1 if runtime.delegate == "gpu" else runtime.threads
        key = (case.model, runtime.delegate, runtime.engine, threads)
        found.setdefault(key, case)
    return list(found.values())


def _sized(runtime: Runtime, size: tuple[int, int] | None) -> Runtime:
    """With the size of a loaded model's input, where none is named."""
    if size is None or runtime.guest.size is not None:
        return runtime
    return dataclasses.replace(runtime, guest=dataclasses.replace(runtime.guest, size=size))


def measure_all(
    plan: Mapping[Device, Sequence[Case]],
    protocol: Protocol,
    progress: Progress | None = None,
) -> Outcome:
    """Every device's cases on that device; devices at the same time, results in their order."""
    done = dict.fromkeys(plan, 0)
    total = sum(protocol.processes * len(cases) for cases in plan.values())

    def on(device: Device) -> Outcome:
        def tell(count: int, _total: int, what: str) -> None:
            done[device] = count
            if progress:
                place = f"{device.name}: " if len(plan) > 1 and what else ""
                progress(sum(done.values()), total, place + what)

        return run_rounds(device, plan[device], protocol, tell)

    if len(plan) == 1:
        return on(next(iter(plan)))
    outcomes = _at_the_same_time(plan, on)
    return Outcome(
        results=[r for o in outcomes for r in o.results],
        failures=[f for o in outcomes for f in o.failures],
    )


def _at_the_same_time(devices: Iterable[Device], on: Callable[[Device], Outcome]) -> list[Outcome]:
    """`on` of each device, in a thread of its own. Raises what the first of them raised.

    The threads are daemons: an interrupted command does not wait for what the devices are at.
    """
    waiting = []
    for device in devices:
        found: Future[Outcome] = Future()
        waiting.append(found)
        Thread(target=_fill, args=(found, on, device), daemon=True).start()
    return [found.result() for found in waiting]


def _fill(found: Future[Outcome], on: Callable[[Device], Outcome], device: Device) -> None:
    try:
        found.set_result(on(device))
    except BaseException as error:  # Of another thread: it is raised where it is waited for.
        found.set_exception(error)


def run_cases(
    cases: Sequence[Case],
    protocol: Protocol,
    progress: Progress | None = None,
    device: Device | None = None,
) -> list[Result]:
    """Results of cases on a device (this machine), one for each. Raises the first failure."""
    outcome = run_rounds(device or LocalDevice(), cases, protocol, progress)
    if outcome.failures:
        raise outcome.failures[0].error
    return outcome.results


def _paths(models: Model | Sequence[Model]) -> list[tuple[Path, tuple[int, int] | None]]:
    """Each model's file, and the size that a loaded one was given."""
    several = [models] if isinstance(models, (str, Path)) or hasattr(models, "model") else models
    return [
        (Path(m), None) if isinstance(m, (str, Path)) else (m.model.path, m.model.size)
        for m in several
    ]
