"""Frames labelled one after the other on one thread.

A model and frames enter; Labelled frames leave.
"""

from __future__ import annotations

import time
from collections.abc import Generator

from ..engines.agreement import AgreementCheck
from .reading import Read, Reading
from .step import FrameModel, Labelled

_clock = time.perf_counter


def one_by_one(
    model: FrameModel, reading: Reading, check: AgreementCheck | None
) -> Generator[Labelled, None, None]:
    """Only on the caller's thread: if there is no second picture, or no second core."""
    for read in reading:
        yield label_one(model, read, check)


def label_one(model: FrameModel, read: Read, check: AgreementCheck | None) -> Labelled:
    """One frame, written straight into the input's own memory."""
    begin = _clock()
    values = None
    if check is None or check.done:
        model.feed(read.frame.pixels)
    else:
        values = model.encode(model.prepare(read.frame.pixels))
        model.engine.set_input(values)
    fed = _clock()
    raw = model.infer()
    inferred = _clock()
    if check is not None and values is not None:
        check.see(values, raw)
    begun = _clock()
    answer = model.decode(raw)
    done = _clock()
    stages = (read.seconds, fed - begin, inferred - fed, done - begun)
    return Labelled(read.frame, answer, stages, done)
