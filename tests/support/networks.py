"""Small networks for tests in-process: one that has learned the shapes, and what a file answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .once import made_once
from .pictures import SHAPES, shape_picture

SIDE = 24


def shape_pixels(count: int, first: int = 0) -> np.ndarray:
    """Pictures as models take them: uint8 [count, 24, 24, 3] RGB, the classes by turns."""
    pictures = [shape_picture(SHAPES[i % 3], first + i, SIDE)[:, :, ::-1] for i in range(count)]
    return np.stack(pictures)


def trained_chain(folders: pytest.TempPathFactory) -> Any:
    """A tf_keras chain of convolution, BatchNormalization and ReLU, sure of the shapes' classes;
    trained once for all workers of a run."""
    model = _chain()

    def train(folder: Path) -> None:
        from cnnedge.training import fused

        model.compile(fused.adam(1e-3), "sparse_categorical_crossentropy")
        labels = np.arange(900) % 3
        model.fit(shape_pixels(900).astype(np.float32), labels, epochs=12, verbose=0)
        np.savez(folder / "weights.npz", *model.get_weights())

    with np.load(made_once(folders, "trained-chain", train) / "weights.npz") as weights:
        model.set_weights([weights[name] for name in weights.files])
    return model


def _chain() -> Any:
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(0)
    image = x = layers.Input((SIDE, SIDE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scaling")(x)
    for name, filters, stride in (("first", 16, 1), ("second", 32, 2), ("third", 32, 2)):
        if name == "third":
            x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
            x = layers.BatchNormalization(momentum=0.9, name="depthwise_bn")(x)
            x = layers.ReLU(6.0, name="depthwise_relu")(x)
        x = layers.Conv2D(
            filters, 3, strides=stride, padding="same", use_bias=False, name=f"{name}_conv"
        )(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(64, activation="relu", name="hidden")(x)
    x = layers.Dense(3, activation="softmax", name="probabilities")(x)
    return tf_keras.Model(image, x)


def pruned(model: Any, fraction: float) -> Any:
    """A copy of a trained chain of which the smallest weights of each kernel are zero, tuned to
    bear it."""
    import tf_keras

    from cnnedge.training import fused

    copy = tf_keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    kept = {}
    for layer in copy.layers:
        kernels = [w for w in layer.get_weights() if w.ndim > 1]
        if kernels:
            size = np.abs(kernels[0])
            kept[layer.name] = size >= np.quantile(size, fraction)

    def cut() -> None:
        for name, mask in kept.items():
            kernel, *rest = copy.get_layer(name).get_weights()
            copy.get_layer(name).set_weights([kernel * mask, *rest])

    cut()
    copy.compile(fused.adam(1e-3), "sparse_categorical_crossentropy")
    tuning = tf_keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: cut())
    labels = np.arange(900) % 3
    pixels = shape_pixels(900).astype(np.float32)
    copy.fit(pixels, labels, epochs=6, verbose=0, callbacks=[tuning])
    return copy


def answers(flatbuffer: bytes, pixels: np.ndarray) -> np.ndarray:
    """Probabilities of a flatbuffer in LiteRT for raw pixels, float64 [count, classes]."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=flatbuffer)
    interpreter.allocate_tensors()
    (into,), (out,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = out["quantization"]
    found = []
    for picture in pixels:
        interpreter.set_tensor(into["index"], picture[np.newaxis].astype(into["dtype"]))
        interpreter.invoke()
        found.append(interpreter.get_tensor(out["index"])[0].astype(float))
    return (np.stack(found) - zero) * scale if scale else np.stack(found)


def float_answers(flatbuffer: bytes, pictures: Any) -> Any:
    """The outputs [n, ...] of a model that takes float32, for uint8 pictures [n, h, w, c]."""
    from ai_edge_litert.interpreter import Interpreter

    engine = Interpreter(model_content=flatbuffer)
    engine.allocate_tensors()
    taken, given = engine.get_input_details()[0]["index"], engine.get_output_details()[0]["index"]
    found = []
    for picture in pictures:
        engine.set_tensor(taken, picture[None].astype(np.float32))
        engine.invoke()
        found.append(engine.get_tensor(given)[0].copy())
    return np.stack(found)


def backbone(name: str, side: int = 64) -> Any:
    """A backbone as it ships, with a head of 5 classes; built anew."""
    from cnnedge.architectures import build_model
    from cnnedge.specs import InputSize, parse_model, shipped

    size = InputSize(height=side, width=side)
    return build_model(parse_model(*shipped.read("models", name)), size, 5)


def shortened(name: str, side: int = 64) -> Any:
    """A backbone's first half, built anew: what is done to it takes half the time.

    Behind the block where half of the layers are done come the pool and a head of 5 classes.
    """
    import tf_keras

    from cnnedge.architectures import block_names

    whole = backbone(name, side)
    names = [layer.name for layer in whole.layers]
    ends = [names.index(block[-1]) for block in block_names(name, names)]
    end = next(place for place in ends if place >= len(names) / 2)
    features = whole.layers[end].output
    pooled = tf_keras.layers.GlobalAveragePooling2D(name="pool")(features)
    head = tf_keras.layers.Dense(5, activation="softmax", name="head")
    return tf_keras.Model(whole.input, head(pooled), name=whole.name)
