"""Small models as other people save them: of Keras 3 and tf_keras, SavedModels, .tflite.

A folder enters; files of models with weights that are none of the defaults leave.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 24
CLASSES = ("bright", "dark", "green", "orange", "purple", "sky")
_COLOURS = (
    (225, 220, 215),
    (30, 28, 40),
    (60, 160, 70),
    (220, 130, 40),
    (120, 50, 150),
    (90, 170, 230),
)


def colour_pixels(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [count, 24, 24, 3] RGB noise around the colours of CLASSES, and int64 their classes.

    Neighbouring colours mingle, so that no classifier is sure of all.
    """
    random = np.random.default_rng(seed)
    targets = np.arange(count) % len(CLASSES)
    base = np.array(_COLOURS, float)[targets] + random.normal(0, 42, (count, 3))
    noise = random.normal(0, 18, (count, SIDE, SIDE, 3))
    return np.clip(base[:, None, None] + noise, 0, 255).astype(np.uint8), targets


def colour_folder(folder: Path, count: int, seed: int = 7) -> Path:
    """The same as a folder of pictures by class."""
    import cv2

    pixels, targets = colour_pixels(count, seed)
    for i, (picture, target) in enumerate(zip(pixels, targets, strict=True)):
        (folder / CLASSES[target]).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / CLASSES[target] / f"{i}.png"), picture[..., ::-1])
    return folder


def kerases() -> tuple[Any, Any]:
    """tf_keras, and Keras 3 beside it."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras  # type: ignore[import-untyped, unused-ignore]
    import tf_keras

    return tf_keras, keras


def weighted(model: Any, seed: int = 0) -> Any:
    """With weights that a trained network could have."""
    random = np.random.default_rng(seed)
    made = []
    for variable, values in zip(model.weights, model.get_weights(), strict=True):
        fan = max(1, int(np.prod(values.shape[:-1])))
        if "variance" in variable.name or "gamma" in variable.name:
            drawn = np.abs(random.normal(0.6, 0.2, values.shape))
        else:
            drawn = random.normal(0, 1.3 / np.sqrt(fan), values.shape)
        made.append(drawn.astype(np.float32) if values.dtype == np.float32 else values)
    model.set_weights(made)
    return model


def sequential(of: Any, outputs: int = 3) -> Any:
    """Rescaling in front, BatchNormalization and a depthwise layer inside, softmax behind."""
    layers = of.layers
    return weighted(
        of.Sequential(
            [
                of.Input((SIDE, SIDE, 3)),
                layers.Rescaling(1 / 127.5, offset=-1),
                layers.Conv2D(6, 3, activation="relu"),
                layers.BatchNormalization(),
                layers.DepthwiseConv2D(3),
                layers.LeakyReLU(0.2),
                layers.GlobalAveragePooling2D(),
                layers.Dropout(0.2),
                layers.Dense(outputs, activation="softmax"),
            ]
        )
    )


def nested() -> Any:
    """Keras 3: Resizing, RandomFlip and Normalization in front, a model within, logits behind."""
    _, keras = kerases()
    layers = keras.layers
    image = keras.Input((None, None, 3))
    x = layers.RandomFlip()(layers.Resizing(SIDE, SIDE)(image))
    x = layers.Normalization(mean=[123.0, 116.0, 103.0], variance=[3400.0, 3200.0, 3300.0])(x)
    inner = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(6, 3, strides=2, activation="hard_silu"),
            layers.SeparableConv2D(6, 3, activation="hard_sigmoid"),
        ]
    )
    x = inner(x)
    x = layers.GlobalAveragePooling2D()(layers.Add()([x, x * 2.0]))
    return weighted(keras.Model(image, layers.Dense(3)(x)))


def teachable(path: Path) -> Path:
    """keras_model.h5 in Teachable Machine's layout: Keras 2's names, a Model in a Sequential."""
    import json

    import h5py

    tf_keras, _ = kerases()
    layers = tf_keras.layers
    image = tf_keras.Input((32, 32, 3))
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(image)
    x = layers.DepthwiseConv2D(3, use_bias=False)(layers.Conv2D(4, 3, strides=2)(x))
    body = tf_keras.Model(image, layers.ReLU(6.0)(x))
    first = tf_keras.Sequential([body, layers.GlobalAveragePooling2D()])
    head = [
        layers.Dense(8, activation="relu", input_shape=(4,)),
        layers.Dense(2, use_bias=False, activation="softmax"),
    ]
    model = weighted(tf_keras.Sequential([first, tf_keras.Sequential(head)]))
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        told = json.dumps(config).replace('"class_name": "Functional"', '"class_name": "Model"')
        file.attrs["model_config"] = told
        file.attrs["keras_version"] = "2.4.0"
    return path


def module() -> Any:
    """A tf.Module of pixels -1..1 to four scores, with two signatures."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    picture = [tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32, name="image")]

    class Network(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.kernel = tf.Variable(random.normal(0, 0.3, (3, 3, 3, 6)).astype(np.float32))
            self.dense = tf.Variable(random.normal(0, 2, (6, 4)).astype(np.float32))

        def scores(self, x: Any) -> Any:
            x = tf.nn.relu(tf.nn.conv2d(x, self.kernel, 2, "SAME"))
            return tf.matmul(tf.reduce_mean(x, [1, 2]), self.dense)

        @tf.function(input_signature=picture)  # type: ignore[untyped-decorator]
        def logits(self, image: Any) -> dict[str, Any]:
            return {"scores": self.scores(image)}

        @tf.function(input_signature=picture)  # type: ignore[untyped-decorator]
        def shares(self, image: Any) -> dict[str, Any]:
            mean = tf.reduce_mean(image, [1, 2, 3])
            return {"a_mean": mean, "scores": tf.nn.softmax(self.scores(image))}

    return Network()


def saved_model(path: Path, **functions: Callable[..., Any]) -> Path:
    """A SavedModel of `module`, or of functions by the names of their signatures."""
    import tensorflow as tf

    network = module()
    signatures = {"logits": network.logits, "shares": network.shares}
    for name, function in functions.items():
        setattr(network, name, function)
    tf.saved_model.save(network, str(path), signatures=functions or signatures)
    return path
