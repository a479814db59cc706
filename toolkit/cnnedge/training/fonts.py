"""Labels of any script in plots: which fonts draw them, and what to do if none does."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.font_manager import fontManager, get_font

FONT = "DejaVu Sans"
# Tried in this order for what DejaVu Sans cannot draw, such as Chinese, Thai or Devanagari.
_MORE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "PingFang SC",
    "Hiragino Sans",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Nirmala UI",
    "Leelawadee UI",
)


def families(text: str) -> list[str]:
    """DejaVu Sans, and further installed fonts when the text needs them."""
    if not _missing(text, [FONT]):
        return [FONT]
    return [FONT] + [name for name in _MORE_FONTS if name in _installed()]


def drawable(labels: Sequence[str]) -> list[str]:
    """Labels with what no installed font has replaced by a box; a class number if all is boxes."""
    shown = []
    for index, label in enumerate(labels):
        clean = " ".join("".join(c if c.isprintable() else " " for c in str(label)).split())
        missing = _missing(clean, [FONT, *_MORE_FONTS])
        boxed = "".join("\u25a1" if c in missing else c for c in clean)
        shown.append(boxed if boxed.strip("\u25a1 ") else f"class {index}")
    return shown


def _missing(text: str, families: Sequence[str]) -> set[str]:
    rest = {c for c in text if not c.isascii()}
    for family in families:
        if not rest:
            break
        path = _installed().get(family)
        if path is not None:
            charmap = get_font(path).get_charmap()
            rest = {c for c in rest if ord(c) not in charmap}
    return rest


def _installed() -> dict[str, str]:
    return {font.name: font.fname for font in fontManager.ttflist if font.style == "normal"}


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, cut in the middle: both ends of a label identify it."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head].rstrip()}\u2026{text[head + 1 - limit :].lstrip()}"
