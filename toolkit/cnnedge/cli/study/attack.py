"""`cnnedge study attack`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ... import figures
from ...specs import plain
from .. import output
from .command import study_options
from .session import QUICK_PICTURES, require_workshop, study_folder, told

if TYPE_CHECKING:  # TensorFlow's side
    from ...studies.attack.measuring import Attack, Curve, Plan

_PICTURES = 300
_EPOCHS, _QUICK_EPOCHS = 3, 1
_TRAINING, _QUICK_TRAINING = 6000, 128


@click.command(name="attack")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data",
    metavar="DIR",
    help="Attack the labelled pictures in DIR. [default: the run's own test pictures]",
)
@click.option(
    "--pictures",
    type=click.IntRange(10),
    metavar="N",
    help=f"Attack at most N pictures. [default: {_PICTURES}, or {QUICK_PICTURES} with --quick]",
)
@click.option(
    "--epochs",
    type=click.IntRange(0),
    metavar="N",
    help="Train a copy of the network under attack for N epochs; 0 for none. "
    f"[default: {_EPOCHS}, or {_QUICK_EPOCHS} with --quick]",
)
@study_options
@output.json_option
@output.verbose_option
def command(
    run: Path,
    data: str | None,
    pictures: int | None,
    epochs: int | None,
    out: Path | None,
    quick: bool,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Attack the Keras network of RUN with small changes of its pictures.

    FGSM and PGD follow the network's gradients; the same pictures then go to the run's float32 and
    int8 files. A copy in memory is trained under attack for a few epochs; the run stays as it is.
    """
    require_workshop("study attack", verbose=verbose)
    from ...studies.attack import measuring

    default = _QUICK_EPOCHS if quick else _EPOCHS
    plan = measuring.Plan(
        pictures=pictures or (QUICK_PICTURES if quick else _PICTURES),
        epsilons=measuring.QUICK_EPSILONS if quick else measuring.EPSILONS,
        epochs=default if epochs is None else epochs,
        training_pictures=_QUICK_TRAINING if quick else _TRAINING,
        data=data,
    )
    found, folder = _study(run, plan, out)
    with told(plain(found), folder, json_file) as shown:
        if shown:
            _print(found, folder)


def _study(run: Path, plan: Plan, out: Path | None) -> tuple[Attack, Path]:
    """Measures, and draws into the folder."""
    from ...studies.attack.figure import save_curves, save_examples
    from ...studies.attack.measuring import measure
    from ...training import backend

    backend.make_repeatable(0)
    folder = study_folder(out, "attack")
    with output.progress_bar() as progress:
        task = progress.add_task("loading the network", total=None)
        measured = measure(
            run,
            plan,
            lambda what, done, total: progress.update(
                task, description=what, completed=done, total=total
            ),
        )
    save_curves(folder / "attack.png", measured.result)
    if measured.examples:
        save_examples(folder / "examples.png", measured.examples, plan.shown)
    return measured.result, folder


def _print(found: Attack, folder: Path) -> None:
    console = output.results()
    table = output.table()
    table.add_column("accuracy at epsilon (of 255)", style="bold", no_wrap=True)
    for point in found.curves[0].points:
        table.add_column(str(point.epsilon), justify="right", no_wrap=True)
    names = {"noise": "random noise", "fgsm": "FGSM", "pgd": "PGD"}
    for curve in found.curves:
        table.add_row(f"{curve.model}, {names[curve.method]}", *_cells(curve))
    if found.hardened:
        for curve in found.hardened.control:
            table.add_row("trained on without attack, PGD", *_cells(curve))
        for curve in found.hardened.curves:
            table.add_row("trained on under attack, PGD", *_cells(curve))
    console.print(table)
    last = found.curves[0].points[0].accuracy
    output.note(
        f"{found.pictures:,} pictures of {found.source} ({found.part}); undisturbed "
        f"{figures.percent(last.accuracy, 1)} (95 % interval {figures.interval(last.ci95)}). The "
        "files get the pictures that were made for the Keras network"
    )
    if found.hardened:
        extra = found.hardened
        output.note(
            f"trained on: {extra.pictures:,} training pictures (epochs: {extra.epochs}), half of "
            f"each batch attacked with epsilon {extra.epsilon}; a copy in memory, which is not kept"
        )
    console.print(f"figures: {folder / 'attack.png'}, {folder / 'examples.png'}", highlight=False)


def _cells(curve: Curve) -> list[str]:
    return [figures.percent(point.accuracy.accuracy, 1) for point in curve.points]
