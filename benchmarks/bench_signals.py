"""Windows of a signal per second on one core: `cnnedge run` beside the bare interpreter.

    python benchmarks/bench_signals.py [--windows 4000] [--rounds 7] [--model INT8.tflite]

The chromatogram model as int8 (100 values in), with random weights unless --model names a trained
one: the speed is the same. The signal is a synthetic recording, a window every 10 values. All sides
run on one core, in this process and in turn:

    bare        LiteRT's interpreter: set the input, invoke, get the output, argmax
    pipeline    what `cnnedge run` does: slice, check, encode, infer, decode, label, time each stage
    with lines  the same, and a line of JSON for each window, flushed
    stdin       the command itself in a process on that core, numbers through a pipe, with lines

Exits 1 when a side of ours takes more than a millisecond a window. Making the model takes the train
extra.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

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


def bare(model: Path, values: np.ndarray) -> float:
    """Seconds for all windows."""
    engine = Interpreter(model_content=read_model(model).data, num_threads=1)
    engine.allocate_tensors()
    into, out = (x[0]["index"] for x in (engine.get_input_details(), engine.get_output_details()))
    begin = time.perf_counter()
    for start in range(0, len(values) - SIZE.length + 1, STEP):
        engine.set_tensor(into, values[np.newaxis, start : start + SIZE.length])
        engine.invoke()
        engine.get_tensor(out)[0].argmax()
    return time.perf_counter() - begin


def ours(model: Path, table: Path, lines: Path | None) -> float:
    """Seconds for all windows, from the first to the last."""
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
    result = label(session).result
    return result.frames / result.fps


def through_a_pipe(model: Path, table: Path, folder: Path) -> float:
    """Seconds for all windows, as the command tells them: starting is not among them."""
    told, lines = folder / "told.json", folder / "pipe.jsonl"
    command = [sys.executable, "-m", "cnnedge", "run", str(model), "--source", "-"]
    command += ["--step", str(STEP), "--top", "1", "--delegate", "cpu"]
    command += ["--json", str(told), "--jsonl", str(lines)]
    with table.open(encoding="utf-8") as numbers:
        subprocess.run(command, stdin=numbers, check=True, capture_output=True, timeout=600)
    result = json.loads(told.read_text(encoding="utf-8"))
    return float(result["frames"] / result["fps"])


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
        sides: dict[str, Callable[[], float]] = {
            "bare": lambda: bare(model, values),
            "pipeline": lambda: ours(model, table, None),
            "with lines": lambda: ours(model, table, folder / "lines.jsonl"),
            "stdin": lambda: through_a_pipe(model, table, folder),
        }
        measured: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(given.rounds):
            for side, measure in sides.items():
                measured[side].append(1e6 * measure() / given.windows)
    return printed(measured, given.windows)


def printed(measured: dict[str, list[float]], count: int) -> int:
    """The table, and whether the claim is met. measured: microseconds a window, of each round."""
    print(f"| {count:,} windows, one core | median | range | windows/s | beside bare |")
    print("|---|---|---|---|---|")
    medians = {side: statistics.median(each) for side, each in measured.items()}
    for side, each in measured.items():
        ratios = [a / b for a, b in zip(each, measured["bare"], strict=True)]
        print(
            f"| {side} | {medians[side]:.1f} µs | {min(each):.1f} to {max(each):.1f} µs "
            f"| {1e6 / medians[side]:,.0f} | {statistics.median(ratios):.2f} |"
        )
    slow = [side for side in medians if medians[side] > 1000 * LIMIT_MS]
    met = "met" if not slow else f"not met by {', '.join(slow)}"
    print(f"claim: at most {LIMIT_MS:g} ms a window: {met}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
