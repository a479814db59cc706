"""`cnnedge import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import Progress, TaskID

from .. import figures
from . import output
from .guest_options import guest_options

if TYPE_CHECKING:
    from ..importing.record import Imported

_SHOWN = 12


@click.command(name="import")
@click.argument("source")
@click.option("--out", required=True, metavar="RUN", help="Write the run to this folder.")
@click.option(
    "--data",
    metavar="DIR",
    help="Labelled pictures, one folder for each class, to find out the pixels and score the run.",
)
@click.option("--expect", metavar="FILE", help="Pictures with the answers that SOURCE gave.")
@click.option("--signature", metavar="NAME", help="Import this signature of a SavedModel.")
@click.option("--onnx2tf", metavar="PATH", help="Read ONNX with this environment.")
@click.option("--weights", metavar="FILE", help="Weights of timm:NAME or torchvision:NAME.")
@click.option("--code", metavar="FILE.py", help="Own layers of a Keras model.")
@click.option("--trust", is_flag=True, help="Run the Python code of SOURCE or --code.")
@click.option("--force", is_flag=True, help="Replace the run in --out.")
@guest_options
@output.json_option
@output.verbose_option
def command(source: str, out: str, json_file: str | None, verbose: bool, **asked: Any) -> None:
    """Make a run of somebody else's model.

    SOURCE: .keras, .h5, .tflite, .onnx, .pt2, a SavedModel, timm:NAME, torchvision:NAME,
    FILE.py:FUNCTION. The run's files take raw pixels 0..255, and answer as SOURCE does: exits with
    3 if they do not.
    """
    from ..training import backend

    with output.progress_console().status("loading TensorFlow"):
        backend.require("import", stacks=verbose)
    from ..importing import ImportWishes, import_model, require_parity

    wishes = ImportWishes(**asked)
    with output.progress_bar() as progress:
        imported = import_model(Path(source), Path(out), _Reporter(progress), wishes)
    payload = imported.as_json()
    with output.kept("import", payload):
        if json_file:
            output.write_json(json_file, payload)
        if json_file != "-":
            _print(imported, Path(out))
    require_parity(imported, Path(out))


class _Reporter:
    """Draws an import on stderr."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def scanning(self, done: int, total: int) -> None:
        self.stage("reading pictures", done, total)

    def stage(self, text: str, done: int, total: int) -> None:
        if self._task is None:
            self._task = self._progress.add_task(text, total=total or None)
        self._progress.update(self._task, description=text, completed=done, total=total or None)

    def note(self, text: str) -> None:
        output.note(text)


def _print(imported: Imported, out: Path) -> None:
    console = output.results()
    if imported.tried:
        _print_tried(imported)
    convention = imported.convention
    rule = convention.rule
    crop = f" {rule.crop_fraction:g}" if rule.crop_fraction != 1 else ""
    console.print(f"{imported.kind}, imported as {_NETWORKS[imported.network]}", highlight=False)
    console.print(
        f"pixels: {convention.shown} (by {imported.because}); {rule.resize}{crop}, "
        f"{rule.interpolation}",
        highlight=False,
        soft_wrap=True,
    )
    parity = imported.parity
    if parity is not None:
        console.print(
            f"against the source: {parity.labels_agree} of {parity.count} labels agree, largest "
            f"difference {parity.max_abs:.1e} ({parity.pictures} pictures)",
            highlight=False,
            soft_wrap=True,
        )
    if imported.accuracy:
        console.print(
            f"accuracy: {figures.percent(imported.accuracy.accuracy)} of "
            f"{imported.accuracy.count:,} pictures, 95 % interval "
            f"{figures.interval(imported.accuracy.ci95)}",
            highlight=False,
        )
    for note in imported.notes:
        output.note(note)
    if parity is not None and not parity.holds:
        return
    if imported.network == "adopted":
        output.note(f"next: cnnedge run {output.quoted(out / 'export' / 'imported.tflite')}")
    else:
        data = "" if imported.accuracy else " --data DIR"
        output.note(f"next: cnnedge convert {output.quoted(out)}{data}")


_NETWORKS = {
    "tf_keras": "layers of tf_keras (all formats and techniques)",
    "frozen": "a frozen network (formats alone)",
    "adopted": "it is",
}


def _print_tried(imported: Imported) -> None:
    from ..results import accuracy

    table = output.table()
    table.add_column("pixels, resize")
    for name in ("accuracy", "95 % interval", "pictures"):
        table.add_column(name, justify="right")
    for tried in imported.tried[:_SHOWN]:
        found = accuracy(tried.right)
        table.add_row(
            tried.rule,
            figures.percent(found.accuracy, 1),
            figures.interval(found.ci95),
            f"{found.count:,}",
        )
    output.results().print(table)
