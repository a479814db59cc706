"""`cnnedge study mlp_vs_cnn`."""

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
    from ...studies.mlp_vs_cnn.comparing import Comparison


@click.command(name="mlp_vs_cnn")
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
    """Train a fully connected network and a CNN alike, and compare what they cost and can do.

    Both become int8 files. Neither sees a moved picture in training; the study then moves the
    pictures, and shows which network minds.
    """
    require_workshop("study mlp_vs_cnn", verbose=verbose)
    from ...studies.mlp_vs_cnn import comparing
    from ...studies.mlp_vs_cnn.figure import save_figure

    folder = study_folder(out, "mlp_vs_cnn")
    plan = comparing.Plan(
        source=data or comparing.default_source(),
        epochs=epochs or (comparing.QUICK_EPOCHS if quick else comparing.EPOCHS),
        pictures=QUICK_PICTURES if quick else 2 * FULL_PICTURES,
    )
    output.note(f"both networks are trained on {plan.source}")
    with output.progress_bar("pictures") as progress:
        reporter = StudyReporter(progress)
        found = comparing.compare(plan, folder, reporter, reporter.stage)
    save_figure(folder / "mlp_vs_cnn.png", found)
    with told(plain(found), folder, json_file) as shown:
        if shown:
            _print(found, folder)


def _print(found: Comparison, folder: Path) -> None:
    console = output.results()
    table = output.table()
    table.add_column("", style="bold", no_wrap=True)
    for network in found.networks:
        table.add_column(f"{network.name} ({network.model})", justify="right", no_wrap=True)
    rows = {
        "weights": [f"{n.parameters:,}" for n in found.networks],
        "multiplications a picture": [f"{n.macs:,}" for n in found.networks],
        "int8 file": [figures.size(n.size_bytes) for n in found.networks],
        "int8 accuracy": [figures.percent(n.accuracy.accuracy, 1) for n in found.networks],
        "95 % interval": [figures.interval(n.accuracy.ci95) for n in found.networks],
        "Keras accuracy": [figures.percent(n.keras_accuracy, 1) for n in found.networks],
        "latency, median": [figures.milliseconds(n.latency_ms) for n in found.networks],
        "latency, p90": [figures.milliseconds(n.latency_p90_ms) for n in found.networks],
        "training": [f"{n.train_seconds:.0f} s" for n in found.networks],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    curves = found.shifted.panels[0].curves
    for number, point in enumerate(curves[0].points):
        cells = [figures.percent(c.points[number].accuracy.accuracy, 1) for c in curves]
        table.add_row(f"moved by {point.strength:g} px", *cells)
    console.print(table)
    layers = found.first_layers
    console.print(
        f"On 100 x 100 pixels, a first layer of 10,000 neurons has {layers.dense:,} weights and "
        f"biases; a convolution with 16 filters of 3 x 3 has {layers.convolution:,}.",
        highlight=False,
        soft_wrap=True,
    )
    output.note(
        f"{found.source}; accuracy on {found.networks[0].accuracy.count:,} test pictures, shifts "
        f"on {found.shifted.pictures:,} of them; latency of the int8 file here, one thread"
    )
    console.print(f"figure: {folder / 'mlp_vs_cnn.png'}", highlight=False)
