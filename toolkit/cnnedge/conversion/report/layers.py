"""Where the zeros and the work are: each layer's sparsity and MACs, one column per variant.

The report enters; a section of HTML leaves. Shown are the variants with clearly more zeros, or
fewer multiply-accumulates, than the baseline: int8, or else float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...pages.text import Row, escape, format_count

# Rounding makes some zeros in every quantised file; these are not what the section is about.
_MORE_ZEROS = 0.1
_FEWER_MACS = 0.995
# More columns than these, and their names stand upright.
_LEVEL_NAMES = 9


@dataclass(frozen=True, kw_only=True)
class _Column:
    """One variant's layers, in the order of the baseline's; None where it has no such layer."""

    variant: Row
    layers: Sequence[Row | None]


def layers_section(report: Row) -> str:
    """The table; "" where no variant has fewer weights or less work than the baseline."""
    known = [v for v in report["variants"] if v.get("layers")]
    base = next((v for n in ("int8", "float32") for v in known if v["name"] == n), None)
    base = base or next(iter(known), None)
    if base is None:
        return ""
    changed = [v for v in known if v is not base and _changed(v, base)]
    if not changed:
        return ""
    columns = [_matched(v, base["layers"]) for v in (base, *changed)]
    largest = max((row.get("macs") or 0 for c in columns for row in c.layers if row), default=0)
    heads = "".join(_head(c.variant, baseline=c.variant is base) for c in columns)
    rows = "".join(
        _row(layer, [c.layers[i] for c in columns], largest)
        for i, layer in enumerate(base["layers"])
    )
    upright = " upright" if len(columns) > _LEVEL_NAMES else ""
    return (
        '<section><h2>Where the zeros and the work are</h2><p class="note">Layers in the order of '
        "execution. Shade and number: weights that are zero. Bar: multiply-accumulates of one "
        f"inference, with {escape(base['name'])}&rsquo;s as a pale bar behind; a full bar is "
        f"{format_count(largest)}.</p>"
        f'<div class="scroll"><table class="layers{upright}" style="--n:{len(columns)}"><thead><tr>'
        '<th scope="col"><b>Layer</b><span class="sub">all zeros</span><span class="sub">all MACs'
        f"</span></th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _changed(variant: Row, base: Row) -> bool:
    more = (variant.get("sparsity") or 0.0) - (base.get("sparsity") or 0.0)
    macs, before = variant.get("macs"), base.get("macs")
    fewer = bool(macs and before and macs < _FEWER_MACS * before)
    return more >= _MORE_ZEROS or fewer


def _matched(variant: Row, base: Sequence[Row]) -> _Column:
    layers: Sequence[Row] = variant["layers"]
    # Formats name their tensors differently; the same operators in a row are the same layers.
    if [row.get("operator") for row in layers] == [row.get("operator") for row in base]:
        return _Column(variant=variant, layers=layers)
    found = dict(zip(_names(layers), layers, strict=True))
    return _Column(variant=variant, layers=[found.get(name) for name in _names(base)])


def _names(layers: Sequence[Row]) -> list[tuple[object, int]]:
    """Names with a count: a layer that is used twice is two."""
    names = [row.get("name") for row in layers]
    return [(name, names[:i].count(name)) for i, name in enumerate(names)]


def _head(variant: Row, *, baseline: bool) -> str:
    name, macs = escape(variant["name"]), variant.get("macs")
    said = [f"{100 * (variant.get('sparsity') or 0):.0f} %"]
    said.append(format_count(macs) if macs else "&ndash;")
    below = "".join(f'<span class="sub">{part}</span>' for part in said)
    kind = ' class="base"' if baseline else ""
    return f'<th scope="col"{kind} title="{name}"><b>{name}</b>{below}</th>'


def _row(layer: Row, cells: Sequence[Row | None], largest: float) -> str:
    name = escape(layer.get("name") or "")
    shape = "&times;".join(escape(size) for size in layer.get("shape") or ())
    operator = escape(str(layer.get("operator") or "").replace("_", " ").lower())
    head = (
        f'<th scope="row" title="{name}: {operator} {shape}"><b>{name}</b>'
        f'<span class="sub">{operator} {shape}</span></th>'
    )
    before = layer.get("macs") or 0
    return f"<tr>{head}{''.join(_cell(cell, before, largest) for cell in cells)}</tr>"


def _cell(layer: Row | None, before: float, largest: float) -> str:
    if layer is None:
        return '<td class="none">&ndash;</td>'
    zeros, macs = layer.get("sparsity") or 0.0, layer.get("macs") or 0
    said = f"{100 * zeros:.1f} % zeros"
    said += f", {format_count(macs)} MACs" if macs else ""
    said += f", {format_count(layer['parameters'])} weights" if layer.get("parameters") else ""
    ghost, bar = (100 * value / largest if largest else 0.0 for value in (before, macs))
    text = f"{100 * zeros:.0f} %" if zeros >= 0.005 else ""
    return (
        f'<td class="cell" style="--a:{zeros:.2f};--g:{ghost:.1f}%;--w:{bar:.1f}%" '
        f'title="{said}">{text}</td>'
    )
