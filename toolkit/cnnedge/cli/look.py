"""`cnnedge look`: filters, feature maps and the evidence for a class, as figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import figures
from ..engines import Runtime
from ..errors import DataError
from . import output
from .runtime import note_assumptions, runtime_options
from .study.session import require_plots

if TYPE_CHECKING:  # the training side, which is imported when it is needed
    from ..studies.look import Seen


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--source",
    required=True,
    metavar="PICTURE",
    help="Look at this picture, or at 'sample' (a built-in scene).",
)
@click.option(
    "--class",
    "label",
    metavar="LABEL",
    help="Show what speaks for this class. [default: the one that the model answers]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=Path("look"),
    show_default=True,
    help="Write evidence.png, layers.png, kernels.png and look.json into DIR.",
)
@runtime_options
@output.json_option
@output.verbose_option
def command(
    model: Path,
    source: str,
    label: str | None,
    out: Path,
    runtime: Runtime,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Show what MODEL sees in a picture.

    MODEL is a .tflite, or a RUN folder, which adds Grad-CAM. Figures: the evidence for a class
    (class activation map, occlusion), the feature maps layer by layer, and the first learned
    filters beside classical kernels.
    """
    from ..files import json_text, write_text
    from ..model import load_on

    require_plots("look")
    from ..studies.look import save_figures, see
    from ..studies.look.seeing import model_of

    file, run = model_of(model)
    frame = _frame(source)
    with load_on(file, runtime) as classifier, output.progress_bar("inferences") as progress:
        note_assumptions(classifier)
        task = progress.add_task("covering the picture", total=None)
        seen = see(
            classifier,
            frame,
            label=label,
            run=run,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    written = save_figures(out, seen)
    payload = _payload(str(file), source, seen, written)
    write_text(out / "look.json", json_text(payload) + "\n")
    if json_file:
        output.write_json(json_file, payload)
    if json_file != "-":
        _print(seen, [*written, out / "look.json"])


def _frame(source: str) -> Any:
    """The first frame of a source. Raises SourceError, and DataError where there is none."""
    from ..camera import open_source

    opened = open_source(source)
    try:
        for frame in opened:
            return frame.pixels
    finally:
        opened.close()
    raise DataError(f"{source}: it has no frame to look at")


def _payload(model: str, source: str, seen: Seen, written: list[Path]) -> Mapping[str, object]:
    return {
        "model": model,
        "source": source,
        "answer": [
            {"label": s.label, "score": s.score, "index": s.index} for s in seen.answer.top(5)
        ],
        "class": {"label": seen.label, "score": seen.score, "index": seen.index},
        "layers": [
            {"layer": m.layer, "operator": m.operator, "shape": list(m.values.shape)}
            for m in seen.layers
        ],
        "evidence": [
            {
                "way": e.way,
                "means": e.means,
                "shape": list(e.heat.shape),
                "largest": float(e.heat.max()),
                "at": _hottest(seen, e.heat),
            }
            for e in seen.evidence
        ],
        "figures": [str(path) for path in written],
    }


def _hottest(seen: Seen, heat: Any) -> dict[str, float]:
    """The middle of the largest value's place, as shares of the input's width and height."""
    row, column = divmod(int(heat.argmax()), heat.shape[1])
    return {"x": (column + 0.5) / heat.shape[1], "y": (row + 0.5) / heat.shape[0]}


def _print(seen: Seen, written: list[Path]) -> None:
    console = output.results()
    best = ", ".join(f"{s.label} {figures.percent(s.score, 1)}" for s in seen.answer.top(3))
    console.print(f"The model answers: {best}", highlight=False, markup=False, soft_wrap=True)
    for path in written:
        console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)
