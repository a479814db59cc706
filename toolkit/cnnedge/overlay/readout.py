"""What is drawn onto a frame: labels, figures and messages, as plain data.

Nothing enters; the types leave that the command fills and the overlay draws.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..classifier import Score


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row of the table of stages: milliseconds of the last seconds.

    periods: how many of the source's periods it may take before it is shown as too long. waits:
    most of it may be waiting for the source, so a long one is not a fault.
    """

    name: str
    median_ms: float
    p90_ms: float
    periods: float = 1.0
    waits: bool = False


@dataclass(frozen=True, kw_only=True)
class Readout:
    """What is said about a frame.

    labels: best first. lines: the output of a model that is not a classifier. rate, where: the
    source, in a few words. delegate, detail: what computes, in plain words. budget_ms: the source's
    period (1000 / fps), None if there is none.
    """

    labels: tuple[Score, ...] = ()
    lines: tuple[str, ...] = ()
    rate: str = ""
    where: str = ""
    delegate: str = ""
    detail: str = ""
    budget_ms: float | None = None
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Messages:
    """Messages for the person at the keyboard. help: lines of (key, what it does)."""

    toasts: tuple[str, ...] = ()
    hints: tuple[tuple[str, str], ...] = ()
    help: tuple[tuple[str, str], ...] = ()
    paused: bool = False


QUIET = Messages()
