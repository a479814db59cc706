"""`cnnedge eval`."""

from __future__ import annotations

from typing import Any

import click

from ..bundle import Guest
from . import output
from .devices import Reach, target_options
from .runtime import delegate_option, note_assumptions, runtime_options

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
    help="Predict on this device and compare with this machine: a device profile or user@host.",
)
@target_options
@delegate_option
@runtime_options
@output.json_option
@output.verbose_option
def command(
    model: str,
    data: str | None,
    split: str | None,
    workers: int,
    device: str | None,
    reach: Reach,
    delegate: str,
    threads: int,
    engine: str,
    precision: str,
    delegate_options: dict[str, str],
    allow_disagreement: bool,
    guest: Guest,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Measure the accuracy of MODEL on pictures it was not trained on."""
    settings = {
        "delegate": delegate,
        "threads": threads,
        "engine": engine,
        "precision": precision,
        "delegate_options": delegate_options,
        "guest": guest,
    }
    reach.check(*([device] if device else []))
    if device:
        if workers > 1:
            raise click.UsageError(
                "--workers: with --device one interpreter predicts; leave it out"
            )
        from .evaluate_there import evaluate_on

        with reach.opened(device) as target:
            result = evaluate_on(target, model, data, split, settings, allow_disagreement)
    else:
        result = _here(model, data, split, workers, settings, allow_disagreement)
    for warning in result["warnings"]:
        output.warn(warning)
    with output.kept("eval", result):
        if json_file:
            output.write_json(json_file, result)
        if json_file != "-":
            _print(result)
            if device:
                from .evaluate_there import print_agreement

                print_agreement(result)


def _here(
    model: str,
    data: str | None,
    split: Any,
    workers: int,
    settings: dict[str, Any],
    allow_disagreement: bool,
) -> dict[str, Any]:
    from ..engines import AgreementCheck
    from ..model import load
    from ..scoring import evaluate

    classifier = load(model, **settings)
    check = AgreementCheck(classifier.model, classifier.engine, allow=allow_disagreement)
    note_assumptions(classifier)
    with output.progress_bar("pictures") as progress:
        task = progress.add_task("reading pictures", total=None)
        tell = _told(progress, task)
        dataset, part = read_data(classifier, data, split, tell)
        progress.reset(task, description="scoring")
        return evaluate(classifier.workers(workers), dataset, part, tell, check=check)


def read_data(classifier: Any, data: str | None, split: Any, tell: Any) -> tuple[Any, Any]:
    """The data set of --data and the part of --split, or those that the model's file names."""
    from ..scoring import load_model_data

    provenance = classifier.model.provenance
    trained_here = provenance is not None and provenance.data is not None
    part: Any = split or ("test" if trained_here else "all")
    return load_model_data(classifier.model, data, part, tell), part


def _told(progress: Any, task: Any) -> Any:
    return lambda done, total: progress.update(task, completed=done, total=total)


def _print(result: dict[str, Any]) -> None:
    console = output.results()
    console.print(
        f"[bold]{output.percent(result['accuracy'])}[/bold] of {result['count']:,} pictures "
        f"({result['split']} split), 95 % interval {output.interval(result['ci95'])}",
        highlight=False,
    )
    table = output.table()
    table.add_column("class")
    for name in ("pictures", "recall", "precision"):
        table.add_column(name, justify="right")
    rows = result["per_class"]
    if len(rows) > _MOST_ROWS:
        # Of a thousand classes, those that the data have.
        rows = [row for row in rows if row["count"]]
    for row in rows:
        shares = (row["recall"], row["precision"])
        table.add_row(
            _plain(row["label"]),
            f"{row['count']:,}",
            *("–" if s is None else output.percent(s, 1) for s in shares),
        )
    console.print(table)
    if result["skipped"]:
        output.warn(f"{len(result['skipped'])} files could not be read and are left out")


def _plain(label: str) -> Any:
    from rich.text import Text

    return Text(label)
