"""One measurement by a benchmark_model on the phone.

A request enters, an answer leaves: with statistics
instead of samples, which neither tool keeps, and null for what it does not tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...benchmark.answer import Answer, Around
from ...benchmark.asking import PATIENCE_SECONDS
from ...benchmark.request import Request
from ...bundle import ModelFile
from ...child_process import Completed
from ...engines.report import DelegateReport
from ...errors import CnnedgeError, DeviceError
from ...harmless import one_line
from . import command, delegation, files, printed_classic, printed_litert
from .machine import Phone
from .moment import read_beginning, read_moment
from .printed import Run
from .tools import Tool

# Android deprecated it in 15: https://developer.android.com/ndk/guides/neuralnetworks
_NNAPI_ENDED = 35
_NO_OUTPUTS = "benchmark_model gives no outputs: agreement with the CPU was not checked."


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What measures on a phone. there: the tool's path on it."""

    run: files.Run
    phone: Phone
    tool: Tool
    there: str


def measure(bench: Bench, model: ModelFile, request: Request) -> Answer:
    """What the tool measures of a model; request.model: its path there. Raises CnnedgeError."""
    run, tool = bench.run, bench.tool
    shown = str(model.path)
    command.require(request, tool.kind, shown)
    before, busy = read_beginning(run)
    words = command.words(bench.there, tool.kind, request)
    limit = 2 * PATIENCE_SECONDS + request.seconds + request.warmup_seconds
    done = run(words, seconds=limit, what="benchmark_model")
    # The delegates' lines are on one stream, the results on the other, and which varies.
    text = done.complaint + "\n" + done.text
    _require_success(done, text, request, shown)
    found = printed_litert.parse(text) if tool.kind == "litert" else printed_classic.parse(text)
    report = _delegate(bench, model, request, text, found)
    if not found.latency.mean:
        raise CnnedgeError(
            f"{shown}: too fast for this benchmark_model, which prints 0 ms: measure it with "
            "TensorFlow Lite's, which counts microseconds"
        )
    if found.latency.count < request.runs:
        raise CnnedgeError(
            f"{shown}: benchmark_model ended after {found.latency.count} of {request.runs} "
            "inferences"
        )
    return Answer(
        engine=command.ENGINES[tool.kind],
        engine_version=found.version or f"benchmark_model {tool.sha256[:12]}",
        threads=request.runtime.threads,
        precision=command.precision_of(request, tool.kind),
        delegate=report,
        sha256=model.sha256,
        init_ms=found.init_ms,
        first_ms=found.first_ms,
        warmup_count=found.warmup_count,
        samples_ms=(),
        statistics=found.latency.statistics,
        peak_memory_bytes=found.peak_memory_bytes,
        memory_growth_bytes=found.memory_growth_bytes,
        conditions=Around(
            machine=bench.phone.machine,
            before=before,
            after=read_moment(run),
            busy_fraction=busy,
        ),
    )


def _require_success(done: Completed, text: str, request: Request, shown: str) -> None:
    delegate = request.runtime.delegate
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
    bench: Bench, model: ModelFile, request: Request, text: str, found: Run
) -> DelegateReport:
    asked = request.runtime.delegate
    nodes = sum(len(graph.operators) for graph in model.graph.subgraphs)
    notes = list(bench.tool.notes)
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
    if asked == "nnapi" and (bench.phone.sdk or 0) >= _NNAPI_ENDED:
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
