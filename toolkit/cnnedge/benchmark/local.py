"""This machine as a device: a fresh process of this Python for each measurement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .. import child_process, conditions
from ..bundle import read_model, sized
from ..child_process import Command, Completed, Late, python_words
from ..engines import trial
from ..engines.loading import engine_for
from ..specs import DeviceProfile
from .answer import Answer
from .asking import Unanswered, measured
from .request import Request


class LocalDevice:
    """A Device (benchmark.device) that is here."""

    def __init__(self, profile: DeviceProfile | None = None, name: str = "local") -> None:
        self.name = name
        self.profile = profile or DeviceProfile()
        self._tried: set[tuple[str, tuple[int, int] | None, str, str]] = set()

    def place(self, model: Path) -> str:
        """The file where it is."""
        return str(model)

    def measure(self, request: Request) -> Answer:
        """Runs benchmark.worker."""
        self._try_elsewhere(request)
        return measured(_fresh, request, request.model)

    def _try_elsewhere(self, request: Request) -> None:
        """An unknown file is tried first under limits, which a measured process must not have."""
        runtime = request.runtime
        size, engine = runtime.guest.size, engine_for(runtime)
        what = (request.model, size, engine, runtime.delegate)
        if what in self._tried:
            return
        started = trial.begin(sized(read_model(request.model), size), engine)
        if started is not None:
            started.end(delegated=runtime.delegate != "cpu")
        self._tried.add(what)

    def temperature_c(self) -> float | None:
        """Of the first thermal zone, where there is one."""
        return conditions.temperature_c()

    def close(self) -> None:
        """Nothing was left anywhere."""


def _fresh(
    arguments: Sequence[str] = (),
    *,
    module: str,
    stdin: bytes,
    seconds: float,
    line: Callable[[str], None] | None = None,
) -> Completed:
    try:
        command = Command(
            words=python_words(module, *arguments),
            stdin=stdin,
            seconds=seconds,
            # One BLAS thread less to disturb the measurement.
            environment={"OPENBLAS_NUM_THREADS": "1"},
        )
        return child_process.run(command, line=line)
    except Late:
        raise Unanswered(None, seconds) from None
