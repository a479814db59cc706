"""Which layers int8 hurts, for the report.

The report enters; text leaves: a sentence on the worst layer, a line of all where there are many,
and a bar for each of those that matter. Bars grow with the harm, towards fewer decibels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...figures import milliseconds, size
from ...pages.axes import round_ticks
from ...pages.text import Row, decibels, listed, number

_SHOWN = 20
_WORST = 3
# Measured as no noise at all; it would leave the bars of all others without a length.
_CLEAN_DB = 80.0


@dataclass(frozen=True, kw_only=True)
class Scale:
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
class Layer:
    """own, reached: decibels of its noise alone, and with all before it. span: of its output."""

    name: str
    below: str
    own: float
    reached: float | None
    span: str


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """worst, shown: places in `layers`. finding: about the worst of all; reading: of the bars."""

    layers: Sequence[Layer]
    worst: Sequence[int]
    shown: Sequence[int]
    scale: Scale
    finding: str
    reading: str


def sensitivity_of_layers(report: Row) -> Sensitivity | None:
    """None where nothing was measured."""
    known = report.get("sensitivity") or {}
    layers = [row for row in known.get("layers") or () if row.get("own_snr_db") is not None]
    if not layers:
        return None
    ranked = sorted(range(len(layers)), key=lambda i: layers[i]["own_snr_db"])
    worst, shown = ranked[:_WORST], sorted(ranked[:_SHOWN])
    in_float = _in_float(report)
    return Sensitivity(
        layers=[_layer(row, in_float.get(str(row.get("layer")), "")) for row in layers],
        worst=worst,
        shown=shown,
        scale=_scale(layers),
        finding=_finding([layers[i] for i in worst]),
        reading=_reading(known, len(layers), len(shown)) + _uncorrected(report),
    )


def _uncorrected(report: Row) -> str:
    """The layers are those of plain int8, also where a variant is not plain."""
    entries = report.get("variants") or ()
    if any((entry.get("ptq") or {}).get("corrected") for entry in entries):
        return " All of this is before the biases were corrected."
    return ""


def _finding(worst: Sequence[Row]) -> str:
    first = worst[0]
    span = f"; its output spans {_span(first)}" if _span(first) else ""
    said = f"hurts most: {decibels(first['own_snr_db'])} on its own"
    others = [f"{row.get('layer')} ({decibels(row['own_snr_db'])})" for row in worst[1:]]
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


def _scale(layers: Sequence[Row]) -> Scale:
    values = [
        row[key] for row in layers for key in ("own_snr_db", "snr_db") if row.get(key) is not None
    ]
    counted = [value for value in values if value < _CLEAN_DB] or [_CLEAN_DB]
    clean = 10.0 * -(-(max(counted) + 2) // 10)
    return Scale(clean=clean, loud=min(0.0, max(min(counted) - 2, -40.0)))


def _in_float(report: Row) -> dict[str, str]:
    """The variants that leave a layer in float, by the layer."""
    found: dict[str, list[str]] = {}
    for variant in report["variants"]:
        for layer in variant.get("float_layers") or ():
            found.setdefault(str(layer), []).append(str(variant["name"]))
    return {layer: f"float in {listed(names)}" for layer, names in found.items()}


def _layer(row: Row, in_float: str) -> Layer:
    below = (str(row.get("operator") or "").replace("_", " ").lower(), in_float)
    return Layer(
        name=str(row.get("layer")),
        below=" · ".join(part for part in below if part),
        own=row["own_snr_db"],
        reached=row.get("snr_db"),
        span=_span(row),
    )


def _span(row: Row) -> str:
    if row.get("low") is None or row.get("high") is None:
        return ""
    return f"{number(row['low'])} to {number(row['high'])}"
