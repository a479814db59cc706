"""Layer normalisation in int8: what it divides by stays in float."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from cnnedge.bundle import read_graph
from cnnedge.spreads import names
from support.networks import float_answers

tf_keras = pytest.importorskip("tf_keras")

# Places with little contrast beside places with much.
PICTURES = np.random.default_rng(0).integers(0, 256, (16, 12, 12, 3)).astype(np.uint8)
PICTURES[:, :6] //= 10
answers = partial(float_answers, pictures=PICTURES)


def network(normalised: Any) -> Any:
    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(3)
    image = tf_keras.Input((12, 12, 3))
    x = layers.Conv2D(16, 3, name="front")(layers.Rescaling(1 / 255)(image))
    x = layers.Conv2D(8, 3, activation="relu", name="back")(normalised(x))
    return tf_keras.Model(image, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def by_quotient(values: Any) -> Any:
    """As onnx2tf writes it: the divisor is computed."""
    import tensorflow as tf

    centred = values - tf.reduce_mean(values, -1, keepdims=True)
    variance = tf.reduce_mean(centred * centred, -1, keepdims=True)
    return centred / tf.sqrt(variance + 1e-6)


def by_layer(values: Any) -> Any:
    return tf_keras.layers.LayerNormalization(epsilon=1e-6)(values)


@pytest.mark.parametrize("normalised", [by_quotient, by_layer])
def test_int8_normalises_as_float_does(normalised: Any) -> None:
    from cnnedge.converter import convert

    model = network(normalised)
    exact = convert(model, "float32", PICTURES)
    assert names(read_graph(exact, "m"))
    rounded = convert(model, "int8-float-io", PICTURES)
    kinds = {tensor.dtype for tensor in read_graph(rounded, "m").tensors}
    assert {"int8", "float32"} <= kinds
    wanted = answers(exact)
    assert np.abs(answers(rounded) - wanted).max() < 0.04 * np.abs(wanted).max()


def test_a_network_that_divides_by_nothing_keeps_nothing() -> None:
    from cnnedge.converter import convert

    model = network(lambda values: values / 3.0)
    assert names(read_graph(convert(model, "float32", PICTURES), "m")) == []
