"""`cnnedge study augmentation`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ... import figures
from ...specs import Recipe, plain
from .. import output
from ..train import resolve
from .command import study_options
from .session import StudyReporter, require_workshop, study_folder, told

if TYPE_CHECKING:  # TensorFlow's side
    from ...studies.augmenting.comparing import Comparison

_PICTURES, _QUICK_PICTURES = 3000, 90
_FOLDS, _QUICK_FOLDS = 3, 2


@click.command(name="augmentation")
@click.argument("recipe")
@click.option(
    "--data", metavar="DIR", help="Train on the pictures in DIR instead of the recipe's own."
)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change one key of the recipe, such as augmentation.rotate=15. Repeatable.",
)
@click.option(
    "--pictures",
    type=click.IntRange(20),
    metavar="N",
    help=f"Use at most N pictures. [default: {_PICTURES}, or {_QUICK_PICTURES} with --quick]",
)
@click.option(
    "--folds",
    type=click.IntRange(2, 20),
    metavar="N",
    help=f"Train N times for each augmentation. [default: {_FOLDS}, or {_QUICK_FOLDS} with "
    "--quick]",
)
@study_options
@output.json_option
@output.verbose_option
def command(
    recipe: str,
    data: str | None,
    overrides: tuple[str, ...],
    pictures: int | None,
    folds: int | None,
    out: Path | None,
    quick: bool,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Measure in cross-validation what each augmentation of RECIPE adds.

    RECIPE is trained without augmentation, with each of its augmentations alone, and with all of
    them. The test pictures are left alone.
    """
    resolved = resolve(recipe, data, overrides)
    require_workshop("study augmentation", verbose=verbose)
    from ...studies.augmenting import comparing
    from ...studies.augmenting.figure import save_figure

    folder = study_folder(out, "augmentation")
    plan = comparing.Plan(
        recipe=_shortened(resolved) if quick else resolved,
        pictures=pictures or (_QUICK_PICTURES if quick else _PICTURES),
        folds=folds or (_QUICK_FOLDS if quick else _FOLDS),
    )
    with output.progress_bar("pictures") as progress:
        reporter = StudyReporter(progress)
        measured = comparing.compare(plan, reporter, reporter.stage)
    save_figure(folder / "augmentation.png", measured)
    with told(plain(measured.result), folder, json_file) as shown:
        if shown:
            _print(measured.result, folder)


def _shortened(recipe: Recipe) -> Recipe:
    """One epoch, and what a recipe's schedule needs of it."""
    schedule = replace(recipe.training.schedule, warmup_epochs=0)
    return replace(recipe, training=replace(recipe.training, epochs=1, schedule=schedule))


def _print(found: Comparison, folder: Path) -> None:
    table = output.table()
    table.add_column("augmentation", style="bold", no_wrap=True)
    for name in ("accuracy", "95 % interval", "gained", "95 % interval", "McNemar p"):
        table.add_column(name, justify="right", no_wrap=True)
    for way in found.ways:
        cells = ["", "", ""]
        if way.gained and way.p_value is not None:
            low, high = (100 * end for end in way.gained.ci95)
            cells = [
                f"{100 * way.gained.mean:+.1f}",
                f"{low:+.1f} to {high:+.1f}",
                f"{way.p_value:.2g}",
            ]
        share = figures.percent(way.accuracy.accuracy, 1)
        table.add_row(way.name, share, figures.interval(way.accuracy.ci95), *cells)
    console = output.results()
    console.print(table)
    output.note(
        f"{found.pictures:,} pictures of {found.source}, {found.folds} folds, epochs: "
        f"{found.epochs}. gained: points above no augmentation, on the same pictures; another "
        "seed would move them too"
    )
    console.print(f"figure: {folder / 'augmentation.png'}", highlight=False)
