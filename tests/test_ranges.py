"""Ranges for int8: what a network really computes, tensor by tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnnedge import ranges
from cnnedge.bundle import read_graph
from cnnedge.errors import ModelError
from cnnedge.packing import unpack
from support.guests import tflite
from support.networks import float_answers

tf_keras = pytest.importorskip("tf_keras")
layers = tf_keras.layers
PICTURES = np.random.default_rng(4).integers(0, 256, (5, 12, 12, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def residual() -> Any:
    """Sums that a runtime may write over their first term."""
    tf_keras.utils.set_random_seed(1)
    image = tf_keras.Input((12, 12, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1.0)(image)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(x)
    for block in range(3):
        y = layers.Conv2D(16, 1, activation="relu", name=f"wide_{block}")(x)
        y = layers.Conv2D(8, 1, name=f"back_{block}", bias_initializer="ones")(y)
        x = layers.Add(name=f"sum_{block}")([y, x])
    x = layers.GlobalAveragePooling2D()(x)
    return tf_keras.Model(image, layers.Dense(4, activation="softmax")(x))


@pytest.fixture(scope="module")
def flatbuffer(residual: Any) -> bytes:
    from cnnedge.converter import convert

    return convert(residual, "float32", PICTURES)


def stated(flatbuffer: bytes) -> dict[str, tuple[float, float]]:
    tensors = unpack(flatbuffer).subgraphs[0].tensors
    found = {t.name.decode(): t.quantization for t in tensors}
    return {
        name: (float(q.min[0]), float(q.max[0]))
        for name, q in found.items()
        if q is not None and q.min is not None and len(q.min)
    }


def by_reference(flatbuffer: bytes) -> dict[str, tuple[float, float]]:
    """By LiteRT's reference kernels, with nothing written over anything."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    engine = Interpreter(
        model_content=flatbuffer,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    engine.allocate_tensors()
    graph = read_graph(flatbuffer, "m")
    found: dict[str, list[float]] = {}
    for values in ranges.representative(PICTURES):
        engine.set_tensor(graph.inputs[0], values)
        engine.invoke()
        for tensor in graph.tensors:
            if tensor.dtype == "float32" and not tensor.constant_bytes:
                found.setdefault(tensor.name, []).extend(engine.get_tensor(tensor.index).flat)
    return {name: (min(values), max(values)) for name, values in found.items()}


def test_ranges_are_those_of_the_values(flatbuffer: bytes) -> None:
    ours, theirs = stated(ranges.calibrated(flatbuffer, PICTURES)), by_reference(flatbuffer)
    assert ours.keys() == theirs.keys() and len(ours) > 10
    for name, (low, high) in theirs.items():
        assert ours[name] == pytest.approx((low, high), rel=1e-5, abs=1e-5), name


def test_a_sum_does_not_widen_the_range_of_its_terms(residual: Any) -> None:
    """TensorFlow's calibrator reads the terms when the sum was written over them."""
    from cnnedge.converter import SETTINGS, _converter, _float32_of, _traced

    plain = _float32_of(residual)
    assert plain is not None
    converter = _converter(_traced(residual))
    SETTINGS["int8"](converter, PICTURES)
    converter._experimental_calibrate_only = True
    theirs = stated(converter.convert())
    ours = stated(ranges.calibrated(plain, PICTURES))
    assert theirs.keys() == ours.keys()
    wider = []
    for name, (low, high) in ours.items():
        assert theirs[name][0] <= low + 1e-4 and theirs[name][1] >= high - 1e-4, name
        if theirs[name] != pytest.approx((low, high), rel=1e-4, abs=1e-4):
            wider.append(name)
    # The scaled pixels, and a convolution before a sum; where they are alike, they are equal.
    assert wider and len(wider) < len(ours) / 2


def test_every_pixel_has_a_number_of_its_own_in_int8(residual: Any) -> None:
    from ai_edge_litert.interpreter import Interpreter

    from cnnedge.converter import convert

    int8 = convert(residual, "int8", PICTURES)
    engine = Interpreter(model_content=int8, experimental_preserve_all_tensors=True)
    engine.allocate_tensors()
    scaled = next(op for op in read_graph(int8, "m").operators if op.name == "MUL").outputs[0]
    picture = np.zeros((1, 12, 12, 3), np.uint8)
    picture.flat[:256] = np.arange(256)
    engine.set_tensor(engine.get_input_details()[0]["index"], picture)
    engine.invoke()
    assert len(np.unique(engine.get_tensor(scaled))) == 256


def test_a_network_that_computes_no_numbers_is_refused(residual: Any) -> None:
    from cnnedge.converter import convert

    broken = tf_keras.models.clone_model(residual)
    broken.set_weights(residual.get_weights())
    kernel = broken.get_layer("back_1").kernel
    kernel.assign(np.full(kernel.shape, np.nan, np.float32))
    with pytest.raises(ModelError, match="NaN or infinity at"):
        convert(broken, "int8", PICTURES)


def test_weights_that_changed_are_converted_again(residual: Any) -> None:
    from cnnedge.converter import convert

    model = tf_keras.models.clone_model(residual)
    first = convert(model, "float32", PICTURES)
    assert convert(model, "float32", PICTURES) == first
    model.layers[-1].bias.assign([1.0, 2.0, 3.0, 4.0])
    assert convert(model, "float32", PICTURES) != first
    model.layers[-1].activation = tf_keras.activations.linear
    names = [op.name for op in read_graph(convert(model, "float32", PICTURES), "m").operators]
    assert "SOFTMAX" not in names


def test_which_layers_train_makes_no_other_network(
    residual: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnnedge import converter

    model = tf_keras.models.clone_model(residual)
    first = converter.convert(model, "float32", PICTURES)

    def traced(model: Any) -> Any:
        raise AssertionError("converted again")

    monkeypatch.setattr(converter, "_traced", traced)
    model.layers[-1].trainable = False
    assert converter.convert(model, "float32", PICTURES) == first


@pytest.mark.parametrize("least", [-np.inf, float(np.finfo(np.float32).min)])
def test_padding_by_minus_infinity_below_a_maximum_widens_nothing(least: float) -> None:
    """As PyTorch pools; values below 0 are among those that are padded."""
    import tensorflow as tf

    from cnnedge.converter import convert
    from cnnedge.frozen import FrozenNetwork

    kernel = np.random.default_rng(5).normal(0, 0.4, (3, 3, 3, 6)).astype(np.float32)

    def network(image: Any) -> Any:
        x = tf.nn.conv2d(image / 127.5 - 1.0, kernel, 1, "SAME")
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=least)
        return tf.reduce_mean(tf.nn.max_pool2d(x, 3, 2, "VALID"), axis=(1, 2))

    model = FrozenNetwork(tflite(network, (1, 12, 12, 3)), "pooled")
    rounded = convert(model, "int8-float-io", PICTURES)
    names = [operator.name for operator in read_graph(rounded, "int8").operators]
    assert "PADV2" in names and "MAX_POOL_2D" in names
    exact = float_answers(convert(model, "float32", PICTURES), PICTURES)
    assert np.abs(float_answers(rounded, PICTURES) - exact).max() < 0.03 * np.abs(exact).max()
