"""Hard swish by operators that run in integers: the same network, and the same layers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from cnnedge.bundle import read_graph
from cnnedge.hard_swish import replaced
from support.networks import float_answers

tf_keras = pytest.importorskip("tf_keras")

PICTURES = np.random.default_rng(0).integers(0, 256, (16, 12, 12, 3)).astype(np.uint8)
answers = partial(float_answers, pictures=PICTURES)


def hard_swish(values: Any) -> Any:
    return values * tf_keras.activations.relu(values + 3.0, max_value=6.0) * (1.0 / 6.0)


@pytest.fixture(scope="module")
def model() -> Any:
    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(3)
    image = tf_keras.Input((12, 12, 3))
    x = layers.Rescaling(1 / 60, offset=-2)(image)
    x = layers.Activation(hard_swish, name="first")(layers.Conv2D(8, 3, name="front")(x))
    x = layers.Activation(hard_swish, name="second")(layers.Conv2D(8, 3, name="back")(x))
    return tf_keras.Model(image, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def operators(flatbuffer: bytes) -> list[str]:
    return [operator.name for operator in read_graph(flatbuffer, "m").operators]


def test_the_network_stays_the_same(model: Any) -> None:
    from cnnedge.converter import convert

    exact = convert(model, "float32", PICTURES)
    assert operators(exact).count("HARD_SWISH") == 2
    other = replaced(exact)
    assert "HARD_SWISH" not in operators(other)
    assert answers(other) == pytest.approx(answers(exact), abs=1e-5)
    assert replaced(other) == other


def test_int8_has_no_operator_without_an_integer_kernel(model: Any) -> None:
    from cnnedge.conversion.sensitivity import layer_errors
    from cnnedge.converter import convert

    rounded = convert(model, "int8-float-io", PICTURES)
    assert "HARD_SWISH" not in operators(rounded)
    exact = answers(convert(model, "float32", PICTURES))
    assert np.abs(answers(rounded) - exact).max() < 0.05 * np.abs(exact).max()
    names = [error.layer for error in layer_errors(model, rounded, PICTURES[:4])]
    assert {"front", "first", "back", "second"} <= set(names)


def test_a_layer_of_them_stays_in_float(model: Any) -> None:
    from cnnedge.converter import convert

    kept = read_graph(convert(model, "int8", PICTURES, float_layers=("second",)), "m")
    in_float = [op.name for op in kept.operators if kept.tensors[op.outputs[0]].dtype == "float32"]
    assert in_float.count("MUL") == 2 and "ADD" in in_float
