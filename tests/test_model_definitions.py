"""Model definitions are read strictly: every mistake is named with file, line, key and remedy."""

from __future__ import annotations

import math

import pytest

from cnnedge.errors import SpecError
from cnnedge.specs import InputSize, ModelSpec, parse_model
from cnnedge.specs.arithmetic import LayerRow, trace
from cnnedge.specs.layers import LAYERS, Penalty

END = ["GlobalAveragePooling2D", "Dense: {units: classes, activation: softmax}"]


def definition(*layers: str, size: int = 28) -> str:
    listed = "".join(f"  - {layer}\n" for layer in layers)
    return f"input: {{height: {size}, width: {size}, channels: 1}}\nlayers:\n{listed}"


def model(*layers: str, size: int = 28) -> ModelSpec:
    return parse_model(definition(*layers, size=size), "mine.yaml")


def rows(*layers: str, size: int = 28, classes: int = 10) -> list[LayerRow]:
    return trace(model(*layers, size=size), None, classes)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("Conv2d: {filters: 8, kernel_size: 3}", ["unknown layer", "Did you mean 'Conv2D'?"]),
        ("relu", ["unknown layer 'relu'", "Did you mean 'ReLU'?"]),
        ("MaxPool2D", ["Did you mean 'MaxPooling2D'?", "Allowed: Rescaling, Conv2D"]),
        ("Dense: {unit: 3}", ["layers[1].Dense.unit", "Did you mean 'units'?", "Allowed: units"]),
        ("Flatten: {axis: 1}", ["unknown argument 'axis'", "takes no arguments"]),
        ("Conv2D: {filters: 8}", ["'kernel_size' must be given", "For example: Conv2D: {filters"]),
        ("Conv2D", ["'filters' and 'kernel_size' must be given"]),
        ("Dense: {units: many}", ["expected a whole number or 'classes', found 'many'"]),
        ("Dense: {units: clases}", ["Did you mean 'classes'?"]),
        ("Dense: {units: [1, 2]}", ["or 'classes', found a list"]),
        ("Dense: {units: 0}", ["0 is out of range; allowed: from 1 to 65536"]),
        ("Dense: {units: 3, activation: rellu}", ["'rellu' is not allowed", "mean 'relu'?"]),
        ("Dense: {units: 3, use_bias: 2}", ["expected true or false, found '2'"]),
        ("Dense: 3", ["expected arguments and values, found '3'"]),
        ("Dense: {units: 3, units: 4}", ["given twice"]),
        ("Dropout: {rate: 1.5}", ["layers[1].Dropout.rate: 1.5 is out of range"]),
        ("Dropout: {rate: a lot}", ["expected a number, found 'a lot'"]),
        ("MaxPooling2D: {pool_size: 2.5}", ["expected a whole number, found '2.5'"]),
        ("MaxPooling2D: {pool_size: [2, 2, 2]}", ["expected 2 values, found 3"]),
        ("MaxPooling2D: {padding: full}", ["'full' is not allowed", "Allowed: same, valid"]),
        ("Rescaling: {scale: 1/0}", ["a fraction like 1/255, found '1/0'"]),
        ("Rescaling: {scale: big}", ["expected a number, found 'big'"]),
        ("Dense: {units: 3, kernel_regularizer: {l3: 1}}", ["kernel_regularizer.l3", "mean 'l"]),
        (
            "Conv2D: {filters: 8, kernel_size: 3, strides: 2, dilation_rate: 2}",
            ["strides and dilation_rate cannot both"],
        ),
        ("DepthwiseConv2D: {kernel_size: 3, strides: [1, 2]}", ["equal in both directions"]),
    ],
)
def test_a_mistake_is_named(layer: str, said: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        model("ReLU", layer, *END)
    text = str(caught.value)
    assert text.startswith("mine.yaml:4: layers[1]"), text
    for words in said:
        assert words in text


def test_arguments_are_kept_as_keras_takes_them() -> None:
    spec = model(
        "Rescaling: {scale: 1/255, offset: -1}",
        "ZeroPadding2D: {padding: [[0, 1], [2, 3]]}",
        "ZeroPadding2D: {padding: 2}",
        "Conv2D: {filters: classes, kernel_size: [3, 5], kernel_regularizer: {l2: 1e-4}}",
        "ReLU: {max_value: 6}",
        "Flatten:",
    )
    assert [dict(layer.arguments) for layer in spec.layers] == [
        {"scale": 1 / 255, "offset": -1.0},
        {"padding": ((0, 1), (2, 3))},
        {"padding": ((2, 2), (2, 2))},
        {"filters": "classes", "kernel_size": (3, 5), "kernel_regularizer": Penalty(l2=1e-4)},
        {"max_value": 6.0},
        {},
    ]


def test_every_layer_has_arithmetic() -> None:
    from cnnedge.specs.arithmetic import _STEPS

    assert set(_STEPS) == set(LAYERS)


@pytest.mark.parametrize(
    ("layer", "size", "out", "text"),
    [
        ("kernel_size: 5, padding: valid", 14, 10, "(14 - 5)/1 + 1 = 10"),
        ("kernel_size: 3, padding: same", 28, 28, "(28 + 2*1 - 3)/1 + 1 = 28"),
        ("kernel_size: 3, padding: same, strides: 2", 28, 14, "(28 + 0+1 - 3)/2 + 1 = 14"),
        ("kernel_size: 4, padding: same", 28, 28, "(28 + 1+2 - 4)/1 + 1 = 28"),
        ("kernel_size: 3, strides: 2", 28, 13, "floor((28 - 3)/2) + 1 = 13"),
        ("kernel_size: 1, padding: same, strides: 4", 6, 2, "floor((6 - 1)/4) + 1 = 2"),
        ("kernel_size: 3, dilation_rate: 2", 28, 24, "(28 - (2*(3 - 1) + 1))/1 + 1 = 24"),
    ],
)
def test_the_sum_that_gives_the_size(layer: str, size: int, out: int, text: str) -> None:
    first = rows(f"Conv2D: {{filters: 2, {layer}}}", *END, size=size)[0]
    assert (first.output_shape, first.arithmetic) == ((out, out, 2), text)


def test_directions_that_differ_are_both_shown() -> None:
    spec = model("Conv2D: {filters: 2, kernel_size: [3, 5]}", *END)
    first = trace(spec, InputSize(height=8, width=11, channels=3), 4)[0]
    assert first.output_shape == (6, 7, 2)
    assert first.arithmetic == "height (8 - 3)/1 + 1 = 6, width (11 - 5)/1 + 1 = 7"
    assert first.receptive_field == (3, 5)
    assert first.parameters == 3 * 5 * 3 * 2 + 2
    assert first.macs == 6 * 7 * 3 * 5 * 3 * 2


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (
            ["MaxPooling2D: {pool_size: 8}", "Conv2D: {filters: 2, kernel_size: 5}", *END],
            "layers[1].Conv2D: its window of 5x5 is larger than its input of 3x3",
        ),
        (
            ["Conv2D: {filters: 2, kernel_size: 3, dilation_rate: 20}", *END],
            "layers[0].Conv2D: its window of 41x41 is larger",
        ),
        (["Flatten", "MaxPooling2D", *END], "layers[1].MaxPooling2D: this layer needs a feature"),
        (["Flatten", *END], "layers[1].GlobalAveragePooling2D: this layer needs a feature map"),
        (
            ["Dense: {units: classes, activation: softmax}"],
            "layers[0].Dense: the model ends in shape [28x28x10]",
        ),
        (["Flatten", "Dense: {units: 7, activation: softmax}"], "each of the 10 classes"),
        (["Flatten", "Dense: {units: classes}"], "the model must end in probabilities"),
    ],
)
def test_shapes_that_cannot_be_name_the_layer(layers: list[str], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        rows(*layers)
    assert said in str(caught.value)


def test_one_class_is_no_classification() -> None:
    with pytest.raises(SpecError, match="at least 2 classes"):
        rows(*END, classes=1)


def test_receptive_field_never_exceeds_the_picture_nor_counts_padding() -> None:
    same = "Conv2D: {filters: 2, kernel_size: 3, padding: same}"
    fields = [r.receptive_field for r in rows("ZeroPadding2D: {padding: 9}", same, *END, size=4)]
    assert fields == [(1, 1), (3, 3), (4, 4), (4, 4)]


def test_only_convolutions_are_exploded() -> None:
    found = rows(
        "Conv2D: {filters: 3, kernel_size: 3, use_bias: false}", "BatchNormalization", *END, size=6
    )
    conv, norm = found[:2]
    values = math.prod((6, 6, 1)) * math.prod((4, 4, 3))
    assert (conv.parameters, conv.dense_equivalent, conv.dense_equivalent_macs) == (
        27,
        values,
        values,
    )
    assert norm.parameters == norm.dense_equivalent == 12
    assert norm.trainable_parameters == 6
