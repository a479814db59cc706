"""The command line of a benchmark_model for a request.

A request in the form of `benchmark.worker` enters; words leave. Flags: lite/tools/benchmark's and
lite/tools/delegates' README of TensorFlow, litert/tools/benchmark_litert_model.h of LiteRT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...benchmark.device import PATIENCE_SECONDS
from ...errors import CnnedgeError, GateError
from .tools import Kind

# What the engine of a result is called.
ENGINES: Mapping[Kind, str] = {"tflite": "tflite", "litert": "litert"}
_DELEGATES = ("cpu", "gpu", "nnapi")


def require(request: Mapping[str, Any], kind: Kind, model: str) -> None:
    """Raises CnnedgeError, GateError for what a benchmark_model cannot do."""
    delegate, engine = request["delegate"], request["engine"]
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
    if request["options"]:
        named = ", ".join(request["options"])
        raise CnnedgeError(
            f"{model}: delegate options ({named}) are not passed to benchmark_model; leave them out"
        )
    if request.get("window_seconds"):
        raise CnnedgeError(
            f"{model}: the sustained protocol needs every sample, and benchmark_model keeps none; "
            "use quick or standard on phones"
        )
    _require_precision(request["precision"], delegate, kind, model)


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


def precision_of(request: Mapping[str, Any], kind: Kind) -> str:
    """How floats are computed: the CPU as they are, GPUs in half unless asked otherwise."""
    if request["delegate"] == "cpu":
        return "f32"
    if request["delegate"] == "gpu" and kind == "tflite":
        return "f32" if request["precision"] == "f32" else "f16"
    return "unknown"


def words(tool: str, kind: Kind, model: str, request: Mapping[str, Any]) -> list[str]:
    """tool, model: paths on the phone. `request` was held against `require`."""
    seconds = float(request["seconds"])
    line = [
        tool,
        f"--graph={model}",
        f"--num_threads={request['threads']}",
        f"--num_runs={request['runs']}",
        f"--min_secs={seconds:g}",
        # Else the tool ends after 150 s whatever was asked.
        f"--max_secs={seconds + PATIENCE_SECONDS:g}",
        "--warmup_runs=1",
        f"--warmup_min_secs={float(request['warmup_seconds']):g}",
    ]
    if request["delegate"] == "gpu":
        line.append("--use_gpu=true")
        if kind == "tflite":
            half = "false" if request["precision"] == "f32" else "true"
            line.append(f"--gpu_precision_loss_allowed={half}")
    elif request["delegate"] == "nnapi":
        # NNAPI's own reference implementation is the CPU again.
        line += ["--use_nnapi=true", "--disable_nnapi_cpu=true"]
    return line
