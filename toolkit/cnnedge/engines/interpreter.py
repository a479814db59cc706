"""LiteRT and tflite-runtime: the same interpreter under two package names.

A ModelFile enters, an engine with an allocated graph leaves.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..bundle import Graph, ModelFile
from ..errors import GateError, MissingExtraError, ModelError
from ..native_stderr import captured
from ..specs.strict import closest
from .base import DelegateReport, Engine, Values

# Package to import, distribution that states the version, line that installs it.
_PACKAGES = {
    "litert": ("ai_edge_litert.interpreter", "ai-edge-litert", "pip install ai-edge-litert"),
    "tflite-runtime": (
        "tflite_runtime.interpreter",
        "tflite-runtime",
        "pip install 'cnnedge[tflite-runtime]'",
    ),
}
ENGINES = ("auto", *_PACKAGES)


def load(model: ModelFile, *, engine: str, threads: int, delegate: str) -> Engine:
    """See `base.load_engine`."""
    if delegate not in ("auto", "cpu"):
        raise GateError(
            f"--delegate {delegate}: this version of cnnedge runs models on the CPU alone and "
            "will not pretend otherwise; use --delegate cpu or auto"
        )
    name, module = _import(engine)
    return InterpreterEngine(model, name, module, threads, delegate)


class InterpreterEngine:
    """A model in a TFLite interpreter on the CPU (XNNPACK where it takes the operators)."""

    def __init__(
        self, model: ModelFile, name: str, module: Any, threads: int, delegate: str
    ) -> None:
        self.name = name
        self.version = importlib.metadata.version(_PACKAGES[name][1])
        self.threads = threads
        self.precision = "f32"
        problem: Exception | None = None
        started = time.perf_counter()
        with captured() as native:
            try:
                # The interpreter maps these bytes: they must live as long as it does.
                self._data = model.data
                self._interpreter: Any = module.Interpreter(
                    model_content=self._data, num_threads=threads
                )
                self._interpreter.allocate_tensors()
                self.init_ms = (time.perf_counter() - started) * 1000
                self._input: int = self._interpreter.get_input_details()[0]["index"]
                self._outputs: tuple[int, ...] = tuple(
                    d["index"] for d in self._interpreter.get_output_details()
                )
                self.delegate = _report(self._interpreter, model.graph, delegate)
            except (ValueError, RuntimeError, SystemError) as error:
                problem = error
        if problem is not None:
            raise _load_error(model, name, problem, native.text)

    def set_input(self, values: Values) -> None:
        self._interpreter.set_tensor(self._input, values)

    def fill_input(self, write: Callable[[Values], None]) -> None:
        # No name may keep the array: the interpreter refuses to run while one is held.
        write(self._interpreter.tensor(self._input)())

    def invoke(self) -> Values:
        self._interpreter.invoke()
        result: Values = self._interpreter.get_tensor(self._outputs[0])
        return result

    def outputs(self) -> tuple[Values, ...]:
        return tuple(self._interpreter.get_tensor(i) for i in self._outputs)

    def close(self) -> None:
        self._interpreter = None


def _import(engine: str) -> tuple[str, Any]:
    if engine not in ENGINES:
        raise ModelError(
            f"there is no engine '{engine}'.{closest(engine, ENGINES)} "
            f"Allowed: {', '.join(ENGINES)}"
        )
    wanted = tuple(_PACKAGES) if engine == "auto" else (engine,)
    for name in wanted:
        try:
            return name, importlib.import_module(_PACKAGES[name][0])
        except ModuleNotFoundError:
            continue
    if engine == "tflite-runtime" and sys.version_info >= (3, 12):
        raise MissingExtraError(
            "tflite-runtime has no build for Python 3.12 and newer, and will get none; use "
            "--engine litert, or Python 3.11 with pip install 'cnnedge[tflite-runtime]'"
        )
    lines = " or ".join(_PACKAGES[name][2] for name in wanted)
    raise MissingExtraError(f"no runtime for .tflite models is installed ({lines})")


def _load_error(model: ModelFile, name: str, error: Exception, native: str) -> ModelError:
    if isinstance(error, SystemError) and name == "tflite-runtime":
        return ModelError(
            f"{model.path}: tflite-runtime 2.14 does not work with numpy 2. "
            "Run: pip install 'numpy<2'"
        )
    said = [line for line in native.splitlines() if line.strip() and "INFO" not in line]
    reason = re.sub(r"\s+", " ", "; ".join([str(error), *said[:2]])).strip()
    return ModelError(f"{model.path}: {name} cannot load this model: {reason}")


def _report(interpreter: Any, graph: Graph, requested: str) -> DelegateReport:
    details: Sequence[dict[str, Any]] = interpreter._get_ops_details()
    total = len(graph.operators)
    delegated = _delegated(details, total)
    left = tuple(sorted({graph.operators[i].name for i in range(total) if i not in delegated}))
    return DelegateReport(
        requested=requested,
        used="cpu (XNNPACK)" if delegated else "cpu",
        nodes_delegated=len(delegated),
        nodes_total=total,
        left_behind=left,
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
