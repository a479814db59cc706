"""Frames to labelled steps.

Models, a source and timings enter; one Step per frame leaves, in the order of the frames.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from ..camera import Source
from ..conditions import usable_cores
from ..engines.agreement import AgreementCheck
from ..errors import CnnedgeError
from .reading import Reading
from .sequential import one_by_one
from .smoothing import Smoothing
from .staged import staged
from .step import STAGES, FrameModel, Labelled, Step
from .timings import Timings
from .workers import side_by_side


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where a run stops, beside the end of its source.

    frames, duration in seconds: counted from the start of its timings on.
    """

    frames: int | None = None
    duration: float | None = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How frames are labelled. smooth: for moving pictures; pictures stay as they were measured.

    check: compares the (first) model's first inferences with the CPU's. in_line: every stage on
    the caller's thread, for samples so small that handing them over costs more than the work.
    """

    limits: Limits = Limits()
    smooth: Smoothing | None = None
    check: AgreementCheck | None = None
    in_line: bool = False


def label_frames(
    models: FrameModel | Sequence[FrameModel],
    source: Source,
    timings: Timings,
    wanted: Wanted = Wanted(),
) -> Generator[Step, None, None]:
    """Labels frames until the source ends, or a limit is reached.

    models: one model, which labels one frame while the next is captured and prepared on other
    threads; or several of one file, workers that label frames side by side, in order: for files
    and folders.

    A live source gives its newest frame: where a stage is slower than the camera, older frames are
    dropped and counted. Files lose none, and frames that were read ahead when the iterator was
    closed come first in the next call with the same source and timings. Closing the iterator ends
    its threads; the source stays open. What any thread raises is raised here, behind the labels of
    the frames before it. Raises CnnedgeError for several models with a live source.
    """
    several = tuple(models) if isinstance(models, Sequence) else (models,)
    if len(several) > 1 and source.live:
        raise CnnedgeError(
            f"{source.name}: {len(several)} workers, but only one can label a live source: in "
            "parallel, frames would be labelled later, not more often than they arrive. Use "
            f"--threads {len(several)} to make each frame faster"
        )
    return _steps(several, source, timings, wanted)


def _steps(
    models: tuple[FrameModel, ...],
    source: Source,
    timings: Timings,
    wanted: Wanted,
) -> Generator[Step, None, None]:
    timings.begin()
    frames, duration = wanted.limits.frames, wanted.limits.duration
    deadline = None if duration is None else timings.started + duration
    count = None if frames is None else max(0, frames - timings.frames)
    reading = Reading(
        source,
        timings.left_over(source),
        # Of a live source more frames may be dropped than labelled.
        count=None if source.live and count else count,
        deadline=deadline,
    )
    line = _line(models, source, reading, timings, wanted)
    try:
        with closing(line):
            for labelled in line:
                reading.labelled()
                yield _step(labelled, source, timings, wanted.smooth)
                if frames is not None and timings.frames >= frames:
                    return
    finally:
        timings.ended = time.perf_counter()
        timings.leave_over(source, reading.left_over)


def _line(
    models: tuple[FrameModel, ...],
    source: Source,
    reading: Reading,
    timings: Timings,
    wanted: Wanted,
) -> Generator[Labelled, None, None]:
    check = wanted.check
    if len(models) > 1:
        return side_by_side(models, reading, check)
    if wanted.in_line or source.total == 1 or (usable_cores() == 1 and not source.live):
        return one_by_one(models[0], reading, check)
    return staged(models[0], reading, timings, check)


def _step(labelled: Labelled, source: Source, timings: Timings, smooth: Smoothing | None) -> Step:
    frame, answer = labelled.frame, labelled.answer
    age_ms = (labelled.at - frame.captured_at) * 1000
    stages_ms = {
        name: 1000 * seconds for name, seconds in zip(STAGES, labelled.stages_s, strict=True)
    }
    timings.add(stages_ms, age_ms)
    smoothed = answer
    if smooth is not None and not source.pictures:
        # A file may run faster than it was filmed.
        moment = frame.captured_at if source.live else frame.index / (source.fps or 30.0)
        smoothed = smooth(answer, moment)
    return Step(
        frame=frame,
        prediction=smoothed,
        measured=answer,
        inference_ms=stages_ms["inference"],
        age_ms=age_ms,
        stages_ms=stages_ms,
    )
