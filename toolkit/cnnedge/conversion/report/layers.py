"""Where the zeros and the work are: each layer's sparsity and MACs, one column per variant.

The report enters; a table leaves. Shown are the variants with clearly more zeros, or
fewer multiply-accumulates, than the baseline: int8, or else float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...pages.text import Row

# Rounding makes some zeros in every quantised file; these are not what the section is about.
_MORE_ZEROS = 0.1
_FEWER_MACS = 0.995
# More columns than these, and their names stand upright.
_LEVEL_NAMES = 9


@dataclass(frozen=True, kw_only=True)
class Layer:
    """what: operator and shape. zeros: a fraction of the weights."""

    name: str
    what: str
    zeros: float
    macs: float
    weights: float


@dataclass(frozen=True, kw_only=True)
class Column:
    """One variant's layers, in the order of the baseline's; None where it has no such layer."""

    name: str
    zeros: float
    macs: float
    layers: Sequence[Layer | None]


@dataclass(frozen=True, kw_only=True)
class LayerTable:
    """columns: the baseline first. largest: the most MACs of a layer. upright: of the names."""

    columns: Sequence[Column]
    largest: float
    upright: bool


def layer_table(report: Row) -> LayerTable | None:
    """None where no variant has fewer weights or less work than the baseline."""
    known = [v for v in report["variants"] if v.get("layers")]
    base = next((v for n in ("int8", "float32") for v in known if v["name"] == n), None)
    base = base or next(iter(known), None)
    changed = [v for v in known if v is not base and base and _changed(v, base)]
    if base is None or not changed:
        return None
    columns = [_column(v, base["layers"]) for v in (base, *changed)]
    return LayerTable(
        columns=columns,
        largest=max((layer.macs for c in columns for layer in c.layers if layer), default=0),
        upright=len(columns) > _LEVEL_NAMES,
    )


def _changed(variant: Row, base: Row) -> bool:
    more = (variant.get("sparsity") or 0.0) - (base.get("sparsity") or 0.0)
    macs, before = variant.get("macs"), base.get("macs")
    fewer = bool(macs and before and macs < _FEWER_MACS * before)
    return more >= _MORE_ZEROS or fewer


def _column(variant: Row, base: Sequence[Row]) -> Column:
    layers = _matched(variant["layers"], base)
    return Column(
        name=variant["name"],
        zeros=variant.get("sparsity") or 0.0,
        macs=variant.get("macs") or 0.0,
        layers=[None if layer is None else _layer(layer) for layer in layers],
    )


def _matched(layers: Sequence[Row], base: Sequence[Row]) -> Sequence[Row | None]:
    # Formats name their tensors differently; the same operators in a row are the same layers.
    if [row.get("operator") for row in layers] == [row.get("operator") for row in base]:
        return layers
    found = dict(zip(_names(layers), layers, strict=True))
    return [found.get(name) for name in _names(base)]


def _names(layers: Sequence[Row]) -> list[tuple[object, int]]:
    """Names with a count: a layer that is used twice is two."""
    names = [row.get("name") for row in layers]
    return [(name, names[:i].count(name)) for i, name in enumerate(names)]


def _layer(row: Row) -> Layer:
    operator = str(row.get("operator") or "").replace("_", " ").lower()
    return Layer(
        name=row.get("name") or "",
        what=f"{operator} {'×'.join(map(str, row.get('shape') or ()))}",
        zeros=row.get("sparsity") or 0.0,
        macs=row.get("macs") or 0.0,
        weights=row.get("parameters") or 0.0,
    )
