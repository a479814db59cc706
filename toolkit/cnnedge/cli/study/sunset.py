"""`cnnedge study sunset`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ... import figures
from ...specs import plain
from .. import output
from .command import study_options
from .session import StudyReporter, require_workshop, study_folder, told

if TYPE_CHECKING:  # TensorFlow's side
    from ...studies.sunset.comparing import Comparison

_QUICK_SCENES = 60


@click.command(name="sunset")
@click.option(
    "--data",
    metavar="DIR",
    help="Use the pictures in DIR, a folder for each of two classes. [default: synthetic scenes]",
)
@study_options
@output.json_option
@output.verbose_option
def command(
    data: str | None, out: Path | None, quick: bool, json_file: str | None, verbose: bool
) -> None:
    """Compare a classical detector of sunsets with deep ones.

    The classical one describes a picture by 294 moments of its colours and asks an SVM, or a small
    network; the deep ones are a CNN from scratch, and EfficientNet-Lite0 with its ImageNet weights
    (a download) below an SVM or a trained layer. Each becomes one .tflite.
    """
    require_workshop("study sunset", verbose=verbose)
    from ...studies.sunset import comparing
    from ...studies.sunset.figure import save_figure

    folder = study_folder(out, "sunset")
    plan = comparing.Plan(source=data)
    if quick:
        plan = comparing.Plan(source=data, scenes=_QUICK_SCENES, epochs=1, published=False)
    with output.progress_bar("pictures") as progress:
        reporter = StudyReporter(progress)
        found, dataset = comparing.compare(plan, folder, reporter, reporter.stage)
    save_figure(folder / "sunset.png", found, dataset)
    with told(plain(found), folder, json_file) as shown:
        if shown:
            _print(found, folder)


def _print(found: Comparison, folder: Path) -> None:
    console = output.results()
    table = output.table()
    for name in ("", "right", "95 % interval", "ROC area", "file", "latency", "p90", "made in"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for option in found.options:
        table.add_row(
            f"{option.name} ({option.variant})",
            figures.percent(option.accuracy.accuracy, 1),
            figures.interval(option.accuracy.ci95),
            f"{option.auc:.4f}",
            figures.size(option.size_bytes),
            figures.milliseconds(option.latency_ms),
            figures.milliseconds(option.latency_p90_ms),
            f"{option.seconds:.0f} s",
        )
    console.print(table)
    for option in found.options:
        output.note(f"{option.name}: {option.detail}; {option.file}")
    for left in found.left_out:
        output.warn(f"{left.name}: {left.because}")
    kind = "synthetic scenes" if found.synthetic else found.source
    output.note(
        f"{kind}: {found.pictures[0]:,} pictures to train, {found.pictures[1]:,} to validate, "
        f"{found.pictures[2]:,} to test; latency here, one thread"
    )
    console.print(f"figure: {folder / 'sunset.png'}", highlight=False)
