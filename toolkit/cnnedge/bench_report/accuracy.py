"""Accuracy against latency, a chart for each device, its frame budget drawn.

The accuracy is what the model's file says of itself: it was measured when it was converted, through
the runtime that a user runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..benchmark import Result
from ..pages.rendering import Figure
from ..pages.scatter import Plot, Point, scatter
from ..pages.text import listed
from ..results import Accuracy
from .wording import Naming, time_text


def accuracies(results: Sequence[Result], naming: Naming) -> list[Figure]:
    known = [r for r in results if not r.emulated and _known(r)]
    return [
        _figure(device, [r for r in known if r.device == device], naming)
        for device in dict.fromkeys(r.device for r in known)
    ]


def unknown(results: Sequence[Result], naming: Naming) -> str:
    """The results that no chart has, though they were timed; "" for none."""
    return listed([naming.name(r) for r in results if not r.emulated and not _known(r)])


def _known(r: Result) -> bool:
    return bool(r.accuracy) and r.latency_ms.median is not None


def _figure(device: str, results: Sequence[Result], naming: Naming) -> Figure:
    points = [_point(r, r.accuracy, naming) for r in results if r.accuracy]
    plot = Plot(
        points=points,
        x_title="latency, median to p90",
        x_text=time_text,
        limit=results[0].frame_budget_ms,
        reach=math.inf,
    )
    return Figure(title=device, svg=scatter(plot))


def _point(r: Result, told: Accuracy, naming: Naming) -> Point:
    latency = r.latency_ms
    low, high = told.ci95
    return Point(
        label=naming.name(r, without=["device"]),
        x=latency.typical,
        x_high=latency.p90,
        y=told.accuracy,
        low=low,
        high=high,
    )
