"""Texts from somebody's file, made safe for a terminal, a table and JSON.

A text enters; the same leaves without what moves a cursor, turns the direction of writing or is no
character at all.
"""

from __future__ import annotations

import math
import re
from typing import Any

# Control characters but tab and newline, marks and overrides of direction, and halves of characters
# (surrogates), which no encoding can write.
HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_REPLACEMENT = "�"
_MOST_TEXT, _MOST_DEPTH = 2_000, 16


def harmless(text: str, most: int | None = None) -> str:
    """The text, each harmful character replaced. most: characters to keep, the last an ellipsis."""
    if most is not None and len(text) > most:
        text = text[: most - 1] + "…"
    return HARMFUL.sub(_REPLACEMENT, text)


def one_line(text: str, most: int = 300) -> str:
    """What somebody else said, as data: one line, nothing that a terminal would obey, not too
    long."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def tidy(value: Any, depth: int = 0) -> Any:
    """JSON from elsewhere: texts in one line and not too long, what is no number None, nothing
    nested without end."""
    if isinstance(value, str):
        return _tidy_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (dict, list)) and depth > _MOST_DEPTH:
        return None
    if isinstance(value, dict):
        return {_tidy_text(k): tidy(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [tidy(v, depth + 1) for v in value]
    return value


def _tidy_text(text: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text[:_MOST_TEXT])
    return shown if len(text) <= _MOST_TEXT else f"{shown}..."
