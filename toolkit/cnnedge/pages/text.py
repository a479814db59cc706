"""Figures and names as text for the HTML reports: sizes, times, shares, p values.

Numbers and names enter; text leaves, of which only `escape` is HTML.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

# A dict of report.json: the report itself, or one of its entries.
Row = Mapping[str, Any]


def cleaned(text: object) -> str:
    """Text for a page: lone surrogates and control characters are replaced."""
    safe = str(text).encode("utf-8", "replace").decode("utf-8")
    return "".join(" " if unicodedata.category(c) == "Cc" else c for c in safe)


def escape(text: object) -> str:
    """Text for SVG, also inside attributes, `cleaned`. In HTML, the templates do this."""
    return html.escape(cleaned(text), quote=True)


def format_size(size_bytes: float) -> str:
    """Three digits and a decimal unit: 1 KB is 1,000 bytes."""
    value, unit = float(size_bytes), "B"
    for larger in ("KB", "MB", "GB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{_three_digits(value)}\u00a0{unit}"


def format_ms(latency_ms: float) -> str:
    """Milliseconds with three digits, at most three decimals."""
    return f"{_three_digits(latency_ms)}\u00a0ms"


def format_percent(fraction: float, digits: int = 1) -> str:
    """A fraction 0..1 as per cent, without the sign."""
    return f"{100 * fraction:.{digits}f}"


def format_count(count: float) -> str:
    """A large count with three digits: 12.2 M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * size:
            return f"{_three_digits(count / size)}\u00a0{unit}"
    return f"{count:.0f}"


def format_seconds(seconds: float) -> str:
    """A rounded duration: 41 s, 12 min, 2.5 h."""
    if seconds < 99.5:
        return f"{seconds:.0f}\u00a0s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f}\u00a0min"
    return f"{seconds / 3600:.1f}\u00a0h"


def number(value: float) -> str:
    """Three digits and a true minus sign."""
    return f"{value:.3g}".replace("-", "\u2212") if abs(value) < 1000 else f"{value:,.0f}"


def decibels(value: float) -> str:
    """One decimal and a true minus sign."""
    return f"{value:.1f}".replace("-", "\u2212") + "\u00a0dB"


def signed(value: float, plus: str = "") -> str:
    """Two decimals and a true minus sign; what rounds to zero has none."""
    sign = "" if abs(value) < 0.005 else "\u2212" if value < 0 else plus
    return f"{sign}{abs(value):.2f}"


def points(value: float) -> str:
    """Percentage points with their word."""
    return f"{value:g} point{'' if value == 1 else 's'}"


def p_value(p: float) -> str:
    return "p\u00a0<\u00a00.001" if p < 0.001 else f"p\u00a0=\u00a0{p:.2g}"


def digits(report: Row) -> int:
    """The meaningful decimals of a percentage of the test pictures."""
    return 2 if (report.get("test_pictures") or 0) >= 2000 else 1


def shortened(text: str, most: int = 24) -> str:
    """A name that fits next to a point; the end distinguishes variants, so it stays."""
    return text if len(text) <= most else text[: most - 9] + "\u2026" + text[-8:]


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence: a, b and c."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def _three_digits(value: float) -> str:
    decimals = 0 if value >= 99.95 else 1 if value >= 9.995 else 2 if value >= 0.0995 else 3
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals and value >= 0.995 else text
