"""Biases of int8 networks, corrected so that each layer's mean is that of the float network."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from cnnedge.bundle import read_graph
from cnnedge.conversion.biases import _expected, _weighted, corrected
from cnnedge.conversion.pieces import Source
from support.networks import float_answers

tf_keras = pytest.importorskip("tf_keras")

PICTURES = np.random.default_rng(0).integers(0, 256, (24, 13, 14, 3)).astype(np.uint8)
answers = partial(float_answers, pictures=PICTURES)


def network(activation: str | None = "relu6") -> Any:
    """Strided, dilated, depthwise and padded convolutions, and a Dense layer behind them."""
    layers, biased = (
        tf_keras.layers,
        {"bias_initializer": tf_keras.initializers.RandomNormal(0, 0.2, seed=1)},
    )
    tf_keras.utils.set_random_seed(1)
    image = tf_keras.Input((13, 14, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation=activation, **biased)(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation=activation, **biased)(x)
    side = layers.Conv2D(8, 3, padding="valid", dilation_rate=2, activation=activation, **biased)(x)
    x = layers.Conv2D(8, 1, **biased)(layers.ZeroPadding2D(0)(x))
    x = layers.add([layers.GlobalAveragePooling2D()(x), layers.GlobalAveragePooling2D()(side)])
    return tf_keras.Model(image, layers.Dense(4, **biased)(x))


@pytest.fixture(scope="module")
def files() -> tuple[bytes, bytes]:
    """float32 and int8 with float input and output."""
    from cnnedge.converter import convert

    model = network()
    return convert(model, "float32", PICTURES), convert(model, "int8-float-io", PICTURES)


def with_wrong_biases(flatbuffer: bytes) -> bytes:
    source = Source(flatbuffer, "int8")
    for index in _weighted(source):
        bias = source.operator(index).inputs[2]
        stored: Any = source.constant(bias)
        shift = np.abs(stored).max() // 2 + 400
        source.replace_constant(bias, (stored + shift).astype(np.int32))
    return source.content()


def test_wrong_biases_are_mended(files: tuple[bytes, bytes]) -> None:
    exact, rounded = files
    wanted, wrong = answers(exact), with_wrong_biases(rounded)
    assert np.abs(answers(wrong) - wanted).mean() > 4 * np.abs(answers(rounded) - wanted).mean()
    mended = corrected(wrong, exact, PICTURES)
    away = np.abs(answers(mended).mean(axis=0) - wanted.mean(axis=0)).max()
    step = read_graph(rounded, "m").tensors
    output = next(t for t in step if t.dtype == "int8" and not t.constant_bytes and t.scales)
    assert away < 2 * output.scales[0]
    assert np.abs(answers(mended) - wanted).mean() < 1.2 * np.abs(answers(rounded) - wanted).mean()


def test_nothing_but_biases_changes_and_the_same_each_time(files: tuple[bytes, bytes]) -> None:
    exact, rounded = files
    mended = corrected(rounded, exact, PICTURES)
    assert mended == corrected(rounded, exact, PICTURES)
    assert len(mended) <= len(rounded) + 64
    before, after = Source(rounded, "before"), Source(mended, "after")
    assert [op.name for op in before.graph.operators] == [op.name for op in after.graph.operators]
    for one, other in zip(before.graph.tensors, after.graph.tensors, strict=True):
        assert (one.name, one.dtype, one.scales) == (other.name, other.dtype, other.scales)
        if one.constant_bytes and one.dtype != "int32":
            assert np.array_equal(before.constant(one.index), after.constant(other.index))


def test_the_mean_of_a_layer_is_known_from_the_mean_of_its_input() -> None:
    """Without activations the layers' outputs show it."""
    from cnnedge.converter import convert

    model = network(activation=None)
    source = Source(convert(model, "float32", PICTURES), "float32")
    layers = _weighted(source)
    outputs = [source.operator(i).outputs[0] for i in layers]
    piece = source.piece(range(len(source.graph.operators)), outputs)
    runs = [piece.run({source.graph.inputs[0]: p[None].astype(np.float32)}) for p in PICTURES]
    for output, mean in zip(outputs, _expected(source, layers, PICTURES), strict=True):
        values = np.concatenate([run[output].reshape(-1, run[output].shape[-1]) for run in runs])
        assert mean == pytest.approx(values.mean(axis=0), abs=1e-4)


def test_two_networks_that_do_not_match_are_left_alone(files: tuple[bytes, bytes]) -> None:
    from cnnedge.converter import convert

    other = tf_keras.Sequential([tf_keras.Input((13, 14, 3)), tf_keras.layers.Conv2D(2, 3)])
    assert corrected(files[1], convert(other, "float32", PICTURES), PICTURES) == files[1]
    assert corrected(files[0], files[0], PICTURES) == files[0]


def test_verify_makes_the_corrected_file(files: tuple[bytes, bytes]) -> None:
    from cnnedge.verification.network import make_peer

    model = network()
    exact = model(PICTURES.astype(np.float32)).numpy()
    peer = make_peer(model, "int8-float-io", PICTURES, PICTURES, exact, corrected=True)
    # Not the same bytes: layers of another model have other names.
    assert np.array_equal(answers(peer.flatbuffer), answers(corrected(*files[::-1], PICTURES)))
    assert not np.array_equal(answers(peer.flatbuffer), answers(files[1]))
