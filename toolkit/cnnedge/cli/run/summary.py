"""What a run came to: the table of stages, and in words what computed it."""

from __future__ import annotations

from collections.abc import Callable

from ... import figures
from ...engines import Agreement, DelegateReport
from ...pipeline import STAGES, RunResult
from ...pipeline.result import Times
from .. import output


def say_choice(report: DelegateReport, say: Callable[[str], None]) -> None:
    """What `auto` took and why it took nothing better, what a person should know of the choice."""
    if report.passed_over:
        others = "".join(f"; not {p.delegate}: {p.reason}" for p in report.passed_over)
        say(f"auto took {report.used}{others}")
    for text in report.notes:
        say(text)


def print_summary(
    result: RunResult, *, live: bool, noun: str = "frame", answer: str = "label"
) -> None:
    """Stages and frame age as a table, the rest in one line. noun: what a frame is; answer: what
    its answer is."""
    console = output.results()
    table = output.table()
    table.add_column("stage")
    for name in ("median", "p90", "p99"):
        table.add_column(name, justify="right")
    rows: dict[str, Times] = {name: getattr(result.stages_ms, name) for name in STAGES}
    rows[f"capture to {answer}"] = result.frame_age_ms
    for name, stats in rows.items():
        values = (stats.median, stats.p90, stats.p99)
        table.add_row(name, *(figures.milliseconds(value) for value in values))
    console.print(table)
    console.print("; ".join(_sentence(result, live, noun)), highlight=False, soft_wrap=True)
    for name, place in (("saved", result.saved), (f"one line per {noun}", result.jsonl)):
        if place:
            console.print(f"{name}: {place}", highlight=False, soft_wrap=True)


def _sentence(result: RunResult, live: bool, noun: str) -> list[str]:
    report = result.delegate
    plural = "" if result.frames == 1 else "s"
    parts = [f"{result.frames:,} {noun}{plural}", f"{result.fps:,.1f} {noun}s/s"]
    if live:
        parts.append(f"{result.dropped:,} older frames dropped for newer ones")
    if result.reconnects:
        parts.append(f"came back {result.reconnects} times")
    where = f"{report.used}{f' ({report.device})' if report.device else ''}"
    parts.append(
        f"{result.engine} {result.engine_version} on {where}, {figures.threads(result.threads)}"
        + (f", {result.workers} workers" if result.workers > 1 else "")
        + f", {result.precision}, "
        f"{report.nodes_delegated} of {report.nodes_total} operators delegated"
    )
    if report.software:
        parts.append("this GPU is a software one, computed by the CPU")
    if report.agreement:
        parts.append(_agreement(report.agreement))
    return parts


def _agreement(found: Agreement) -> str:
    verdict = "agrees with the CPU" if found.agrees else "DIFFERS from the CPU"
    alike = f"labels equal on {found.labels_equal}" if found.psnr_db is None else found.alike
    return (
        f"{verdict} on {found.frames} frames (largest difference {found.largest_difference:.2g} "
        f"{found.unit}, {alike})"
    )
