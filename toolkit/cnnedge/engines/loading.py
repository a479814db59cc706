"""A model file and what to run it on enter, a loaded engine leaves."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from ..bundle import ModelFile
from ..errors import GateError, MissingExtraError
from ..model_trial import runtime_of
from . import libraries
from .base import Engine
from .failure import DelegateRefused, PrecisionRefused
from .report import PassedOver
from .runtime import AUTO, Runtime


def load_engine(model: ModelFile, runtime: Runtime = AUTO, *, known: bool = False) -> Engine:
    """Loads a model into an engine, as the runtime says.

    Its guest is for those who read the model: what is given here is loaded as it is. known: the
    file was made by this process, or loaded by it before: it is not tried elsewhere. Raises
    ModelError when the model does not load, MissingExtraError when the engine is not installed,
    GateError for a delegate or a precision that cannot be had here.
    """
    runtime.require()
    runtime = dataclasses.replace(runtime, engine=engine_for(runtime))
    if not known:
        _try_elsewhere(model, runtime)
    if runtime.engine == "openvino":
        from . import openvino

        return openvino.load(model, runtime)
    if runtime.delegate == "auto":
        return _first_that_runs(model, runtime)
    return _named(model, runtime)


def engine_for(runtime: Runtime) -> str:
    """The engine that `auto` means where a precision asks for one; any other as it is."""
    chosen = runtime.engine == "auto" and runtime.precision == "bf16"
    return "openvino" if chosen else runtime.engine


def _try_elsewhere(model: ModelFile, runtime: Runtime) -> None:
    """Lets a process of its own try an unknown file. Raises ModelError where that fails."""
    from . import trial
    from .trial_process import THREADED, can_fork

    # A fork has what was imported before it. A new process imports it beside this one, and so does
    # a fork where the runtime must not be here before.
    before = can_fork() and runtime.engine not in THREADED
    if before:
        _import(runtime.engine)
    started = trial.begin(model, runtime.engine)
    if started is None:
        return
    if not before:
        _import(runtime.engine)
    started.end(delegated=runtime.delegate != "cpu")


def _import(engine: str) -> None:
    """Imports a runtime; that it cannot be is said where it is used."""
    with contextlib.suppress(ImportError, MissingExtraError):
        if engine == "openvino":
            runtime_of(engine)
        else:
            from . import interpreter

            interpreter.package(engine)


def _named(model: ModelFile, runtime: Runtime) -> Engine:
    """The engine on one delegate. Raises DelegateRefused when it does not run here."""
    from . import gpu, interpreter

    delegate = runtime.delegate
    if delegate == "cpu":
        return _on_cpu(model, runtime)
    if delegate == "gpu" and interpreter.package(runtime.engine)[0] == "litert":
        return gpu.load(model, runtime)
    library = Path(delegate) if libraries.is_library(delegate) else libraries.find(delegate)
    if library is None:
        raise DelegateRefused(
            delegate, libraries.reason_for_none(delegate), libraries.remedy_for_none(delegate)
        )
    if not library.exists():
        raise DelegateRefused(
            delegate, f"{library} does not exist", "Check the path, or use --delegate cpu"
        )
    if runtime.precision != "auto":
        raise PrecisionRefused(
            runtime.precision,
            f"{library.name} computes in what it chooses, and is told by --delegate-option if at "
            "all; leave --precision away",
        )
    options = libraries.with_needed(delegate, library, runtime.options)
    wanted = dataclasses.replace(runtime, options=options)
    return interpreter.InterpreterEngine(model, wanted, library)


def _on_cpu(model: ModelFile, runtime: Runtime) -> Engine:
    from . import half, interpreter

    plain = interpreter.InterpreterEngine(model, runtime.on("cpu"))
    if runtime.precision in ("auto", "f32"):
        return plain
    return half.load(model, plain, runtime.precision)


def _first_that_runs(model: ModelFile, runtime: Runtime) -> Engine:
    """`auto`: an NPU or NNAPI where its library is installed, a GPU of hardware, the CPU."""
    from . import gpu, interpreter

    passed: list[PassedOver] = []
    on_litert = interpreter.package(runtime.engine)[0] == "litert"
    for kind in ("npu", "nnapi", "gpu"):
        wanted = runtime.on(kind)
        try:
            if kind == "gpu" and on_litert:
                loaded = gpu.load(model, wanted, chosen=False)
            else:
                loaded = _named(model, wanted)
        except GateError as refusal:
            # NNAPI is Android's alone, and nobody misses it elsewhere.
            if kind != "nnapi" or libraries.find(kind):
                # The list of what was looked for is for who asks for it by name.
                reason = getattr(refusal, "reason", "").partition(" (looked for")[0]
                passed.append(PassedOver(delegate=kind, reason=reason))
            continue
        return _as_auto(loaded, passed)
    return _as_auto(_on_cpu(model, runtime), passed)


def _as_auto(engine: Engine, passed: list[PassedOver]) -> Engine:
    engine.delegate = dataclasses.replace(
        engine.delegate, requested="auto", passed_over=tuple(passed)
    )
    return engine
