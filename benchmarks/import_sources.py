"""Models as other people save them, for bench_import.py: what TensorFlow and Keras write.

A folder and pictures enter; files leave. EfficientNet-Lite0 has its published ImageNet weights. The
others have random ones that behave like trained ones: BatchNorm has seen the pictures, and the last
layer is scaled until each score has a mean of 0 and a standard deviation of 3 over them, so that
labels differ from picture to picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from cnnedge.architectures import classifier
from cnnedge.architectures.weights import load_classifier_weights
from cnnedge.bundle import Guest
from cnnedge.converter import convert
from cnnedge.specs import InputSize

SIZE = InputSize(height=224, width=224)
SPREAD, CLASSES, SMALL = 3.0, 20, 96
Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Source:
    """name: of the row. file: what is imported, a name in the folder, or of a network. make: writes
    it, given its path and pictures. guest, signature, weights: what is told beside it.
    """

    name: str
    file: str
    make: Callable[[Path, Pictures], None] = lambda path, pictures: None
    guest: Guest = Guest()
    signature: str | None = None
    weights: str | None = None


def sources() -> Iterator[Source]:
    """In the order of the table."""
    raw = Guest(pixel_range="0..255")
    lite = "EfficientNet-Lite0"
    yield Source(name=f"{lite}, tf_keras `.keras`", file="lite0.keras", make=saved_lite0, guest=raw)
    yield Source(name="the same, `.h5`", file="lite0.h5", make=saved_lite0, guest=raw)
    for name, file, signature in (
        ("the same, SavedModel of any batch", "lite0_saved", None),
        ("the same, SavedModel with two signatures", "lite0_two", "scores"),
    ):
        yield Source(name=name, file=file, make=lite0_saved, guest=raw, signature=signature)
    name = "the same, `.tflite` of TensorFlow"
    yield Source(name=name, file="lite0.tflite", make=lite0_tflite, guest=raw)
    for name in ("MobileNetV3Small", "EfficientNetB0", "MobileNetV2"):
        told = Guest(pixel_range="-1..1") if name == "MobileNetV2" else Guest()
        row = f"{name} of Keras 3, `.keras`"
        yield Source(name=row, file=f"{name}.keras", make=application, guest=labelled(told))
    for name in ("Sequential", "functional", "nested", "preprocessing"):
        row = f"small network of Keras 3, {name}"
        if name == "preprocessing":
            row = "the same with Resizing, RandomFlip and Normalization inside"
        yield Source(name=row, file=f"{name}.keras", make=small, guest=labelled(Guest()))
    name = "Teachable Machine's layout (MobileNetV2 0.35), `.h5`"
    file = "teachable/keras_model.h5"
    yield Source(name=name, file=file, make=teachable, guest=labelled(Guest()))


def labelled(guest: Guest) -> Guest:
    """With names for the classes of a network with random weights."""
    names = tuple(f"class {i}" for i in range(CLASSES))
    return Guest(pixel_range=guest.pixel_range, labels=names)


def lite0_model() -> Any:
    model = classifier("efficientnet_lite0", SIZE)
    load_classifier_weights(model, "efficientnet_lite0", "imagenet")
    return model


def saved_lite0(path: Path, pictures: Pictures) -> None:
    lite0_model().save(path)


def lite0_saved(path: Path, pictures: Pictures) -> None:
    model = lite0_model()
    inner = tf_keras.Model(model.inputs, model.layers[-2].output)
    picture = [tf.TensorSpec((None, *SIZE.shape), tf.float32, name="image")]
    scores = tf.function(lambda image: {"scores": model(image, training=False)}, picture)
    within = tf.function(lambda image: {"features": inner(image, training=False)}, picture)
    two = {"features": within, "scores": scores}
    tf.saved_model.save(
        model, str(path), signatures=two if "two" in path.name else {"serving_default": scores}
    )


def lite0_tflite(path: Path, pictures: Pictures) -> None:
    path.write_bytes(convert(lite0_model(), "float32", np.zeros((1, *SIZE.shape), np.uint8)))


def application(path: Path, pictures: Pictures) -> None:
    import keras  # type: ignore[import-untyped, unused-ignore]

    keras.utils.set_random_seed(0)
    build = getattr(keras.applications, path.stem)
    model = build(weights=None, classes=CLASSES, input_shape=SIZE.shape)
    values = pictures.astype(np.float32)
    behaved(model, values / 127.5 - 1 if path.stem == "MobileNetV2" else values)
    model.save(path)


def small(path: Path, pictures: Pictures) -> None:
    """One network of four convolutions, built in each of the ways that Keras 3 has."""
    import keras

    keras.utils.set_random_seed(0)
    layers, kind = keras.layers, path.stem
    side = None if kind == "preprocessing" else SMALL

    def block(filters: int) -> list[Any]:
        kernel = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)
        return [kernel, layers.BatchNormalization(), layers.ReLU()]

    front = [layers.Rescaling(1 / 127.5, offset=-1)]
    if kind == "preprocessing":
        normal = layers.Normalization(mean=[123.0, 116.0, 103.0], variance=[3400.0, 3200.0, 3300.0])
        front = [layers.Resizing(SMALL, SMALL), layers.RandomFlip("horizontal"), normal]
    body = [layer for filters in (16, 32, 48, 64) for layer in block(filters)]
    head = [layers.GlobalAveragePooling2D(), layers.Dropout(0.2)]
    last = layers.Dense(CLASSES, activation="softmax")
    if kind in ("Sequential", "preprocessing"):
        model = keras.Sequential([keras.Input((side, side, 3)), *front, *body, *head, last])
    else:
        image = keras.Input((side, side, 3))
        x = chained(front, image)
        if kind == "nested":
            x = keras.Sequential(body, name="body")(x)
        else:
            x = chained(body, x)
            y = chained([layers.SeparableConv2D(64, 3, padding="same")], x)
            x = layers.Concatenate()([layers.Add()([x, y]), layers.Activation("silu")(y)])
        model = keras.Model(image, last(chained(head, x)))
    step = SIZE.height // SMALL
    few = pictures if side is None else pictures[:, ::step, ::step][:, :SMALL, :SMALL]
    behaved(model, few.astype(np.float32))
    model.save(path)


def chained(layers: list[Any], x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


def teachable(path: Path, pictures: Pictures) -> None:
    """keras_model.h5 as Teachable Machine writes it: Keras 2's names, a Model in a Sequential."""
    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    body = tf_keras.applications.MobileNetV2(SIZE.shape, 0.35, include_top=False, weights=None)
    first = tf_keras.Sequential([body, layers.GlobalAveragePooling2D()])
    hidden = layers.Dense(100, activation="relu", input_shape=(1280,))
    last = layers.Dense(CLASSES, use_bias=False, activation="softmax")
    model = tf_keras.Sequential([first, tf_keras.Sequential([hidden, last])])
    behaved(model, pictures.astype(np.float32) / 127.5 - 1)
    path.parent.mkdir(exist_ok=True)
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.dumps(json.loads(file.attrs["model_config"]))
        file.attrs["model_config"] = config.replace(
            '"class_name": "Functional"', '"class_name": "Model"'
        )
        file.attrs["keras_version"] = "2.4.0"


def behaved(model: Any, values: npt.NDArray[np.float32]) -> None:
    """BatchNorm and the last layer, in place. values: float32 [n, h, w, c], as the model takes."""
    every = list(model._flatten_layers(include_self=False))
    for layer in every:
        if type(layer).__name__ == "BatchNormalization":
            layer.momentum = 0.0
        if type(layer).__name__ == "Dropout":
            layer.rate = 0.0
    model(values, training=True)
    # MobileNetV3 has a convolution there, and its softmax behind it.
    last = [layer for layer in every if getattr(layer, "kernel", None) is not None][-1]
    scores = np.log(np.maximum(np.asarray(model(values, training=False)), 1e-30))
    raw = scores - scores.mean(1, keepdims=True)
    factor = SPREAD / raw.std(0).mean()
    kernel, *bias = last.get_weights()
    last.set_weights([kernel * factor, *((b - raw.mean(0)) * factor for b in bias)])
