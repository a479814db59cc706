"""LiteRT and tflite-runtime: the same interpreter under two package names.

A ModelFile enters, with the library of a delegate where one is wanted; an engine with an
allocated graph leaves.
"""

from __future__ import annotations

import ctypes
import importlib
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..bundle import Graph, ModelFile
from ..errors import MissingExtraError
from ..native_stderr import captured, complaints
from .base import Engine, Values
from .failure import DelegateRefused, load_error, not_run
from .report import DelegateReport, rest_on_the_cpu
from .runtime import Runtime
from .trial import installed_version

# Package to import, distribution that states the version, line that installs it.
_PACKAGES = {
    "litert": ("ai_edge_litert.interpreter", "ai-edge-litert", "pip install ai-edge-litert"),
    "tflite-runtime": (
        "tflite_runtime.interpreter",
        "tflite-runtime",
        "pip install 'cnnedge[tflite-runtime]'",
    ),
}

# What the interpreter raises where a model does not run.
_FAILURES = (RuntimeError, ValueError, IndexError)


def package(engine: str) -> tuple[str, Any]:
    """The name of the engine that `auto` means here, and its interpreter module.

    Raises MissingExtraError.
    """
    wanted = tuple(_PACKAGES) if engine == "auto" else (engine,)
    for name in wanted:
        try:
            return name, importlib.import_module(_PACKAGES[name][0])
        except ModuleNotFoundError:
            continue
    if engine == "tflite-runtime" and sys.version_info >= (3, 12):
        raise MissingExtraError(
            "tflite-runtime has no build for Python 3.12 and newer, and never will; use "
            "--engine litert, or Python 3.11 with pip install 'cnnedge[tflite-runtime]'"
        )
    lines = " or ".join(_PACKAGES[name][2] for name in wanted)
    raise MissingExtraError(f"no runtime for .tflite models is installed ({lines})")


class InterpreterEngine(Engine):
    """A model in a TFLite interpreter: on a delegate's library, the rest on the CPU (XNNPACK).

    One thread at a time may use it.
    """

    def __init__(self, model: ModelFile, runtime: Runtime, library: Path | None = None) -> None:
        """runtime: its options are for the library, its delegate is what the user wrote."""
        requested = runtime.delegate
        self.name, module = package(runtime.engine)
        self.version = installed_version(_PACKAGES[self.name][1])
        self.threads = runtime.threads
        self._place = str(model.path)
        # What a library computes in is its own affair, and it does not say.
        self.precision = "f32" if library is None else "unknown"
        problem: Exception | None = None
        started = time.perf_counter()
        with captured() as native:
            try:
                # The interpreter maps these bytes: they must live as long as it does.
                self._data = model.data
                loaded = _loaded(module, library, runtime.options) if library else None
                self._interpreter: Any = module.Interpreter(
                    model_content=self._data,
                    num_threads=runtime.threads,
                    experimental_delegates=loaded,
                )
                # XNNPACK takes its nodes of what is left, and not before this.
                taken = self._interpreter._get_ops_details()[len(model.graph.operators) :]
                self._interpreter.allocate_tensors()
                self.init_ms = (time.perf_counter() - started) * 1000
                self._inputs = _indices(self._interpreter.get_input_details())
                self._outputs = _indices(self._interpreter.get_output_details())
                details = self._interpreter._get_ops_details()
            except (ValueError, RuntimeError, OSError, AttributeError, SystemError) as error:
                problem = error
        if problem is not None and library is not None:
            raise _refused(requested, library, problem, native.text)
        if problem is not None:
            raise load_error(model, self.name, problem, native.text)
        if library is None:
            self.delegate = _report(details, model.graph, requested, "cpu")
        else:
            ours = [*details[: len(model.graph.operators)], *taken]
            self.delegate = _report(ours, model.graph, requested, library.name)
            self._refuse_idle(library)

    def _refuse_idle(self, library: Path) -> None:
        """A library that loads and takes nothing leaves all the work to the CPU."""
        report = self.delegate
        if report.nodes_delegated == 0:
            self.close()
            raise DelegateRefused(
                report.requested,
                f"{library} took none of the model's {report.nodes_total} operators "
                f"({', '.join(report.left_behind)})",
                "Convert a variant that it takes (int8 for most NPUs; some want the maker's own "
                "compiler), or use --delegate cpu",
            )

    def set_input(self, values: Values, at: int = 0) -> None:
        try:
            self._interpreter.set_tensor(self._inputs[at], values)
        except _FAILURES as error:
            raise not_run(self._place, self.name, error) from None

    def fill_input(self, write: Callable[[Values], None]) -> None:
        try:
            # No name may keep the array: the interpreter refuses to run while one is held.
            write(self._interpreter.tensor(self._inputs[0])())
        except _FAILURES as error:
            raise not_run(self._place, self.name, error) from None

    def invoke(self) -> Values:
        try:
            self._interpreter.invoke()
            result: Values = self._interpreter.get_tensor(self._outputs[0])
        except _FAILURES as error:
            raise not_run(self._place, self.name, error) from None
        return result

    def outputs(self) -> tuple[Values, ...]:
        try:
            return tuple(self._interpreter.get_tensor(i) for i in self._outputs)
        except _FAILURES as error:
            raise not_run(self._place, self.name, error) from None

    def close(self) -> None:
        self._interpreter = None


def _loaded(module: Any, library: Path, options: Mapping[str, str]) -> list[Any]:
    # Looked at first: a half-made delegate of the runtime's raises once more when it goes.
    symbols = ctypes.PyDLL(str(library))
    for name in ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate"):
        if not hasattr(symbols, name):
            raise AttributeError(name)
    return [module.load_delegate(str(library), dict(options))]


def _indices(details: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    return tuple(int(d["index"]) for d in details)


def _refused(requested: str, library: Path, error: Exception, native: str) -> DelegateRefused:
    """What the interpreter said, then what the library wrote to standard error."""
    if isinstance(error, AttributeError):
        said = [f"it is not a TFLite delegate: it lacks {error}"]
    else:
        message = str(error).removeprefix(f"Failed to load delegate from {library}").strip(" .\n")
        said = [message, *complaints(native)] if message else complaints(native)
    reason = re.sub(r"\s+", " ", "; ".join(said)) or "it gave no reason"
    return DelegateRefused(
        requested,
        f"{library} does not run this model: {reason}",
        "Check the device and its driver, or use --delegate cpu",
    )


def _report(
    details: Sequence[dict[str, Any]], graph: Graph, requested: str, used: str
) -> DelegateReport:
    total = len(graph.operators)
    delegated = _delegated(details, total)
    left = tuple(sorted({graph.operators[i].name for i in range(total) if i not in delegated}))
    notes: tuple[str, ...] = ()
    if used != "cpu" and delegated:
        notes = rest_on_the_cpu(total - len(delegated), left, total, cut=False)
    return DelegateReport(
        requested=requested,
        used="cpu (XNNPACK)" if used == "cpu" and delegated else used,
        nodes_delegated=len(delegated),
        nodes_total=total,
        left_behind=left,
        notes=notes,
    )


def _delegated(details: Sequence[dict[str, Any]], total: int) -> set[int]:
    """The operators that run inside a delegate's nodes.

    The interpreter lists the original operators and, behind them, the delegate's nodes. What a
    delegate node covers is what lies between its outputs and its inputs.
    """
    producer = {int(t): i for i, op in enumerate(details[:total]) for t in op["outputs"]}
    covered: set[int] = set()
    for node in details[total:]:
        stop = {int(t) for t in node["inputs"]}
        open_tensors = [int(t) for t in node["outputs"]]
        while open_tensors:
            op = producer.get(open_tensors.pop())
            if op is None or op in covered:
                continue
            covered.add(op)
            open_tensors += [int(t) for t in details[op]["inputs"] if int(t) not in stop]
    return covered
