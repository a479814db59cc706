"""`cnnedge verify`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from ..engines import Runtime
from ..errors import GateError, ModelError
from ..specs import plain
from . import output
from .devices import Reach, target_options
from .runtime import runtime_options

if TYPE_CHECKING:  # the training side, which is imported when it is needed
    from ..verification.drawing import DrawnVerdict
    from ..verification.verdict import Flip, Stage, Verdict

_SHOWN = 12
_MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("–", "dim")}
_OFF_BY = (
    "off by: pixels in levels of 255; answers by the probability that moves to other classes, root "
    "mean square over the pictures. flips: labels that the stage alone changes. –: cannot be told"
)


@click.command()
@click.argument("model")
@click.option(
    "--reference", required=True, metavar="RUN", help="The run that the model was converted from."
)
@click.option(
    "--data",
    metavar="DIR",
    help="Compare on the pictures in DIR, with or without class folders. [default: the run's test "
    "pictures]",
)
@click.option(
    "--pictures",
    type=click.IntRange(1, 100_000),
    default=96,
    show_default=True,
    metavar="N",
    help="Compare on at most N pictures, taken from the classes in turn.",
)
@click.option(
    "--device",
    metavar="NAME",
    help="Also run the model on this device: a device profile, user@host, or browser for any "
    "browser that opens the page.",
)
@target_options
@runtime_options
@output.json_option
@output.verbose_option
def command(
    model: str,
    reference: str,
    data: str | None,
    pictures: int,
    device: str | None,
    reach: Reach,
    runtime: Runtime,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Find the first stage at which MODEL parts from its training run.

    Runs golden pictures through the run's Keras model, its float32 and its quantised conversion,
    and MODEL as it is to run, and compares stage by stage: decode, resize, colour, scale,
    quantise, network, delegate, labels. Exits with 3 when one parts.
    """
    reach.check(*([device] if device else []))
    from ..bundle import read_model
    from ..training import backend
    from ..training.run_folder import open_finished, read_recipe

    drawing = read_recipe(open_finished(Path(reference))).answers_pictures
    _check_kind(model, reference, read_model(model).picture_answer is not None, drawing)
    with output.progress_console().status("loading TensorFlow"):
        backend.require("verify", stacks=verbose)
    from ..verification.case import Question
    from ..verification.session import verify

    with contextlib.ExitStack() as stack:
        target = stack.enter_context(reach.opened(device)) if device else None
        progress = stack.enter_context(output.progress_bar())
        question = Question(
            model=Path(model),
            run=Path(reference),
            runtime=runtime,
            data=data,
            pictures=pictures,
        )
        if drawing:
            from ..verification.drawing import verify_drawing

            drawn = verify_drawing(question, _drawn(progress), target)
            progress.stop()
            _tell_drawn(drawn, json_file)
            return
        verdict = verify(question, target=target, progress=_drawn(progress))
    if json_file:
        output.write_json(json_file, plain(verdict))
    if json_file != "-":
        _print(verdict)
    for text in (*(f"assumed: {a}" for a in verdict.assumptions), *verdict.notes):
        output.note(text)
    parted = [
        s for s in verdict.parted if not (runtime.allow_disagreement and s.stage == "delegate")
    ]
    if parted:
        cause = parted[0].cause
        raise GateError(f"the model parts from its training run at {parted[0].stage}: {cause}")


def _check_kind(model: str, run: str, drawing: bool, expected: bool) -> None:
    """Raises ModelError for a file and a run whose answers are of different kinds."""
    if drawing != expected:
        kinds = ("pictures", "labels") if drawing else ("labels", "pictures")
        raise ModelError(
            f"{model}: it answers {kinds[0]}, but the run {run} answers {kinds[1]}; name the run "
            "that it was converted from"
        )


def _tell_drawn(found: DrawnVerdict, json_file: str | None) -> None:
    """Of a model whose answers are pictures. Raises GateError where they are too far apart."""
    error, where = found.error, f" on {found.device}" if found.device else ""
    if json_file:
        output.write_json(json_file, plain(found))
    if json_file != "-":
        output.results().print(
            f"{Path(found.model).name} against {found.run}, on {error.count:,} pictures of "
            f"{found.source}; {found.ran.delegate.used} in {found.ran.engine} "
            f"{found.ran.engine_version}{where}: PSNR {error.psnr_db:.1f} dB, worst picture "
            f"{error.lowest_db:.1f} dB, largest difference {error.largest:.1f} of 255",
            highlight=False,
            soft_wrap=True,
        )
    for text in found.assumptions:
        output.note(f"assumed: {text}")
    if not found.agrees:
        raise GateError(
            f"its pictures lie at {error.psnr_db:.1f} dB from those of the run; allowed: at least "
            f"{found.allowed_db:g} dB"
        )


def _drawn(progress: Progress) -> Any:
    """Draws what verification does: one bar, a text at a time."""
    tasks: dict[str, TaskID] = {}

    def show(text: str, done: int, total: int) -> None:
        if text not in tasks:
            for task in tasks.values():
                progress.remove_task(task)
            tasks.clear()
            tasks[text] = progress.add_task(text, total=total or None)
        progress.update(tasks[text], completed=done, total=total or None)

    return show


def _print(found: Verdict) -> None:
    console = output.results()
    ran, count, noun = found.ran, found.pictures, found.noun
    console.print(
        Text.assemble(
            (Path(found.model).name, "bold"),
            f" against {found.run}, on {count:,} {noun}{'' if count == 1 else 's'} of "
            f"{found.source}; {ran.delegate.used} in {ran.engine} "
            f"{ran.engine_version}",
        )
    )
    console.print()
    console.print(_stages(found.stages))
    console.print(Text(_OFF_BY, style="dim"))
    console.print()
    console.print(_sentence(found))
    if found.flipped:
        console.print()
        console.print(_flips(found.flipped, found.noun))
        if len(found.flipped) > _SHOWN:
            more = len(found.flipped) - _SHOWN
            console.print(Text(f"and {more:,} more; --json FILE lists all", style="dim"))


def _stages(stages: Sequence[Stage]) -> Table:
    table = output.table()
    table.add_column("")
    table.add_column("stage", no_wrap=True)
    for name in ("off by", "allowed", "flips"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("found (tolerance by)")
    for stage in stages:
        mark, style = _MARKS[stage.agrees]
        table.add_row(
            Text(mark, style=style),
            Text(f"{stage.stage} {stage.part}".rstrip(), style=style if mark != "✓" else ""),
            _amount(stage.deviation, stage.unit),
            _amount(stage.allowed, stage.unit) if stage.agrees is not None else "",
            "" if stage.flips is None else f"{stage.flips:,}",
            _said(stage),
        )
    return table


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit in ("levels", "names"):
        return f"{value:,.0f}"
    if unit == "snr_db":
        return f"{value:.0f} dB"
    if unit == "steps":
        return f"{value:,.0f} steps"
    share = 100 * value
    if share and abs(share) < 0.01:
        return f"{share:.0e} %".replace("e-0", "e-")
    return f"{share:.2f} %" if abs(share) < 10 else f"{share:.1f} %"


def _said(stage: Stage) -> Text:
    text = Text(stage.found)
    if stage.would_show is not None and stage.agrees:
        text.append(f" as {_amount(stage.would_show, 'moved')}")
    if stage.because and stage.agrees is not None:
        text.append(f" ({stage.because})", style="dim")
    return text


def _sentence(found: Verdict) -> Text:
    parted = [s for s in found.stages if s.agrees is False]
    flipped, count = len(found.flipped), found.pictures
    compared = any(s.stage == "labels" for s in found.stages)
    labels = f" {flipped:,} of {count:,} labels differ from model.keras" if compared else ""
    if not parted:
        return Text.assemble(
            ("All stages agree.", "bold green"),
            labels + (", within what is allowed." if flipped else "."),
        )
    first = parted[0]
    text = Text.assemble(
        (f"Parts at {first.stage}: ", "bold red"),
        f"{first.cause}.{labels}{'.' * compared}\n",
        ("Remedy: ", "bold"),
        f"{first.remedy}.",
    )
    for stage in parted[1:]:
        text.append(f"\nThen at {stage.stage}: ", "bold")
        text.append(f"{stage.cause}. {stage.remedy[0].upper()}{stage.remedy[1:]}.")
    return text


def _flips(flipped: Sequence[Flip], noun: str) -> Table:
    table = output.table()
    for name in (noun, "class", "model.keras", "this model"):
        table.add_column(name, overflow="fold")
    for flip in flipped[:_SHOWN]:
        reference, given = flip.reference_label, flip.model_label
        truth = flip.truth
        table.add_row(
            Text(flip.name),
            Text(truth or "unknown", style="" if truth else "dim"),
            _label(reference, flip.reference_score, truth),
            _label(given, flip.model_score, truth),
        )
    return table


def _label(label: str, score: float, truth: str | None) -> Text:
    style = "" if truth is None else "green" if label == truth else "red"
    return Text.assemble((label, style), f" {100 * score:.0f} %")
