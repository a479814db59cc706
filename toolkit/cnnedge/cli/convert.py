"""`cnnedge convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click
from rich.progress import Progress, TaskID
from rich.text import Text

from ..errors import GateError
from ..specs import VariantName
from . import output


@click.command()
@click.argument("run")
@click.option(
    "--variant",
    "variants",
    multiple=True,
    type=click.Choice(get_args(VariantName)),
    help="Make this variant alone; repeatable. The recipe's when left out.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    metavar="POINTS",
    help="Exit with 3 when a variant loses more percentage points.",
)
@click.option("--data", metavar="DIR", help="Where the run's pictures are now, if they moved.")
@output.json_option
@output.verbose_option
def command(
    run: str,
    variants: tuple[str, ...],
    max_drop: float | None,
    data: str | None,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Convert the finished RUN to .tflite variants, each scored and timed as it ships.

    Writes RUN/export/VARIANT.tflite, report.json and report.html.
    """
    from ..training import backend
    from ..training.run_folder import open_finished

    open_finished(Path(run))
    with output.progress_console().status("loading TensorFlow"):
        backend.require("convert")
    from ..conversion.session import convert

    with output.progress_bar() as progress:
        report = convert(
            Path(run),
            _Reporter(progress),
            variants=tuple(dict.fromkeys(variants)),
            max_drop=max_drop,
            data=data,
        )
    if json_file:
        output.write_json(json_file, report)
    if json_file != "-":
        _print(report, Path(run))
    failed = [v for v in report["variants"] if v["status"] != "ok"]
    if failed:
        said = "; ".join(f"{v['name']} {v['status_reason']}" for v in failed)
        raise GateError(f"the accuracy gate was not met: {said}. All files are kept")


class _Reporter:
    """Draws conversion on stderr."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._text = ""

    def scanning(self, done: int, total: int) -> None:
        self.stage("reading pictures", done, total)

    def stage(self, text: str, done: int, total: int) -> None:
        if self._task is None:
            self._task = self._progress.add_task(text, total=total or None)
        if text != self._text:
            self._progress.reset(self._task, description=text, total=total or None)
            self._text = text
        self._progress.update(self._task, completed=done, total=total or None)

    def note(self, text: str) -> None:
        output.note(text)


def _accuracy(entry: dict[str, Any]) -> tuple[str, str]:
    if entry["accuracy"] is None:
        return "unknown", ""
    return output.percent(entry["accuracy"]), output.interval(entry["ci95"])


def _drop(points: float | None) -> str:
    return "" if points is None else f"{points:+.2f}"


def _print(report: dict[str, Any], run: Path) -> None:
    console = output.results()
    reference = report["reference"]
    table = output.table()
    for name in (
        "variant",
        "size",
        "gzip",
        "accuracy",
        "95 % interval",
        "drop",
        "flipped",
        "median",
        "p90",
        "p99",
    ):
        table.add_column(name, justify="left" if name == "variant" else "right", no_wrap=True)
    table.add_row(
        "model.keras",
        "",
        "",
        *_accuracy(reference),
        style="dim",
    )
    for v in report["variants"]:
        good = v["status"] == "ok"
        latency = v["latency_ms"]
        table.add_row(
            Text(v["name"], style="bold" if good else "bold red"),
            output.size(v["size_bytes"]),
            output.size(v["gzip_bytes"]),
            *_accuracy(v),
            Text(_drop(v["drop_points"]), style="" if good else "red"),
            f"{v['flipped']}",
            *(output.milliseconds(latency[k]) for k in ("median", "p90", "p99")),
        )
    console.print(table)
    counts = {v["latency_ms"]["count"] for v in report["variants"]}
    output.note(
        f"{report['test_pictures']:,} test pictures; drop in points from model.keras (minus: "
        f"gained); latency on {report['device']}, {report['threads']} thread, "
        f"{min(counts):,} inferences or more each"
    )
    for warning in report["warnings"]:
        output.warn(warning)
    export = run / "export"
    console.print(f"report: {export / 'report.html'}", highlight=False, soft_wrap=True)
    best = f"{report['best'] or report['variants'][0]['name']}.tflite"
    output.note(f"next: cnnedge run {output.quoted(export / best)} --source sample")
