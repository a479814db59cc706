"""Accuracy against latency, a chart for each device, its frame budget drawn. HTML leaves.

The accuracy is what the model's file says of itself: it was measured when it was converted, through
the runtime that a user runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..benchmark import Result
from ..pages.scatter import DESKTOP, PHONE, Point, scatter
from ..pages.text import escape, listed
from ..results import Accuracy
from .figures import time_text
from .naming import Naming


def accuracy_section(results: Sequence[Result], naming: Naming) -> str:
    real = [r for r in results if not r.emulated]
    known = [r for r in real if _known(r)]
    if not known:
        return ""
    figures = "".join(
        _figure(device, [r for r in known if r.device == device], naming)
        for device in dict.fromkeys(r.device for r in known)
    )
    unknown = listed([escape(naming.plain(r)) for r in real if not _known(r)])
    missing = f" The accuracy of {unknown} is unknown." if unknown else ""
    return (
        '<section><h2>Accuracy and latency</h2><p class="note">Better is up and to the '
        "left. Vertical bars are 95 % intervals of the accuracy; horizontal bars run from the "
        "median latency to the 90th percentile; the dotted line is the device's frame budget. "
        f"Each file states its accuracy, which was measured at its conversion.{missing}</p>"
        f'<div class="plots">{figures}</div></section>'
    )


def _known(r: Result) -> bool:
    return bool(r.accuracy) and r.latency_ms.median is not None


def _figure(device: str, results: Sequence[Result], naming: Naming) -> str:
    points = [_point(r, r.accuracy, naming) for r in results if r.accuracy]
    budget = results[0].frame_budget_ms
    drawn = "".join(
        scatter(
            points,
            x_title="latency, median to p90",
            x_text=time_text,
            limit=budget,
            reach=math.inf,
            canvas=canvas,
        )
        for canvas in (DESKTOP, PHONE)
    )
    return f"<figure><figcaption>{escape(device)}</figcaption>{drawn}</figure>"


def _point(r: Result, told: Accuracy, naming: Naming) -> Point:
    latency = r.latency_ms
    low, high = told.ci95
    return Point(
        label=naming.plain(r, without=["device"]),
        x=latency.typical,
        x_high=latency.p90,
        y=told.accuracy,
        low=low,
        high=high,
    )
