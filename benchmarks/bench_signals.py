"""Windows of a signal per second on one core: `cnnedge run` beside the bare interpreter.

    python benchmarks/bench_signals.py [--windows 4000] [--rounds 7] [--model INT8.tflite]

The chromatogram model as int8 (100 values in), with random weights unless --model names a trained
one: the speed is the same. The signal is a synthetic recording, a window every 10 values. All sides
run on one core, in this process and in turn:

    bare        LiteRT's interpreter: set the input, invoke, get the output, argmax
    pipeline    what `cnnedge run` does: slice, check, encode, infer, decode, label, time each stage
    with lines  the same, and a line of JSON for each window, flushed
    stdin       the command itself in a process on that core, numbers through a pipe, with lines

Beside the time on the clock stands the time that the core worked for it, which other programs do
not lengthen as much; of ours, with loading the model and reading the table. Exits 1 when a side
of ours works for more than a millisecond a window. Making the model takes the train extra.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from cnnedge.bundle import read_model, write_model
from cnnedge.data.chromatogram import CLASSES, recording, windows
from cnnedge.engines import CPU
from cnnedge.live import Labels, Outlets, Session, label
from cnnedge.specs import SignalSize, parse_model, shipped

LIMIT_MS = 1.0
STEP = 10
SIZE = SignalSize(length=100)


def made(folder: Path) -> Path:
    """The shipped model with random weights, as int8."""
    from cnnedge.architectures import build_model
    from cnnedge.converter import convert

    spec = parse_model(*shipped.read("models", "chromatogram")).scaled((0.1,), (0.0,))
    model = build_model(spec, SIZE, len(CLASSES))
    path = folder / "chromatogram_int8.tflite"
    flatbuffer = convert(model, "int8", windows(100, 0)[0])
    write_model(path, flatbuffer, labels=CLASSES, size=SIZE, provenance={})
    return path


class Spent(NamedTuple):
    """Seconds for all windows: on the clock, and of work."""

    clock: float
    work: float


def bare(model: Path, values: np.ndarray) -> Spent:
    engine = Interpreter(model_content=read_model(model).data, num_threads=1)
    engine.allocate_tensors()
    into, out = (x[0]["index"] for x in (engine.get_input_details(), engine.get_output_details()))
    begin, worked = time.perf_counter(), time.process_time()
    for start in range(0, len(values) - SIZE.length + 1, STEP):
        engine.set_tensor(into, values[np.newaxis, start : start + SIZE.length])
        engine.invoke()
        engine.get_tensor(out)[0].argmax()
    return Spent(time.perf_counter() - begin, time.process_time() - worked)


def ours(model: Path, table: Path, lines: Path | None) -> Spent:
    """On the clock from the first window to the last."""
    outlets = Outlets(jsonl=str(lines) if lines else None)
    session = Session(
        model=str(model),
        source=str(table),
        step=STEP,
        runtime=CPU,
        labels=Labels(top=1),
        outlets=outlets,
        keep=False,
    )
    worked = time.process_time()
    result = label(session).result
    return Spent(result.frames / result.fps, time.process_time() - worked)


def through_a_pipe(model: Path, table: Path, folder: Path) -> Spent:
    """Without starting: on the clock as the command tells it; of work, what more a whole recording
    takes than its first window."""
    first = folder / "first.csv"
    rows = table.read_text(encoding="utf-8").splitlines(keepends=True)
    first.write_text("".join(rows[: SIZE.length]), encoding="utf-8")
    _, little = command(model, first, folder)
    clock, work = command(model, table, folder)
    return Spent(clock, work - little)


def command(model: Path, table: Path, folder: Path) -> Spent:
    """One call of the command line, with starting in its work."""
    told, lines = folder / "told.json", folder / "pipe.jsonl"
    words = [sys.executable, "-m", "cnnedge", "run", str(model), "--source", "-"]
    words += ["--step", str(STEP), "--top", "1", "--delegate", "cpu"]
    words += ["--json", str(told), "--jsonl", str(lines)]
    with table.open(encoding="utf-8") as numbers:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, stdin=numbers, check=True, capture_output=True, timeout=600)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = json.loads(told.read_text(encoding="utf-8"))
    work = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Spent(float(result["frames"] / result["fps"]), work)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--model", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = given.model or made(folder)
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        values = recording(SIZE.length + STEP * (given.windows - 1), 0).values
        table = folder / "recording.csv"
        table.write_text("\n".join(f"{v:.2f}" for v in values[:, 0]) + "\n", encoding="utf-8")
        sides: dict[str, Callable[[], Spent]] = {
            "bare": lambda: bare(model, values),
            "pipeline": lambda: ours(model, table, None),
            "with lines": lambda: ours(model, table, folder / "lines.jsonl"),
            "stdin": lambda: through_a_pipe(model, table, folder),
        }
        measured: dict[str, list[Spent]] = {side: [] for side in sides}
        for _ in range(given.rounds):
            for side, measure in sides.items():
                measured[side].append(measure())
    return printed(measured, given.windows)


def printed(measured: dict[str, list[Spent]], count: int) -> int:
    """The table, and whether the claim is met."""
    print(
        f"| {count:,} windows, one core | on the clock, a window | work, a window | range of work |"
    )
    print("|---|---|---|---|")
    slow = []
    for side, each in measured.items():
        clock = 1e6 * statistics.median(spent.clock for spent in each) / count
        work = sorted(1e6 * spent.work / count for spent in each)
        median = statistics.median(work)
        print(f"| {side} | {clock:.0f} µs | {median:.0f} µs | {work[0]:.0f} to {work[-1]:.0f} µs |")
        slow += [side] if median > 1000 * LIMIT_MS else []
    met = "met" if not slow else f"not met by {', '.join(slow)}"
    print(f"claim: at most {LIMIT_MS:g} ms of work for a window: {met}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
