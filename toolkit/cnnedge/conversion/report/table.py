"""The report's table of variants. The report enters; a section of HTML leaves.

A column that no variant has a figure for is left out; a variant made as the remedy of a refused
one stands beneath that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...pages.text import (
    Row,
    digits,
    escape,
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
class _Cell:
    """A figure, what stands small beneath it, and what it says when pointed at: HTML all."""

    main: str = ""
    below: Sequence[str] = ()
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class _Column:
    head: str
    below: str
    cell: Callable[[Row, Row], _Cell]


def variants_section(report: Row) -> str:
    columns = [
        column
        for column in _COLUMNS
        if any(column.cell(v, report).main for v in report["variants"])
    ]
    heads = [_head("Variant"), *(_head(c.head, c.below) for c in columns)]
    shipped = pick(report)
    rows = "".join(
        _row(v, report, columns, picked=v["name"] == shipped, depth=depth)
        for v, depth in in_families(report["variants"])
    )
    limit = report.get("max_drop")
    note = f'<p class="note">Largest drop allowed: {points(limit)}.</p>' if limit else ""
    if report.get("min_psnr") is not None:
        note = f'<p class="note">Lowest PSNR allowed: {report["min_psnr"]:g} dB.</p>'
    return (
        f'<section><h2>Variants</h2>{note}<div class="wide rows"><table class="variants">'
        f"<thead><tr>{''.join(heads)}{_head('Status')}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


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


def _head(text: str, below: str = "") -> str:
    sub = f'<span class="sub">{below}</span>' if below else ""
    return f'<th scope="col">{text}{sub}</th>'


def _row(variant: Row, report: Row, columns: Sequence[_Column], *, picked: bool, depth: int) -> str:
    passed = fit(variant)
    status = f'<span class="{"ok" if passed else "failed"}">{"ok" if passed else "failed"}</span>'
    cells = "".join(_td(c.head, c.cell(variant, report)) for c in columns)
    reason = variant.get("status_reason")
    why = (
        f'<tr class="why"><td colspan="{len(columns) + 2}">{escape(reason)}</td></tr>'
        if reason
        else ""
    )
    kind = ("pick" if picked else "other") + (" remedy" if depth else "")
    name = f"<b>{escape(variant['name'])}</b>"
    return (
        f'<tr class="{kind}"><td>{name}<span class="sub">{_traits(variant, report)}</span>'
        f'{_badge(variant)}</td>{cells}<td data-label="Status">{status}</td></tr>{why}'
    )


def _td(label: str, cell: _Cell) -> str:
    below = "".join(f'<span class="sub">{part}</span>' for part in cell.below if part)
    empty = "" if cell.main else ' class="none"'
    title = f' title="{cell.title}"' if cell.title else ""
    main = cell.main or "&ndash;"
    return f'<td data-label="{label}"{empty}{title}><span>{main}</span>{below}</td>'


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
    return " &middot; ".join(escape(part) for part in said if part)


def _in_float(layers: Sequence[str]) -> str:
    return f"{', '.join(layers) if len(layers) <= 3 else f'{len(layers)} layers'} in float"


def _badge(variant: Row) -> str:
    older = variant.get("tflite_runtime") or {}
    if older.get("runs", True):
        return ""
    reasons = [str(reason) for reason in older.get("reasons") or ()]
    # "FULLY_CONNECTED version 12: tflite-runtime 2.14.0 has up to 11"
    first = reasons[0].split(":")[0] if reasons else ""
    said = f": {first}" if first else ""
    said += f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return (
        f'<span class="badge" title="{escape("; ".join(reasons))}">'
        f"not in tflite-runtime{escape(said)}</span>"
    )


def _size(variant: Row, report: Row) -> _Cell:
    size = variant.get("size_bytes")
    whole = next((v.get("size_bytes") for v in report["variants"] if v["name"] == "float32"), None)
    if not size:
        return _Cell()
    return _Cell(main=format_size(size), below=[f"{100 * size / whole:.0f} %"] if whole else [])


def _gzip(variant: Row, report: Row) -> _Cell:
    zipped, size = variant.get("gzip_bytes"), variant.get("size_bytes")
    if not zipped:
        return _Cell()
    below = [f"{100 * zipped / size:.0f} %"] if size else []
    return _Cell(main=format_size(zipped), below=below)


def _zeros(variant: Row, report: Row) -> _Cell:
    share = variant.get("sparsity")
    return _Cell(main=f"{100 * share:.0f} %" if share and share >= 0.005 else "")


def _macs(variant: Row, report: Row) -> _Cell:
    macs, parameters = variant.get("macs"), variant.get("parameters")
    if not macs:
        return _Cell()
    below = [f"{format_count(parameters)} weights"] if parameters else []
    return _Cell(main=format_count(macs), below=below)


def _accuracy(variant: Row, report: Row) -> _Cell:
    if variant.get("accuracy") is None:
        return _Cell()
    places = digits(report)
    low, high = (format_percent(end, places) for end in variant["ci95"])
    return _Cell(main=format_percent(variant["accuracy"], places), below=[f"{low}&ndash;{high}"])


def _psnr(variant: Row, report: Row) -> _Cell:
    error = variant.get("error")
    if not error:
        return _Cell()
    return _Cell(
        main=f"{error['psnr_db']:.1f}",
        below=[f"worst picture {error['lowest_db']:.1f}"],
        title=f"largest difference {error['largest']:.1f} of 255",
    )


def _drop(variant: Row, report: Row) -> _Cell:
    drop, p = variant.get("drop_points"), variant.get("mcnemar_p")
    if drop is None:
        return _Cell()
    return _Cell(
        main=signed(drop), below=[p_value(p)] if p is not None and variant.get("flipped") else []
    )


def _control(variant: Row, report: Row) -> _Cell:
    control = variant.get("control") or {}
    difference, p = control.get("difference_points"), control.get("mcnemar_p")
    if difference is None:
        return _Cell()
    said = []
    if control.get("accuracy") is not None:
        said.append(f"the control: {format_percent(control['accuracy'], digits(report))} % right")
    if control.get("epochs") is not None:
        said.append(f"trained on for {control['epochs']} epochs")
    return _Cell(
        main=signed(difference, "+"),
        below=[p_value(p)] if p is not None else [],
        title=escape(", ".join(said)),
    )


def _flipped(variant: Row, report: Row) -> _Cell:
    count = variant.get("flipped")
    return _Cell(main="" if count is None else f"{count:,}")


def _latency(variant: Row, report: Row) -> _Cell:
    latency = variant.get("latency_ms")
    if not latency:
        return _Cell()
    # Tools on phones do not tell all.
    known = [key for key in ("p90", "p95", "p99") if latency.get(key) is not None]
    shown = [key for key in known if key != "p95" or "p90" not in known]
    said = [f"{key}&nbsp;{format_ms(latency[key])[:-3]}" for key in shown]
    return _Cell(
        main=format_ms(latency["median"]),
        below=[" &middot; ".join(said)] if said else [],
        title=f"{latency['count']:,} runs" if latency.get("count") else "",
    )


_COLUMNS = (
    _Column(head="Size", below="of float32", cell=_size),
    _Column(head="Gzip", below="of the file", cell=_gzip),
    _Column(head="Zeros", below="", cell=_zeros),
    _Column(head="MACs", below="", cell=_macs),
    _Column(head="Accuracy", below="%, 95 % interval", cell=_accuracy),
    _Column(head="PSNR", below="dB to model.keras", cell=_psnr),
    _Column(head="Drop", below="points", cell=_drop),
    _Column(head="Against control", below="points", cell=_control),
    _Column(head="Labels changed", below="", cell=_flipped),
    _Column(head="Latency", below="median", cell=_latency),
)
