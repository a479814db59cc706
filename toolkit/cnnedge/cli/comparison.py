"""`cnnedge train --compare`: which backbone for these pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from .. import figures
from ..specs import Recipe, plain
from . import output
from .progress import TrainingReporter

if TYPE_CHECKING:  # TensorFlow's side
    from ..training.comparison import BackbonesCompared


def compare_models(recipe: Recipe, models: list[str], json_file: str | None) -> None:
    """Compares, prints a table, and writes JSON if asked."""
    from ..training.comparison import compare

    with output.progress_bar("pictures") as progress:
        result = compare(recipe, models, TrainingReporter(progress))
    if json_file:
        output.write_json(json_file, plain(result))
    if json_file != "-":
        _print(result, recipe)


def _print(result: BackbonesCompared, recipe: Recipe) -> None:
    table = output.table()
    table.add_column("model", style="bold", no_wrap=True)
    for column in ("accuracy", "95 % interval", "parameters", "MACs", "latency", "p90"):
        table.add_column(column, justify="right", no_wrap=True)
    best = max(row.accuracy for row in result.compared)
    for row in sorted(result.compared, key=lambda r: -r.accuracy):
        latency = row.latency_ms
        table.add_row(
            Text(row.model),
            Text(figures.percent(row.accuracy), style="bold" if row.accuracy == best else ""),
            figures.interval(row.ci95),
            f"{row.parameters / 1e6:.2f} M",
            f"{row.macs / 1e6:,.0f} M",
            figures.milliseconds(latency.median),
            figures.milliseconds(latency.p90),
        )
    output.results().print(table)
    count = f"{result.pictures:,}"
    output.note(
        f"accuracy: logistic regression on frozen features, cross-validated on {count} pictures; "
        "fine-tuning improves it. latency: float32, one thread, on this machine; int8 is faster"
    )
    random = [row.model for row in result.compared if row.weights.startswith("none")]
    if random:
        output.warn(f"{', '.join(random)}: random weights, so these accuracies say little")
    first = max(result.compared, key=lambda r: r.accuracy).model
    output.note(f"next: cnnedge train {recipe.name} --set model={first}")
