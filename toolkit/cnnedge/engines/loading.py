"""A model file and what to run it on enter, a loaded engine leaves."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path

from ..bundle import ModelFile
from ..errors import CnnedgeError, GateError, MissingExtraError
from ..specs.strict import closest
from . import libraries
from .base import DELEGATES, NO_OPTIONS, PRECISIONS, Engine
from .refusal import DelegateRefused, PrecisionRefused
from .report import PassedOver

ENGINES = ("auto", "litert", "tflite-runtime", "openvino")


def load_engine(
    model: ModelFile,
    *,
    engine: str = "auto",
    threads: int = 1,
    delegate: str = "auto",
    precision: str = "auto",
    options: Mapping[str, str] = NO_OPTIONS,
    known: bool = False,
) -> Engine:
    """Loads a model into an engine.

    engine: `litert`, `tflite-runtime`, `openvino` or `auto` (LiteRT where it is installed).
    threads: of the CPU. delegate: one of DELEGATES or the path of a library. precision: one of
    PRECISIONS, or `auto`: what the engine takes by itself. options: for the delegate, by name.
    known: the file was made by this process, or loaded by it before: it is not tried elsewhere.
    Raises ModelError when the model does not load, MissingExtraError when the engine is not
    installed, GateError for a delegate or a precision that cannot be had here.
    """
    _check(engine, delegate, precision, options)
    engine = engine_for(engine, precision)
    if not known:
        _try_elsewhere(model, engine, delegate)
    if engine == "openvino":
        from . import openvino

        return openvino.load(
            model, threads=threads, delegate=delegate, precision=precision, options=options
        )
    if delegate == "auto":
        return _first_that_runs(model, engine, threads, precision)
    return _named(model, engine, threads, delegate, precision, options)


def engine_for(engine: str, precision: str) -> str:
    """The engine that `auto` means where a precision asks for one; any other as it is."""
    return "openvino" if engine == "auto" and precision == "bf16" else engine


def _try_elsewhere(model: ModelFile, engine: str, delegate: str) -> None:
    """Lets a process of its own try an unknown file. Raises ModelError where that fails."""
    from . import trial

    started = trial.begin(model, engine)
    if started is None:
        return
    # The runtime is imported meanwhile; that it cannot be is said where it is used.
    with contextlib.suppress(ImportError, MissingExtraError):
        if engine == "openvino":
            importlib.import_module("openvino")
        else:
            from . import interpreter

            interpreter.package(engine)
    started.end(delegated=delegate != "cpu")


def _check(engine: str, delegate: str, precision: str, options: Mapping[str, str]) -> None:
    for what, given, allowed in (
        ("engine", engine, ENGINES),
        ("precision", precision, ("auto", *PRECISIONS)),
        ("delegate", delegate, DELEGATES),
    ):
        if given in allowed or (what == "delegate" and libraries.is_library(given)):
            continue
        path = ", or the path of a library" if what == "delegate" else ""
        raise CnnedgeError(
            f"there is no {what} '{given}'.{closest(given, allowed)} "
            f"Allowed: {', '.join(allowed)}{path}"
        )
    if options and delegate in ("auto", "cpu") and engine != "openvino":
        raise CnnedgeError(
            f"--delegate-option {next(iter(options))}: --delegate {delegate} takes no options; "
            "name the delegate that they are for"
        )


def _named(
    model: ModelFile,
    engine: str,
    threads: int,
    delegate: str,
    precision: str,
    options: Mapping[str, str],
) -> Engine:
    """The engine on one delegate. Raises DelegateRefused when it does not run here."""
    from . import gpu, interpreter

    if delegate == "cpu":
        return _on_cpu(model, engine, threads, precision)
    if delegate == "gpu" and interpreter.package(engine)[0] == "litert":
        return gpu.load(model, threads=threads, precision=precision, options=options)
    library = Path(delegate) if libraries.is_library(delegate) else libraries.find(delegate)
    if library is None:
        raise DelegateRefused(
            delegate, libraries.reason_for_none(delegate), libraries.remedy_for_none(delegate)
        )
    if not library.exists():
        raise DelegateRefused(
            delegate, f"there is no file {library}", "Check the path, or use --delegate cpu"
        )
    if precision != "auto":
        raise PrecisionRefused(
            precision,
            f"{library.name} computes in what it chooses, and is told by --delegate-option if at "
            "all; leave --precision away",
        )
    return interpreter.InterpreterEngine(
        model,
        engine=engine,
        threads=threads,
        requested=delegate,
        library=library,
        options=libraries.with_needed(delegate, library, options),
    )


def _on_cpu(model: ModelFile, engine: str, threads: int, precision: str) -> Engine:
    from . import half, interpreter

    plain = interpreter.InterpreterEngine(model, engine=engine, threads=threads, requested="cpu")
    if precision in ("auto", "f32"):
        return plain
    return half.load(model, plain, precision)


def _first_that_runs(model: ModelFile, engine: str, threads: int, precision: str) -> Engine:
    """`auto`: an NPU or NNAPI where its library is installed, a GPU of hardware, the CPU."""
    from . import gpu, interpreter

    passed: list[PassedOver] = []
    on_litert = interpreter.package(engine)[0] == "litert"
    for kind in ("npu", "nnapi", "gpu"):
        try:
            if kind == "gpu" and on_litert:
                loaded = gpu.load(model, threads=threads, precision=precision, chosen=False)
            else:
                loaded = _named(model, engine, threads, kind, precision, NO_OPTIONS)
        except GateError as refusal:
            # NNAPI is Android's alone, and nobody misses it elsewhere.
            if kind != "nnapi" or libraries.find(kind):
                # The list of what was looked for is for who asks for it by name.
                reason = getattr(refusal, "reason", "").partition(" (looked for")[0]
                passed.append(PassedOver(delegate=kind, reason=reason))
            continue
        return _as_auto(loaded, passed)
    return _as_auto(_on_cpu(model, engine, threads, precision), passed)


def _as_auto(engine: Engine, passed: list[PassedOver]) -> Engine:
    engine.delegate = dataclasses.replace(
        engine.delegate, requested="auto", passed_over=tuple(passed)
    )
    return engine
