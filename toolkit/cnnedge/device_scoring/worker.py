"""Predictions in a process of their own, on a device, which runs this module.

A request (JSON) enters on standard input; lines of JSON leave on standard output: {"done": n} on
the way, and at last what computed, or {"error", "exit_code"}. The predictions go to a file, and
so do the input pixels of all pictures where the request says where.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import conditions
from ..bundle import Guest
from ..classifier import load
from ..engines import AgreementCheck
from ..errors import CnnedgeError
from ..files import json_text
from .parcel import unpack
from .predictions import predict

_TELL_SECONDS = 0.5


def answer(request: dict[str, Any], tell: Callable[[int], None]) -> dict[str, Any]:
    """Predicts as the request says: model, pictures, predictions (where to), and the settings.

    pixels, which may be missing: where the input pixels go, for a few pictures.
    """
    settings = request["settings"]
    keywords = dict(settings["load"])
    guest = Guest.from_json(keywords.pop("guest", {}))
    with load(request["model"], guest=guest, **keywords) as classifier:
        check = AgreementCheck(
            classifier.model, classifier.engine, allow=settings["allow_disagreement"]
        )
        found = predict(classifier, unpack(Path(request["pictures"])), check=check, progress=tell)
        found.write(Path(request["predictions"]))
        if "pixels" in request:
            pictures = unpack(Path(request["pictures"]))
            np.save(request["pixels"], np.stack([classifier.prepare(p) for p in pictures]))
        return {
            "engine": classifier.engine.name,
            "engine_version": classifier.engine.version,
            "threads": classifier.engine.threads,
            "precision": classifier.engine.precision,
            "delegate": classifier.engine.delegate.as_json(),
            "sha256": classifier.model.sha256,
            "conditions": conditions.machine() | conditions.moment(),
        }


def main() -> int:
    """Reads the request and writes the answers; a CnnedgeError becomes {"error", "exit_code"}."""
    request = json.load(sys.stdin)
    told = 0.0

    def tell(done: int) -> None:
        nonlocal told
        if time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            _write({"done": done})

    try:
        result = answer(request, tell)
    except CnnedgeError as error:
        result = {"error": str(error), "exit_code": error.exit_code}
    except (RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        result = {"error": f"the model does not run: {said}", "exit_code": 1}
    _write(result)
    return 0


def _write(line: dict[str, Any]) -> None:
    # One whole line at once: the other side reads by lines.
    sys.stdout.writelines([json_text(line, ascii_only=True), "\n"])
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
