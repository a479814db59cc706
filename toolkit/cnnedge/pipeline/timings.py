"""How long each stage of each frame took, in bounded memory.

Milliseconds enter frame by frame; statistics of all of them and of the last seconds leave.
"""

from __future__ import annotations

import math
import time
from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..camera import Frame, Source
from ..results import stage
from .step import STAGES

# 10,000 frames of five figures are 0.4 MB; an endless run continues in a histogram.
EXACT_SAMPLES = 10_000
RECENT_SECONDS = 2.0
_RECENT_FRAMES = 1000
_REFRESH_SECONDS = 0.2

# Bins of 1 % each from 0.1 µs to 1,000 s: a percentile read from them is off by 0.5 % at most.
_FINEST_MS, _BIN, _BINS = 1e-4, math.log(1.01), 2316


class Samples:
    """The distribution of one figure, in milliseconds.

    Exact up to EXACT_SAMPLES samples; after that a histogram with bins 1 % wide, in the manner of
    HdrHistogram, so that the memory of an endless run stays constant. `maximum` is always exact.
    """

    def __init__(self) -> None:
        self.count = 0
        self.maximum = 0.0
        self._exact: array[float] = array("d")
        self._bins: array[int] | None = None

    def add(self, value_ms: float) -> None:
        """Keeps one sample."""
        self.count += 1
        if value_ms > self.maximum:
            self.maximum = value_ms
        if self._bins is None:
            self._exact.append(value_ms)
            if self.count >= EXACT_SAMPLES:
                self._pour()
        else:
            self._bins[_bin(value_ms)] += 1

    def statistics(self) -> dict[str, float]:
        """{"median", "p90", "p99", "max"}; zeros if nothing was added."""
        if self._bins is None:
            figures = stage(self._exact)
        else:
            totals = np.cumsum(np.frombuffer(self._bins, np.int64))
            wanted = {"median": 0.5, "p90": 0.9, "p99": 0.99}
            figures = {
                name: min(_value(int(np.searchsorted(totals, q * self.count))), self.maximum)
                for name, q in wanted.items()
            }
        return figures | {"max": self.maximum}

    def _pour(self) -> None:
        self._bins = array("q", bytes(8 * _BINS))
        for value in self._exact:
            self._bins[_bin(value)] += 1
        self._exact = array("d")


def _bin(value_ms: float) -> int:
    if value_ms <= _FINEST_MS:
        return 0
    return min(_BINS - 1, int(math.log(value_ms / _FINEST_MS) / _BIN))


def _value(index: int) -> float:
    """The middle of a bin."""
    return _FINEST_MS * math.exp((index + 0.5) * _BIN)


@dataclass
class Timings:
    """What a run took: filled by `label_frames` as its steps are fetched, on the caller's thread.

    stages: by the names in STAGES. age: from captured pixels to label. dropped: frames of a live
    source that the pipeline dropped for newer ones, besides those that the source dropped itself.
    """

    stages: dict[str, Samples] = field(default_factory=lambda: {name: Samples() for name in STAGES})
    age: Samples = field(default_factory=Samples)
    started: float = field(default_factory=time.perf_counter)
    ended: float = 0.0
    dropped: int = 0
    _last: deque[tuple[float, ...]] = field(
        default_factory=lambda: deque(maxlen=_RECENT_FRAMES), repr=False
    )
    _shown: tuple[float, dict[str, dict[str, float]]] = field(default=(0.0, {}), repr=False)
    _left_over: tuple[Source | None, list[Frame]] = field(default=(None, []), repr=False)

    @property
    def frames(self) -> int:
        return self.age.count

    @property
    def fps(self) -> float:
        """Frames per second so far."""
        seconds = (self.ended or time.perf_counter()) - self.started
        return self.frames / seconds if seconds > 0 else 0.0

    def begin(self) -> None:
        """The clock starts with the first call, and continues in later ones."""
        if not self.frames:
            self.started = time.perf_counter()
        self.ended = 0.0

    def left_over(self, source: Source) -> list[Frame]:
        """Frames that an earlier call read from this source and did not label."""
        known, frames = self._left_over
        return frames if known is source else []

    def leave_over(self, source: Source, frames: list[Frame]) -> None:
        """Keeps what was read ahead, for the next call."""
        self._left_over = (source, frames)

    def add(self, stages_ms: Mapping[str, float], age_ms: float) -> None:
        """Keeps one frame."""
        for name, value in stages_ms.items():
            self.stages[name].add(value)
        self.age.add(age_ms)
        self._last.append((time.perf_counter(), *stages_ms.values(), age_ms))

    def recent(self) -> dict[str, dict[str, float]]:
        """Median, p90 and p99 of the last seconds by stage, and of the age under "age".

        For a display: computed again a few times a second, however often it is called; empty
        before the first frame.
        """
        now = time.perf_counter()
        if now - self._shown[0] < _REFRESH_SECONDS:
            return self._shown[1]
        while len(self._last) > 1 and now - self._last[0][0] > RECENT_SECONDS:
            self._last.popleft()
        if not self._last:
            return {}
        percentiles = np.percentile(np.array(self._last)[:, 1:], [50, 90, 99], axis=0)
        names = ("median", "p90", "p99")
        found = {
            name: dict(zip(names, map(float, column), strict=True))
            for name, column in zip((*STAGES, "age"), percentiles.T, strict=True)
        }
        self._shown = (now, found)
        return found
