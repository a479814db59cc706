"""`cnnedge study capsule`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ... import figures
from ...specs import plain
from .. import output
from .command import study_options, training_options
from .session import (
    FULL_PICTURES,
    QUICK_PICTURES,
    StudyReporter,
    require_workshop,
    study_folder,
    told,
)

if TYPE_CHECKING:  # TensorFlow's side
    from ...studies.capsule.comparing import Comparison


@click.command(name="capsule")
@training_options
@study_options
@output.json_option
@output.verbose_option
def command(
    data: str | None,
    epochs: int | None,
    out: Path | None,
    quick: bool,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Compare a small capsule network with a CNN of as many weights.

    Both learn upright pictures, half of them two in one, and become float16 and int8 files. The
    study then turns and moves pictures, and asks for both classes of pairs that neither saw.
    """
    require_workshop("study capsule", verbose=verbose)
    from ...studies.capsule import comparing
    from ...studies.capsule.figure import save_figure
    from ...studies.mlp_vs_cnn.comparing import default_source
    from ...training import backend

    backend.make_repeatable(0)
    folder = study_folder(out, "capsule")
    plan = comparing.Plan(
        source=data or default_source(),
        epochs=epochs or (comparing.QUICK_EPOCHS if quick else comparing.EPOCHS),
        pictures=QUICK_PICTURES if quick else 2 * FULL_PICTURES,
    )
    output.note(f"both networks are trained on {plan.source}")
    with output.progress_bar("pictures") as progress:
        measured = comparing.compare(plan, folder, StudyReporter(progress).stage)
    save_figure(folder / "capsule.png", measured)
    with told(plain(measured.result), folder, json_file) as shown:
        if shown:
            _print(measured.result, folder)


def _print(found: Comparison, folder: Path) -> None:
    console = output.results()
    table = output.table()
    table.add_column("", style="bold", no_wrap=True)
    for network in found.networks:
        table.add_column(network.name, justify="right", no_wrap=True)
    networks = found.networks
    table.add_row("weights", *(f"{n.parameters:,}" for n in networks))
    table.add_row("Keras accuracy", *(figures.percent(n.keras.accuracy, 1) for n in networks))
    for place, variant in enumerate(networks[0].variants):
        files = [n.variants[place] for n in networks]
        name = variant.name
        table.add_row(f"{name} accuracy", *(figures.percent(f.accuracy.accuracy, 1) for f in files))
        table.add_row("  95 % interval", *(figures.interval(f.accuracy.ci95) for f in files))
        table.add_row("  labels as Keras", *(figures.percent(f.agreement.accuracy) for f in files))
        table.add_row("  file", *(figures.size(f.size_bytes) for f in files))
        table.add_row("  latency, median", *(figures.milliseconds(f.latency_ms) for f in files))
    for panel in found.disturbed.panels:
        for place, point in enumerate(panel.curves[0].points):
            cells = [figures.percent(c.points[place].accuracy.accuracy, 1) for c in panel.curves]
            said = panel.disturbance.said(point.strength)
            table.add_row(f"{panel.disturbance.name} {said}", *cells)
    cells = [
        f"{figures.percent(n.overlapping.accuracy, 1)} ({figures.interval(n.overlapping.ci95)})"
        for n in networks
    ]
    table.add_row("both of two in one", *cells)
    console.print(table)
    output.note(
        f"{found.source}; accuracy on {networks[0].keras.count:,} test pictures, the rest on "
        f"{found.disturbed.pictures:,} of them and {networks[0].overlapping.count:,} pairs, with "
        f"the float16 files; McNemar's p for the pairs is {found.overlapping_p:.2g}"
    )
    console.print(f"figure: {folder / 'capsule.png'}", highlight=False)
