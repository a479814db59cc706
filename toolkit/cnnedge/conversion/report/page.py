"""The conversion report as one HTML page.

The dict of export/report.json, the confusion matrix of the variant to ship and the pictures whose
label changed enter; a self-contained page leaves: inline CSS and SVG, pictures as data, no script,
nothing fetched. What users named (labels, files, runs) is escaped, and a content policy in the
page forbids scripts and requests should any escape be missed. What a report does not have, its
page leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...pages.text import Row, escape
from ..flips import FlippedPicture, flips_section
from .charts import charts_section, download_section
from .confusion import confusion_section
from .imported import imported_section
from .layers import layers_section
from .notes import notes_section
from .sensitivity import sensitivity_section
from .style import CSS
from .table import variants_section
from .verdict import chosen_because, headline, most_compressed, pick

__all__ = ["headline", "most_compressed", "render_report"]


def render_report(report: Row, *, confusion: Row, flipped: Sequence[FlippedPicture]) -> str:
    """The whole page, as text for a UTF-8 file.

    report: the content of export/report.json, and that of import.json under `imported`; figures
    that were not measured may be None or missing. confusion: `labels` (n names) and `matrix` (n x n
    counts, rows true) of the variant named in `variant`, or else of the one to ship (what a search
    chose, or `most_compressed`); `{}` for none. flipped: in the order to show them, at most 24 per
    variant. Raises ValueError for a picture that is not uint8 [h, w, 1 or 3].
    """
    title = escape(f"{report.get('recipe') or report.get('run') or 'model'}: conversion report")
    shipped = pick(report)
    sections = (
        _warnings(report),
        variants_section(report),
        charts_section(report),
        download_section(report),
        layers_section(report),
        sensitivity_section(report),
        imported_section(report.get("imported") or {}),
        confusion_section(confusion, confusion.get("variant") or shipped),
        flips_section(report, flipped, shipped),
        notes_section(report),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; img-src data:\">"
        f"<title>{title}</title><style>{CSS}</style></head>\n<body><main>\n<header>"
        f'<h1>{title}</h1><p class="headline">{headline(report)}</p>{chosen_because(report)}'
        f"{_meta(report)}</header>\n"
        + "\n".join(section for section in sections if section)
        + "\n</main></body></html>\n"
    )


def _meta(report: Row) -> str:
    said = [report.get("description"), report.get("run") and f"run {report['run']}"]
    if report.get("device"):
        said.append(f"timed on {report['device']}")
    said += [report.get("created"), f"cnnedge {report.get('cnnedge', '')}".strip()]
    return f'<p class="meta">{" &middot; ".join(escape(part) for part in said if part)}</p>'


def _warnings(report: Row) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in report.get("warnings") or ())
    why = "".join(
        f"<li><b>{escape(name)}</b>: {escape('; '.join(map(str, reasons)))}</li>"
        for name, reasons in (report.get("unstable") or {}).items()
    )
    more = f"<details><summary>Latencies, one by one</summary><ul>{why}</ul></details>"
    if not items:
        return ""
    return f'<section class="warn"><h2>Warnings</h2><ul>{items}</ul>{more if why else ""}</section>'
