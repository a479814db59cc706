"""What a result is called on the page: its model, and whatever tells it apart from the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath

from ..benchmark import Result
from ..figures import threads

_VARYING: dict[str, Callable[[Result], str]] = {
    "device": lambda r: f"on {r.device}",
    "engine": lambda r: str(r.engine),
    "delegate": lambda r: str(r.delegate.used).split(" (")[0],
    "precision": lambda r: str(r.precision),
    "threads": lambda r: threads(r.threads),
}


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
