"""`cnnedge study invariance`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from ... import figures
from ...specs import plain
from .. import output
from .command import study_options
from .session import (
    FULL_PICTURES,
    QUICK_PICTURES,
    require_plots,
    require_workshop,
    study_folder,
    told,
)

if TYPE_CHECKING:  # they import matplotlib
    from ...studies.invariance.cases import Case
    from ...studies.invariance.measuring import Invariance

# As many columns as a terminal has room for.
_MOST_MODELS = 6


@click.command(name="invariance")
@click.argument(
    "models", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="MODEL..."
)
@click.option(
    "--data",
    metavar="DIR",
    help="Disturb the labelled pictures in DIR. [default: those the first model was tested on]",
)
@click.option(
    "--pictures",
    type=click.IntRange(10),
    metavar="N",
    help=f"Use at most N pictures, all classes in their shares. [default: {FULL_PICTURES}, or "
    f"{QUICK_PICTURES} with --quick]",
)
@study_options
@output.json_option
@output.verbose_option
def command(
    models: tuple[Path, ...],
    data: str | None,
    pictures: int | None,
    out: Path | None,
    quick: bool,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Measure what disturbing the pictures costs each MODEL, a .tflite file or a run folder.

    The pictures are moved, turned, scaled, brightened, blurred and more, in steps, before the model
    resizes them. A run folder stands for its Keras model, which needs TensorFlow.
    """
    if len(models) > _MOST_MODELS:
        raise click.UsageError(f"{len(models)} models were given; compare at most {_MOST_MODELS}")
    require_plots("study invariance")
    if any(path.is_dir() for path in models):
        require_workshop("study invariance")
    folder = study_folder(out, "invariance")
    most = pictures or (QUICK_PICTURES if quick else FULL_PICTURES)
    result, cases = _study(_Asked(models=models, data=data, most=most, quick=quick), folder)
    found = {**plain(result), "worst_cases": plain(cases)}
    with told(found, folder, json_file) as shown:
        if shown:
            _print(result, folder)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Of the command line."""

    models: tuple[Path, ...]
    data: str | None
    most: int
    quick: bool


def _study(asked: _Asked, folder: Path) -> tuple[Invariance, dict[str, list[Case]]]:
    """Measures, and draws into the folder. Also the worst cases by model."""
    from ...studies.disturbances import DISTURBANCES
    from ...studies.invariance.cases import save_cases, worst_cases
    from ...studies.invariance.figure import save_curves
    from ...studies.invariance.measuring import measure
    from ...studies.subjects import choose, open_subjects, warnings

    subjects = open_subjects(asked.models)
    disturbances = DISTURBANCES
    if asked.quick:
        disturbances = tuple(each.sparse() for each in DISTURBANCES)
    with output.progress_bar("pictures") as progress:
        task = progress.add_task("reading pictures", total=None)

        def tell(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        chosen = choose(
            subjects, asked.data, asked.most, lambda d, t: tell("reading pictures", d, t)
        )
        for text in (t for subject in subjects for t in subject.assumptions):
            output.note(f"assumed: {text}")
        for text in warnings(subjects, chosen):
            output.warn(text)
        measured = measure(subjects, chosen, disturbances, tell)
    save_curves(folder / "curves.png", measured.result)
    found = {}
    for number, subject in enumerate(subjects):
        cases = worst_cases(measured, number, subject, chosen)
        name = "worst_cases.png" if len(subjects) == 1 else f"worst_cases_{number + 1}.png"
        save_cases(folder / name, cases, disturbances, subject, chosen)
        found[subject.name] = [case for each in cases for case in each]
    return measured.result, found


def _print(result: Invariance, folder: Path) -> None:
    console = output.results()
    table = output.table()
    table.add_column("accuracy lost, in points", style="bold", no_wrap=True)
    for base in result.bases:
        table.add_column(Text(base.model), justify="right", overflow="fold")
    undisturbed = [figures.percent(base.accuracy.accuracy, 1) for base in result.bases]
    table.add_row("undisturbed accuracy", *undisturbed, style="dim")
    for panel in sorted(result.panels, key=lambda p: -p.curves[0].cost.mean):
        cells = []
        for number, curve in enumerate(panel.curves):
            low, high = (100 * end for end in curve.cost.ci95)
            style = "bold red" if result.worst(number) is panel else ""
            cells.append(Text(f"{100 * curve.cost.mean:.1f} ({low:.1f} to {high:.1f})", style))
        table.add_row(panel.disturbance.name, *cells)
    console.print(table)
    for number in range(len(result.bases)):
        console.print(_sentence(result, number), highlight=False, soft_wrap=True)
        if number:
            console.print(_against_first(result, number), highlight=False, soft_wrap=True)
    output.note(
        f"{result.pictures:,} pictures of {result.source} ({result.part}); each figure is the mean "
        "over the strengths of the disturbance, with its 95 % interval"
    )
    console.print(f"figures: {folder / 'curves.png'}, worst_cases*.png", highlight=False)


def _sentence(result: Invariance, number: int) -> str:
    worst = result.worst(number)
    curve = worst.curves[number]
    point = min(curve.points, key=lambda p: p.accuracy.accuracy)
    return (
        f"{result.bases[number].model}: {worst.disturbance.name} costs most; at "
        f"{worst.disturbance.said(point.strength)} the accuracy is "
        f"{figures.percent(point.accuracy.accuracy, 1)} ({figures.interval(point.accuracy.ci95)}), "
        f"and {figures.percent(point.consistency.accuracy, 0)} of the labels stay"
    )


def _against_first(result: Invariance, number: int) -> str:
    """Where a model differs most from the first one."""
    difference = result.difference(number)
    if difference is None:
        return f"  it does not differ clearly from {result.bases[0].model} under any disturbance"
    panel, curve, gained = difference
    assert curve.gained is not None
    low, high = (100 * end for end in curve.gained.ci95)
    return (
        f"  against {result.bases[0].model} it differs most under {panel.disturbance.name}: "
        f"{100 * gained:+.1f} points ({low:+.1f} to {high:+.1f})"
    )
