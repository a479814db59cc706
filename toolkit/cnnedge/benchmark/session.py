"""`cnnedge.bench`: models on devices, with engines, delegates and thread counts.

Model paths and settings enter; results in the form of the bench contract leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from ..bundle import read_model
from .device import Case, Device
from .local import LocalDevice
from .protocols import Protocol, get_protocol
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
    precision: str = "auto",
    delegate_options: Mapping[str, str] | None = None,
    allow_disagreement: bool = False,
    protocol: str = "quick",
    devices: Sequence[Device] = (),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measures every model with every engine, delegate and thread count on every device.

    models: one or several, each a path or what `cnnedge.load` gave (measured by its file).
    engine: one or several. precision, delegate_options: as `cnnedge.load` takes them.
    allow_disagreement: report a delegate whose answers differ from the CPU's, and go on.
    devices: opened by `cnnedge.devices.open_device`; this machine when none is given. Several
    measure at the same time, each one case at a time.
    progress: called with processes done, processes in all, and what runs now. Returns {"results":
    [...]} as the bench contract says. Raises the first failure, once all that can be measured was
    measured and nothing was: CnnedgeError. What failed beside results is under "failed".
    """
    cases = cases_of(
        models,
        threads=threads,
        delegates=delegates,
        engine=engine,
        precision=precision,
        delegate_options=delegate_options,
        allow_disagreement=allow_disagreement,
    )
    chosen = get_protocol(protocol)
    outcome = measure_all(dict.fromkeys(devices or (LocalDevice(),), cases), chosen, progress)
    if outcome.failures and not outcome.results:
        raise outcome.failures[0].error
    failed = [f.as_json() for f in outcome.failures]
    return {"results": outcome.results} | ({"failed": failed} if failed else {})


def cases_of(
    models: Model | Sequence[Model],
    *,
    threads: Iterable[int] = (1,),
    delegates: Iterable[str] = ("cpu",),
    engine: str | Iterable[str] = "auto",
    precision: str = "auto",
    delegate_options: Mapping[str, str] | None = None,
    allow_disagreement: bool = False,
) -> list[Case]:
    """One case for each model, engine, delegate and thread count; every model was read once."""
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
    return cases


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
    with ThreadPoolExecutor(len(plan), thread_name_prefix="cnnedge device") as pool:
        outcomes = list(pool.map(on, plan))
    return Outcome(
        results=[r for o in outcomes for r in o.results],
        failures=[f for o in outcomes for f in o.failures],
    )


def run_cases(
    cases: Sequence[Case], protocol: Protocol, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Results of cases on this machine, one for each. Raises the first failure."""
    outcome = run_rounds(LocalDevice(), cases, protocol, progress)
    if outcome.failures:
        raise outcome.failures[0].error
    return outcome.results


def _options_for(delegate: str, engine: str, options: Mapping[str, str]) -> dict[str, str]:
    """The CPU measured beside a delegate takes none of its options."""
    return {} if delegate == "cpu" and engine != "openvino" else dict(options)


def _paths(models: Model | Sequence[Model]) -> list[Path]:
    several = [models] if isinstance(models, (str, Path)) or hasattr(models, "model") else models
    return [Path(m) if isinstance(m, (str, Path)) else m.model.path for m in several]
