"""The report's table of variants. The report enters; its columns and rows leave, as text.

A column that no variant has a figure for is left out; a variant made as the remedy of a refused
one stands beneath that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...pages.text import (
    Row,
    digits,
    format_count,
    format_ms,
    format_percent,
    format_seconds,
    format_size,
    p_value,
    points,
    signed,
)
from .verdict import fit, pick


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A figure, what stands small beneath it, and what it says when pointed at."""

    main: str = ""
    below: Sequence[str] = ()
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """below: what stands small beneath the head. cell: of a variant and its report."""

    head: str
    below: str
    cell: Callable[[Row, Row], Cell]


@dataclass(frozen=True, kw_only=True)
class VariantRow:
    """kind, status: CSS classes. badge: what an older runtime refuses, in short and in full.

    cells: one for each column. reason: why it failed, or "".
    """

    name: str
    kind: str
    traits: str
    badge: tuple[str, str] | None
    cells: Sequence[Cell]
    status: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class VariantTable:
    note: str
    columns: Sequence[Column]
    rows: Sequence[VariantRow]


def variant_table(report: Row) -> VariantTable:
    columns = [c for c in _COLUMNS if any(c.cell(v, report).main for v in report["variants"])]
    shipped = pick(report)
    rows = [
        VariantRow(
            name=v["name"],
            kind=("pick" if v["name"] == shipped else "other") + (" remedy" if depth else ""),
            traits=_traits(v, report),
            badge=_badge(v),
            cells=[column.cell(v, report) for column in columns],
            status="ok" if fit(v) else "failed",
            reason=v.get("status_reason") or "",
        )
        for v, depth in in_families(report["variants"])
    ]
    return VariantTable(note=_note(report), columns=columns, rows=rows)


def _note(report: Row) -> str:
    if report.get("min_psnr") is not None:
        return f"Lowest PSNR allowed: {report['min_psnr']:g} dB."
    limit = report.get("max_drop")
    return f"Largest drop allowed: {points(limit)}." if limit else ""


def in_families(variants: Sequence[Row]) -> list[tuple[Row, int]]:
    """Each variant with its depth: 0, or 1 beneath the refused one that it is the remedy of."""
    names = {v["name"] for v in variants}
    parents = {v["name"]: v.get("remedy_of") for v in variants}
    below: dict[str, list[Row]] = {}
    tops = []
    for variant in variants:
        above, seen = variant["name"], set()
        while parents[above] in names and above not in seen:
            seen.add(above)
            above = parents[above]
        # Remedies of each other belong beneath neither.
        if above == variant["name"] or above in seen:
            tops.append(variant)
        else:
            below.setdefault(above, []).append(variant)
    return [
        found for top in tops for found in ((top, 0), *((v, 1) for v in below.get(top["name"], ())))
    ]


def _traits(variant: Row, report: Row) -> str:
    said = [f"remedy of {variant['remedy_of']}" if variant.get("remedy_of") else ""]
    # A name chosen by hand need not tell what was done.
    unsaid = [t for t in variant.get("techniques") or () if str(t) not in str(variant["name"])]
    said.append(", ".join(map(str, unsaid)))
    written = variant.get("format")
    said.append(str(written) if written and written != variant["name"] else "")
    if variant.get("input_dtype"):
        said.append(f"{variant['input_dtype']} input")
    if variant.get("float_layers"):
        said.append(_in_float(variant["float_layers"]))
    said.append("biases corrected" if (variant.get("ptq") or {}).get("corrected") else "")
    said.append("sparse encoding" if variant.get("sparse") else "")
    pictures = variant.get("calibration_pictures")
    usual = (report.get("calibration") or {}).get("count")
    if pictures and usual and pictures != usual:
        said.append(f"calibrated on {pictures:,} pictures")
    if variant.get("epochs"):
        took = variant.get("train_seconds")
        said.append(f"{variant['epochs']} epochs" + (f", {format_seconds(took)}" if took else ""))
    return " · ".join(part for part in said if part)


def _in_float(layers: Sequence[str]) -> str:
    return f"{', '.join(layers) if len(layers) <= 3 else f'{len(layers)} layers'} in float"


def _badge(variant: Row) -> tuple[str, str] | None:
    older = variant.get("tflite_runtime") or {}
    if older.get("runs", True):
        return None
    reasons = [str(reason) for reason in older.get("reasons") or ()]
    # "FULLY_CONNECTED version 12: tflite-runtime 2.14.0 has up to 11"
    first = reasons[0].split(":")[0] if reasons else ""
    said = f": {first}" if first else ""
    said += f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return f"not in tflite-runtime{said}", "; ".join(reasons)


def _size(variant: Row, report: Row) -> Cell:
    size = variant.get("size_bytes")
    whole = next((v.get("size_bytes") for v in report["variants"] if v["name"] == "float32"), None)
    if not size:
        return Cell()
    return Cell(main=format_size(size), below=[f"{100 * size / whole:.0f} %"] if whole else [])


def _gzip(variant: Row, report: Row) -> Cell:
    zipped, size = variant.get("gzip_bytes"), variant.get("size_bytes")
    if not zipped:
        return Cell()
    below = [f"{100 * zipped / size:.0f} %"] if size else []
    return Cell(main=format_size(zipped), below=below)


def _zeros(variant: Row, report: Row) -> Cell:
    share = variant.get("sparsity")
    return Cell(main=f"{100 * share:.0f} %" if share and share >= 0.005 else "")


def _macs(variant: Row, report: Row) -> Cell:
    macs, parameters = variant.get("macs"), variant.get("parameters")
    if not macs:
        return Cell()
    below = [f"{format_count(parameters)} weights"] if parameters else []
    return Cell(main=format_count(macs), below=below)


def _accuracy(variant: Row, report: Row) -> Cell:
    if variant.get("accuracy") is None:
        return Cell()
    places = digits(report)
    low, high = (format_percent(end, places) for end in variant["ci95"])
    return Cell(main=format_percent(variant["accuracy"], places), below=[f"{low}–{high}"])


def _psnr(variant: Row, report: Row) -> Cell:
    error = variant.get("error")
    if not error:
        return Cell()
    return Cell(
        main=f"{error['psnr_db']:.1f}",
        below=[f"worst picture {error['lowest_db']:.1f}"],
        title=f"largest difference {error['largest']:.1f} of 255",
    )


def _drop(variant: Row, report: Row) -> Cell:
    drop, p = variant.get("drop_points"), variant.get("mcnemar_p")
    if drop is None:
        return Cell()
    return Cell(
        main=signed(drop), below=[p_value(p)] if p is not None and variant.get("flipped") else []
    )


def _control(variant: Row, report: Row) -> Cell:
    control = variant.get("control") or {}
    difference, p = control.get("difference_points"), control.get("mcnemar_p")
    if difference is None:
        return Cell()
    said = []
    if control.get("accuracy") is not None:
        said.append(f"the control: {format_percent(control['accuracy'], digits(report))} % right")
    if control.get("epochs") is not None:
        said.append(f"trained on for {control['epochs']} epochs")
    return Cell(
        main=signed(difference, "+"),
        below=[p_value(p)] if p is not None else [],
        title=", ".join(said),
    )


def _flipped(variant: Row, report: Row) -> Cell:
    count = variant.get("flipped")
    return Cell(main="" if count is None else f"{count:,}")


def _latency(variant: Row, report: Row) -> Cell:
    latency = variant.get("latency_ms")
    if not latency:
        return Cell()
    # Tools on phones do not tell all.
    known = [key for key in ("p90", "p95", "p99") if latency.get(key) is not None]
    shown = [key for key in known if key != "p95" or "p90" not in known]
    said = [f"{key}\u00a0{format_ms(latency[key])[:-3]}" for key in shown]
    return Cell(
        main=format_ms(latency["median"]),
        below=[" · ".join(said)] if said else [],
        title=f"{latency['count']:,} runs" if latency.get("count") else "",
    )


_COLUMNS = (
    Column(head="Size", below="of float32", cell=_size),
    Column(head="Gzip", below="of the file", cell=_gzip),
    Column(head="Zeros", below="", cell=_zeros),
    Column(head="MACs", below="", cell=_macs),
    Column(head="Accuracy", below="%, 95 % interval", cell=_accuracy),
    Column(head="PSNR", below="dB to model.keras", cell=_psnr),
    Column(head="Drop", below="points", cell=_drop),
    Column(head="Against control", below="points", cell=_control),
    Column(head="Labels changed", below="", cell=_flipped),
    Column(head="Latency", below="median", cell=_latency),
)
