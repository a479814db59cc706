"""Pieces of charts. Places in SVG units, CSS classes and texts enter; elements leave, as text.

Nothing else makes SVG out of what others wrote: texts are escaped here.
"""

from __future__ import annotations

from collections.abc import Iterable

from .text import escape


def line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(said: str, x: float, y: float, kind: str = "t") -> str:
    """kind: with `e`, the text ends at x; with `m`, x is its middle."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(said)}</text>'


def polyline(kind: str, corners: Iterable[tuple[float, float]]) -> str:
    return f'<polyline class="{kind}" points="{_points(corners)}"/>'


def polygon(kind: str, corners: Iterable[tuple[float, float]]) -> str:
    return f'<polygon class="{kind}" points="{_points(corners)}"/>'


def circle(kind: str, x: float, y: float, radius: float) -> str:
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'


def chart(kind: str, size: tuple[float, float], said: str, parts: Iterable[str]) -> str:
    """The whole. said: in place of the picture, to who does not see it."""
    width, height = size
    return (
        f'<svg class="chart {kind}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(said)}">{"".join(parts)}</svg>'
    )


def _points(corners: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
