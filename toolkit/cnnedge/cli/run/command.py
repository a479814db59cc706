"""`cnnedge run`."""

from __future__ import annotations

import os

import click

from ...bundle import read_model
from ...classifier import NO_NUMBERS
from ...engines import Runtime
from ...errors import ModelError, SourceError
from ...live import Finished, Labels, Outlets, Session, label
from ...picture_model import NO_NUMBERS as NO_PICTURE
from ...pipeline import Limits
from ...specs import plain
from .. import output
from ..camera_options import Capture, camera_options
from ..devices import Reach, target_options
from ..options import gathered
from ..runtime import runtime_options
from .source import is_no_file
from .summary import print_summary
from .terminal import RunTerminal

_labels_options = gathered(
    Labels,
    "labels",
    (
        click.option(
            "--workers",
            type=click.IntRange(1, 64),
            default=1,
            show_default=True,
            help="Label this many frames of a file or folder side by side. The order stays.",
        ),
        click.option(
            "--top",
            type=click.IntRange(1, 1000),
            default=3,
            show_default=True,
            help="Show this many labels for each frame.",
        ),
        click.option(
            "--smooth",
            type=click.FloatRange(0, 60),
            metavar="S",
            help="Smooth the labels over S seconds. 0: no smoothing. "
            "[default: 0.5 for cameras, streams and videos shown]",
        ),
        click.option(
            "--raw",
            is_flag=True,
            help="Report the raw outputs, for models that are not classifiers.",
        ),
        click.option(
            "--look",
            is_flag=True,
            help="Draw where the model looked onto the frames of --show and --save.",
        ),
    ),
)
_outlet_options = gathered(
    Outlets,
    "outlets",
    (
        click.option(
            "--show", is_flag=True, help="Open a live window. Press h in it to list its keys."
        ),
        click.option(
            "--save",
            metavar="OUT",
            help="Write annotated frames: OUT.mp4 or .avi; a .jpg or "
            ".png for one picture; a folder for several.",
        ),
        click.option(
            "--jsonl",
            metavar="FILE",
            help="Write one line of JSON per frame as it arrives to FILE, or to stdout with -.",
        ),
    ),
)
_limit_options = gathered(
    Limits,
    "limits",
    (
        click.option("--frames", type=click.IntRange(1), metavar="N", help="Stop after N frames."),
        click.option(
            "--duration",
            type=click.FloatRange(0, min_open=True),
            metavar="S",
            help="Stop after S seconds.",
        ),
    ),
)


@click.command()
@click.argument("model")
@click.option(
    "--source",
    default="0",
    show_default=True,
    metavar="SRC",
    help="Read frames from a camera index, video, picture, folder, 'glob*.jpg', rtsp:// or http:// "
    "stream, or 'sample' (a built-in scene). For a model that takes signals: a .csv file, or - for "
    "numbers on standard input.",
)
@click.option(
    "--step",
    type=click.IntRange(1, 65_536),
    metavar="N",
    help="For signals: begin a window every N values of a recording or of standard input. "
    "[default: half a window]",
)
@click.option(
    "--device",
    metavar="NAME",
    help="Run on this device, with its camera or with files from this machine: a device profile or "
    "user@host.",
)
@target_options
@runtime_options
@_labels_options
@_outlet_options
@_limit_options
@camera_options
@output.json_option
@output.verbose_option
def command(
    model: str,
    source: str,
    step: int | None,
    device: str | None,
    reach: Reach,
    runtime: Runtime,
    labels: Labels,
    outlets: Outlets,
    limits: Limits,
    capture: Capture,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Label frames with MODEL and say how long each stage takes."""
    _check(runtime, labels, outlets, json_file)
    reach.check(*([device] if device else []))
    if is_no_file(source) and os.path.exists(source):
        output.note(f"--source {source} is no file's name; the one here is --source ./{source}")
    if device:
        if outlets.show:
            raise click.UsageError("--show opens a window here; with --device use --save OUT.mp4.")
        if step is not None or read_model(model).signal_size is not None:
            raise click.UsageError("--device is for pictures; signals are labelled here.")
        from .there import run_on

        with reach.opened(device) as target:
            run_on(target, click.get_current_context(), outlets, limits.duration)
        return
    session = Session(
        model=model,
        source=source,
        step=step,
        runtime=runtime,
        capture=capture.options,
        loop=capture.loop,
        labels=labels,
        outlets=outlets,
        limits=limits,
        keep=json_file is not None,
    )
    silent = "-" in (json_file, outlets.jsonl)
    _finish(label(session, RunTerminal(silent=silent)), session, json_file)


def _check(runtime: Runtime, labels: Labels, outlets: Outlets, json_file: str | None) -> None:
    """Raises click.UsageError for options that contradict each other."""
    if json_file == "-" and outlets.jsonl == "-":
        raise click.UsageError("--json - and --jsonl - both want stdout; give one of them a file.")
    if labels.raw and labels.smooth:
        raise click.UsageError("--smooth averages labels, and with --raw there are none.")
    if labels.look and labels.raw:
        raise click.UsageError(
            "--look shows what speaks for a class, and with --raw there are none."
        )
    if labels.look and not (outlets.show or outlets.save):
        raise click.UsageError("--look draws on frames: add --show or --save OUT.mp4.")
    guest = runtime.guest
    if labels.raw and (guest.names is not None or guest.activation is not None):
        raise click.UsageError("--labels and --activation are for classes; --raw has none.")


def _finish(done: Finished, session: Session, json_file: str | None) -> None:
    """Prints and writes what the run came to, and raises what ended it before its time."""
    result = done.result
    payload = plain(result)
    with output.kept("run", payload):
        if json_file:
            output.write_json(json_file, payload)
        if "-" not in (json_file, session.outlets.jsonl):
            if done.pictures and result.frames:
                output.results().print()
            print_summary(result, live=done.live, noun=done.noun, answer=done.answer)
    for problem in result.skipped:
        output.warn(f"skipped: {problem}")
    if done.unanswered:
        why = NO_PICTURE if done.answer == "picture" else NO_NUMBERS
        raise ModelError(
            f"{session.model}: {done.unanswered:,} of {result.frames:,} {done.noun}s: {why}"
        )
    if done.lost:
        raise SourceError(done.lost)
