"""The conversion report as one HTML page.

The dict of export/report.json, the confusion matrix of the most compressed variant and the
pictures whose label changed enter; a self-contained page leaves: inline CSS and SVG, pictures as
data, no script, nothing fetched. What users named (labels, files, runs) is escaped, and a content
policy in the page forbids scripts and requests should any escape be missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .charts import Point, escape, format_ms, format_percent, format_size, heat_map, scatter
from .flips import FlippedPicture, card
from .page_style import CSS

Row = Mapping[str, Any]

_SHOWN_FLIPS = 24
_SHOWN_CLASSES = 60
# A failed variant further than this below the others would flatten the charts.
_CHART_REACH = 0.15


def render_report(report: Row, *, confusion: Row, flipped: Sequence[FlippedPicture]) -> str:
    """The whole page, as text for a UTF-8 file.

    report: the content of export/report.json; figures that were not measured may be None or
    missing. confusion: `labels` (n names) and `matrix` (n x n counts, rows true) of the variant
    named in `variant`, or else of `most_compressed`; `{}` for none. flipped: in the order to show
    them, at most 24 per variant. Raises ValueError for a picture that is not uint8 [h, w, 1 or 3].
    """
    title = escape(f"{report.get('recipe') or report.get('run') or 'model'}: conversion report")
    sections = (
        _warnings(report),
        _variants(report),
        _plots(report),
        _confusion(report, confusion),
        _flips(report, flipped),
        _method(report),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; img-src data:\">"
        f"<title>{title}</title><style>{CSS}</style></head>\n<body><main>\n<header>"
        f'<h1>{title}</h1><p class="headline">{headline(report)}</p>{_meta(report)}</header>\n'
        + "\n".join(section for section in sections if section)
        + "\n</main></body></html>\n"
    )


def most_compressed(report: Row) -> str | None:
    """The variant to ship: of those fit for it and about as small as any, the fastest.

    About as small: at most a tenth larger than the smallest. None where none is fit.
    """
    fit = [v for v in report["variants"] if _fit(v) and v.get("size_bytes") is not None]
    if not fit:
        return None
    smallest = min(v["size_bytes"] for v in fit)
    small = [v for v in fit if v["size_bytes"] <= 1.1 * smallest]
    return str(min(small, key=_median_ms)["name"])


def _median_ms(variant: Row) -> float:
    latency = variant.get("latency_ms")
    return float(latency["median"]) if latency else float("inf")


def headline(report: Row) -> str:
    """The result in one sentence of HTML, with its interval, and what chance can explain."""
    name = most_compressed(report)
    if name is None:
        reasons = "; ".join(
            f"{escape(v['name'])} ({escape(v.get('status_reason') or 'failed')})"
            for v in report["variants"]
        )
        return f"No variant is fit to ship{': ' + reasons if reasons else ''}."
    variant = next(v for v in report["variants"] if v["name"] == name)
    parts = [format_size(variant["size_bytes"])]
    if variant.get("accuracy") is not None:
        low, high = variant["ci95"]
        of = f"{report['test_pictures']:,} test pictures" if report.get("test_pictures") else "them"
        parts.insert(
            0,
            f"{format_percent(variant['accuracy'])} % of {of} right (95 % interval "
            f"{format_percent(low)}&ndash;{format_percent(high)})",
        )
    if variant.get("latency_ms"):
        parts.append(f"{format_ms(variant['latency_ms']['median'])} median")
    drop = _drop_in_words(variant)
    return f"<b>{escape(name)}</b>: {', '.join(parts)}{'; ' + drop if drop else ''}."


def _drop_in_words(variant: Row) -> str:
    drop = variant.get("drop_points")
    if drop is None:
        return ""
    if abs(drop) < 0.005:
        return "as accurate as the Keras model"
    size = f"{abs(drop):.1f}" if abs(drop) >= 0.095 else f"{abs(drop):.2f}"
    words = f"{size} points {'below' if drop > 0 else 'above'} the Keras model"
    p = variant.get("mcnemar_p")
    if p is None:
        return words
    if p < 0.05:
        return f"{words}, more than chance explains ({_p_value(p)})"
    return f"{words}, which chance can explain ({_p_value(p)})"


def _p_value(p: float) -> str:
    return "p &lt; 0.001" if p < 0.001 else f"p = {p:.2g}"


def _fit(variant: Row) -> bool:
    return bool(variant.get("status", "ok") == "ok")


def _meta(report: Row) -> str:
    said = [report.get("description"), report.get("run") and f"run {report['run']}"]
    said += [report.get("created"), f"cnnedge {report.get('cnnedge', '')}".strip()]
    return f'<p class="meta">{" &middot; ".join(escape(part) for part in said if part)}</p>'


def _warnings(report: Row) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in report.get("warnings") or ())
    return f'<section class="warn"><h2>Warnings</h2><ul>{items}</ul></section>' if items else ""


def _variants(report: Row) -> str:
    heads = (
        "Variant",
        "Size",
        "Of float32",
        "Accuracy, %",
        "Drop, points",
        "Labels changed",
        "Latency, median",
        "Status",
    )
    pick = most_compressed(report)
    whole = next((v.get("size_bytes") for v in report["variants"] if v["name"] == "float32"), None)
    rows = "".join(_variant_row(v, report, whole, v["name"] == pick) for v in report["variants"])
    header = "".join(f'<th scope="col">{head}</th>' for head in heads)
    limit = report.get("max_drop")
    note = f'<p class="note">Largest drop allowed: {limit:g} points.</p>' if limit else ""
    return (
        f'<section><h2>Variants</h2>{note}<div class="wide"><table class="variants"><thead><tr>'
        f"{header}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _variant_row(variant: Row, report: Row, whole: int | None, picked: bool) -> str:
    size, zipped = variant.get("size_bytes"), variant.get("gzip_bytes")
    cells = (
        ("Size", size and format_size(size), zipped and f"{format_size(zipped)} gzipped"),
        ("Of float32", size and whole and f"{100 * size / whole:.0f} %", ""),
        ("Accuracy", *_accuracy_cell(variant, report)),
        ("Drop", *_drop_cell(variant)),
        ("Labels changed", _counted(variant.get("flipped")), ""),
        ("Latency", *_latency_cell(variant)),
    )
    fit = _fit(variant)
    status = f'<span class="{"ok" if fit else "failed"}">{"ok" if fit else "failed"}</span>'
    row = "".join(_td(label, main, sub) for label, main, sub in cells)
    reason = variant.get("status_reason")
    why = f'<tr class="why"><td colspan="8">{escape(reason)}</td></tr>' if reason else ""
    return (
        f'<tr class="{"pick" if picked else "other"}"><td><b>{escape(variant["name"])}</b>'
        f'<span class="sub">{_traits(variant)}</span></td>{row}'
        f'<td data-label="Status">{status}</td></tr>{why}'
    )


def _td(label: str, main: Any, sub: Any) -> str:
    below = f'<span class="sub">{sub}</span>' if sub else ""
    empty = "" if main else ' class="none"'
    return f'<td data-label="{label}"{empty}><span>{main or "&ndash;"}</span>{below}</td>'


def _traits(variant: Row) -> str:
    said = [variant.get("input_dtype") and f"{variant['input_dtype']} input"]
    if variant.get("sparsity"):
        said.append(f"{100 * variant['sparsity']:.0f} % zeros")
    macs = variant.get("macs")
    if macs:
        said.append(f"{macs / 1e6:.3g} M MACs")
    return " &middot; ".join(escape(part) for part in said if part)


def _digits(report: Row) -> int:
    return 2 if (report.get("test_pictures") or 0) >= 2000 else 1


def _accuracy_cell(variant: Row, report: Row) -> tuple[str, str]:
    if variant.get("accuracy") is None:
        return "", ""
    digits = _digits(report)
    low, high = (format_percent(end, digits) for end in variant["ci95"])
    return format_percent(variant["accuracy"], digits), f"{low}&ndash;{high}"


def _drop_cell(variant: Row) -> tuple[str, str]:
    drop, p = variant.get("drop_points"), variant.get("mcnemar_p")
    sign = "&minus;" if drop is not None and drop <= -0.005 else ""
    return (
        "" if drop is None else f"{sign}{abs(drop):.2f}",
        "" if p is None or not variant.get("flipped") else _p_value(p),
    )


def _latency_cell(variant: Row) -> tuple[str, str]:
    latency = variant.get("latency_ms")
    if not latency:
        return "", ""
    tail = f"p90 {format_ms(latency['p90'])[:-3]} &middot; p99 {format_ms(latency['p99'])[:-3]}"
    return format_ms(latency["median"]), f"{tail} &middot; {latency['count']:,} runs"


def _counted(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _plots(report: Row) -> str:
    measured = [v for v in report["variants"] if v.get("accuracy") is not None and v.get("ci95")]
    floor = min((v["accuracy"] for v in measured if _fit(v)), default=0.0) - _CHART_REACH
    shown = [v for v in measured if v["accuracy"] >= floor]
    left_out = [escape(v["name"]) for v in report["variants"] if v not in shown]
    known = report.get("reference") or {}
    level = None
    if known.get("accuracy") is not None:
        level = (str(known.get("name", "Keras model")), float(known["accuracy"]))
    pick = most_compressed(report)
    sizes = [_point(v, v["size_bytes"], None, pick) for v in shown if v.get("size_bytes")]
    times = [
        _point(v, v["latency_ms"]["median"], v["latency_ms"]["p90"], pick)
        for v in shown
        if v.get("latency_ms")
    ]
    figures = _figure("Accuracy and size", sizes, "file size", format_size, level)
    figures += _figure("Accuracy and latency", times, "latency, median to p90", format_ms, level)
    if not figures:
        return ""
    missing = f" Not drawn, see the table: {', '.join(left_out)}." if left_out else ""
    hollow = "" if all(map(_fit, shown)) else " A hollow point did not pass its checks."
    return (
        '<section><h2>What compression costs</h2><p class="note">Upright bars are 95 % intervals; '
        f"up and to the left is better.{hollow}{missing}</p>"
        f'<div class="plots">{figures}</div></section>'
    )


def _point(variant: Row, x: float, x_high: float | None, pick: str | None) -> Point:
    low, high = variant["ci95"]
    name = str(variant["name"])
    return Point(
        label=name,
        x=x,
        y=variant["accuracy"],
        low=low,
        high=high,
        x_high=x_high,
        marked=name == pick,
        failed=not _fit(variant),
    )


def _figure(
    title: str,
    points: Sequence[Point],
    x_title: str,
    x_text: Callable[[float], str],
    level: tuple[str, float] | None,
) -> str:
    if not points:
        return ""
    chart = scatter(points, x_title=x_title, x_text=x_text, reference=level)
    return f"<figure><figcaption>{title}</figcaption>{chart}</figure>"


def _confusion(report: Row, confusion: Row) -> str:
    labels = [str(label) for label in confusion.get("labels") or ()]
    matrix = [[int(count) for count in row] for row in confusion.get("matrix") or ()]
    if not matrix:
        return ""
    name = confusion.get("variant") or most_compressed(report)
    pairs = _most_confused(labels, matrix)
    often = f'<p class="note">Most often: {"; ".join(pairs)}.</p>' if pairs else ""
    table = heat_map(labels, matrix) if len(labels) <= _SHOWN_CLASSES else ""
    return (
        f"<section><h2>Confusions{' of ' + escape(name) if name else ''}</h2>"
        f'<p class="note">Rows are the true class, columns the predicted one; blue is right, '
        f"orange confused, deeper for a larger share of the row.</p>{often}{table}</section>"
    )


def _most_confused(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> list[str]:
    wrong = [
        (count, labels[i], labels[j])
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    wrong.sort(key=lambda item: -item[0])
    return [f"{escape(a)} taken for {escape(b)} ({count:,})" for count, a, b in wrong[:5]]


def _flips(report: Row, flipped: Sequence[FlippedPicture]) -> str:
    if not flipped:
        return ""
    groups: dict[str, list[FlippedPicture]] = {}
    for picture in flipped:
        groups.setdefault(picture.variant, []).append(picture)
    totals = {v["name"]: v.get("flipped") for v in report["variants"]}
    parts = []
    for name, pictures in groups.items():
        shown = pictures[:_SHOWN_FLIPS]
        total = max(totals.get(name) or 0, len(pictures))
        said = f"{total:,} picture{'' if total == 1 else 's'} changed label"
        said += f"; {len(shown)} of them shown" if len(shown) < total else ""
        cards = "".join(card(picture) for picture in shown)
        parts.append(
            f'<h3>{escape(name)}</h3><p class="note">{said}.</p><ul class="cards">{cards}</ul>'
        )
    return (
        '<section><h2>Pictures whose label changed</h2><p class="note">What the Keras model said, '
        f"and what the variant says now, each with its score.</p>{''.join(parts)}</section>"
    )


def _method(report: Row) -> str:
    data, threads = report.get("data") or {}, report.get("threads")
    known = report.get("reference") or {}
    notes = [
        "Accuracy: every variant's file on the test split, through the runtime that a user runs; "
        "95 % intervals are Wilson's.",
        "Drop: against the Keras model on the same pictures, p from McNemar's test on the "
        "pictures that only one of the two gets right. Labels changed counts every picture whose "
        "label differs, also where both are wrong.",
        "Latency: from input to readable output, warm-up left out, batch 1"
        + (f", {threads} thread{'' if threads == 1 else 's'}" if threads else "")
        + (f", on {report['device']}" if report.get("device") else "")
        + ". Other devices differ: measure yours.",
        "Sizes: 1 KB is 1,000 bytes; gzipped is what a download would weigh.",
    ]
    if known.get("accuracy") is not None:
        digits = _digits(report)
        ends = known.get("ci95")
        between = f" ({' to '.join(format_percent(end, digits) for end in ends)})" if ends else ""
        name = known.get("name", "the Keras model")
        accuracy = format_percent(known["accuracy"], digits)
        notes.insert(0, f"Reference: {name}, {accuracy} %{between}.")
    if data:
        print_of = f", fingerprint {data['fingerprint']}" if data.get("fingerprint") else ""
        notes.append(f"Data: {data.get('source', 'not named')}{print_of}.")
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<section class="how"><h2>How this was measured</h2><ul>{items}</ul></section>'
