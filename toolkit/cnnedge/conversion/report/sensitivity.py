"""Which layers int8 hurts, as a section of the report.

The report enters; HTML leaves: a sentence on the worst layer, a line of all where there are many,
and a bar for each of those that matter. Bars grow with the harm, towards fewer decibels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...figures import milliseconds, size
from ...pages.axes import round_ticks
from ...pages.text import Row, escape, listed, number

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


def sensitivity_section(report: Row) -> str:
    """The section; "" where nothing was measured."""
    known = report.get("sensitivity") or {}
    layers = [row for row in known.get("layers") or () if row.get("own_snr_db") is not None]
    if not layers:
        return ""
    ranked = sorted(range(len(layers)), key=lambda i: layers[i]["own_snr_db"])
    worst, shown = ranked[:_WORST], sorted(ranked[:_SHOWN])
    scale = _scale(layers)
    in_float = _in_float(report)
    rows = "".join(
        _row(i, layers[i], scale, worst=i in worst, tag=in_float.get(str(layers[i].get("layer"))))
        for i in shown
    )
    overview = _overview(layers, scale, worst) if len(layers) > _SHOWN else ""
    return (
        "<section><h2>Sensitivity to int8, layer by layer</h2>"
        f'<p class="finding">{_finding([layers[i] for i in worst])}</p>'
        f'<p class="note">{_reading(known, len(layers), len(shown))}</p>{overview}'
        f'<div class="bars noise">{_ruler(scale)}{rows}</div></section>'
    )


def _finding(worst: Sequence[Row]) -> str:
    first = worst[0]
    span = ""
    if first.get("low") is not None and first.get("high") is not None:
        span = f"; its output spans {number(first['low'])} to {number(first['high'])}"
    said = f"<b>{escape(first.get('layer'))}</b> hurts most: {_db(first['own_snr_db'])} on its own"
    others = [f"{escape(row.get('layer'))} ({_db(row['own_snr_db'])})" for row in worst[1:]]
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
    counts = [f"{row['changed']:,} by {escape(row.get('layer'))}" for row in told]
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
    return f"{escape(row.get('layer'))} takes {' and '.join(costs)}"


def _reading(known: Row, total: int, shown: int) -> str:
    of = f"in {escape(known['variant'])} " if known.get("variant") else ""
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


def _ruler(scale: _Scale) -> str:
    marks = "".join(
        f'<i style="left:{scale.place(tick):.1f}%">{number(tick)}</i>' for tick in scale.ticks
    )
    return (
        f'<div class="row ruler"><b>decibels</b><span class="track">{marks}</span>'
        '<span>alone</span><span class="share">output spans</span></div>'
    )


def _row(index: int, layer: Row, scale: _Scale, *, worst: bool, tag: str | None) -> str:
    name = escape(layer.get("layer"))
    operator = escape(str(layer.get("operator") or "").replace("_", " ").lower())
    own, reached = layer["own_snr_db"], layer.get("snr_db")
    dot = ""
    if reached is not None:
        dot = f'<i class="dot" style="left:{scale.place(reached):.1f}%"></i>'
    span = ""
    if layer.get("low") is not None and layer.get("high") is not None:
        span = f"{number(layer['low'])} to {number(layer['high'])}"
    said = f"{_db(own)} alone" + ("" if reached is None else f", {_db(reached)} with all before")
    below = " &middot; ".join(part for part in (operator, escape(tag) if tag else "") if part)
    return (
        f'<div class="row{" worst" if worst else ""}"><b title="{name}"><u>{index + 1}</u>{name}'
        f'<span class="sub">{below}</span></b><span class="track" title="{said}">'
        f'<i class="part" style="width:{scale.place(own):.1f}%"></i>{dot}</span>'
        f'<span>{_db(own)}</span><span class="share">{span}</span></div>'
    )


def _overview(layers: Sequence[Row], scale: _Scale, worst: Sequence[int]) -> str:
    """All layers from left to right: what each adds as a bar, what has added up as a line."""
    bars = "".join(
        f'<rect class="{"worst" if i in worst else "each"}" x="{i + 0.1:.1f}" width=".8" '
        f'y="{100 - scale.place(row["own_snr_db"]):.1f}" '
        f'height="{scale.place(row["own_snr_db"]):.1f}"/>'
        for i, row in enumerate(layers)
    )
    line = " ".join(
        f"{i + 0.5},{100 - scale.place(row['snr_db']):.1f}"
        for i, row in enumerate(layers)
        if row.get("snr_db") is not None
    )
    ends = f"<span>{escape(layers[0].get('layer'))}</span><span>{escape(layers[-1].get('layer'))}"
    return (
        f'<svg class="overview" viewBox="0 0 {len(layers)} 100" preserveAspectRatio="none" '
        f'role="img" aria-label="Noise of all {len(layers)} layers in the order of execution">'
        f'{bars}<polyline points="{line}"/></svg><div class="ends">{ends}</span></div>'
    )
