"""`cnnedge convert`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import Progress, TaskID
from rich.text import Text

from .. import figures
from ..conversion.budget import Budget, parse_budget
from ..conversion.report.notes import SPLITS
from ..conversion.settings import Wishes, check_settings
from ..errors import CnnedgeError, GateError, SpecError
from ..specs import FORMATS, TECHNIQUES, Variant, parse_variant, plain
from . import output
from .devices import Reach, target_options
from .progress import epoch_line

if TYPE_CHECKING:  # the training side, which is imported when it is needed
    from ..conversion.entries import AgainstControl, Entry, ReferenceEntry, Report
    from ..training.metrics import Epoch

if TYPE_CHECKING:
    from ..targets import Target

_LATENCIES = ("median", "p90")


@click.command()
@click.argument("run")
@click.option(
    "--variant",
    "names",
    multiple=True,
    metavar="NAME",
    help="Make only this variant. Repeatable. [default: the recipe's variants] A format "
    f"({', '.join(FORMATS)}), a technique ({', '.join(TECHNIQUES)}), or several of them joined: "
    "channels50-distil-qat, prune80-float16, '[channels: 0.5, qat]'.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    metavar="POINTS",
    help="Exit with code 3 if a variant loses more than POINTS percentage points of accuracy.",
)
@click.option(
    "--budget",
    multiple=True,
    metavar="KEY=VALUE",
    help="Search for the best variant within a limit such as latency=10ms or size=1MB, measured on "
    "--device. Repeatable; combine it with --max-drop.",
)
@click.option(
    "--device",
    default="local",
    show_default=True,
    metavar="NAME",
    help="Measure latency on this device: a profile (see cnnedge devices), user@host or "
    "adb:SERIAL.",
)
@target_options
@click.option("--data", metavar="DIR", help="Find the run's pictures in DIR, if they have moved.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="For this conversion, change a convert.* or compress.* key of the run's recipe, such as "
    "compress.qat.epochs=4. Repeatable.",
)
@output.json_option
@output.verbose_option
def command(
    run: str,
    names: tuple[str, ...],
    max_drop: float | None,
    budget: tuple[str, ...],
    device: str,
    reach: Reach,
    data: str | None,
    overrides: tuple[str, ...],
    json_file: str | None,
    verbose: bool,
) -> None:
    """Convert the finished RUN to .tflite variants, each scored and timed as it ships.

    Writes RUN/export/VARIANT.tflite, report.json and report.html. Finished work is kept: run the
    same command again to continue a conversion that was stopped.
    """
    variants = _variants(names)
    if budget and variants:
        raise click.UsageError("--budget searches on its own; remove --variant")
    wishes = Wishes(
        variants=variants,
        max_drop=max_drop,
        data=data,
        overrides=overrides,
        budget=_budget(budget),
    )
    reach.check(device, measures=True)
    from ..training import backend
    from ..training.run_folder import open_finished, read_recipe

    # All that can be refused is refused before TensorFlow is loaded.
    recipe = read_recipe(open_finished(Path(run)), overrides)
    check_settings(recipe, wishes)
    with reach.opened(device) as target:
        with output.progress_console().status("loading TensorFlow"):
            backend.require("convert", stacks=verbose)
        report = _convert(Path(run), wishes, target)
    told = plain(report)
    with output.kept("convert", told):
        if json_file:
            output.write_json(json_file, told)
        if json_file != "-":
            _print(report, Path(run), verbose)
    _check_gate(report)


def _convert(run: Path, wishes: Wishes, device: Target) -> Report:
    """`conversion.session.convert` with progress. Raises CnnedgeError, also where interrupted."""
    from ..conversion.session import convert

    try:
        with output.progress_bar() as progress:
            return convert(run, _Reporter(progress), wishes, device=device)
    except KeyboardInterrupt:
        raise CnnedgeError(
            "stopped. Finished variants and epochs are kept; run the same command again to continue"
        ) from None


def _variants(names: tuple[str, ...]) -> tuple[Variant, ...]:
    found = {}
    for name in names:
        try:
            variant = parse_variant(name, "--variant")
        except SpecError as error:
            raise click.UsageError(f"--variant {name}: {_without_place(error)}") from None
        found[variant.name] = variant
    return tuple(found.values())


def _budget(texts: tuple[str, ...]) -> Budget | None:
    try:
        return parse_budget(texts) if texts else None
    except SpecError as error:
        raise click.UsageError(str(error)) from None


def _without_place(error: SpecError) -> str:
    """The message without file and line, which a command line has not."""
    return re.sub(r"^--variant:\d+: ", "", str(error))


def _check_gate(report: Report) -> None:
    from ..conversion.gate import unmended

    if report.chosen:
        if report.chosen.name is None:
            raise GateError(f"no variant meets the budget: {report.chosen.why}")
        return
    failed = unmended(report.variants)
    if failed:
        said = "; ".join(f"{v.name} {v.status_reason}" for v in failed)
        what = "accuracy" if report.min_psnr is None else "PSNR"
        raise GateError(f"the {what} gate was not met: {said}. All files are kept")
    if report.not_made:
        said = "; ".join(f"{m.name}: {m.reason}" for m in report.not_made)
        raise CnnedgeError(f"some variants could not be made; the others were. {said}")


class _Reporter:
    """Draws conversion on stderr."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._text = ""
        self._what = ""
        self._epochs = 0
        self._steps = 0
        self._epoch = 0

    def scanning(self, done: int, total: int) -> None:
        self.stage("reading pictures", done, total)

    def stage(self, text: str, done: int, total: int) -> None:
        if self._task is None:
            self._task = self._progress.add_task(text, total=total or None)
        if text != self._text:
            self._progress.reset(self._task, description=text, total=total or None)
            self._text = text
        self._progress.update(self._task, completed=done, total=total or None)

    def training(self, what: str) -> None:
        self._what = what

    def epoch(self, number: int, epochs: int, steps: int) -> None:
        self._epoch, self._epochs, self._steps = number, epochs, steps

    def step(self, done: int, loss: float, accuracy: float) -> None:
        total = self._epochs * self._steps
        self.stage(f"training {self._what}", (self._epoch - 1) * self._steps + done, total)

    def row(self, row: Epoch) -> None:
        text = f"{self._what}: {epoch_line(row, self._epochs)}"
        self._progress.console.print(text, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        output.note(text)


def _print_drawing(report: Report, run: Path) -> None:
    """Of a run whose answers are pictures."""
    console = output.results()
    table = output.table()
    for name in ("variant", "size", "gzip", "PSNR", "worst picture", *_LATENCIES):
        table.add_column(name, justify="left" if name == "variant" else "right", no_wrap=True)
    for v in report.variants:
        good, error = v.status == "ok", v.error
        table.add_row(
            Text(v.name, style="bold" if good else "bold red"),
            figures.size(v.size_bytes),
            figures.size(v.gzip_bytes),
            *((f"{error.psnr_db:.1f} dB", f"{error.lowest_db:.1f} dB") if error else ("", "")),
            *(figures.milliseconds(getattr(v.latency_ms, k)) for k in _LATENCIES),
        )
    console.print(table)
    output.note(
        f"PSNR: against the pictures of model.keras, on {report.test_pictures:,} pictures that "
        f"training never saw; the gate asks for {report.min_psnr:g} dB; latency on "
        f"{report.device}, {report.threads} thread"
    )
    for warning in report.warnings:
        output.warn(warning)
    export = run / "export"
    pictures = export / "pictures.png"
    console.print(f"report: {export / 'report.html'}", highlight=False, soft_wrap=True)
    if pictures.exists():
        console.print(f"pictures: {pictures}", highlight=False, soft_wrap=True)
    best = f"{report.best or report.variants[0].name}.tflite"
    output.note(f"next: cnnedge run {output.quoted(export / best)} --source sample --save out.jpg")


def _accuracy(entry: Entry | ReferenceEntry) -> tuple[str, str]:
    if entry.accuracy is None or entry.ci95 is None:
        return "unknown", ""
    return figures.percent(entry.accuracy), figures.interval(entry.ci95)


def _drop(points: float | None) -> str:
    return "" if points is None else f"{points:+.2f}"


def _against(control: AgainstControl | None) -> str:
    """Points better or worse than the same model trained on for as long."""
    return "" if control is None else f"{control.difference_points:+.2f}"


def _mended(report: Report) -> Iterator[str]:
    """What was done for the labels of int8 files."""
    for v in report.variants:
        if v.ptq and v.ptq.corrected:
            yield (
                f"{v.name}: its biases are corrected; of {v.ptq.pictures:,} {SPLITS[v.ptq.part]} "
                f"pictures {v.ptq.changed:,} change their label, {v.ptq.changed_before:,} without"
            )


def _print(report: Report, run: Path, verbose: bool) -> None:
    if report.min_psnr is not None:
        _print_drawing(report, run)
        return
    console = output.results()
    reference = report.reference
    table = output.table()
    for name in (
        "variant",
        "size",
        "gzip",
        "accuracy",
        "95 % interval",
        "drop",
        "control",
        "zeros",
        *_LATENCIES,
    ):
        table.add_column(name, justify="left" if name == "variant" else "right", no_wrap=True)
    table.add_row(
        "model.keras",
        "",
        "",
        *_accuracy(reference),
        style="dim",
    )
    for v in report.variants:
        good = v.status == "ok"
        latency = v.latency_ms
        table.add_row(
            Text(v.name, style="bold" if good else "bold red"),
            figures.size(v.size_bytes),
            figures.size(v.gzip_bytes),
            *_accuracy(v),
            Text(_drop(v.drop_points), style="" if good else "red"),
            _against(v.control),
            f"{v.sparsity:.0%}" if v.sparsity > 0.005 else "",
            *(figures.milliseconds(getattr(latency, k)) for k in _LATENCIES),
        )
    console.print(table)
    counts = {v.latency_ms.count for v in report.variants}
    output.note(
        f"{report.test_pictures:,} test {report.noun or 'picture'}s; drop: points lost against "
        "model.keras (minus: gained); control: points against the same model trained for as "
        "long; latency on "
        f"{report.device}, {report.threads} thread, at least {min(counts):,} inferences each"
    )
    for line in _mended(report):
        output.note(line)
    for warning in report.warnings:
        output.warn(warning)
    for name, reasons in report.unstable.items() if verbose else ():
        output.note(f"{name}: its latency may be unstable: {'; '.join(reasons)}")
    export = run / "export"
    console.print(f"report: {export / 'report.html'}", highlight=False, soft_wrap=True)
    if report.chosen:
        output.note(report.chosen.why)
        output.note(f"frontier, fastest first: {', '.join(report.frontier)}")
    picked = (report.chosen.name if report.chosen else None) or report.best
    best = f"{picked or report.variants[0].name}.tflite"
    output.note(f"next: cnnedge run {output.quoted(export / best)} --source sample")
