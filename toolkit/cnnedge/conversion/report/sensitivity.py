"""Which layers int8 hurts, for the report.

The report enters; text leaves: a sentence on the worst layer, a line of all where there are many,
and a bar for each of those that matter. Bars grow with the harm, towards fewer decibels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...figures import milliseconds, size
from ...pages.axes import round_ticks
from ...pages.text import Row, listed, number

_SHOWN = 20
_WORST = 3
# Measured as no noise at all; it would leave the bars of all others without a length.
_CLEAN_DB = 80.0


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """Decibels as a share of the bar's track: clean is 0, the loudest noise 100 %."""

    clean: float
    loud: float

    def place(self, decibels: float) -> float:
        share = (self.clean - decibels) / (self.clean - self.loud)
        return 100 * min(1.0, max(0.0, share))

    @property
    def ticks(self) -> tuple[float, ...]:
        return round_ticks(self.loud, self.clean)


@dataclass(frozen=True, kw_only=True)
class Tick:
    left: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A layer. alone, reached: per cent of the track, of its own noise and of all with it."""

    number: int
    name: str
    below: str
    worst: bool
    title: str
    alone: str
    reached: str | None
    decibels: str
    span: str


@dataclass(frozen=True, kw_only=True)
class Upright:
    """A layer's bar among those of all, in SVG units."""

    kind: str
    x: str
    top: str
    height: str


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All layers from left to right: what each adds as a bar, what has added up as a line."""

    bars: Sequence[Upright]
    line: str
    first: str
    last: str


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """worst: the layer that `finding` speaks about. overview: where not all have a bar."""

    worst: str
    finding: str
    reading: str
    overview: Overview | None
    ticks: Sequence[Tick]
    bars: Sequence[Bar]


def sensitivity_of_layers(report: Row) -> Sensitivity | None:
    """None where nothing was measured."""
    known = report.get("sensitivity") or {}
    layers = [row for row in known.get("layers") or () if row.get("own_snr_db") is not None]
    if not layers:
        return None
    ranked = sorted(range(len(layers)), key=lambda i: layers[i]["own_snr_db"])
    worst, shown = ranked[:_WORST], sorted(ranked[:_SHOWN])
    scale, in_float = _scale(layers), _in_float(report)
    return Sensitivity(
        worst=str(layers[worst[0]].get("layer")),
        finding=_finding([layers[i] for i in worst]),
        reading=_reading(known, len(layers), len(shown)),
        overview=_overview(layers, scale, worst) if len(layers) > _SHOWN else None,
        ticks=[Tick(left=f"{scale.place(t):.1f}", text=number(t)) for t in scale.ticks],
        bars=[_bar(i, layers[i], scale, worst=i in worst, in_float=in_float) for i in shown],
    )


def _finding(worst: Sequence[Row]) -> str:
    first = worst[0]
    span = ""
    if first.get("low") is not None and first.get("high") is not None:
        span = f"; its output spans {number(first['low'])} to {number(first['high'])}"
    said = f"hurts most: {_db(first['own_snr_db'])} on its own"
    others = [f"{row.get('layer')} ({_db(row['own_snr_db'])})" for row in worst[1:]]
    return f"{said}{span}.{' Then ' + listed(others) + '.' if others else ''}{_in_labels(worst)}"


def _in_labels(worst: Sequence[Row]) -> str:
    """How many labels each of these layers changes by itself, and what it costs in float."""
    told = [row for row in worst if row.get("pictures") and row.get("changed") is not None]
    if not told:
        return ""
    if not any(row["changed"] for row in told):
        return (
            f" None of them changes the label of any of {told[0]['pictures']:,} pictures "
            "when it alone is in int8."
        )
    counts = [f"{row['changed']:,} by {row.get('layer')}" for row in told]
    return (
        f" Labels of {told[0]['pictures']:,} pictures that change when one layer alone is in int8: "
        f"{listed(counts)}. In float, {listed([_price(row) for row in told])}."
    )


def _price(row: Row) -> str:
    """What a layer costs in float."""
    costs = [f"{size(row['float_bytes'])} more"] if row.get("float_bytes") is not None else []
    if row.get("float_ms") is not None:
        less = "less" if row["float_ms"] < 0 else "more"
        costs.append(f"{milliseconds(abs(row['float_ms']))} {less}")
    return f"{row.get('layer')} takes {' and '.join(costs)}"


def _reading(known: Row, total: int, shown: int) -> str:
    of = f"in {known['variant']} " if known.get("variant") else ""
    over = f", over {known['pictures']:,} pictures" if known.get("pictures") else ""
    said = (
        f"Signal-to-noise ratio {of}against float32{over}; fewer decibels hurt more. The bar is "
        "what the layer alone adds, the dot its output with all that came before."
    )
    if shown < total:
        said += (
            f" The line has all {total} layers; below it are the {shown} worst, in the order of "
            f"execution, without the other {total - shown}."
        )
    return said


def _db(decibels: float) -> str:
    return f"{decibels:.1f}".replace("-", "\u2212") + "\u00a0dB"


def _scale(layers: Sequence[Row]) -> _Scale:
    values = [
        row[key] for row in layers for key in ("own_snr_db", "snr_db") if row.get(key) is not None
    ]
    counted = [value for value in values if value < _CLEAN_DB] or [_CLEAN_DB]
    clean = 10.0 * -(-(max(counted) + 2) // 10)
    return _Scale(clean=clean, loud=min(0.0, max(min(counted) - 2, -40.0)))


def _in_float(report: Row) -> dict[str, str]:
    """The variants that leave a layer in float, by the layer."""
    found: dict[str, list[str]] = {}
    for variant in report["variants"]:
        for layer in variant.get("float_layers") or ():
            found.setdefault(str(layer), []).append(str(variant["name"]))
    return {layer: f"float in {listed(names)}" for layer, names in found.items()}


def _bar(index: int, layer: Row, scale: _Scale, *, worst: bool, in_float: Mapping[str, str]) -> Bar:
    name, own, reached = str(layer.get("layer")), layer["own_snr_db"], layer.get("snr_db")
    below = (str(layer.get("operator") or "").replace("_", " ").lower(), in_float.get(name))
    span = ""
    if layer.get("low") is not None and layer.get("high") is not None:
        span = f"{number(layer['low'])} to {number(layer['high'])}"
    return Bar(
        number=index + 1,
        name=name,
        below=" · ".join(part for part in below if part),
        worst=worst,
        title=f"{_db(own)} alone"
        + ("" if reached is None else f", {_db(reached)} with all before"),
        alone=f"{scale.place(own):.1f}",
        reached=None if reached is None else f"{scale.place(reached):.1f}",
        decibels=_db(own),
        span=span,
    )


def _overview(layers: Sequence[Row], scale: _Scale, worst: Sequence[int]) -> Overview:
    heights = [scale.place(row["own_snr_db"]) for row in layers]
    return Overview(
        bars=[
            Upright(
                kind="worst" if i in worst else "each",
                x=f"{i + 0.1:.1f}",
                top=f"{100 - height:.1f}",
                height=f"{height:.1f}",
            )
            for i, height in enumerate(heights)
        ],
        line=" ".join(
            f"{i + 0.5},{100 - scale.place(row['snr_db']):.1f}"
            for i, row in enumerate(layers)
            if row.get("snr_db") is not None
        ),
        first=str(layers[0].get("layer")),
        last=str(layers[-1].get("layer")),
    )
