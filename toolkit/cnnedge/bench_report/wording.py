"""How the page says its times, and what it calls a result: its model, and whatever tells it apart
from the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import PurePath

from ..benchmark import Result
from ..figures import threads
from ..pages.text import format_ms

# Below, microseconds read better.
_LEAST_MS = 0.1

_VARYING: dict[str, Callable[[Result], str]] = {
    "device": lambda r: f"on {r.device}",
    "engine": lambda r: str(r.engine),
    "delegate": lambda r: str(r.delegate.used).split(" (")[0],
    "precision": lambda r: str(r.precision),
    "threads": lambda r: threads(r.threads),
}


def time_text(ms: float) -> str:
    """Three digits: 33.1 µs, 12.3 ms."""
    if ms < _LEAST_MS:
        return f"{1000 * ms:.3g}\u00a0µs"
    return f"{ms:.3g}\u00a0ms" if ms < 999.5 else format_ms(ms)


def tick_text(ticks: Sequence[float]) -> Callable[[float], str]:
    """What writes the ticks of an axis: one unit for all, with enough decimals to differ."""
    scale, unit = (1000.0, "µs") if max(ticks, default=1.0) < _LEAST_MS else (1.0, "ms")
    steps = [scale * (b - a) for a, b in itertools.pairwise(sorted(ticks))]
    step = min(steps, default=1.0)
    decimals = next((d for d in range(7) if abs(round(step, d) - step) < 1e-6 * step), 7)
    return lambda ms: f"{scale * ms:,.{decimals}f}\u00a0{unit}"


class Naming:
    """Names for results of one page, as text."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._files = list(dict.fromkeys(str(r.model) for r in results))
        self._varying = [n for n, get in _VARYING.items() if len({get(r) for r in results}) > 1]

    def model(self, r: Result) -> str:
        """As much of the path's end as tells the models apart, without `.tflite`."""
        parts = PurePath(str(r.model)).parts
        for count in range(1, len(parts) + 1):
            short = {PurePath(f).parts[-count:] for f in self._files}
            if len(short) == len(self._files):
                return str(PurePath(*parts[-count:])).removesuffix(".tflite")
        return str(r.model)

    def name(self, r: Result, *, without: Sequence[str] = ()) -> str:
        """The model and what varies."""
        said = [_VARYING[n](r) for n in self._varying if n not in without]
        return ", ".join((self.model(r), *said))
