"""How long an import takes, and how near it stays: source and run side by side, on pictures.

    python benchmarks/bench_import.py PICTURES [FOLDER] [--only N] [--source SOURCE[,WEIGHTS]]...
    python benchmarks/bench_import.py PICTURES [FOLDER] --torch NAME...

PICTURES: a folder of photographs by class. Makes the sources in FOLDER (a temporary one where it
is left out): EfficientNet-Lite0 with its published ImageNet weights in each format, and networks of
Keras 3 with random weights. Prints a table: seconds of the import, the largest difference of a
probability, how many of at most 100 labels agree in float32, and how many in int8. --source takes
sources of your own in place of these: .onnx, .pt2, timm:NAME,WEIGHTS and so on. --torch takes
networks of torchvision and timm, as .pt2 and as ONNX, with weights as torch_sources.py makes them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from cnnedge.bundle import Guest
from cnnedge.converter import convert
from cnnedge.data import Pixels, load_dataset
from cnnedge.frozen import FrozenNetwork, read_frozen
from cnnedge.importing import ImportWishes, import_model
from cnnedge.importing.detective import chosen
from cnnedge.importing.environment import python_of
from cnnedge.importing.onnx_opened import ONNX2TF
from cnnedge.importing.torch_opened import LITERT_TORCH
from cnnedge.specs import InputSize, Preprocess
from cnnedge.training import backend
from cnnedge.training.run_folder import RunFolder

SIZE = InputSize(height=224, width=224)
RANGE = "-1..1"
IMAGENET = Guest(
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    labels=[f"class {i}" for i in range(1000)],
)


class Silent:
    """A reporter that keeps to itself."""

    def scanning(self, done: int, total: int) -> None: ...

    def stage(self, text: str, done: int, total: int) -> None: ...

    def note(self, text: str) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pictures", help="a folder of photographs by class")
    parser.add_argument("folder", nargs="?", type=Path, help="make the sources here, and keep them")
    parser.add_argument("--only", type=int, help="import this many of the sources")
    parser.add_argument("--source", action="append", default=[], help="import this one")
    parser.add_argument("--pixels", help="what sources take that do not say it")
    parser.add_argument("--labels", help="of sources with random weights")
    parser.add_argument("--torch", nargs="+", default=[], help="import these of torchvision")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        print("| source | imported as | seconds | largest difference | float32 | int8 |")
        print("|---|---|---|---|---|---|")
        for given in options.source:
            path, _, weights = given.partition(",")
            pixels = options.pixels if weights == "" else None
            wishes = ImportWishes(
                guest=Guest(pixel_range=pixels, labels=options.labels),
                data=options.pictures,
                weights=weights or None,
                trust=True,
                force=True,
            )
            row(Path(path).name, Path(path), wishes, folder)
        for path in torch_sources(options.pictures, folder, options.torch):
            wishes = ImportWishes(guest=IMAGENET, data=options.pictures, force=True)
            row(path.name, path, wishes, folder)
        given = options.source or options.torch
        made = () if given else itertools.islice(sources(), options.only)
        for name, make, guest in made:
            labels = tuple(f"class {i}" for i in range(100)) if "Keras 3" in name else None
            told = Guest(pixel_range=guest.pixel_range, labels=labels)
            wishes = ImportWishes(guest=told, data=options.pictures, force=True)
            row(name, make(folder), wishes, folder)


def torch_sources(pictures: str, folder: Path, names: list[str]) -> Iterator[Path]:
    """Each network in both formats, made in the environment that has PyTorch."""
    script = Path(__file__).with_name("torch_sources.py")
    for name in names:
        stem = name.replace("timm:", "timm_")
        made = [folder / f"{stem}{suffix}" for suffix in (".pt2", ".onnx")]
        if not all(path.exists() for path in made):
            python = python_of(LITERT_TORCH, None, Silent())
            (onnx,) = python_of(ONNX2TF, None, Silent()).parents[1].glob("lib/*/site-packages")
            words = [python, "-W", "ignore", script, pictures, folder, onnx, name]
            subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)
        yield from made


def sources() -> Any:
    """Name, what makes it, and what is said of it."""
    own, nothing = Guest(pixel_range="0..255"), Guest()
    yield "EfficientNet-Lite0, tf_keras `.keras`", lambda f: lite0(f / "lite0.keras"), own
    yield "the same, `.h5`", lambda f: lite0(f / "lite0.h5"), own
    yield "the same, SavedModel of any batch", lite0_saved, own
    yield "the same, float32 `.tflite`", lite0_tflite, own
    for name in ("MobileNetV3Small", "EfficientNetB0", "MobileNetV2"):
        guest = Guest(pixel_range=RANGE) if name == "MobileNetV2" else nothing
        yield f"{name} of Keras 3, `.keras`", lambda f, n=name: application(f, n), guest


def lite0_model() -> Any:
    from cnnedge.architectures import classifier
    from cnnedge.architectures.weights import load_classifier_weights

    model = classifier("efficientnet_lite0", SIZE)
    load_classifier_weights(model, "efficientnet_lite0", "imagenet")
    return model


def lite0(path: Path) -> Path:
    lite0_model().save(path)
    return path


def lite0_saved(folder: Path) -> Path:
    model, path = lite0_model(), folder / "lite0_saved"
    picture = tf.TensorSpec((None, *SIZE.shape), tf.float32, name="image")
    serve = tf.function(lambda image: {"scores": model(image, training=False)}, [picture])
    tf.saved_model.save(model, str(path), signatures={"serving_default": serve})
    return path


def lite0_tflite(folder: Path) -> Path:
    path = folder / "lite0.tflite"
    path.write_bytes(convert(lite0_model(), "float32", np.zeros((1, *SIZE.shape), np.uint8)))
    return path


def application(folder: Path, name: str) -> Path:
    import keras  # type: ignore[import-untyped, unused-ignore]

    random, path = np.random.default_rng(0), folder / f"{name}.keras"
    model = getattr(keras.applications, name)(weights=None, classes=100, input_shape=SIZE.shape)
    made = []
    for variable, values in zip(model.weights, model.get_weights(), strict=True):
        fan = max(1, int(np.prod(values.shape[:-1])))
        if "variance" in variable.name or "gamma" in variable.name:
            made.append(np.abs(random.normal(0.6, 0.2, values.shape)))
        else:
            made.append(random.normal(0, 1.3 / np.sqrt(fan), values.shape))
    model.set_weights(made)
    model.save(path)
    return path


def row(name: str, path: Path, wishes: ImportWishes, folder: Path) -> None:
    out = folder / f"run_{path.stem}{path.suffix.replace('.', '_')}"
    started = time.perf_counter()
    made = import_model(path, out, Silent(), wishes)
    seconds = time.perf_counter() - started
    assert made.parity is not None
    # Random weights say nothing about int8.
    random = wishes.guest.names is not None
    pictures, rule = wishes.data or "", made.convention.rule
    same, count = (None, 0) if random else int8_labels(out, pictures, rule)
    int8 = "–" if same is None else f"{same} of {count}"
    print(
        f"| {name} | {made.network} | {seconds:.0f} | {made.parity.max_abs:.0e} | "
        f"{made.parity.labels_agree} of {made.parity.count} | {int8} |",
        flush=True,
    )


def int8_labels(out: Path, pictures: str, rule: Preprocess) -> tuple[int, int]:
    """How many labels of the int8 variant are those of the float32 network."""
    from ai_edge_litert.interpreter import Interpreter

    path = RunFolder(out).model
    model = read_frozen(path) if path.suffix == ".tflite" else backend.load_keras(path)
    height, width, channels = model.input_shape[1:]
    dataset = load_dataset(pictures)
    indices = chosen(dataset, 200)
    pixels = Pixels(dataset, InputSize(height=height, width=width, channels=channels), rule)
    judged, calibration = pixels.batch(indices[:100]), pixels.batch(indices[100:])
    exact = FrozenNetwork(convert(model, "float32", judged[:1]), "").predict(judged)
    engine = Interpreter(model_content=convert(model, "int8", calibration))
    engine.allocate_tensors()
    answers = []
    for picture in judged:
        engine.set_tensor(engine.get_input_details()[0]["index"], picture[np.newaxis])
        engine.invoke()
        answers.append(engine.get_tensor(engine.get_output_details()[0]["index"])[0].argmax())
    return int(np.sum(exact.argmax(axis=1) == answers)), len(judged)


if __name__ == "__main__":
    main()
