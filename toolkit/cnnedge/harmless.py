"""Texts from somebody's file, made safe for a terminal, a table and JSON.

A text enters; the same leaves without what moves a cursor, turns the direction of writing or is no
character at all.
"""

from __future__ import annotations

import re

# Control characters but tab and newline, marks and overrides of direction, and halves of characters
# (surrogates), which no encoding can write.
HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_REPLACEMENT = "�"


def harmless(text: str, most: int | None = None) -> str:
    """The text, each harmful character replaced. most: characters to keep, the last an ellipsis."""
    if most is not None and len(text) > most:
        text = text[: most - 1] + "…"
    return HARMFUL.sub(_REPLACEMENT, text)
