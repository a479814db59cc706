"""`cnnedge models`: the shipped networks, and one network layer by layer.

Names, an input size and a number of classes enter; tables leave on standard output, or JSON.
Nothing is built: the figures are arithmetic, so the command needs no TensorFlow.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .. import figures
from ..errors import SpecError
from ..specs import plain, shipped, spoken
from ..specs.arithmetic import BACKBONE_INDEX, LayerRow, trace
from ..specs.backbones import BACKBONES, MINIMUM_SIDE
from ..specs.model import ModelSpec, parse_model
from ..specs.pixels import InputSize
from ..specs.signals import Sample, SignalSize
from . import output

YARDSTICK = "mlp"


@dataclass(frozen=True, kw_only=True)
class Total:
    """What a network costs: parameters, and multiply-accumulates for one picture."""

    parameters: int
    macs: int


def _parse_size(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> InputSize | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)x(\d+)x([13])", text)
    if not match or any(not 4 <= int(side) <= 4096 for side in match.groups()[:2]):
        raise click.BadParameter(
            f"'{text}' is not a size such as 28x28x1: height x width x channels, sides from 4 to "
            "4096, 1 channel for grey or 3 for RGB"
        )
    height, width, channels = (int(n) for n in match.groups())
    return InputSize(height=height, width=width, channels=channels)


@click.command(name="models")
@click.argument("name", required=False)
@click.option(
    "--input",
    "size",
    metavar="HxWxC",
    callback=_parse_size,
    help="Use this input size, such as 28x28x1. [default: the model's own]",
)
@click.option(
    "--classes",
    type=click.IntRange(2, 100_000),
    default=10,
    show_default=True,
    help="Number of classes.",
)
@click.option(
    "--worked",
    "layer",
    metavar="LAYER",
    help="Work out one output pixel of this convolution, number by number: conv2d, conv2d_1, ...",
)
@output.json_option
@output.verbose_option
def command(
    name: str | None,
    size: Sample | None,
    classes: int,
    layer: str | None,
    json_file: str | None,
    verbose: bool,
) -> None:
    """List the shipped models, or show one layer by layer.

    NAME is a shipped model (lenet) or a file of your own (./mine.yaml).
    """
    if layer is not None:
        if name is None:
            raise click.UsageError(
                "--worked is for one model: cnnedge models lenet --worked conv2d"
            )
        payload, tables = _work_out(name, size, classes, layer)
    elif name is None:
        payload, tables = _list_all(size, classes)
    else:
        payload, tables = _show_one(name, size, classes)
    if json_file:
        output.write_json(json_file, payload)
    if json_file != "-":
        _print(tables)


def _read(name: str, size: Sample | None, classes: int) -> tuple[ModelSpec, list[LayerRow]]:
    text, source = shipped.read("models", name)
    model = parse_model(text, source)
    try:
        return model, trace(model, size, classes)
    except SpecError as error:
        raise SpecError(f"{source}: {error}") from None


def _total(rows: Iterable[LayerRow]) -> Total:
    rows = list(rows)
    return Total(parameters=sum(r.parameters for r in rows), macs=sum(r.macs for r in rows))


def _list_all(size: Sample | None, classes: int) -> tuple[Mapping[str, object], list[Table | str]]:
    table = _table()
    table.add_column("model", no_wrap=True)
    table.add_column("input", no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("MACs", justify="right", no_wrap=True)
    table.add_column("description")
    models, left_out = _fitting(size)
    backbones = [n for n in left_out if n not in _taking_signals()]
    listed = {}
    for name, model in models.items():
        total, shape = _total(_read(name, size, classes)[1]), (size or model.input).shape
        listed[name] = {
            "description": model.description,
            "input": list(shape),
            **plain(total),
            **_published(model),
        }
        table.add_row(
            name,
            _times(shape),
            f"{total.parameters:,}",
            f"{total.macs:,}",
            model.description.strip(),
        )
    shown: list[Table | str] = [table, *_published_table(models.values())]
    signals = [n for n in left_out if n not in backbones]
    if backbones:
        shown.append(
            "Not shown, because backbones need RGB pictures of at least "
            f"{MINIMUM_SIDE}x{MINIMUM_SIDE}: {', '.join(backbones)}."
        )
    if signals:
        shown.append(f"Not shown, because they take signals: {', '.join(signals)}.")
    shown += [
        f"For {classes} classes. MACs: multiply-accumulates for one picture.",
        "To show one model layer by layer: cnnedge models lenet",
    ]
    return {"classes": classes, "models": listed, "left_out": left_out}, shown


def _taking_signals() -> list[str]:
    """The shipped models that take signals."""
    models = {n: parse_model(*shipped.read("models", n)) for n in shipped.names("models")}
    return [n for n, model in models.items() if isinstance(model.input, SignalSize)]


def _fitting(size: Sample | None) -> tuple[dict[str, ModelSpec], dict[str, str]]:
    """The shipped models; separately, the reasons of backbones and others to refuse this size.

    A size meant for small networks must not end the list at the first backbone.
    """
    models = {n: parse_model(*shipped.read("models", n)) for n in shipped.names("models")}
    complaints = {n: m.check_input(size or m.input) for n, m in models.items()}
    if size is not None:
        complaints |= dict.fromkeys(_taking_signals(), "it takes signals")
    left_out = {n: text for n, text in complaints.items() if text}
    return {n: m for n, m in models.items() if n not in left_out}, left_out


def _published(model: ModelSpec) -> dict[str, str | float | None]:
    """Where a model's ready-made weights come from; each None for a model without a backbone."""
    backbone = BACKBONES[model.backbone] if model.backbone else None
    return {
        "backbone": model.backbone,
        **{key: getattr(backbone, key, None) for key in ("imagenet_top1", "weights", "licence")},
    }


def _published_line(model: ModelSpec) -> list[str]:
    if model.backbone is None:
        return []
    known = BACKBONES[model.backbone]
    return [
        f"Published weights: {known.weights}; licence {known.licence}; ImageNet top-1 "
        f"{figures.percent(known.imagenet_top1, 1)}."
    ]


def _published_table(models: Iterable[ModelSpec]) -> list[Table]:
    table = _table()
    table.add_column("backbone", no_wrap=True)
    table.add_column("ImageNet\ntop-1", justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    table.add_column("published weights")
    for model in models:
        if model.backbone:
            known = BACKBONES[model.backbone]
            accuracy = figures.percent(known.imagenet_top1, 1)
            table.add_row(model.backbone, accuracy, known.licence, known.weights)
    return [table] if table.rows else []


def _show_one(
    name: str, size: Sample | None, classes: int
) -> tuple[Mapping[str, object], list[Table | str]]:
    model, rows = _read(name, size, classes)
    picture = size or model.input
    totals = _comparison(name, rows, picture, classes)
    payload = {
        "name": name,
        "description": model.description,
        "input": list(picture.shape),
        "classes": classes,
        "layers": plain(rows),
        **plain(totals[name]),
        **_published(model),
        "comparison": {label: plain(total) for label, total in totals.items() if label != name},
    }
    shown: list[Table | str] = [
        f"{name}: input {_times(picture.shape)}, {classes} classes. {model.description.strip()}",
        *_layer_tables(rows),
        *_published_line(model),
        _comparison_table(name, totals),
        _notes(rows, picture),
    ]
    return payload, shown


def _work_out(
    name: str, size: Sample | None, classes: int, layer: str
) -> tuple[Mapping[str, object], list[Table | str]]:
    """One output pixel of a convolution."""
    from . import worked

    model, _ = _read(name, size, classes)
    picture = size or model.input
    if not isinstance(picture, InputSize):
        raise SpecError(f"--worked {layer}: {name} takes signals; it shows networks for pictures")
    found = worked.work_out(model, layer, picture)
    return {"name": name, **worked.payload(found)}, [worked.text(found)]


def _comparison(name: str, rows: list[LayerRow], picture: Sample, classes: int) -> dict[str, Total]:
    """This model's total first, then the two fully connected ones it is measured against."""
    totals = {name: _total(rows)}
    if name != YARDSTICK:
        totals[f"{YARDSTICK} of the same input"] = _total(_read(YARDSTICK, picture, classes)[1])
    exploded = Total(
        parameters=sum(r.dense_equivalent for r in rows),
        macs=sum(r.dense_equivalent_macs for r in rows),
    )
    # A backbone's layers are not here one by one.
    if exploded != totals[name] and not _has_backbone(rows):
        totals["the same activations, fully connected"] = exploded
    return totals


def _comparison_table(name: str, totals: dict[str, Total]) -> Table:
    own = totals[name]
    rows = [
        (
            escape(label),
            f"{total.parameters:,}",
            _ratio(total.parameters, own.parameters),
            f"{total.macs:,}",
            _ratio(total.macs, own.macs),
        )
        for label, total in totals.items()
    ]
    table, tight = _table(1), _table(0)
    for each in (table, tight):
        each.add_column("", no_wrap=True)
        for heading in ("parameters", "ratio", "MACs", "ratio"):
            each.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            each.add_row(*row)
    return table if _natural_width(table) <= output.results().width else tight


def _layer_tables(rows: list[LayerRow]) -> list[Table]:
    """The layers in one table, or their arithmetic in a second one where the line is too short."""
    width = output.results().width
    for gap in (1, 0):
        table = _layer_table(rows, gap, with_sums=True)
        if _natural_width(table) <= width:
            return [table]
    sums = _table()
    sums.add_column("#", justify="right", no_wrap=True)
    sums.add_column("layer", no_wrap=True)
    sums.add_column("arithmetic")
    for row in rows:
        if row.arithmetic:
            sums.add_row(_index(row), row.type, row.arithmetic)
    plain_table = _layer_table(rows, 1, with_sums=False)
    fits = _natural_width(plain_table) <= width
    return [plain_table if fits else _layer_table(rows, 0, with_sums=False), sums]


def _layer_table(rows: list[LayerRow], gap: int, *, with_sums: bool) -> Table:
    table = _table(gap)
    table.add_column("\n#", justify="right", no_wrap=True)
    table.add_column("\nlayer", no_wrap=True)
    for heading in ("\noutput", "\nvalues", "\nparameters", "\nMACs", "receptive\nfield"):
        table.add_column(heading, justify="right", no_wrap=True)
    if with_sums:
        table.add_column("\narithmetic", no_wrap=True)
    for row in rows:
        cells = [
            _index(row),
            row.type,
            _times(row.output_shape),
            f"{row.activation_values:,}",
            f"{row.parameters:,}" if row.parameters else "-",
            f"{row.macs:,}" if row.macs else "-",
            _times(row.receptive_field),
        ]
        table.add_row(*cells, *([row.arithmetic] if with_sums else []))
    return table


def _natural_width(table: Table) -> int:
    return Console(width=10_000).measure(table).maximum


def _notes(rows: list[LayerRow], picture: Sample) -> str:
    weights = _total(rows).parameters
    return spoken(
        f"Weights: {_kib(weights * 4)} as float32, {_kib(weights)} as int8.\n"
        f"{_working_memory(rows, picture)}\n"
        "values: numbers in one picture's output. receptive field: input pixels that\n"
        "one value depends on at most. MACs: multiply-accumulates for one picture.",
        picture.noun,
    )


def _working_memory(rows: list[LayerRow], picture: Sample) -> str:
    if _has_backbone(rows):
        return "Working memory: what the layers inside the backbone need; they are not listed."
    working = _working_values(rows, picture)
    return (
        f"Working memory: at least {_kib(working * 4)} as float32, {_kib(working)} as int8: the "
        "largest\ninput and output of one layer together."
    )


def _working_values(rows: list[LayerRow], picture: Sample) -> int:
    """The most values that one layer reads and writes; layers without their own sum
    (normalisation, activations, scaling) are folded or work in place on a device."""
    real = [r.activation_values for r in rows if r.arithmetic and r.type != "Flatten"]
    values = [math.prod(picture.shape), *real]
    return max(a + b for a, b in pairwise(values))


def _has_backbone(rows: list[LayerRow]) -> bool:
    return rows[0].index == BACKBONE_INDEX


def _index(row: LayerRow) -> str:
    return "-" if row.index == BACKBONE_INDEX else str(row.index)


def _kib(size_bytes: int) -> str:
    return f"{size_bytes / 1024:,.1f} KiB"


def _ratio(other: int, own: int) -> str:
    ratio = other / own
    return f"{ratio:,.0f}x" if ratio >= 100 else f"{ratio:.3g}x"


def _times(numbers: Iterable[int]) -> str:
    return "x".join(str(n) for n in numbers)


def _table(gap: int = 1) -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, gap, 0, 0), show_edge=False)


def _print(parts: list[Table | str]) -> None:
    console = output.results()
    for index, part in enumerate(parts):
        if index and (isinstance(part, Table) or isinstance(parts[index - 1], Table)):
            console.print()
        console.print(part, markup=False)
