"""One measurement by a benchmark_model on the phone.

A request in the form of `benchmark.worker` enters, an answer in its form leaves: with statistics
instead of samples, which neither tool keeps, and null for what it does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...benchmark.device import PATIENCE_SECONDS
from ...bundle import ModelFile
from ...engines.report import DelegateReport
from ...errors import CnnedgeError, DeviceError
from ..base import Completed, one_line
from . import command, delegation, files, printed_classic, printed_litert
from .machine import Phone
from .moment import read_moment
from .printed import Run
from .tools import Tool

# Android deprecated it in 15: https://developer.android.com/ndk/guides/neuralnetworks
_NNAPI_ENDED = 35
_NO_OUTPUTS = "benchmark_model gives no outputs: agreement with the CPU was not checked."


def measure(
    run: files.Run,
    phone: Phone,
    tool: Tool,
    there: str,
    model: ModelFile,
    request: Mapping[str, Any],
) -> dict[str, Any]:
    """there: the tool's path on the phone. request["model"]: the model's. Raises CnnedgeError."""
    shown = str(model.path)
    command.require(request, tool.kind, shown)
    before = read_moment(run, busy=True)
    busy = before.pop("busy_fraction", None)
    words = command.words(there, tool.kind, str(request["model"]), request)
    limit = 2 * PATIENCE_SECONDS + float(request["seconds"]) + float(request["warmup_seconds"])
    done = run(words, seconds=limit, what="benchmark_model")
    # The delegates' lines are on one stream, the results on the other, and which varies.
    text = done.errors.decode("utf-8", "replace") + "\n" + done.text
    _require_success(done, text, request, shown)
    found = printed_litert.parse(text) if tool.kind == "litert" else printed_classic.parse(text)
    report = _delegate(text, request, tool, phone, model, found)
    if not found.latency.mean:
        raise CnnedgeError(
            f"{shown}: too fast for this benchmark_model, which prints 0 ms: measure it with "
            "TensorFlow Lite's, which counts microseconds"
        )
    if found.latency.count < request["runs"]:
        raise CnnedgeError(
            f"{shown}: benchmark_model ended after {found.latency.count} of {request['runs']} "
            "inferences"
        )
    return {
        "engine": command.ENGINES[tool.kind],
        "engine_version": found.version or f"benchmark_model {tool.sha256[:12]}",
        "threads": request["threads"],
        "precision": command.precision_of(request, tool.kind),
        "delegate": report.as_json(),
        "sha256": model.sha256,
        "init_ms": found.init_ms,
        "first_ms": found.first_ms,
        "warmup_count": found.warmup_count,
        "samples_ms": [],
        "statistics": found.latency.as_json(),
        "peak_memory_bytes": found.peak_memory_bytes,
        "memory_growth_bytes": found.memory_growth_bytes,
        "conditions": {
            "machine": phone.as_json(),
            "before": before,
            "after": read_moment(run),
            "busy_fraction": busy,
        },
    }


def _require_success(done: Completed, text: str, request: Mapping[str, Any], shown: str) -> None:
    delegate = request["delegate"]
    flags = delegation.unknown_flags(text)
    if delegate != "cpu" and (done.code or "--use_" in flags):
        raise delegation.refusal(delegate, text, shown)
    if flags:
        raise DeviceError(
            f"{shown}: this benchmark_model does not know {flags}: take a newer one with "
            "--benchmark-tool"
        )
    if done.code:
        how = f"signal {done.code - 128}" if done.code > 128 else f"exit {done.code}"
        said = " ".join(text.split())[-300:]
        raise CnnedgeError(
            f"{shown}: benchmark_model failed on the phone ({how}): {one_line(said) or 'no output'}"
        )


def _delegate(
    text: str,
    request: Mapping[str, Any],
    tool: Tool,
    phone: Phone,
    model: ModelFile,
    found: Run,
) -> DelegateReport:
    asked = request["delegate"]
    nodes = sum(len(graph.operators) for graph in model.graph.subgraphs)
    notes = list(tool.notes)
    if found.rounded:
        notes.append("The tool prints times to 0.01 ms.")
    if asked == "cpu":
        cpu = [p for p in delegation.parts(text) if delegation.on_cpu(p)]
        taken = min(cpu[0].nodes, cpu[0].total or nodes) if cpu else 0
        return DelegateReport(
            requested=asked,
            used="cpu (XNNPACK)" if taken else "cpu",
            nodes_delegated=taken,
            nodes_total=(cpu[0].total if cpu else None) or nodes,
            notes=tuple(notes),
        )
    part = delegation.require(asked, text, str(model.path))
    if asked == "nnapi" and (phone.sdk or 0) >= _NNAPI_ENDED:
        notes.append("NNAPI is deprecated since Android 15: prefer --delegate gpu.")
    notes.append(_NO_OUTPUTS)
    by = delegation.api(part, text) if asked == "gpu" else part.name
    return DelegateReport(
        requested=asked,
        used=f"{asked} ({by})",
        nodes_delegated=nodes if part.whole else part.nodes,
        nodes_total=nodes if part.whole else max(part.nodes, part.total or nodes),
        left_behind=delegation.left_behind(text),
        notes=tuple(notes),
    )
