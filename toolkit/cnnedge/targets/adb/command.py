"""The command line of a benchmark_model for a request.

A request enters; words leave. Flags: lite/tools/benchmark's and
lite/tools/delegates' README of TensorFlow, litert/tools/benchmark_litert_model.h of LiteRT.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...benchmark.asking import PATIENCE_SECONDS
from ...benchmark.request import Request
from ...errors import CnnedgeError, GateError
from .tools import Kind

# What the engine of a result is called.
ENGINES: Mapping[Kind, str] = {"tflite": "tflite", "litert": "litert"}
_DELEGATES = ("cpu", "gpu", "nnapi")


def require(request: Request, kind: Kind, model: str) -> None:
    """Raises CnnedgeError, GateError for what a benchmark_model cannot do."""
    runtime = request.runtime
    delegate, engine = runtime.delegate, runtime.engine
    if engine not in ("auto", ENGINES[kind]):
        raise CnnedgeError(
            f"{model}: --engine {engine} is not what this benchmark_model runs on the phone; "
            f"allowed: auto, {ENGINES[kind]}"
        )
    if delegate not in _DELEGATES:
        raise GateError(
            f"{model}: --delegate {delegate}: benchmark_model is run with {', '.join(_DELEGATES)} "
            "on phones, or auto"
        )
    if delegate == "nnapi" and kind == "litert":
        raise GateError(
            f"{model}: --delegate nnapi: LiteRT's benchmark_model has no NNAPI. Take TensorFlow "
            "Lite's with --benchmark-tool, or use --delegate gpu"
        )
    if runtime.options:
        named = ", ".join(runtime.options)
        raise CnnedgeError(
            f"{model}: delegate options ({named}) are not passed to benchmark_model; leave them out"
        )
    if request.window_seconds:
        raise CnnedgeError(
            f"{model}: the sustained protocol needs every sample, and benchmark_model keeps none; "
            "use quick or standard on phones"
        )
    _require_precision(runtime.precision, delegate, kind, model)


def _require_precision(precision: str, delegate: str, kind: Kind, model: str) -> None:
    allowed = ["auto"]
    if delegate != "gpu":
        allowed.append("f32")
    elif kind == "tflite":
        allowed += ["f32", "f16"]
    if precision not in allowed:
        raise CnnedgeError(
            f"{model}: --precision {precision} with --delegate {delegate} cannot be asked of this "
            f"benchmark_model; allowed: {', '.join(allowed)}"
        )


def precision_of(request: Request, kind: Kind) -> str:
    """How floats are computed: the CPU as they are, GPUs in half unless asked otherwise."""
    delegate, precision = request.runtime.delegate, request.runtime.precision
    if delegate == "cpu":
        return "f32"
    if delegate == "gpu" and kind == "tflite":
        return "f32" if precision == "f32" else "f16"
    return "unknown"


def words(tool: str, kind: Kind, request: Request) -> list[str]:
    """tool: its path on the phone. `request` was held against `require`."""
    runtime, seconds = request.runtime, request.seconds
    line = [
        tool,
        f"--graph={request.model}",
        f"--num_threads={runtime.threads}",
        f"--num_runs={request.runs}",
        f"--min_secs={seconds:g}",
        # Else the tool ends after 150 s whatever was asked.
        f"--max_secs={seconds + PATIENCE_SECONDS:g}",
        "--warmup_runs=1",
        f"--warmup_min_secs={request.warmup_seconds:g}",
    ]
    if runtime.delegate == "gpu":
        line.append("--use_gpu=true")
        if kind == "tflite":
            half = "false" if runtime.precision == "f32" else "true"
            line.append(f"--gpu_precision_loss_allowed={half}")
    elif runtime.delegate == "nnapi":
        # NNAPI's own reference implementation is the CPU again.
        line += ["--use_nnapi=true", "--disable_nnapi_cpu=true"]
    return line
