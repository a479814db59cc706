"""Where the zeros and the work are: each layer's sparsity and MACs, one column per variant.

The report enters; a table leaves, as text. Shown are the variants with clearly more zeros, or
fewer multiply-accumulates, than the baseline: int8, or else float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...pages.text import Row, format_count

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


@dataclass(frozen=True, kw_only=True)
class Head:
    """A variant; below: its share of zeros and its MACs."""

    name: str
    below: tuple[str, str]
    baseline: bool


@dataclass(frozen=True, kw_only=True)
class Cell:
    """zeros: a fraction; before, work: per cent of the layer with the most MACs."""

    zeros: str
    before: str
    work: str
    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """what: operator and shape. cells: one for each head; None where there is no such layer."""

    name: str
    what: str
    cells: Sequence[Cell | None]


@dataclass(frozen=True, kw_only=True)
class LayerTable:
    """base: the variant that the others are compared with. largest: the most MACs of a layer."""

    base: str
    largest: str
    upright: bool
    heads: Sequence[Head]
    rows: Sequence[LayerRow]


def layer_table(report: Row) -> LayerTable | None:
    """None where no variant has fewer weights or less work than the baseline."""
    known = [v for v in report["variants"] if v.get("layers")]
    base = next((v for n in ("int8", "float32") for v in known if v["name"] == n), None)
    base = base or next(iter(known), None)
    changed = [v for v in known if v is not base and base and _changed(v, base)]
    if base is None or not changed:
        return None
    columns = [_matched(v, base["layers"]) for v in (base, *changed)]
    largest = max((row.get("macs") or 0 for c in columns for row in c.layers if row), default=0)
    return LayerTable(
        base=base["name"],
        largest=format_count(largest),
        upright=len(columns) > _LEVEL_NAMES,
        heads=[_head(c.variant, baseline=c.variant is base) for c in columns],
        rows=[
            _row(layer, [c.layers[i] for c in columns], largest)
            for i, layer in enumerate(base["layers"])
        ],
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


def _head(variant: Row, *, baseline: bool) -> Head:
    macs = variant.get("macs")
    zeros = f"{100 * (variant.get('sparsity') or 0):.0f} %"
    below = (zeros, format_count(macs) if macs else "–")
    return Head(name=variant["name"], below=below, baseline=baseline)


def _row(layer: Row, cells: Sequence[Row | None], largest: float) -> LayerRow:
    shape = "×".join(str(size) for size in layer.get("shape") or ())
    operator = str(layer.get("operator") or "").replace("_", " ").lower()
    before = layer.get("macs") or 0
    return LayerRow(
        name=layer.get("name") or "",
        what=f"{operator} {shape}",
        cells=[None if c is None else _cell(c, before, largest) for c in cells],
    )


def _cell(layer: Row, before: float, largest: float) -> Cell:
    zeros, macs = layer.get("sparsity") or 0.0, layer.get("macs") or 0
    said = f"{100 * zeros:.1f} % zeros"
    said += f", {format_count(macs)} MACs" if macs else ""
    said += f", {format_count(layer['parameters'])} weights" if layer.get("parameters") else ""
    ghost, bar = (100 * value / largest if largest else 0.0 for value in (before, macs))
    return Cell(
        zeros=f"{zeros:.2f}",
        before=f"{ghost:.1f}",
        work=f"{bar:.1f}",
        title=said,
        text=f"{100 * zeros:.0f} %" if zeros >= 0.005 else "",
    )
