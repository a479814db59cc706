"""Does cnnedge time the CPU as Google's own `litert-benchmark` does?

    python benchmarks/bench_vs_litert.py [--variant int8|float32 | --model FILE]
                                         [--threads 1] [--rounds 5] [--seconds 3]

Without --model a MobileNetV2 224 with random weights is made once into --model-dir, which needs
the train extra. Each round times the model three times, each time in a fresh process: ours,
theirs, ours again. All take the median of the same number of inferences after as many warm-ups.
The ratio of a round is the mean of our two medians, which lie around theirs in time, divided by
theirs; A/A is our second divided by our first.

What may part the two, none of it corrected for: theirs runs a CompiledModel and leaves the output
in its buffer, ours runs an Interpreter and stops the clock when the output is copied out; theirs
rounds its median to 0.01 ms; theirs draws float input from -1..1, ours from 0..255.

Exits 1 when a claim is not met or the two turn out not to measure the same thing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from cnnedge.benchmark import Case, Protocol, run_cases
from cnnedge.bundle import read_model
from cnnedge.engines import Runtime
from cnnedge.errors import CnnedgeError
from cnnedge.specs import plain

RATIO = (0.97, 1.03)
SAME = 0.02
WARMUP_SECONDS = 0.5
PATIENCE_SECONDS = 600


def mobilenet(folder: Path, variant: str, side: int = 224) -> Path:
    """MobileNetV2 with random weights, raw pixels in: made where it is missing."""
    path = folder / f"mobilenet_v2_{side}_{variant}.tflite"
    if path.exists():
        return path
    from cnnedge.training import backend

    backend.require("benchmark")
    import tf_keras

    from cnnedge.converter import convert

    print(f"making {path}", file=sys.stderr)
    image = tf_keras.Input((side, side, 3))
    scaled = tf_keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    backbone = tf_keras.applications.MobileNetV2(weights=None, input_shape=(side, side, 3))
    pictures = np.random.default_rng(0).integers(0, 256, (4, side, side, 3)).astype(np.uint8)
    flatbuffer = convert(tf_keras.Model(image, backbone(scaled)), variant, pictures)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(flatbuffer)
    return path


def ours(model: Path, threads: int, runs: int) -> dict[str, Any]:
    """The result of `cnnedge bench` with a protocol of one process and exactly `runs` samples."""
    protocol = Protocol(
        name="benchmark",
        processes=1,
        warmup_seconds=WARMUP_SECONDS,
        runs=runs,
        seconds=0.0,
        headline="median",
    )
    case = Case(model=model, runtime=Runtime(delegate="cpu", threads=threads, engine="litert"))
    (result,) = run_cases([case], protocol)
    if result.latency_ms.count != runs:
        sys.exit(f"cnnedge timed {result.latency_ms.count} inferences instead of {runs}")
    return plain(result)


def theirs(
    model: Path, threads: int, runs: int, warmups: int, *more: str
) -> tuple[dict[str, Any], str]:
    """The JSON of `litert-benchmark` and what it logged. more: further arguments."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "result.json"
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ai_edge_litert.tools.benchmark_litert_model",
                f"--model={model}",
                f"--num_threads={threads}",
                f"--num_runs={runs}",
                f"--warmup_runs={warmups}",
                f"--result_json={answer}",
                *more,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        if done.returncode or not answer.exists():
            how = f"exit {done.returncode}"
            sys.exit(f"litert-benchmark failed ({how}): {done.stdout[-500:]}")
        result = json.loads(answer.read_text())
    if result["latency"]["num_runs"] != runs:
        sys.exit(f"litert-benchmark timed {result['latency']['num_runs']} instead of {runs}")
    return result, done.stdout


def unlike(model: Path, threads: int, result: dict[str, Any]) -> list[str]:
    """What keeps a comparison from being one; empty when both do the same work."""
    dtype = read_model(model).input.dtype
    other, said = theirs(model, threads, 5, 5, "--verbose")
    inputs = re.search(r"Input tensors:\n.*?dtype=(\w+)", said)
    found = {
        "the input's type": (dtype, inputs[1] if inputs else "unknown"),
        "threads": (result["threads"], other["num_threads"]),
        "accelerators": (["CPU"], other["accelerators"]),
        "XNNPACK": (
            "XNNPACK" in result["delegate"]["used"],
            "Created TensorFlow Lite XNNPACK delegate for CPU" in said,
        ),
    }
    return [f"{name}: ours {a}, theirs {b}" for name, (a, b) in found.items() if a != b]


def moment() -> tuple[float, float, float] | None:
    """(time, CPU time of all programs, CPU time of our own) in seconds; None off Linux."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    # user, nice, system, irq, softirq, steal: all but idle and waiting for disks.
    ticks = sum(int(fields[i]) for i in (1, 2, 3, 6, 7, 8))
    return time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])


def busy_elsewhere(
    before: tuple[float, float, float] | None, after: tuple[float, float, float] | None
) -> float | None:
    """How many cores other programs, and other virtual machines, used between two moments."""
    if before is None or after is None:
        return None
    seconds, everything, own = (b - a for a, b in zip(before, after, strict=True))
    return max(0.0, (everything - own) / seconds)


def judge(ratios: list[float], same: list[float]) -> bool:
    """Prints both claims as met or not; a claim is about the median of the rounds."""
    low, high = RATIO
    ratio, apart = float(np.median(ratios)), [abs(s - 1) for s in same]
    agree, repeatable = low <= ratio <= high, float(np.median(apart)) <= SAME
    words = {True: "met", False: "NOT met"}
    print(
        f"ours / theirs: median {ratio:.3f}, claimed {low:.2f}..{high:.2f}: {words[agree]} "
        f"({sum(low <= r <= high for r in ratios)} of {len(ratios)} rounds by themselves)"
    )
    print(
        f"A/A: median deviation {np.median(apart):.1%}, claimed {SAME:.0%} at most: "
        f"{words[repeatable]} ({sum(a <= SAME for a in apart)} of {len(apart)} rounds)"
    )
    if not repeatable:
        print("The machine was too restless to judge the first claim; close other programs.")
    return agree and repeatable


def compare(model: Path, threads: int, rounds: int, seconds: float) -> bool:
    """Prints a line for each round and the claims; returns whether both are met."""
    probe = ours(model, threads, runs=50)
    problems = unlike(model, threads, probe)
    if problems:
        sys.exit(f"the two would not measure the same thing: {'; '.join(problems)}")
    about, delegate, ms = probe["conditions"], probe["delegate"], probe["latency_ms"]["median"]
    runs, warmups = max(50, round(seconds * 1000 / ms)), max(5, round(WARMUP_SECONDS * 1000 / ms))
    print(
        f"{model.name}, {read_model(model).input.dtype} pixels, threads: {threads}; "
        f"{probe['engine']} {probe['engine_version']}, {delegate['used']} runs "
        f"{delegate['nodes_delegated']} of {delegate['nodes_total']} operators; "
        f"{about['cpu']}, {about['cores']} cores, load {about.get('load_average_1min', 'unknown')}"
    )
    print(f"each figure: the median of {runs:,} inferences, ms\n")
    print("round    ours  theirs  ours again   ours/theirs    A/A")
    ratios, same = [], []
    before = moment()
    for number in range(1, rounds + 1):
        first = ours(model, threads, runs)["latency_ms"]["median"]
        other = theirs(model, threads, runs, warmups)[0]["latency"]["median_ms"]
        again = ours(model, threads, runs)["latency_ms"]["median"]
        ratios.append((first + again) / 2 / other)
        same.append(again / first)
        print(
            f"{number:>5}{first:>8.3f}{other:>8.2f}{again:>12.3f}{ratios[-1]:>14.3f}{same[-1]:>7.3f}",
            flush=True,
        )
    others = busy_elsewhere(before, moment())
    if others is not None:
        print(f"\nother programs kept {others:.1f} of {about['cores']} cores busy meanwhile")
        if others + threads > about["cores"] + 0.1:
            print(
                "That is more than was free: threads waited for cores, and neither claim holds "
                "or fails by these figures."
            )
    return judge(ratios, same)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="any .tflite with a picture as input")
    parser.add_argument("--variant", choices=["int8", "float32"], default="int8")
    parser.add_argument("--model-dir", type=Path, default=Path("build"), help="default: build/")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    options = parser.parse_args()
    try:
        model = options.model or mobilenet(options.model_dir, options.variant)
        met = compare(model, options.threads, options.rounds, options.seconds)
    except CnnedgeError as error:
        sys.exit(f"Error: {error}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
