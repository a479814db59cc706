"""`cnnedge inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ... import figures
from ...bundle import read_model
from ...inspection import Inspection, LayerCost, inspect_model
from .. import output
from .text import bar, delegate_name, facts, left_behind, one_line, operator_label

# Below this width the columns that say least are left out.
_NARROW = 100
# No system has longer ones.
_MOST_PATH = 4_096


@click.command()
@click.argument("model")
@click.option("--operators", is_flag=True, help="List every operator with its tensors.")
@click.option(
    "--layers",
    type=click.IntRange(0, 1000),
    default=8,
    show_default=True,
    metavar="N",
    help="Show this many of the largest layers.",
)
@click.option(
    "--plot", metavar="OUT", help="Draw the sizes of the layers to OUT, a .png or .svg file."
)
@output.json_option
@output.verbose_option
def command(
    model: str, operators: bool, layers: int, plot: str | None, json_file: str | None, verbose: bool
) -> None:
    """Show what MODEL is, what it takes, and which delegates would run it, without running it."""
    found = inspect_model(read_model(model))
    if plot:
        from ...inspection.picture import save_picture

        save_picture(Path(plot), found)
    if json_file:
        output.write_json(json_file, found.as_json())
    if json_file != "-":
        _print(found, operators=operators, layers=layers)
    if plot:
        output.note(f"picture: {plot}")


def _print(found: Inspection, *, operators: bool, layers: int) -> None:
    console = output.results()
    _print_facts(console, found)
    console.print()
    _print_delegates(console, found)
    if layers and found.layers:
        console.print()
        _print_layers(console, found, layers)
    if operators:
        console.print()
        _print_operators(console, found)


def _print_facts(console: Console, found: Inspection) -> None:
    table = output.table()
    table.add_column("model", style="bold", no_wrap=True)
    table.add_column(Text(one_line(str(found.file.path), _MOST_PATH)), overflow="fold")
    for name, text in facts(found):
        table.add_row(name, text)
    console.print(table)


def _print_delegates(console: Console, found: Inspection) -> None:
    table = output.table()
    table.add_column("delegate", no_wrap=True)
    table.add_column("takes", justify="right", no_wrap=True)
    table.add_column("pieces", justify="right", no_wrap=True)
    table.add_column("what stays on the CPU, and why")
    for forecast in found.forecasts:
        count, total = len(forecast.taken), forecast.total
        style = "green" if count == total else "yellow" if count else "red"
        table.add_row(
            delegate_name(forecast),
            Text(f"{count} of {total}", style=style),
            str(forecast.pieces),
            left_behind(forecast),
        )
    console.print(table)
    console.print(
        Text(
            "Forecast from each delegate's own rules, without running the model; 'cnnedge bench' "
            "and 'run' report what a delegate really took.",
            style="dim",
        )
    )


def _print_layers(console: Console, found: Inspection, count: int) -> None:
    rows = largest(found, count)
    wide = console.width >= _NARROW
    length = 12 if wide else 6
    table = output.table()
    table.add_column(
        "largest layers", overflow="ellipsis", no_wrap=True, max_width=32 if wide else 20
    )
    if wide:
        table.add_column("operator", no_wrap=True)
    for name in ("weights", "multiply-adds" if wide else "MACs", "memory alive"):
        table.add_column(name, no_wrap=True)
        table.add_column("", justify="right", no_wrap=True)
    most = tuple(max(v) for v in zip(*(_measures(x) for x in found.layers), strict=True))
    for layer in rows:
        cells: list[Any] = [Text(one_line(layer.name) or layer.operator)]
        cells += [Text(operator_label(layer.operator), style="dim")] if wide else []
        values = _measures(layer)
        texts = (figures.size(values[0]), amount(values[1]), figures.size(values[2]))
        for value, top, text in zip(values, most, texts, strict=True):
            cells += [bar(value, top, length), Text(text if value else "–")]
        table.add_row(*cells)
    console.print(table)
    rest = len(found.layers) - len(rows)
    if rest:
        console.print(Text(f"and {rest:,} more; --layers N, --plot OUT.png", style="dim"))


def largest(found: Inspection, count: int) -> list[LayerCost]:
    """The layers with the largest share of weights or work, in the order of execution."""
    weights = max(1, sum(x.weight_bytes for x in found.layers))
    work = max(1, found.macs)
    costly = [x for x in found.layers if x.weight_bytes or x.macs] or found.layers
    by_share = sorted(costly, key=lambda x: -(x.weight_bytes / weights + x.macs / work))
    return sorted(by_share[:count], key=lambda x: x.index)


def amount(value: int) -> str:
    """A count for people: 14,980,000 as 15.0 M."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size:
            return f"{value / size:.{2 if value < 10 * size else 1}f} {unit}"
    return str(value)


def _measures(layer: LayerCost) -> tuple[int, int, int]:
    return layer.weight_bytes, layer.macs, layer.alive_bytes


def _print_operators(console: Console, found: Inspection) -> None:
    table: Table = output.table()
    for name in ("#", "operator", "inputs", "outputs"):
        table.add_column(name, justify="right" if name == "#" else "left")
    tensors = found.file.graph.tensors
    for i, op in enumerate(found.file.graph.operators):
        sides = (
            " ".join(f"{tensors[t].dtype} {list(tensors[t].shape)}" for t in side if t >= 0)
            for side in (op.inputs, op.outputs)
        )
        table.add_row(str(i), Text(f"{one_line(op.name)} v{op.version}"), *(Text(s) for s in sides))
    console.print(table)
