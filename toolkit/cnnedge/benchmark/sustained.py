"""What happened to latency over minutes without a pause.

The windows of one process enter; the first minute against the last, and when it was throttled,
leave.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from .answer import Answer, Window
from .result import Minute, Sustained

MINUTE_S = 60.0
# A window is slow beyond this share of the first minute's median.
_SLOWER = 1.10
# One slow window is a disturbance; medians over so many tell what stays.
_SMOOTHED = 5


def summary(answer: Answer, window_seconds: float) -> Sustained:
    """What the windows of an answer tell.

    minute_s: 60, or a third of a run shorter than three minutes. first_minute, last_minute: the
    medians of their windows' figures. slowdown: the last median over the first, less 1.
    throttled_at_s: the first window after which the median stays 10 % above the first minute's;
    None where it does not.
    """
    windows = answer.windows or ()
    seconds = windows[-1].t_s + window_seconds / 2
    minute = min(MINUTE_S, seconds / 3)
    first = _minute([w for w in windows if w.t_s <= minute] or windows[:1])
    last = _minute([w for w in windows if w.t_s >= seconds - minute] or windows[-1:])
    return Sustained(
        seconds=seconds,
        window_seconds=window_seconds,
        minute_s=minute,
        first_minute=first,
        last_minute=last,
        slowdown=last.median / first.median - 1,
        throttled_at_s=_throttled(windows, _SLOWER * first.median),
        inferences=answer.inferences or 0,
        samples_every=answer.samples_every or 1,
        windows=windows,
    )


def _minute(windows: Sequence[Window]) -> Minute:
    return Minute(
        median=statistics.median(w.median for w in windows),
        p90=statistics.median(w.p90 for w in windows),
    )


def _throttled(windows: Sequence[Window], limit: float) -> float | None:
    medians = [w.median for w in windows]
    half = _SMOOTHED // 2
    smooth = [
        statistics.median(medians[max(0, i - half) : i + half + 1]) for i in range(len(medians))
    ]
    slow = 0
    while slow < len(smooth) and smooth[-1 - slow] > limit:
        slow += 1
    # Fewer than these at the very end do not show that it stays.
    if slow < _SMOOTHED or slow == len(windows):
        return None
    return windows[len(windows) - slow].t_s
