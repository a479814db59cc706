"""This machine as a device: a fresh process of this Python for each measurement."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import conditions
from ..bundle import read_model, sized
from ..child_process import python_words
from ..engines import trial
from ..engines.loading import engine_for
from ..errors import CnnedgeError
from ..files import json_text
from ..specs import DeviceProfile
from .answers import checked
from .device import PATIENCE_SECONDS


class LocalDevice:
    """A Device (benchmark.device) that is here."""

    def __init__(self, profile: DeviceProfile | None = None, name: str = "local") -> None:
        self.name = name
        self.profile = profile or DeviceProfile()
        self._tried: set[tuple[Any, ...]] = set()

    def place(self, model: Path) -> str:
        """The file where it is."""
        return str(model)

    def measure(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Runs benchmark.worker."""
        model = request["model"]
        self._try_elsewhere(request)
        try:
            done = subprocess.run(
                python_words("cnnedge.benchmark.worker"),
                input=json_text(request, ascii_only=True),
                capture_output=True,
                text=True,
                timeout=PATIENCE_SECONDS + request["seconds"],
                # One BLAS thread less to disturb the measurement.
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            )
        except subprocess.TimeoutExpired as error:
            raise CnnedgeError(
                f"{model}: the benchmark gave no answer in {error.timeout:.0f} s and was ended"
            ) from None
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            tail = " ".join(done.stderr.split()[-30:])
            how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
            raise CnnedgeError(f"{model}: the benchmark process died ({how}): {tail}") from None
        return checked(answer, model)

    def _try_elsewhere(self, request: Mapping[str, Any]) -> None:
        """An unknown file is tried first under limits, which a measured process must not have."""
        size = tuple(request["size"]) if request.get("size") else None
        engine = engine_for(request["engine"], request["precision"])
        what = (request["model"], size, engine, request["delegate"])
        if what in self._tried:
            return
        started = trial.begin(sized(read_model(request["model"]), size), engine)
        if started is not None:
            started.end(delegated=request["delegate"] != "cpu")
        self._tried.add(what)

    def temperature_c(self) -> float | None:
        """Of the first thermal zone, where there is one."""
        return conditions.temperature_c()

    def close(self) -> None:
        """Nothing was left anywhere."""
