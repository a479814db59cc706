"""What it costs a signal model in int8 to have its input in 8 bits, and its scaling in float.

    python benchmarks/bench_signal_scaling.py RUN

RUN is a finished run of the chromatogram recipe. Its model is made an int8 file twice: as `cnnedge
convert` does, with float32 in and the scaling in float; and all in int8, whose input has 256 levels
from the lowest to the highest value of the calibration signals. Both are scored on the test signals
beside the float32 file, through the same runtime. Intervals are of 95 %; McNemar's test compares
each int8 file with float32, signal by signal.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from cnnedge.bundle import read_graph, write_model
from cnnedge.classifier import Classifier, load
from cnnedge.converter import _float32_of, convert
from cnnedge.data import calibration_indices, samples_of
from cnnedge.engines import CPU
from cnnedge.ranges import calibrated
from cnnedge.results import accuracy, mcnemar
from cnnedge.scoring import score
from cnnedge.training import backend
from cnnedge.training.learnt_scale import sample_size
from cnnedge.training.run_folder import open_finished, read_labels, read_recipe
from cnnedge.training.session import load_recipe_data


def all_int8(model: Any, signals: np.ndarray) -> bytes:
    """Input, scaling and network in int8."""
    import tensorflow as tf
    from tensorflow.lite.python import convert as passes

    plain = _float32_of(model, True)
    assert plain is not None
    types = {"input_data_type": tf.int8, "output_data_type": tf.uint8}
    made: bytes = passes.mlir_quantize(calibrated(plain, signals), **types)
    return made


def latency_us(classifier: Classifier, signal: np.ndarray) -> float:
    """The median of 2000 calls."""
    samples = []
    for _ in range(2000):
        begin = time.perf_counter()
        classifier.engine.set_input(classifier.encode(signal))
        classifier.infer()
        samples.append(time.perf_counter() - begin)
    return 1e6 * float(np.median(samples))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    run = open_finished(parser.parse_args().run)
    recipe, labels = read_recipe(run), read_labels(run)
    model = backend.load_keras(run.model)
    size, dataset = sample_size(model.input_shape), load_recipe_data(recipe)
    signals = samples_of(dataset, size, recipe.preprocess)
    some = signals.batch(calibration_indices(dataset, recipe.convert.calibration.count, 0))
    test = dataset.indices("test")
    files = {
        "float32": convert(model, "float32", some),
        "int8, scaling in float": convert(model, "int8", some),
        "int8 from the input on": all_int8(model, some),
    }
    before: np.ndarray | None = None
    names = " | ".join(f"{label} found" for label in labels)
    print(f"| {len(test)} test signals | accuracy | {names} | an input step | McNemar p | call |")
    print("|---|---|" + "---|" * (len(labels) + 3))
    with tempfile.TemporaryDirectory() as folder:
        for name, flatbuffer in files.items():
            path = Path(folder) / "trial.tflite"
            write_model(path, flatbuffer, labels=labels, size=size, provenance={})
            classifier = load(path, CPU, known=True)
            answers = score(classifier, signals, test).argmax(axis=1)
            truth = dataset.targets[test]
            right = answers == truth
            found = accuracy(right)
            low, high = found.ci95
            each = " | ".join(f"{right[truth == c].mean():.1%}" for c in range(len(labels)))
            graph = read_graph(flatbuffer, name)
            scales = graph.tensors[graph.inputs[0]].scales
            step = f"{scales[0]:.3g}" if scales else "none"
            p = "" if before is None else f"{mcnemar(before, right):.2g}"
            before = right if before is None else before
            print(
                f"| {name} | {found.accuracy:.1%} ({low:.1%} to {high:.1%}) | {each} | {step} | {p} "
                f"| {latency_us(classifier, some[0]):.0f} µs |"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
