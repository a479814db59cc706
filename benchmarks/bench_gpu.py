"""Is a GPU inference over when our clock stops? Beside a hand-timed loop and litert-benchmark.

    python benchmarks/bench_gpu.py [MODEL.tflite] [--pairs 60]

Loads a model (MobileNetV2 224 float32 when none is given; making it needs the train extra) twice
on the GPU, in one process: in cnnedge's engine, and in a CompiledModel that is written, run and
read back by hand. Inferences of the two alternate. Then `litert-benchmark --use_gpu` times the
same model. Exits 1 when the two medians differ by more than 3 %.

A GPU without hardware, through the software Vulkan of Debian's chromium:

    mkdir vk && ln -s /usr/lib/chromium/libvulkan.so.1 vk/
    LD_LIBRARY_PATH=$PWD/vk VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json \\
        python benchmarks/bench_gpu.py
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench_vs_litert import mobilenet, theirs
from rich.console import Console

from cnnedge.bundle import ModelFile, read_model
from cnnedge.engines import Engine, Runtime, load_engine, random_input
from cnnedge.errors import CnnedgeError
from cnnedge.native_stderr import captured

LIMIT = 0.03
WARMUPS = 5


def by_hand(model: ModelFile) -> Callable[[], Any]:
    """One inference as LiteRT's documentation writes it: write, run, read the answer."""
    from ai_edge_litert.compiled_model import (
        CompiledModel,
        GpuOptions,
        HardwareAccelerator,
        Options,
    )

    options = Options(
        hardware_accelerators=HardwareAccelerator.GPU, gpu_options=GpuOptions(enforce_f32=True)
    )
    with captured(stdout=True):
        compiled = CompiledModel.from_buffer(model.data, options=options)
        inputs, outputs = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    values = random_input(model)
    count, dtype = model.output.values, np.dtype(model.output.dtype).type

    def once() -> Any:
        inputs[0].write(values)
        compiled.run_by_index(0, inputs, outputs)
        return outputs[0].read(count, dtype)

    return once


def alternate(engine: Engine, hand: Callable[[], Any], pairs: int) -> tuple[list[float], ...]:
    """Milliseconds of each inference, the two by turns, so that what drifts meets both alike."""
    samples: tuple[list[float], ...] = ([], [])
    clock = time.perf_counter_ns
    for n in range(WARMUPS + pairs):
        # Each goes first as often as the other.
        order = (0, 1) if n % 2 else (1, 0)
        for which in order:
            call = (engine.invoke, hand)[which]
            started = clock()
            call()
            if n >= WARMUPS:
                samples[which].append((clock() - started) / 1e6)
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--model-dir", type=Path, default=Path("build"), help="default: build/")
    options = parser.parse_args()
    path = options.model or mobilenet(options.model_dir, "float32")
    model = read_model(path)
    try:
        engine = load_engine(model, Runtime(engine="litert", delegate="gpu"))
    except CnnedgeError as error:
        sys.exit(str(error))
    engine.set_input(random_input(model))
    hand = by_hand(model)
    if not np.array_equal(np.ravel(engine.invoke()), np.ravel(hand())):
        sys.exit("the two loops give different answers: they do not run the same thing")
    ours, read_back = alternate(engine, hand, options.pairs)
    claim, _ = theirs(path, 1, options.pairs, WARMUPS, "--use_gpu")
    report = engine.delegate
    console = Console(width=100)
    software = " (software)" if report.software else ""
    console.print(f"{path.name} on {report.device}{software}, {options.pairs} inferences each")
    for name, samples in (("cnnedge", ours), ("written, run, read by hand", read_back)):
        low, high = np.percentile(samples, [10, 90])
        median = statistics.median(samples)
        console.print(f"{name:28} median {median:8.2f} ms   10..90 % {low:.2f}..{high:.2f} ms")
    theirs_ms = claim["latency"]["median_ms"]
    console.print(f"{'litert-benchmark --use_gpu':28} median {theirs_ms:8.2f} ms")
    ratio = statistics.median(ours) / statistics.median(read_back)
    console.print(f"cnnedge / by hand: {ratio:.3f} (within {LIMIT:.0%} wanted)")
    with captured(stdout=True):
        # The library has last words, which belong below no table.
        del hand
        engine.close()
    return 0 if abs(ratio - 1) <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
