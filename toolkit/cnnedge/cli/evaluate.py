"""`cnnedge eval`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click

from .. import figures
from ..engines import Runtime
from ..errors import ModelError
from ..specs import plain
from . import output
from .devices import Reach, target_options
from .runtime import note_assumptions, runtime_options

if TYPE_CHECKING:
    from ..classifier import Classifier
    from ..data import Dataset
    from ..device_scoring import EvaluationThere
    from ..results import ClassScore
    from ..scoring import Evaluation
    from ..targets import Target

# As many classes are all shown.
_MOST_ROWS = 50


@click.command(name="eval")
@click.argument("model")
@click.option(
    "--data",
    metavar="DIR",
    help="Score the labelled pictures in DIR. [default: the pictures the model was trained on]",
)
@click.option(
    "--split",
    type=click.Choice(["test", "val", "train", "all"]),
    help="Score this part of the pictures. [default: test, or all for a model that does not know "
    "its split]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Run this many interpreters side by side, each with its own --threads.",
)
@click.option(
    "--device",
    metavar="NAME",
    help="Predict on this device and compare with this machine: a device profile, user@host, or "
    "browser for any browser that opens the page.",
)
@click.option(
    "--whole",
    is_flag=True,
    help="For a browser: send the pictures as they are, to be decoded and resized there. "
    "[default: send the model's input pixels]",
)
@target_options
@runtime_options
@output.json_option
@output.verbose_option
def command(
    model: str,
    data: str | None,
    split: str | None,
    workers: int,
    device: str | None,
    whole: bool,
    reach: Reach,
    runtime: Runtime,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Measure the accuracy of MODEL on pictures it was not trained on."""
    asked = _Pictures(data, split)
    reach.check(*([device] if device else []))
    if whole:
        _require_browser(device)
    from ..bundle import read_model

    file = read_model(model)
    if file.picture_answer is not None:
        raise ModelError(
            f"{model}: this model answers a picture and no labels, so it has no accuracy. How far "
            "its pictures lie from those of its run: cnnedge verify MODEL --reference RUN"
        )
    signals = file.signal_size
    noun = "picture" if signals is None else signals.noun
    if device and signals is not None:
        raise click.UsageError("--device is for pictures, but MODEL takes signals; remove it.")
    result: Evaluation
    if device:
        if workers > 1:
            raise click.UsageError(
                "--workers: with --device one interpreter predicts; leave it out"
            )
        with reach.opened(device) as target:
            result = _there(target, model, runtime, asked, whole=whole)
    else:
        result = _here(model, runtime, asked, workers)
    for warning in result.warnings:
        output.warn(warning)
    payload = plain(result)
    with output.kept("eval", payload):
        if json_file:
            output.write_json(json_file, payload)
        if json_file != "-":
            _print(result, noun)
            if device:
                _print_agreement(cast("EvaluationThere", result))


def _require_browser(device: str | None) -> None:
    """Raises click.UsageError where --whole does nothing."""
    from ..targets import find

    if device is None or find(device).profile.transport != "browser":
        raise click.UsageError(
            "--whole is for browsers: every other device decodes and resizes the pictures anyway; "
            "remove it"
        )


class _Pictures(NamedTuple):
    """--data and --split."""

    data: str | None
    split: str | None


def _here(model: str, runtime: Runtime, asked: _Pictures, workers: int) -> Evaluation:
    from ..engines import AgreementCheck
    from ..model import load_on
    from ..scoring import evaluate

    classifier = load_on(model, runtime)
    check = AgreementCheck(classifier.model, classifier.engine, allow=runtime.allow_disagreement)
    note_assumptions(classifier)
    with output.progress_bar("pictures") as progress:
        task = progress.add_task("reading the data", total=None)
        tell = _told(progress, task)
        dataset, part = _read(classifier, asked, tell)
        progress.reset(task, description="scoring")
        return evaluate(classifier.workers(workers), dataset, part, tell, check=check)


def _there(
    target: Target, model: str, runtime: Runtime, asked: _Pictures, *, whole: bool
) -> EvaluationThere:
    """Predictions computed on a device, beside those computed here."""
    from ..device_scoring import There, evaluate_there
    from ..engines import CPU
    from ..model import load_on

    # The reference is the CPU here, in the precision that the file was made for.
    classifier = load_on(model, replace(CPU, guest=runtime.guest))
    note_assumptions(classifier)
    with output.progress_bar("pictures") as progress:
        task = progress.add_task("reading pictures", total=None)

        def tell(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        dataset, part = _read(classifier, asked, lambda d, t: tell("reading pictures", d, t))
        whole = whole or target.profile.transport != "browser"
        there = There(target=target, runtime=runtime, whole=whole, progress=tell)
        return evaluate_there(there, classifier, dataset, part)


def _read(classifier: Classifier, asked: _Pictures, tell: Any) -> tuple[Dataset, Any]:
    """The data set of --data and the part of --split, or those that the model's file names."""
    from ..scoring import load_model_data

    provenance = classifier.model.provenance
    trained_here = provenance is not None and provenance.data is not None
    part: Any = asked.split or ("test" if trained_here else "all")
    return load_model_data(classifier.model, asked.data, part, tell), part


def _told(progress: Any, task: Any) -> Any:
    return lambda done, total: progress.update(task, completed=done, total=total)


def _print(result: Evaluation, noun: str) -> None:
    console = output.results()
    console.print(
        f"[bold]{figures.percent(result.accuracy)}[/bold] of {result.count:,} {noun}s "
        f"({result.split} split), 95 % interval {figures.interval(result.ci95)}",
        highlight=False,
    )
    table = output.table()
    table.add_column("class")
    for name in (f"{noun}s", "recall", "precision"):
        table.add_column(name, justify="right")
    rows: Sequence[ClassScore] = result.per_class
    if len(rows) > _MOST_ROWS:
        # Of a thousand classes, those that the data have.
        rows = [row for row in rows if row.count]
    for row in rows:
        shares = (row.recall, row.precision)
        table.add_row(
            _plain(row.label),
            f"{row.count:,}",
            *("–" if s is None else figures.percent(s, 1) for s in shares),
        )
    console.print(table)
    if result.skipped:
        output.warn(f"unreadable files skipped: {len(result.skipped)}")


def _plain(label: str) -> Any:
    from rich.text import Text

    return Text(label)


def _print_agreement(result: EvaluationThere) -> None:
    """What the device says differently from this machine."""
    here, count = result.here, result.count
    console = output.results()
    apart = 100 * (result.accuracy - here.accuracy)
    console.print(
        f"here: {figures.percent(here.accuracy)}; on {result.device} {apart:+.2f} points "
        f"(McNemar p = {here.p_value:.2g}); {here.identical:,} of {count:,} outputs are "
        f"identical to the bit, {here.flips:,} labels differ",
        highlight=False,
        soft_wrap=True,
    )
    first = here.first_difference
    if first:
        output.note(
            f"first difference: picture {first.index + 1} ({first.picture}), by "
            f"{first.largest_difference:.3g} {first.unit}, from the stage '{first.stage}' "
            "on (decode: the file gave other pixels; resize: the input did; network: neither)"
        )
    for flip in here.flipped[:5]:
        output.note(f"{flip.picture}: here {flip.here}, there {flip.there}")
