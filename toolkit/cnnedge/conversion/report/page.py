"""The conversion report as one HTML page.

The dict of export/report.json, the confusion matrix of the variant to ship and the pictures whose
label changed enter; a self-contained page leaves: inline CSS and SVG, pictures as data, no script,
nothing fetched. What users named (labels, files, runs) is escaped, and a content policy in the
page forbids scripts and requests should any escape be missed. What a report does not have, its
page leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...pages.rendering import render
from ...pages.text import Row
from ..flips import FlippedPicture, flips_by_variant
from .charts import costs, downloads
from .confusion import confusion_table
from .imported import imported_model
from .layers import layer_table
from .notes import notes
from .sensitivity import sensitivity_of_layers
from .table import variant_table
from .verdict import chosen_because, headline, most_compressed, pick

__all__ = ["headline", "most_compressed", "render_report"]

_TEMPLATES = Path(__file__).parent / "templates"


def render_report(report: Row, *, confusion: Row, flipped: Sequence[FlippedPicture]) -> str:
    """The whole page, as text for a UTF-8 file.

    report: the content of export/report.json, and that of import.json under `imported`; figures
    that were not measured may be None or missing. confusion: `labels` (n names) and `matrix` (n x n
    counts, rows true) of the variant named in `variant`, or else of the one to ship (what a search
    chose, or `most_compressed`); `{}` for none. flipped: in the order to show them, at most 24 per
    variant. Raises ValueError for a picture that is not uint8 [h, w, 1 or 3], MissingExtraError.
    """
    shipped = pick(report)
    return render(
        _TEMPLATES,
        "report.html",
        title=f"{report.get('recipe') or report.get('run') or 'model'}: conversion report",
        headline=headline(report),
        because=chosen_because(report),
        meta=_meta(report),
        warnings=report.get("warnings") or (),
        unstable=[
            (name, "; ".join(map(str, reasons)))
            for name, reasons in (report.get("unstable") or {}).items()
        ],
        variants=variant_table(report),
        costs=costs(report),
        downloads=downloads(report),
        layers=layer_table(report),
        sensitivity=sensitivity_of_layers(report),
        imported=imported_model(report.get("imported") or {}),
        confusion=confusion_table(confusion, confusion.get("variant") or shipped),
        flips=flips_by_variant(report, flipped, shipped),
        notes=notes(report),
    )


def _meta(report: Row) -> str:
    said = [report.get("description"), report.get("run") and f"run {report['run']}"]
    if report.get("device"):
        said.append(f"timed on {report['device']}")
    said += [report.get("created"), f"cnnedge {report.get('cnnedge', '')}".strip()]
    return " · ".join(str(part) for part in said if part)
