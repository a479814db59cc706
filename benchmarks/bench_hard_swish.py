"""int8 of MobileNetV3 with HARD_SWISH, and with the operators that cnnedge puts in its place.

    python benchmarks/bench_hard_swish.py --data FOLDER [--model mobilenet_v3_small] [--side 224]
                                          [--rounds 300]

The network has random weights, and batch normalisation that fits the pictures, so its answers
differ from picture to picture. Printed: the latency on one thread, in turns; and how much of what
differs between the answers int8 keeps (signal to noise at the logits, and the labels).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras
from rich.console import Console
from rich.table import Table

from cnnedge import converter, hard_swish
from cnnedge.architectures.backbones import classifier
from cnnedge.conversion.pieces import Source, dequantised, quantised
from cnnedge.pictures import is_picture, read_picture
from cnnedge.preprocess import prepare
from cnnedge.specs import InputSize, Preprocess

CALIBRATION = 24


def pictures(folder: Path, size: InputSize, count: int) -> Any:
    """uint8 [n, h, w, 3], the same ones each time."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and is_picture(p))
    chosen = np.random.default_rng(0).permutation(len(files))[:count]
    rule = Preprocess(resize="center_crop")
    return np.stack([prepare(read_picture(files[i]), size, rule) for i in chosen])


def network(name: str, size: InputSize, frames: Any) -> Any:
    tf_keras.utils.set_random_seed(0)
    model = classifier(name, size)
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(frames.astype(np.float32), training=True)
    return model


def logits(flatbuffer: bytes, frames: Any) -> Any:
    """float32 [n, classes]."""
    source = Source(flatbuffer, "model")
    tensors, start = source.graph.tensors, source.graph.inputs[0]
    last = next(op for op in source.graph.operators if op.name == "SOFTMAX").inputs[0]
    piece = source.piece(source.between(start, last), [last])
    found = []
    for frame in frames:
        given = quantised(frame[None].astype(np.float32), tensors[start])
        found.append(dequantised(piece.run({start: given})[last], tensors[last]).reshape(-1))
    return np.stack(found)


def milliseconds(files: dict[str, bytes], rounds: int) -> dict[str, Any]:
    """Of each file all inferences on one thread, the files in turns."""
    from ai_edge_litert.interpreter import Interpreter

    engines = {n: Interpreter(model_content=f, num_threads=1) for n, f in files.items()}
    spent: dict[str, list[float]] = {name: [] for name in files}
    for engine in engines.values():
        engine.allocate_tensors()
        engine.invoke()
    for _ in range(rounds):
        for name, engine in engines.items():
            started = time.perf_counter()
            engine.invoke()
            spent[name].append(1000 * (time.perf_counter() - started))
    return spent


def kept(given: Any, exact: Any) -> float:
    """Decibels: of what differs between pictures, over what int8 made of it."""
    signal, found = exact - exact.mean(axis=0), given - given.mean(axis=0)
    return float(10 * np.log10(np.sum(signal**2) / max(1e-12, np.sum((found - signal) ** 2))))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="mobilenet_v3_small")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    size = InputSize(height=options.side, width=options.side, channels=3)
    frames = pictures(options.data, size, 3 * CALIBRATION)
    calibration, judged = frames[:CALIBRATION], frames[CALIBRATION:]
    model = network(options.model, size, calibration)
    files = {"float32": converter.convert(model, "float32", calibration)}
    replaced = hard_swish.replaced
    hard_swish.replaced = lambda flatbuffer: flatbuffer
    files["int8 with HARD_SWISH"] = converter.convert(model, "int8", calibration)
    hard_swish.replaced = replaced
    files["int8 without"] = converter.convert(model, "int8", calibration)
    spent = milliseconds(files, options.rounds)
    exact = logits(files["float32"], judged)
    table = Table("file", "bytes", "fastest ms", "median ms", "dB", "labels kept")
    for name, flatbuffer in files.items():
        given = logits(flatbuffer, judged)
        agree = f"{np.mean(given.argmax(axis=1) == exact.argmax(axis=1)):.0%} of {len(judged)}"
        times = (f"{min(spent[name]):.2f}", f"{np.median(spent[name]):.2f}")
        decibels = "" if name == "float32" else f"{kept(given, exact):.1f}"
        table.add_row(name, f"{len(flatbuffer):,}", *times, decibels, agree)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
