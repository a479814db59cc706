"""Where an imported model comes from and which pixels it was found to take.

The content of import.json enters, which may be anybody's; a section of HTML leaves.
"""

from __future__ import annotations

import math
from typing import Any

from ... import figures
from ...pages.text import Row, escape

_SHOWN = 24
_LONGEST = 200
_LONGEST_SENTENCE = 800


def imported_section(imported: Row) -> str:
    """What import compared and tried; "" for a model that was trained here."""
    if not imported:
        return ""
    lines = [line for line in (_source(imported), _parity(imported)) if line]
    rows = [_row(tried) for tried in _rows(imported)]
    said = "".join(f'<p class="note">{line}</p>' for line in lines)
    table = (
        '<div class="wide"><table class="variants"><thead><tr><th>pixels, resize</th>'
        "<th>accuracy</th><th>95 % interval</th><th>pictures</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        if rows
        else ""
    )
    return f"<section><h2>Imported model</h2>{said}{table}</section>"


def _source(imported: Row) -> str:
    taken = imported.get("preprocess")
    pixels = taken if isinstance(taken, dict) else {}
    order = "BGR" if pixels.get("bgr") is True else "RGB"
    because = f" (by {_text(pixels.get('because'))})" if pixels.get("because") else ""
    return (
        f"{_text(imported.get('kind'))}, from {_text(imported.get('source'))}. It takes pixels "
        f"{_text(pixels.get('pixels'))}, {order}{because}; {_text(pixels.get('resize'))}, "
        f"{_text(pixels.get('interpolation'))}."
    )


def _parity(imported: Row) -> str:
    parity = imported.get("parity")
    if not isinstance(parity, dict):
        return ""
    largest, agree, count = (parity.get(k) for k in ("max_abs", "labels_agree", "count"))
    if not (_number(largest) and _number(agree) and _number(count)):
        return ""
    parting = parity.get("parting")
    said = parting.get("text") if isinstance(parting, dict) else None
    parts = f" {escape(said[:_LONGEST_SENTENCE])}." if isinstance(said, str) else ""
    return (
        f"Against its source: {agree:,} of {count:,} labels agree, the largest difference of a "
        f"probability is {largest:.1e}.{parts}"
    )


def _rows(imported: Row) -> list[dict[str, Any]]:
    tried = imported.get("tried")
    rows = tried if isinstance(tried, list) else []
    return [row for row in rows[:_SHOWN] if isinstance(row, dict) and _number(row.get("accuracy"))]


def _row(tried: Row) -> str:
    ends = tried.get("ci95")
    known = isinstance(ends, list) and len(ends) == 2 and all(_number(end) for end in ends)
    between = figures.interval((ends[0], ends[1])) if known and ends else ""
    count = tried.get("count")
    cells = (
        figures.percent(tried["accuracy"], 1),
        between,
        f"{count:,}" if _number(count) else "",
    )
    name = _text(tried.get("rule"))
    return f"<tr><td>{name}</td>{''.join(f'<td>{c}</td>' for c in cells)}</tr>"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: Any) -> str:
    return escape(str(value)[:_LONGEST])
