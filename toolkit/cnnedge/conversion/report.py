"""The conversion report as one HTML page.

The dict of export/report.json, the confusion matrix of the most compressed variant and the
pictures whose label changed enter; a self-contained page leaves: inline CSS and SVG, pictures as
data, no script, nothing fetched. What users named (labels, files, runs) is escaped, and a content
policy in the page forbids scripts and requests should any escape be missed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .charts import Point, escape, format_ms, format_percent, format_size, heat_map, scatter

Row = Mapping[str, Any]

_SHOWN_FLIPS = 24
_SHOWN_CLASSES = 60
_MOST_SIDE_PX = 256
# A failed variant further than this below the others would flatten the charts.
_CHART_REACH = 0.15

_CSS = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5c6877;
--line:#e3e7ec;--blue:#2563eb;--hit:37 99 235;--miss:217 96 26;--bad:#c2410c;--good:#15803d}
@media (prefers-color-scheme:dark){:root{--page:#0f141b;--card:#171e27;--ink:#e6ebf1;
--soft:#98a4b3;--line:#2a3440;--blue:#6ea0ff;--hit:70 125 245;--miss:222 110 45;--bad:#fb923c;
--good:#4ade80}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
main{max-width:1120px;margin:0 auto;padding:32px 24px 56px}
h1{font-size:15px;font-weight:600;color:var(--soft);margin:0 0 10px}
h2{font-size:18px;margin:0 0 4px}h3{font-size:15px;margin:22px 0 2px}
.headline{font-size:25px;line-height:1.35;font-weight:600;letter-spacing:-.01em;margin:0 0 10px;
max-width:46em;text-wrap:pretty}.headline b{color:var(--blue)}
.note,.sub,.meta{color:var(--soft);font-size:13px}.note{margin:0 0 12px;max-width:80ch}
.sub{display:block;font-size:12px;white-space:nowrap}.meta{margin:0 0 22px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:20px 22px;margin:0 0 18px}
.warn{border-left:4px solid var(--bad)}.warn ul,.how ul{margin:6px 0 0;padding-left:20px}
.how li{margin:0 0 5px;color:var(--soft);font-size:13.5px}
.wide{overflow-x:auto}
.variants{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
.variants th{text-align:right;font-size:12px;font-weight:600;color:var(--soft);
padding:6px 10px;vertical-align:bottom;border-bottom:1px solid var(--line);overflow-wrap:normal}
.variants td{text-align:right;padding:9px 10px;vertical-align:top;border-top:1px solid
var(--line);overflow-wrap:normal}
.variants th:first-child,.variants td:first-child{text-align:left;padding-left:0}
.variants td:last-child,.variants th:last-child{padding-right:0}
.variants .why td{border-top:0;padding-top:0;text-align:left;color:var(--bad);font-size:13px;
overflow-wrap:anywhere}
.pick td:first-child b{color:var(--blue)}.ok{color:var(--good)}.failed{color:var(--bad)}
.plots{display:grid;grid-template-columns:1fr 1fr;gap:26px}figure{margin:0;min-width:0}
figcaption{font-weight:600;font-size:14px;margin-bottom:4px}
.chart{display:block;width:100%;height:auto;overflow:visible;font-size:11.5px}
.chart .t{fill:var(--soft)}.e{text-anchor:end}.m{text-anchor:middle}
.grid{stroke:var(--line)}.level{stroke:var(--soft);stroke-dasharray:4 4}
.lead{stroke:var(--soft);stroke-width:.8;opacity:.6}
.bar{stroke:var(--soft);stroke-width:1.6;opacity:.7}.best .bar{stroke:var(--blue)}
.dot circle{fill:var(--soft)}.best circle{fill:var(--blue)}
.bad circle{fill:var(--card);stroke:var(--bad);stroke-width:2}
.bad .bar{stroke:var(--bad)}
.name{fill:var(--ink);font-size:12.5px}.chart text{paint-order:stroke;stroke:var(--card);
stroke-width:3px;
stroke-linejoin:round}.name.best{fill:var(--blue);font-weight:600}
.name.bad{fill:var(--bad)}
.heat{border-collapse:separate;border-spacing:1px;font-size:12px;
font-variant-numeric:tabular-nums}
.heat th{font-weight:400;color:var(--soft)}
.heat th[scope=row]{text-align:right;padding-right:8px;max-width:15em;white-space:nowrap;
overflow:hidden;text-overflow:ellipsis}
.heat thead th{vertical-align:bottom;padding-bottom:5px}
.heat thead span{writing-mode:vertical-rl;transform:rotate(180deg);max-height:13em;
display:inline-block;line-height:1.1;white-space:nowrap;overflow:hidden;
text-overflow:ellipsis}
.heat td{min-width:40px;height:34px;padding:0 3px;text-align:center;background:var(--page);
border-radius:3px}.heat.small td{min-width:13px;height:13px;padding:0}
.heat.small{font-size:10px}.heat.small th{line-height:1.1}
.heat td.hit{background:rgb(var(--hit)/var(--a))}
.heat td.miss{background:rgb(var(--miss)/var(--a))}.heat td.on{color:#fff}
.heat thead td,.heat td.recall{background:none;color:var(--soft);white-space:nowrap;
padding-left:10px;text-align:right;vertical-align:middle}
.heat thead td{vertical-align:bottom;padding-bottom:5px}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(158px,1fr));gap:12px;
padding:0;margin:10px 0 0;list-style:none}
.cards li{border:1px solid var(--line);border-radius:9px;overflow:hidden;font-size:12.5px;
line-height:1.45;background:var(--page)}
.cards img{display:block;width:100%;aspect-ratio:1;object-fit:contain;background:#8883}
.cards img.tiny{image-rendering:pixelated}
.cards div{padding:8px 10px 10px}.right{color:var(--good)}.wrong{color:var(--bad)}
@media (max-width:760px){main{padding:20px 12px 40px}section{padding:16px 14px}
.headline{font-size:20px}.plots{grid-template-columns:1fr}.chart{font-size:13px}
.chart .name{font-size:13px}.cards{grid-template-columns:1fr 1fr}
.variants thead{display:none}.variants,.variants tbody,.variants tr,.variants td{display:block}
.variants tr{border-top:1px solid var(--line);padding:10px 0}.variants tr:first-child{border:0}
.variants tr.why{border:0;padding:0 0 8px}
.variants td,.variants td:first-child{border:0;padding:3px 0;display:grid;text-align:left;
grid-template-columns:8em 1fr}.variants td:first-child{display:block;font-size:16px}
.variants td[data-label]::before{content:attr(data-label);color:var(--soft);font-size:13px}
.variants td .sub{grid-column:2}.variants .sub{white-space:normal}

.variants .none{display:none}.variants .why td:first-child{font-size:13px;
display:block}.heat th[scope=row]{position:sticky;left:0;
background:var(--card);max-width:7.5em}.heat td{min-width:32px;height:30px}}
"""


@dataclass(frozen=True, kw_only=True)
class FlippedPicture:
    """A test picture that a variant labels differently from the reference model.

    name: the file's name, or "test[12]". Scores are fractions 0..1 of the label given.
    pixels: uint8 [h, w, 1] grey or [h, w, 3] RGB.
    """

    variant: str
    name: str
    true_label: str
    reference_label: str
    variant_label: str
    reference_score: float
    variant_score: float
    pixels: npt.NDArray[np.uint8]


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
        f"<title>{title}</title><style>{_CSS}</style></head>\n<body><main>\n<header>"
        f'<h1>{title}</h1><p class="headline">{headline(report)}</p>{_meta(report)}</header>\n'
        + "\n".join(section for section in sections if section)
        + "\n</main></body></html>\n"
    )


def most_compressed(report: Row) -> str | None:
    """The name of the smallest variant that is fit to ship, the first of equals; None for none."""
    fit = [v for v in report["variants"] if _fit(v) and v.get("size_bytes") is not None]
    if not fit:
        return None
    return str(min(fit, key=lambda v: v["size_bytes"])["name"])


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
        "Variant", "Size", "Of float32", "Accuracy, %", "Drop, points", "Labels changed",
        "Latency, median", "Status",
    )  # fmt: skip
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
        f'up and to the left is better.{hollow}{missing}</p>'
        f'<div class="plots">{figures}</div></section>'
    )


def _point(variant: Row, x: float, x_high: float | None, pick: str | None) -> Point:
    low, high = variant["ci95"]
    name = str(variant["name"])
    return Point(
        label=name, x=x, y=variant["accuracy"], low=low, high=high, x_high=x_high,
        marked=name == pick, failed=not _fit(variant),
    )  # fmt: skip


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
        cards = "".join(_card(picture) for picture in shown)
        parts.append(
            f'<h3>{escape(name)}</h3><p class="note">{said}.</p><ul class="cards">{cards}</ul>'
        )
    return (
        '<section><h2>Pictures whose label changed</h2><p class="note">What the Keras model said, '
        f"and what the variant says now, each with its score.</p>{''.join(parts)}</section>"
    )


def _card(picture: FlippedPicture) -> str:
    tiny = max(picture.pixels.shape[:2]) < 96
    source = base64.b64encode(_png(picture.pixels)).decode("ascii")
    verdicts = (
        ("Keras", picture.reference_label, picture.reference_score),
        ("now", picture.variant_label, picture.variant_score),
    )
    lines = "".join(
        f'{who}: <span class="{"right" if label == picture.true_label else "wrong"}">'
        f"{escape(label)}</span> {100 * score:.0f} %<br>"
        for who, label, score in verdicts
    )
    return (
        f'<li><img class="{"tiny" if tiny else "photo"}" alt="{escape(picture.true_label)}" '
        f'src="data:image/png;base64,{source}"><div><b>{escape(picture.true_label)}</b><br>{lines}'
        f'<span class="note">{escape(picture.name)}</span></div></li>'
    )


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise ValueError(
            f"expected uint8 [h, w, 1 or 3], found {pixels.dtype} of shape {pixels.shape}"
        )
    height, width = pixels.shape[:2]
    picture = pixels[:, :, ::-1] if pixels.shape[2] == 3 else pixels
    picture = np.ascontiguousarray(picture)
    scale = _MOST_SIDE_PX / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    done, encoded = cv2.imencode(".png", picture)
    if not done:
        raise ValueError(f"OpenCV could not write a picture of shape {pixels.shape} as PNG")
    return bytes(encoded)


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
