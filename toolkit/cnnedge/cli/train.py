"""`cnnedge train`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import figures, given_files
from ..bundle.foreign import foreign_model
from ..errors import CnnedgeError, SpecError
from ..specs import Recipe, SignalSize, named, parse_model, parse_recipe, plain, shipped, spoken
from ..specs.usage import Idle, in_comparison, in_training, read_used, refuse_idle
from ..training.strategy import NAMES as STRATEGIES
from . import output
from .comparison import compare_models
from .progress import TrainingReporter, clock

if TYPE_CHECKING:  # the training side, which is imported when it is needed
    from ..results import Accuracy
    from ..training.metrics import Metrics, StyleFit, TestAccuracy


@click.command()
@click.argument("recipe")
@click.option(
    "--data", metavar="DIR", help="Train on the pictures in DIR instead of the recipe's own."
)
@click.option(
    "--style",
    metavar="FILE",
    help="Take the style from this picture, for the recipe style or one like it.",
)
@click.option("--out", metavar="RUN", help="Write the run to this folder. [default: runs/RECIPE]")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change one key of the recipe, such as training.epochs=3. Repeatable.",
)
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="auto",
    show_default=True,
    help="Spread training over several GPUs, or over the machines that TF_CONFIG names.",
)
@click.option(
    "--compare",
    metavar="MODEL,MODEL...",
    help="Compare the frozen features of these models on the pictures, without training a network.",
)
@click.option("--resume", is_flag=True, help="Continue from the last finished epoch.")
@click.option("--force", is_flag=True, help="Delete the run in --out and start again.")
@output.json_option
@output.verbose_option
def command(
    recipe: str,
    data: str | None,
    style: str | None,
    out: str | None,
    overrides: tuple[str, ...],
    strategy: str,
    compare: str | None,
    resume: bool,
    force: bool,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Train RECIPE (a shipped name, or a .yaml file) into a run folder.

    DIR holds one folder per class (optionally under train/, val/, test/), or IDX files; an .npz
    or .csv file works too, as do embedded:fashion_mnist, keras:NAME, sklearn:digits and
    tfds:NAME.
    """
    if resume and force:
        raise click.UsageError("--resume and --force cannot be used together")
    if compare is not None:
        _refuse_beside_compare(out, strategy, resume, force)
    if style is not None:
        overrides = (*overrides, _taken_from(style))
    resolved = resolve(recipe, data, overrides, comparing=compare is not None)
    folder = Path(out) if out else Path("runs") / resolved.name
    if resolved.answers_pictures:
        _check_style(resolved, folder, strategy, resume=resume, comparing=compare is not None)
    from ..training import backend

    with (
        contextlib.nullcontext()
        if verbose
        else output.progress_console().status("loading TensorFlow")
    ):
        backend.require("train", stacks=verbose)
    if resolved.answers_pictures:
        metrics = _learn_style(resolved, folder, force=force)
        _told(metrics, folder, resolved, json_file)
        return
    from ..training.session import train
    from ..training.strategy import open_workers

    if compare is not None:
        compare_models(resolved, _names(compare), json_file)
        return
    workers = open_workers(strategy)
    with output.progress_bar("pictures") as progress:
        reporter = TrainingReporter(progress)
        try:
            metrics = train(resolved, folder, reporter, resume=resume, force=force, workers=workers)
        except KeyboardInterrupt:
            progress.stop()
            raise CnnedgeError(_stopped(folder, recipe, data, overrides, strategy)) from None
    if not workers.writes:
        output.note(f"worker {workers.index} is done; worker 0 writes {folder}/ and the results")
        return
    _told(metrics, folder, resolved, json_file)


def _taken_from(style: str) -> str:
    """The change of a recipe that names its style picture."""
    import json

    named_set = style.startswith("synthetic:")
    return f"style.picture={json.dumps(style if named_set else str(_absolute(style)))}"


def _check_style(
    recipe: Recipe, folder: Path, strategy: str, *, resume: bool, comparing: bool
) -> None:
    """Refuses what a style's training cannot do. Raises CnnedgeError, click.UsageError."""
    from ..training.style.checks import checked, no_resume
    from ..training.style.painting import style_picture

    if comparing:
        raise click.UsageError("--compare compares classes of pictures, and a style has none.")
    if strategy != "auto":
        raise click.UsageError("--strategy: a style is trained on one device; remove it.")
    if resume:
        raise no_resume(folder)
    _, how = checked(recipe)
    style_picture(how)


def _learn_style(recipe: Recipe, folder: Path, *, force: bool) -> Metrics:
    from ..training.style.session import train_style

    with output.progress_bar("steps") as progress:
        try:
            return train_style(recipe, folder, TrainingReporter(progress), force=force)
        except KeyboardInterrupt:
            progress.stop()
            raise CnnedgeError(
                "stopped; a style is trained in one go, so nothing of it is kept"
            ) from None


def _told(metrics: Metrics, folder: Path, recipe: Recipe, json_file: str | None) -> None:
    told = plain(metrics)
    with output.kept("train", told):
        if json_file:
            output.write_json(json_file, told)
        if json_file != "-":
            _print(metrics, folder, recipe)


def resolve(
    recipe: str, data: str | None, overrides: tuple[str, ...], *, comparing: bool = False
) -> Recipe:
    """The recipe with --set and --data applied, and without keys that then have no effect.

    comparing: for --compare, which uses less of it. Raises SpecError for a setting without effect.
    """
    if other := foreign_model(Path(recipe)):
        raise SpecError(other)
    text, place = shipped.read("recipes", recipe)
    if data is not None:
        import json

        source = data if ":" in data and not os.path.exists(data) else str(_absolute(data))
        overrides = (*overrides, f"data.source={json.dumps(source)}")
    if comparing:
        found = parse_recipe(text, place, overrides)
        refuse_idle(overrides, found, in_comparison(found))
    else:
        found, dropped = read_used(text, place, overrides, _idle)
        if dropped:
            output.note(
                f"{place}: ignored keys, which have no effect with these changes: "
                f"{', '.join(dropped)}"
            )
    resolved = named(found, recipe)
    if resolved.weights in ("imagenet", "none"):
        return resolved
    # The run folder's recipe must find the file from any working directory.
    return dataclasses.replace(resolved, weights=str(_absolute(resolved.weights)))


def _idle(recipe: Recipe) -> list[Idle]:
    if recipe.answers_pictures:
        return in_training(recipe, backbone=True)
    model = parse_model(*shipped.read("models", recipe.model))
    backbone = model.backbone is not None
    return in_training(recipe, backbone=backbone, signals=_takes_signals(recipe))


def _takes_signals(recipe: Recipe) -> bool:
    if recipe.answers_pictures:
        return False
    model = parse_model(*shipped.read("models", recipe.model))
    return isinstance(recipe.input or model.input, SignalSize)


def _refuse_beside_compare(out: str | None, strategy: str, resume: bool, force: bool) -> None:
    given = {"--out": out, "--strategy": strategy != "auto", "--resume": resume, "--force": force}
    for name in (name for name, value in given.items() if value):
        raise click.UsageError(f"{name} is for training, but --compare trains nothing.")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise click.UsageError(
            "--compare needs models, for example --compare resnet50,mobilenet_v2"
        )
    return names


def _absolute(data: str) -> Path:
    return given_files.expanded(data).absolute()


def _print(metrics: Metrics, folder: Path, recipe: Recipe) -> None:
    if metrics.style is not None:
        _print_style(metrics, metrics.style, folder)
        return
    test = metrics.test
    console = output.results()
    table = output.table()
    table.add_column("trained", style="bold")
    table.add_column(recipe.name)
    noun = "signal" if _takes_signals(recipe) else "picture"
    table.add_row("test accuracy", spoken(_test_accuracy(test), noun))
    table.add_row("parameters", f"{metrics.parameters or 0:,}")
    for name, text in _how(metrics):
        table.add_row(name, spoken(text, noun))
    recalls = [(c.recall, c) for c in metrics.per_class if c.recall is not None]
    if recalls:
        recall, weakest = min(recalls, key=lambda each: each[0])
        table.add_row(
            "weakest class", f"{weakest.label}: {recall:.0%} of its {weakest.count} {noun}s found"
        )
    plots = ("curves.png", "confusion.png", "augmentation.png", "signals.png")
    drawn = ", ".join(name for name in plots if (folder / name).exists())
    table.add_row("run", f"{folder}/ ({drawn})")
    console.print(table)
    share = max((c.count for _, c in recalls), default=0) / max(test.count, 1)
    if recalls and test.ci95 and test.ci95[0] <= share:
        output.warn(
            f"not reliably better than always predicting the most common class ({share:.1%} of the "
            f"test {noun}s): train longer, on more {noun}s, or with another model"
        )
    output.note(f"next: cnnedge convert {output.quoted(folder)}")


def _print_style(metrics: Metrics, style: StyleFit, folder: Path) -> None:
    table = output.table()
    table.add_column("trained", style="bold")
    table.add_column(f"the style of {style.picture}")
    table.add_row("parameters", f"{metrics.parameters or 0:,}")
    table.add_row(
        "training",
        f"{style.steps:,} steps in {clock(metrics.train_seconds)} "
        f"({metrics.images_per_second:,.0f} pictures/s)",
    )
    table.add_row("distance from the style", f"{style.style:.3f}, before: {style.style_before:.3f}")
    table.add_row("distance from the content", f"{style.content:.3f}, before: 0")
    table.add_row("run", f"{folder}/ (style.png)")
    output.results().print(table)
    output.note(
        "distances are those of features, of pictures that were held back; 1 is as far as a "
        "picture that has nothing in common"
    )
    output.note(f"next: cnnedge convert {output.quoted(folder)}")


def _test_accuracy(test: TestAccuracy | Accuracy) -> str:
    if test.accuracy is None or test.ci95 is None:
        return "unknown: none of the pictures belong to the network's classes"
    return (
        f"{figures.percent(test.accuracy)} of {test.count:,} pictures "
        f"(95 % interval {figures.interval(test.ci95)})"
    )


def _how(metrics: Metrics) -> list[tuple[str, str]]:
    """How the model was trained, in rows of the results table."""
    if linear := metrics.linear:
        folds = max(linear.cross_validation.values())
        return [
            (
                "training",
                f"{metrics.method} on frozen features in {linear.seconds:.1f} s "
                f"({figures.percent(folds)} in cross-validation, C = {linear.strength:g})",
            )
        ]
    if metrics.method == "pretrained":
        return [("training", "none: the network as it was published, with its labels")]
    rows = [
        (
            f"stage {stage.stage}",
            f"{stage.epochs} epochs in {clock(stage.seconds)}, "
            f"{stage.trained_parameters:,} parameters"
            + (
                f", validation {figures.percent(stage.val_accuracy)}"
                if stage.val_accuracy is not None
                else ""
            ),
        )
        for stage in metrics.stages or ()
    ]
    text = (
        f"{metrics.epochs} epochs in {clock(metrics.train_seconds)} "
        f"({metrics.images_per_second:,.0f} pictures/s), weights of epoch "
        f"{metrics.kept_epoch} kept"
    )
    return [*rows, ("training", text)]


def _stopped(
    folder: Path, recipe: str, data: str | None, overrides: tuple[str, ...], strategy: str
) -> str:
    words = ["cnnedge train", output.quoted(recipe)]
    words += [f"--data {output.quoted(data)}"] if data else []
    words += [f"--set {output.quoted(o)}" for o in overrides]
    words += [f"--strategy {strategy}"] if strategy != "auto" else []
    words += [f"--out {output.quoted(folder)}"]
    # TensorFlow's own list of checkpoints: the folder is there before the first of them.
    if not any((folder / "checkpoints").rglob("checkpoint")):
        return "stopped before the first epoch was finished; nothing to resume"
    return f"stopped; every finished epoch is kept. To continue: {' '.join(words)} --resume"
