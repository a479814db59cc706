"""What it costs a signal model in int8 to have its input in 8 bits, and its scaling in float.

    python benchmarks/bench_signal_scaling.py RUN [--plot OUT.png]

RUN is a finished run of the chromatogram recipe. Its model is made an int8 file twice: as `cnnedge
convert` does, with float32 in and the scaling in float; and all in int8, whose input has 256 levels
from the lowest to the highest value of the calibration signals. Both are scored on the test signals
beside the float32 file, through the same runtime. Intervals are of 95 %; McNemar's test compares
each int8 file with float32, signal by signal. --plot draws a small peak that only the last file
misses, as each of the three has it.
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
from cnnedge.training.canvas import INK, MUTED, new_figure, write_png
from cnnedge.training.learnt_scale import sample_size
from cnnedge.training.run_folder import open_finished, read_labels, read_recipe
from cnnedge.training.session import load_recipe_data

COLOURS = ("#2563eb", "#0f766e", "#d9601a")


def all_int8(model: Any, signals: np.ndarray) -> bytes:
    """Input, scaling and network in int8."""
    import tensorflow as tf
    from tensorflow.lite.python import convert as passes

    plain = _float32_of(model)
    assert plain is not None
    types = {"input_data_type": tf.int8, "output_data_type": tf.uint8}
    made: bytes = passes.mlir_quantize(calibrated(plain, signals), **types)
    return made


def levels(values: np.ndarray, scale: float, zero: int) -> np.ndarray:
    """Numbers as an int8 tensor holds them."""
    return (np.clip(np.rint(values / scale + zero), -128, 127) - zero) * scale


def behind_scaling(model: Any, flatbuffer: bytes, signal: np.ndarray) -> np.ndarray:
    """A signal as the first int8 operator gets it, back in its own unit."""
    graph = read_graph(flatbuffer, "int8")
    first = next(op for op in graph.operators if op.name == "QUANTIZE")
    tensor = graph.tensors[first.outputs[0]]
    layer = next(x for x in model.layers if type(x).__name__ == "Rescaling")
    scaled = signal * layer.scale + layer.offset
    bent = levels(scaled / (1 + np.abs(scaled)), tensor.scales[0], tensor.zero_points[0])
    return (bent / (1 - np.abs(bent)) - layer.offset) / layer.scale


def plot(path: Path, panels: dict[str, np.ndarray], source: str) -> None:
    """One signal, as each file has it. panels: title and values."""
    figure = new_figure(11.5, 3.9)
    low, high = np.min([*panels.values()]), np.max([*panels.values()])
    for number, (name, values) in enumerate(panels.items()):
        axes = figure.add_axes((0.055 + 0.32 * number, 0.12, 0.285, 0.56))
        exact = next(iter(panels.values()))
        axes.plot(exact, color="#c3cad3", lw=1.2)
        style = "steps-mid" if number else "default"
        axes.plot(values, drawstyle=style, color=COLOURS[number], lw=1.6)
        axes.set(xlim=(0, len(values) - 1), ylim=(low - 1, high + 1))
        axes.set_title(name, loc="left", fontsize=10, color=COLOURS[number], weight="bold")
        axes.tick_params(length=0, labelsize=8, labelcolor=MUTED)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color("#c3cad3")
    title = "Eight bits at the input round a small peak away"
    figure.text(0.055, 0.9, title, fontsize=14, weight="bold", color=INK)
    made_up = "Synthetic signal, in units of the noise. " if source.startswith("synthetic:") else ""
    said = f"{made_up}Grey: as measured. Above each panel: what that file answers."
    figure.text(0.055, 0.83, said, fontsize=9.5, color=MUTED)
    write_png(figure, path)


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
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    run = open_finished(given.run)
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
    answered: list[np.ndarray] = []
    names = " | ".join(f"{label} found" for label in labels)
    print(f"| {len(test)} test signals | accuracy | {names} | an input step | McNemar p | call |")
    print("|---|---|" + "---|" * (len(labels) + 3))
    with tempfile.TemporaryDirectory() as folder:
        for name, flatbuffer in files.items():
            path = Path(folder) / "trial.tflite"
            write_model(path, flatbuffer, labels=labels, size=size, provenance={})
            classifier = load(path, CPU, known=True)
            answers = score(classifier, signals, test).argmax(axis=1)
            answered.append(answers)
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
                f"| {name} | {found.accuracy:.1%} ({low:.1%} to {high:.1%}) | {each} | {step} "
                f"| {p} | {latency_us(classifier, some[0]):.0f} µs |"
            )
    if given.plot:
        right = np.array(answered) == dataset.targets[test]
        lost = right[0] & right[1] & ~right[2] & (dataset.targets[test] == len(labels) - 2)
        # Of small peaks a middling one.
        heights = [float(np.ptp(signals.one(int(i)))) for i in test[lost]]
        chosen = np.flatnonzero(lost)[np.argsort(heights)[len(heights) // 4]]
        signal = signals.one(int(test[chosen]))[:, 0]
        graph = read_graph(files["int8 from the input on"], "int8")
        taken = graph.tensors[graph.inputs[0]]
        rough = levels(signal, taken.scales[0], taken.zero_points[0])
        fine = behind_scaling(model, files["int8, scaling in float"], signal)
        shown = (signal, fine, rough)
        names = ("float32", "int8, scaled in float first", "int8 from the input on")
        titles = [f"{n}: {labels[a[chosen]]}" for n, a in zip(names, answered, strict=True)]
        plot(given.plot, dict(zip(titles, shown, strict=True)), dataset.source)
    return 0


if __name__ == "__main__":
    sys.exit(main())
