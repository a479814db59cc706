"""The arithmetic equals what Keras builds, for every shipped model and for awkward ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnnedge.specs import InputSize, ModelSpec, parse_model, shipped
from cnnedge.specs.arithmetic import LayerRow, trace

SHIPPED = shipped.names("models")
# Those with a backbone are in test_backbones.py, those of signals in test_signals.py.
LAYERED = [
    name
    for name in SHIPPED
    if not (spec := parse_model(*shipped.read("models", name))).backbone
    and isinstance(spec.input, InputSize)
]

AWKWARD = """
input: {height: 29, width: 22, channels: 3}
layers:
  - Rescaling: {scale: 1/127.5, offset: -1}
  - ZeroPadding2D: {padding: [[0, 1], [2, 3]]}
  - Conv2D: {filters: 6, kernel_size: [3, 5], strides: [2, 3], padding: same, activation: relu6}
  - BatchNormalization: {scale: false, momentum: 0.9, epsilon: 1e-4}
  - LeakyReLU: {alpha: 0.1}
  - DepthwiseConv2D: {kernel_size: 3, depth_multiplier: 2, dilation_rate: 2, padding: same}
  - SpatialDropout2D: {rate: 0.1}
  - SeparableConv2D: {filters: 5, kernel_size: 4, depth_multiplier: 3, padding: same}
  - AveragePooling2D: {pool_size: [3, 2], strides: [2, 1], padding: same}
  - Dense: {units: 4, kernel_regularizer: {l2: 1e-4}}
  - Conv2D: {filters: classes, kernel_size: 2, use_bias: false}
  - GlobalMaxPooling2D
  - Activation: {activation: softmax}
"""


def load(name: str) -> ModelSpec:
    return parse_model(*shipped.read("models", name))


def build(spec: ModelSpec, size: InputSize, classes: int) -> Any:
    pytest.importorskip("tf_keras")
    from cnnedge.architectures import build_model

    return build_model(spec, size, classes)


def assert_equal(built: Any, rows: list[LayerRow]) -> None:
    layers = built.layers[1:]
    assert len(layers) == len(rows)
    for layer, row in zip(layers, rows, strict=True):
        found = (
            type(layer).__name__,
            tuple(layer.output_shape[1:]),
            layer.count_params(),
            sum(int(np.prod(w.shape)) for w in layer.trainable_weights),
        )
        assert found == (row.type, row.output_shape, row.parameters, row.trainable_parameters)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_are_described_and_end_in_probabilities(name: str) -> None:
    spec = load(name)
    assert spec.description
    assert trace(spec, None, 7)[-1].output_shape == (7,)


@pytest.mark.parametrize("name", LAYERED)
@pytest.mark.parametrize("size", [None, InputSize(height=37, width=50, channels=3)])
def test_arithmetic_equals_keras(name: str, size: InputSize | None) -> None:
    spec = load(name)
    built = build(spec, size or spec.input, 10)
    assert_equal(built, trace(spec, size, 10))


def test_arithmetic_equals_keras_for_awkward_layers() -> None:
    spec = parse_model(AWKWARD, "awkward.yaml")
    built = build(spec, spec.input, 3)
    assert_equal(built, trace(spec, None, 3))


def test_built_models_take_raw_pixels_and_give_probabilities() -> None:
    spec = load("ds_cnn")
    built = build(spec, spec.input, 4)
    assert built.input_names == ["image"]
    assert built.input_shape == (None, 28, 28, 1)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 1)).astype(np.float32)
    answer = built(pixels).numpy()
    assert answer.shape == (2, 4)
    assert answer.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_two_builds_have_the_same_names() -> None:
    spec = load("lenet")
    first, second = (build(spec, spec.input, 10) for _ in range(2))
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]


@pytest.mark.parametrize(
    "layers",
    [
        "[Conv2D: {filters: 1, kernel_size: 3, padding: same}, AveragePooling2D, "
        "Conv2D: {filters: 1, kernel_size: 5}, AveragePooling2D: {strides: 3, padding: same}]",
        "[Conv2D: {filters: 1, kernel_size: [2, 4], strides: 2, padding: same}, "
        "ZeroPadding2D: {padding: [[3, 0], [0, 5]]}, "
        "Conv2D: {filters: 1, kernel_size: 3, dilation_rate: [3, 1]}]",
    ],
)
def test_receptive_field_is_what_gradients_reach(layers: str) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    end = ", Flatten, Dense: {units: classes, activation: softmax}]"
    text = f"input: {{height: 23, width: 26, channels: 1}}\nlayers: {layers[:-1]}{end}"
    spec = parse_model(text, "linear.yaml")
    built = build(spec, spec.input, 2)
    rows = trace(spec, None, 2)
    for layer in built.layers:
        layer.set_weights([np.ones_like(w) for w in layer.get_weights()])
    result = np.ones((1, 23, 26, 1), np.float32)
    for depth, row in enumerate(rows[:-2], start=1):
        values = tensorflow.Variable(result)
        with tensorflow.GradientTape() as tape:
            answer = values
            for layer in built.layers[1 : depth + 1]:
                answer = layer(answer)
            flat = tensorflow.reshape(answer, [-1])
        reached = tape.jacobian(flat, values).numpy()[:, 0, :, :, 0] != 0
        seen = (reached.any(axis=2), reached.any(axis=1))
        # The span counts the pixels that a dilated window steps over.
        assert row.receptive_field == tuple(max(map(_span, axis)) for axis in seen)


def _span(reached: Any) -> int:
    places = np.flatnonzero(reached)
    return int(places[-1] - places[0] + 1) if len(places) else 0


def test_lenet_by_hand() -> None:
    rows = trace(load("lenet"), None, 10)
    conv3, pool1, conv5, pool2 = rows[1:5]
    assert [r.output_shape for r in (conv3, pool1, conv5, pool2)] == [
        (28, 28, 8),
        (14, 14, 8),
        (10, 10, 16),
        (5, 5, 16),
    ]
    # 3; 3 + 1; 4 + 4 steps of 2 pixels; 12 + 1 step of 2 pixels; then everything.
    fields = [r.receptive_field for r in rows]
    assert fields[1:7] == [(3, 3), (4, 4), (12, 12), (14, 14), (14, 14), (28, 28)]
    assert (conv3.parameters, conv5.parameters) == (3 * 3 * 8 + 8, 5 * 5 * 8 * 16 + 16)
    assert (conv3.macs, conv5.macs) == (28 * 28 * 72, 10 * 10 * 3200)
    assert sum(r.parameters for r in rows) == 80 + 3_216 + 48_120 + 7_744 + 650


def test_parameter_explosion_by_hand() -> None:
    rows = trace(load("lenet"), None, 10)
    assert rows[1].dense_equivalent == 784 * 6_272 + 6_272 == 4_923_520
    assert rows[3].dense_equivalent == 1_568 * 1_600 + 1_600 == 2_510_400
    assert rows[6].dense_equivalent == rows[6].parameters
    assert sum(r.dense_equivalent for r in rows) == 7_490_434
