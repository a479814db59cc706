"""Predictions in a process of their own, on a device, which runs this module.

A request (JSON) enters on standard input; lines of JSON leave on standard output: {"done": n} on
the way, and at last what computed, or {"error", "exit_code"}. The predictions go to a file, and
so do the input pixels of all pictures where the request says where.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .. import conditions
from ..benchmark.asking import answered, write_line
from ..engines import AgreementCheck
from ..errors import CnnedgeError
from ..picture_model import load_answering
from ..specs.values import plain
from .parcel import unpack
from .predictions import predict
from .request import Answer, Request

_TELL_SECONDS = 0.5


def answer(request: Request, tell: Callable[[int], None]) -> Answer:
    """Predicts as the request says. tell: is told how many pictures are done."""
    runtime = request.runtime
    if request.prepared:
        raise CnnedgeError("prepared: this worker takes pictures, and prepares them itself")
    with load_answering(request.model, runtime) as classifier:
        engine = classifier.engine
        check = AgreementCheck(classifier.model, engine, allow=runtime.allow_disagreement)
        found = predict(classifier, unpack(Path(request.pictures)), check=check, progress=tell)
        found.write(Path(request.predictions))
        if request.pixels is not None:
            pictures = unpack(Path(request.pictures))
            np.save(request.pixels, np.stack([classifier.prepare(p) for p in pictures]))
        return Answer(**vars(engine.described()), conditions=conditions.state())


def main() -> int:
    """Reads the request and writes the answers; a CnnedgeError becomes {"error", "exit_code"}."""
    told = 0.0

    def tell(done: int) -> None:
        nonlocal told
        if time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            write_line({"done": done})

    return answered(Request, lambda request: plain(answer(request, tell)))


if __name__ == "__main__":
    sys.exit(main())
