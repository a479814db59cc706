"""`cnnedge run`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click
from rich.live import Live
from rich.text import Text

from ..camera import Source, open_source
from ..classifier import Classifier, load
from ..pipeline import (
    MOST_PREDICTIONS,
    STAGES,
    Step,
    Timings,
    label_frames,
    prediction_json,
    summary,
)
from . import output
from .runtime import note_assumptions, runtime_options


@click.command()
@click.argument("model")
@click.option(
    "--source",
    default="0",
    show_default=True,
    metavar="SRC",
    help="Camera index, video, picture, folder, 'glob*.jpg', rtsp:// or http:// "
    "stream, or 'sample' (a built-in scene).",
)
@click.option(
    "--delegate",
    default="auto",
    show_default=True,
    metavar="D",
    help="What to run on: auto or cpu in this version.",
)
@runtime_options
@click.option(
    "--top",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    help="How many labels per frame.",
)
@click.option("--show", is_flag=True, help="Open a live window; q or Esc closes it.")
@click.option(
    "--save",
    metavar="OUT",
    help="Write annotated frames: OUT.mp4 or .avi; a .jpg or "
    ".png for one picture; a folder for several.",
)
@click.option("--frames", type=click.IntRange(1), metavar="N", help="Stop after N frames.")
@click.option(
    "--duration", type=click.FloatRange(0, min_open=True), metavar="S", help="Stop after S seconds."
)
@output.json_option
@output.verbose_option
def command(
    model: str,
    source: str,
    delegate: str,
    threads: int,
    engine: str,
    top: int,
    show: bool,
    save: str | None,
    frames: int | None,
    duration: float | None,
    pixel_range: str | None,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Label frames with MODEL and say how long each stage takes."""
    from ..display import Window, open_sink

    classifier = load(
        model, delegate=delegate, threads=threads, engine=engine, pixel_range=pixel_range
    )
    note_assumptions(classifier)
    timings = Timings()
    predictions: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        frames_in = open_source(source)
        stack.callback(frames_in.close)
        sink = stack.enter_context(open_sink(save, frames_in)) if save else None
        window = stack.enter_context(Window(f"cnnedge: {Path(model).name}")) if show else None
        printer = stack.enter_context(_printer(frames_in, json_file == "-"))
        try:
            for step in label_frames(
                classifier, frames_in, timings, frames=frames, duration=duration
            ):
                if not frames_in.live and len(predictions) < MOST_PREDICTIONS:
                    predictions.append(prediction_json(step, top))
                printer.step(step, timings, top)
                if sink or window:
                    drawn = _draw(step, timings, classifier, frames_in, top)
                    if sink:
                        sink.write(drawn, step.frame.name)
                    if window and not window.show(drawn):
                        break
        except KeyboardInterrupt:
            output.note("stopped")
    result = summary(classifier, frames_in, timings) | {"saved": save}
    if predictions:
        result["predictions"] = predictions
    if json_file:
        output.write_json(json_file, result)
    if json_file != "-":
        _print(result, classifier, frames_in)


def _draw(step: Step, timings: Timings, classifier: Classifier, source: Source, top: int) -> Any:
    from ..overlay import annotate

    inference = output.milliseconds(step.inference_ms)
    status = f"{inference} inference  {classifier.engine.delegate.used}"
    if not source.pictures:
        status = f"{timings.fps:.0f} fps  {status}"
    return annotate(step.frame.pixels, step.prediction, top=top, status=status)


class _printer:
    """One line per picture on stdout; for moving pictures one line that changes, on stderr."""

    def __init__(self, source: Source, silent: bool) -> None:
        self._pictures = source.pictures
        self._silent = silent
        self._total = source.total
        self._console = output.results() if source.pictures else output.progress_console()
        self._live: Live | None = None

    def __enter__(self) -> _printer:
        if not self._pictures and self._console.is_terminal:
            self._live = Live(console=self._console, transient=True, refresh_per_second=10)
            self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.__exit__(None, None, None)

    def step(self, step: Step, timings: Timings, top: int) -> None:
        best = step.prediction.top(top)
        line = Text(f"{best[0].label} {best[0].score:.1%}", style="bold")
        rest = "".join(f"  {s.label} {s.score:.1%}" for s in best[1:])
        line.append(rest, style="dim not bold")
        if self._pictures and not self._silent:
            self._console.print(Text(f"{step.frame.name}: ").append_text(line), soft_wrap=True)
        elif self._live:
            count = f"{timings.frames}" + (f"/{self._total}" if self._total else "")
            inference = output.milliseconds(step.inference_ms)
            about = f"frame {count}  {timings.fps:.0f} fps  {inference}  "
            self._live.update(Text(about).append_text(line))


def _print(result: dict[str, Any], classifier: Classifier, source: Source) -> None:
    console = output.results()
    table = output.table()
    table.add_column("stage")
    for name in ("median", "p90", "p99"):
        table.add_column(name, justify="right")
    rows = {name: result["stages_ms"][name] for name in STAGES}
    rows["capture to label"] = result["frame_age_ms"]
    for name, stats in rows.items():
        table.add_row(name, *(output.milliseconds(stats[k]) for k in ("median", "p90", "p99")))
    if source.pictures:
        console.print()
    console.print(table)
    report = classifier.engine.delegate
    plural = "" if result["frames"] == 1 else "s"
    parts = [f"{result['frames']:,} frame{plural}", f"{result['fps']:.1f} frames/s"]
    if source.live:
        parts.append(f"{result['dropped']:,} older frames dropped for newer ones")
    parts.append(
        f"{result['engine']} {result['engine_version']} on {report.used}, "
        f"{result['threads']} thread{'s' if result['threads'] > 1 else ''}, "
        f"{report.nodes_delegated} of {report.nodes_total} operators delegated"
    )
    console.print("; ".join(parts), highlight=False, soft_wrap=True)
    if result["saved"]:
        console.print(f"saved: {result['saved']}", highlight=False, soft_wrap=True)
    for problem in result["skipped"]:
        output.warn(f"skipped: {problem}")
