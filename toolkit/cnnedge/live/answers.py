"""One frame's answer, of a classifier or a raw model: as a line of JSON and as a readout."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from ..engines import DelegateReport, Engine
from ..figures import threads
from ..files import explained, json_text
from ..overlay import Figure, Readout
from ..picture_model import Picture
from ..pipeline import (
    STAGES,
    FrameAnswer,
    FrameLine,
    OutputSaid,
    PictureSaid,
    Step,
    Timings,
    answer_of,
)
from ..raw_model import RawOutput, RawOutputs
from ..specs import plain

# Outputs with more values than this are described by their range alone.
_MOST_VALUES = 100
# An answer is late when its frame is older than two periods: one to wait in, one to be worked on.
_AGE_PERIODS = 2.0


def as_measured(step: Step, top: int) -> FrameAnswer:
    """The answer as it was measured: smoothing is for eyes alone."""
    if isinstance(step.measured, RawOutputs):
        outputs = tuple(_output(o) for o in step.measured)
        frame = step.frame
        return FrameAnswer(frame=frame.index, name=frame.name, start=frame.start, outputs=outputs)
    if isinstance(step.measured, Picture):
        return _drawn(step, step.measured)
    return answer_of(replace(step, prediction=step.measured), top)


def _drawn(step: Step, picture: Picture) -> FrameAnswer:
    """Of an answer that is a picture, its size; the picture itself is for eyes and files."""
    shape = picture.pixels.shape
    said = PictureSaid(height=shape[0], width=shape[1], channels=shape[2] if len(shape) == 3 else 1)
    return FrameAnswer(
        frame=step.frame.index,
        name=step.frame.name,
        picture=said if picture.finite else None,
        problem=None if picture.finite else "the model returned no numbers",
    )


def as_line(step: Step, answer: FrameAnswer, top: int) -> FrameLine:
    """The answer (of `as_measured`) with its times, for --jsonl."""
    smoothed = step.prediction is not step.measured
    return FrameLine(
        **vars(answer),
        captured_s=time.time() - (time.perf_counter() - step.frame.captured_at),
        pts_s=step.frame.pts_s,
        smoothed=answer_of(step, top).top if smoothed else None,
        stages_ms=step.stages_ms,
        age_ms=step.age_ms,
    )


def as_readout(step: Step, top: int, timings: Timings, base: Readout) -> Readout:
    """The readout of a frame; base: what stays the same from frame to frame."""
    recent = timings.recent()
    # Where the source sets the pace, capture is mostly waiting for it.
    figures = tuple(
        Figure(
            name="frame age" if name == "age" else name,
            median_ms=recent[name]["median"],
            p90_ms=recent[name]["p90"],
            periods=_AGE_PERIODS if name == "age" else 1.0,
            waits=name == "capture",
        )
        for name in (*STAGES, "age")
        if name in recent
    )
    answer = step.prediction
    if isinstance(answer, RawOutputs):
        return replace(base, lines=tuple(described(o) for o in answer), figures=figures)
    if isinstance(answer, Picture) and answer.finite:
        return replace(base, figures=figures)
    if not answer.finite:
        return replace(base, lines=("no result: NaN or infinity",), figures=figures)
    if not answer.graded:
        return replace(base, lines=(answer.label,), figures=figures)
    return replace(base, labels=tuple(answer.top(top)), figures=figures)


def described(output: RawOutput) -> str:
    """An output in a few words: name, shape, type and range."""
    shape = "×".join(map(str, output.shape)) or "scalar"
    low, high, _ = _range(output)
    span = f"{low:.4g} to {high:.4g}" if low is not None else "no finite values"
    return f"{output.name} {shape} {output.dtype} {span}"


def words(report: DelegateReport) -> str:
    """What computed, in plain words: `CPU · XNNPACK`, `GPU · WebGPU, in software`."""
    name, _, kind = report.used.partition(" (")
    known = name.lower() in ("cpu", "gpu", "npu", "nnapi")
    parts = [name.upper() if known else name, *([kind.rstrip(")")] if kind else [])]
    return " · ".join(parts) + (", in software" if report.software else "")


def short(engine: Engine) -> str:
    """The engine in few words, for the window's corner."""
    report = engine.delegate
    parts = [f"{engine.name} {engine.version}"]
    parts.append(threads(engine.threads))
    parts.append(f"{report.nodes_delegated} of {report.nodes_total} operators")
    if engine.precision != "f32":
        parts.append(engine.precision)
    return ", ".join(parts)


def _output(output: RawOutput) -> OutputSaid:
    low, high, mean = _range(output)
    small = output.raw.size <= _MOST_VALUES
    return OutputSaid(
        name=output.name,
        dtype=output.dtype,
        shape=output.shape,
        min=low,
        max=high,
        mean=mean,
        values=output.as_json()["values"] if small else None,
    )


def _range(output: RawOutput) -> tuple[float | None, float | None, float | None]:
    if output.values.dtype.kind not in "fiub" or not output.values.size:
        return None, None, None
    values = output.values.astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None, None, None
    return float(finite.min()), float(finite.max()), float(finite.mean())


class JsonLines:
    """One line of JSON for each frame, written out as it comes."""

    def __init__(self, stream: IO[str], path: Path) -> None:
        self._stream, self._path = stream, path

    def write(self, step: Step, answer: FrameAnswer, top: int) -> None:
        """answer: of `as_measured`. Raises CnnedgeError when the disk is full."""
        line = json_text(plain(as_line(step, answer, top))) + "\n"
        if self._stream is sys.stdout:
            self._stream.write(line)
            self._stream.flush()
            return
        with explained(self._path):
            self._stream.write(line)
            self._stream.flush()


@contextlib.contextmanager
def json_lines(target: str) -> Iterator[JsonLines]:
    """--jsonl FILE, or - for stdout. Raises CnnedgeError where the file cannot be written."""
    path = Path(target)
    if target == "-":
        yield JsonLines(sys.stdout, path)
        return
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("w", encoding="utf-8")
    try:
        yield JsonLines(stream, path)
    finally:
        # What could not be written was said when it was tried.
        with contextlib.suppress(OSError):
            stream.close()
