"""The backbones: their catalog against what Keras builds, pixels in, names, blocks, files."""

from __future__ import annotations

import functools
import itertools
import json
import math
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import cnnedge as package
from cnnedge.errors import SpecError
from cnnedge.specs import InputSize, ModelSpec, parse_model, shipped
from cnnedge.specs.arithmetic import trace
from cnnedge.specs.backbones import BACKBONES, BackboneName
from support.command import cnnedge

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")

NAMES = sorted(BACKBONES)
# What Keras calls each family that it has.
KERAS = {
    "efficientnet_v2_b0": "EfficientNetV2B0",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3_large": "MobileNetV3Large",
    "mobilenet_v3_small": "MobileNetV3Small",
    "resnet50": "ResNet50",
}
SQUARE = InputSize(height=224, width=224)
ODD = InputSize(height=69, width=98)


def load(name: str) -> ModelSpec:
    return parse_model(*shipped.read("models", name))


@functools.cache
def built(name: str, size: InputSize) -> Any:
    from cnnedge.architectures import build_model

    tf_keras.utils.set_random_seed(3)
    return build_model(load(name), size, 5)


@functools.cache
def classifying(name: str) -> Any:
    """With the family's own top of 1000 classes, of an odd size."""
    from cnnedge.architectures import classifier

    return classifier(name, ODD)


def featured(name: str, size: InputSize) -> Any:
    """The layers of the backbone alone: no image, scaling or head."""
    return built(name, size).layers[2:-3]


def picture(size: InputSize) -> Any:
    """Raw pixels of a real photograph, float32 [1, h, w, 3] RGB."""
    import cv2

    sample = cv2.imread(str(Path(package.__file__).parent / "embedded" / "sample.png"))
    shrunk = cv2.resize(cv2.cvtColor(sample, cv2.COLOR_BGR2RGB), (size.width, size.height))
    return shrunk[None].astype(np.float32)


def test_each_backbone_has_a_name_and_a_model() -> None:
    assert set(get_args(BackboneName)) == set(BACKBONES)
    for name in NAMES:
        assert load(name).backbone == name
        assert load(name).input.shape == (BACKBONES[name].side, BACKBONES[name].side, 3)


@pytest.mark.parametrize("size", [SQUARE, ODD])
@pytest.mark.parametrize("name", NAMES)
def test_the_catalog_equals_what_is_built(name: str, size: InputSize) -> None:
    layers = featured(name, size)
    first = trace(load(name), size, 5)[0]
    assert (first.index, first.type) == (-1, name)
    assert first.output_shape == tuple(layers[-1].output_shape[1:])
    assert first.parameters == sum(layer.count_params() for layer in layers)
    assert first.trainable_parameters == sum(
        math.prod(w.shape) for layer in layers for w in layer.trainable_weights
    )
    assert first.macs == sum(_macs(layer) for layer in layers)


def _macs(layer: Any) -> int:
    kernels = [w for w in layer.weights if len(w.shape) == 4]
    return sum(math.prod(layer.output_shape[1:3]) * math.prod(w.shape) for w in kernels)


@pytest.mark.parametrize(
    ("name", "published", "top"),
    [
        ("efficientnet_lite0", 0.39e9, [(1280, 1000)]),  # EfficientNet-B0's, squeezes apart
        ("efficientnet_v2_b0", 0.7e9, [(1280, 1000)]),
        ("mobilenet_v2", 300e6, [(1280, 1000)]),
        ("mobilenet_v3_large", 217e6, [(960, 1280), (1280, 1000)]),
        ("mobilenet_v3_small", 56e6, [(576, 1024), (1024, 1000)]),
        ("resnet50", 3.8e9, [(2048, 1000)]),
    ],
)
def test_macs_are_about_those_of_the_papers(
    name: str, published: float, top: list[tuple[int, int]]
) -> None:
    """A count of another kind, as the catalog and the count above could err alike."""
    found = BACKBONES[name].macs(224, 224) + sum(inputs * outputs for inputs, outputs in top)
    assert found == pytest.approx(published, rel=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_the_head_follows_the_backbone(name: str) -> None:
    model, rows = built(name, ODD), trace(load(name), ODD, 5)[1:]
    head = model.layers[-len(rows) :]
    assert [layer.name for layer in head] == ["globalaveragepooling2d_0", "dropout_1", "dense_2"]
    for layer, row in zip(head, rows, strict=True):
        assert type(layer).__name__ == row.type
        assert tuple(layer.output_shape[1:]) == row.output_shape
        assert layer.count_params() == row.parameters


@pytest.mark.parametrize("name", NAMES)
def test_the_receptive_field_is_that_of_the_windows(name: str) -> None:
    layers = featured(name, SQUARE)
    if any(layer.name.endswith(("squeeze_excite/Mul", "se_excite")) for layer in layers):
        assert BACKBONES[name].receptive_field is None
        return
    seen = 1
    for layer in layers:
        window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
        if window and max(window) > 1:
            jump = SQUARE.height // layer.output_shape[1] // layer.strides[0]
            seen += (window[0] - 1) * jump
    assert BACKBONES[name].receptive_field == seen
    large = InputSize(height=2048, width=96)
    assert trace(load(name), large, 5)[0].receptive_field == (seen, 96)


@pytest.mark.parametrize("name", NAMES)
def test_models_are_flat_and_take_raw_pixels(name: str) -> None:
    model = built(name, ODD)
    assert not [layer.name for layer in model.layers if isinstance(layer, tf_keras.Model)]
    assert model.input_names == ["image"]
    assert [layer.name for layer in model.layers[:2]] == ["image", "pixel_scaling"]
    scaled = model.layers[1](np.full((1, 1, 1, 3), 200, np.float32)).numpy().ravel()
    known = BACKBONES[name]
    assert scaled == pytest.approx(np.multiply(200, known.scale) + known.offset, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_two_builds_have_the_same_names(name: str) -> None:
    first, second = ([layer.name for layer in built(name, s).layers] for s in (SQUARE, ODD))
    assert first == second


@pytest.mark.parametrize("name", KERAS)
def test_the_classifier_is_the_published_one(name: str) -> None:
    from cnnedge.architectures import block_names
    from cnnedge.architectures.untraced import untraced

    with untraced():
        theirs = getattr(tf_keras.applications, KERAS[name])(weights=None)
    ours = classifying(name)
    assert (ours.input_names, ours.output_shape) == (["image"], (None, 1000))
    shapes = [w.shape for w in ours.get_weights()]
    assert shapes == [w.shape for w in theirs.get_weights()][-len(shapes) :]
    weighted = [layer.name for layer in ours.layers if layer.weights]
    assert (
        weighted
        == [
            layer.name for layer in theirs.layers if layer.weights and layer.name != "normalization"
        ][-len(weighted) :]
    )
    backbone = [layer.name for layer in built(name, SQUARE).layers[:-3]]
    assert [layer.name for layer in ours.layers[: len(backbone)]] == backbone
    names = [layer.name for layer in ours.layers]
    assert block_names(name, names) == block_names(name, backbone)


def test_the_lite_classifier_has_a_top_of_its_own() -> None:
    ours = classifying("efficientnet_lite0")
    assert [layer.name for layer in ours.layers[-2:]] == ["avg_pool", "predictions"]
    assert ours.count_params() == BACKBONES["efficientnet_lite0"].parameters + 1280 * 1000 + 1000
    assert ours(picture(ODD)).numpy().sum() == pytest.approx(1, abs=1e-4)


BLOCKS = {
    "efficientnet_lite0": 16,
    "efficientnet_v2_b0": 21,
    "mobilenet_v2": 17,
    "mobilenet_v3_large": 15,
    "mobilenet_v3_small": 11,
    "resnet50": 16,
}


@pytest.mark.parametrize("name", NAMES)
def test_blocks_hold_each_layer_once_in_order(name: str) -> None:
    from cnnedge.architectures import block_names

    names = [layer.name for layer in built(name, ODD).layers]
    blocks = block_names(name, names)
    assert list(itertools.chain.from_iterable(blocks)) == names[1:-3]
    assert len(blocks) == 1 + BLOCKS[name]
    assert blocks[0][0] == "pixel_scaling"


@pytest.mark.parametrize("name", NAMES)
def test_models_can_be_cut_behind_each_block(name: str) -> None:
    from cnnedge.architectures import block_names

    model = built(name, ODD)
    blocks = block_names(name, [layer.name for layer in model.layers])
    pixels = picture(ODD)
    whole = model(pixels).numpy()
    for depth, block in enumerate(blocks):
        tensor = model.get_layer(block[-1]).output
        below = tf_keras.Model(model.input, tensor)
        above = tf_keras.Model(tensor, model.output)  # raises when a second tensor crosses
        assert len(below.layers) + len(above.layers) == len(model.layers) + 1
        if depth in (0, len(blocks) - 2):
            assert above(below(pixels)).numpy() == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_models_survive_their_file(name: str, tmp_path: Path) -> None:
    from cnnedge.architectures.keras_file import read_keras
    from cnnedge.architectures.untraced import untraced

    model = classifying(name)
    model.save(tmp_path / "model.keras")
    with untraced():
        keras = tf_keras.models.load_model(tmp_path / "model.keras", compile=False)
    pixels = picture(ODD)
    assert keras(pixels).numpy() == pytest.approx(model(pixels).numpy(), abs=1e-6)
    ours = read_keras(tmp_path / "model.keras")
    for again in (keras, ours):
        assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
        assert [layer.dtype for layer in again.layers] == [layer.dtype for layer in model.layers]
        for found, expected in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_backbone_converts() -> None:
    from cnnedge.converter import convert

    interpreters = pytest.importorskip("ai_edge_litert.interpreter")
    model = built("mobilenet_v2", ODD)
    interpreter = interpreters.Interpreter(
        model_content=convert(model, "float32", picture(ODD).astype(np.uint8))
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture(ODD))
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert found == pytest.approx(model(picture(ODD)).numpy(), abs=1e-4)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "mobilenet_v2"])
def test_batch_normalisation_follows_a_short_training_from_scratch(name: str) -> None:
    from cnnedge.training.methods import build_pretrained

    tf_keras.utils.set_random_seed(3)
    size = InputSize(height=64, width=64)
    model, _ = build_pretrained(load(name), size, 5, "none", "a test", lambda done, total: None)
    pixels = np.concatenate([picture(size), 255 - picture(size)])
    step = tf.function(lambda: model(pixels, training=True))
    for _ in range(60):
        step()
    first = next(la for la in model.layers if type(la).__name__ == "BatchNormalization")
    seen = tf_keras.Model(model.input, first.input)(pixels).numpy()
    assert first.moving_mean.numpy() == pytest.approx(seen.mean((0, 1, 2)), rel=0.01, abs=1e-3)


HEAD = "layers: [GlobalAveragePooling2D, Dense: {units: classes, activation: softmax}]"


@pytest.mark.parametrize(
    ("height", "channels", "backbone", "said"),
    [
        (64, 3, "resnet5", ["mine.yaml:2: backbone: 'resnet5'", "Did you mean 'resnet50'?"]),
        (64, 1, "resnet50", ["mine.yaml:1: input.channels is 1", "needs 3"]),
        (31, 3, "mobilenet_v2", ["input is 31x64", "at least 32x32", "trained at 224x224"]),
    ],
)
def test_a_mistake_is_named(height: int, channels: int, backbone: str, said: list[str]) -> None:
    text = f"input: {{height: {height}, width: 64, channels: {channels}}}\nbackbone: {backbone}\n"
    with pytest.raises(SpecError) as caught:
        parse_model(text + HEAD, "mine.yaml")
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (InputSize(height=224, width=224, channels=1), "input.channels is 1"),
        (InputSize(height=32, width=31), "input is 32x31"),
    ],
)
def test_a_size_of_another_place_is_checked_too(size: InputSize, said: str) -> None:
    from cnnedge.architectures import build_model

    for call in (trace, build_model):
        with pytest.raises(SpecError) as caught:
            call(load("resnet50"), size, 5)
        assert said in str(caught.value)


def test_a_head_may_go_on_with_the_feature_map() -> None:
    text = "input: {height: 96, width: 64}\nbackbone: mobilenet_v3_small\nlayers:\n"
    text += "  - Conv2D: {filters: 8, kernel_size: 3}\n  - Flatten\n"
    text += "  - Dense: {units: classes, activation: softmax}\n"
    spec = parse_model(text.replace("kernel_size: 3", "kernel_size: 2"), "mine.yaml")
    assert [row.output_shape for row in trace(spec, None, 5)] == [
        (3, 2, 576),
        (2, 1, 8),
        (16,),
        (5,),
    ]
    with pytest.raises(SpecError, match=r"layers\[0\].Conv2D: its window of 3x3 is larger"):
        trace(parse_model(text, "mine.yaml"), None, 5)


def test_the_list_says_where_weights_come_from() -> None:
    listed = json.loads(cnnedge("models", "--json", "-").stdout)["models"]
    for name in NAMES:
        known = BACKBONES[name]
        assert listed[name]["backbone"] == name
        assert listed[name]["imagenet_top1"] == known.imagenet_top1
        assert (listed[name]["weights"], listed[name]["licence"]) == (known.weights, known.licence)
    assert listed["lenet"]["weights"] is listed["lenet"]["backbone"] is None
    shown = cnnedge("models").stdout
    assert "KaimingHe/deep-residual-networks" in shown
    assert "74.9 %" in shown


def test_the_list_of_small_sizes_leaves_backbones_out() -> None:
    done = cnnedge("models", "--input", "28x28x1")
    assert done.returncode == 0
    assert "because backbones need RGB pictures of at least 32x32: efficientnet" in done.stdout


def test_one_backbone_is_shown_with_its_head() -> None:
    shown = cnnedge("models", "resnet50").stdout
    for words in ("7x7x2048", "23,587,712", "224/32 = 7", "20,490", "licence MIT"):
        assert words in shown
    assert "fully connected" not in shown
    refused = cnnedge("models", "resnet50", "--input", "28x28x3")
    assert refused.returncode != 0
    assert "at least 32x32" in refused.stderr
