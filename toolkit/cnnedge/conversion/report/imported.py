"""Where an imported model comes from and which pixels it was found to take.

The content of import.json enters, which may be anybody's; text leaves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ... import figures
from ...pages.text import Row

_SHOWN = 24
_LONGEST = 200
_LONGEST_SENTENCE = 800


@dataclass(frozen=True, kw_only=True)
class Imported:
    """rows: of each way to make pixels that was tried, four texts."""

    lines: Sequence[str]
    rows: Sequence[tuple[str, str, str, str]]


def imported_model(imported: Row) -> Imported | None:
    """What import compared and tried; None for a model that was trained here."""
    if not imported:
        return None
    lines = [line for line in (_source(imported), _parity(imported)) if line]
    return Imported(lines=lines, rows=[_row(tried) for tried in _rows(imported)])


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
    parts = f" {said[:_LONGEST_SENTENCE]}." if isinstance(said, str) else ""
    return (
        f"Against its source: {agree:,} of {count:,} labels agree, the largest difference of a "
        f"probability is {largest:.1e}.{parts}"
    )


def _rows(imported: Row) -> list[Row]:
    tried = imported.get("tried")
    rows = tried if isinstance(tried, list) else []
    return [row for row in rows[:_SHOWN] if isinstance(row, dict) and _number(row.get("accuracy"))]


def _row(tried: Row) -> tuple[str, str, str, str]:
    ends = tried.get("ci95")
    known = isinstance(ends, list) and len(ends) == 2 and all(_number(end) for end in ends)
    between = figures.interval((ends[0], ends[1])) if known and ends else ""
    count = tried.get("count")
    accuracy = figures.percent(tried["accuracy"], 1)
    return _text(tried.get("rule")), accuracy, between, f"{count:,}" if _number(count) else ""


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: Any) -> str:
    return str(value)[:_LONGEST]
