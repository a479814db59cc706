"""`cnnedge look` and `run --look`: what is seen inside a model is what the model computes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import correlate

from cnnedge import classifier
from cnnedge.looking import (
    KERNELS,
    InsideView,
    class_map,
    filtered,
    first_filters,
    linear_head,
    load_looking,
    map_layers,
    occlusion,
)
from cnnedge.looking.inside import with_outputs
from cnnedge.looking.live import placed
from cnnedge.looking.worked import SEED, convolutions, made_up_weights, worked
from cnnedge.specs import shipped
from cnnedge.specs.model import LayerSpec, ModelSpec, parse_model
from cnnedge.specs.pixels import InputSize, Preprocess
from support.command import assert_one_clear_line, cnnedge
from support.pictures import SHAPES, shape_picture

RNG = np.random.default_rng(7)
PICTURE = RNG.integers(0, 256, (16, 16, 3), np.uint8)
# How far the probabilities of a variant's quantised last layer may be from those of its maps.
CLOSE = {"float32": 1e-5, "float16": 1e-5, "dynamic": 0.01, "int8": 0.02}


@pytest.mark.parametrize("variant", CLOSE)
def test_the_mean_of_a_class_map_is_the_logit(plain_models: dict[str, Path], variant: str) -> None:
    with classifier.load(plain_models[variant]) as model:
        head = linear_head(model.model)
        assert head is not None
        with InsideView(model, [head.features]) as view:
            values = view.maps(PICTURE)[0].values
        logits = np.array([class_map(head, values, i).mean() for i in range(4)])
        shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        assert np.abs(shares - model.predict(PICTURE).scores).max() < CLOSE[variant]


def test_feature_maps_are_what_the_filters_make(plain_models: dict[str, Path]) -> None:
    with classifier.load(plain_models["float32"]) as model:
        filters = first_filters(model.model)
        assert filters is not None
        assert filters.shape == (8, 3, 3, 3)
        tensors = map_layers(model.model)
        with InsideView(model, tensors[:1]) as view:
            maps = view.maps(PICTURE)[0]
    pixels = PICTURE / 255
    for index in range(8):
        kernel = filters[index]
        by_hand = sum(correlate(pixels[:, :, c], kernel[:, :, c]) for c in range(3))
        # Valid padding; its bias is one.
        expected = np.maximum(by_hand[1:-1, 1:-1] + 1, 0)
        assert np.abs(maps.values[:, :, index] - expected).max() < 1e-4


@pytest.mark.parametrize("variant", CLOSE)
def test_looking_changes_no_answer(plain_models: dict[str, Path], variant: str) -> None:
    path = plain_models[variant]
    with classifier.load(path) as plain, load_looking(path) as looking:
        assert looking.shows == "class"
        for _ in range(5):
            frame = RNG.integers(0, 256, (40, 30, 3), np.uint8)
            seen = looking(frame)
            assert np.array_equal(seen.scores, plain(frame).scores)
            assert seen.heat is not None
            assert seen.heat.shape == (14, 14)
            assert 0 <= seen.heat.min() <= seen.heat.max() <= 1


def test_a_further_output_is_behind_the_first(plain_models: dict[str, Path]) -> None:
    model = classifier.load(plain_models["int8"]).model
    opened = with_outputs(model, [t.index for t in map_layers(model)])
    assert opened.graph.outputs[0] == model.graph.outputs[0]
    assert len(opened.graph.outputs) == 1 + len(map_layers(model))
    assert opened.data[: len(model.data)] != model.data
    assert len(opened.data) < len(model.data) + 64


def test_occlusion_is_the_fall_of_the_score(plain_models: dict[str, Path]) -> None:
    with classifier.load(plain_models["float32"]) as model:
        heat = occlusion(model, PICTURE, 2)
        covered = PICTURE.copy()
        covered[:4, :4] = 128
        # One square alone covers the corner.
        fall = model.predict(PICTURE).scores[2] - model.predict(covered).scores[2]
        assert heat.shape == (16, 16)
        assert heat[0, 0] == pytest.approx(fall, abs=1e-6)
        covered = PICTURE.copy()
        covered[-4:, -4:] = 128
        fall = model.predict(PICTURE).scores[2] - model.predict(covered).scores[2]
        assert heat[-1, -1] == pytest.approx(fall, abs=1e-6)


@pytest.mark.parametrize("name", KERNELS)
def test_classical_kernels_are_correlations(name: str) -> None:
    grey = RNG.integers(0, 256, (9, 12, 1), np.uint8)
    expected = correlate(grey[:, :, 0].astype(np.float64), KERNELS[name], mode="nearest")
    assert np.abs(filtered(grey, KERNELS[name]) - expected).max() < 1e-2


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("lenet", "conv2d"),
        ("lenet", "conv2d_1"),
        ("ds_cnn", "depthwise_conv2d_1"),
        ("ds_cnn", "conv2d_2"),
        ("cifar_cnn", "conv2d_3"),
    ],
)
def test_worked_convolutions_are_what_keras_computes(name: str, layer: str) -> None:
    import tf_keras

    from cnnedge.architectures.network import build_model

    spec = parse_model(*shipped.read("models", name))
    pixels = RNG.integers(0, 256, spec.input.shape, np.uint8)
    found = worked(spec, layer, pixels)
    tf_keras.backend.clear_session()
    network = build_model(spec, spec.input, 10)
    rng = np.random.default_rng(SEED)
    last = None
    for built, stated in zip(network.layers[-len(spec.layers) :], spec.layers, strict=True):
        assert type(built).__name__ == stated.type
        if stated.type in ("Conv2D", "DepthwiseConv2D"):
            channels = built.input_shape[-1]
            weights, bias = made_up_weights(stated.type, stated.arguments, channels, rng)
            kernel = weights.reshape(built.get_weights()[0].shape)
            built.set_weights([kernel, bias] if built.use_bias else [kernel])
        if list(convolutions(spec)).index(layer) == last_index(spec, stated):
            last = built
            break
    assert last is not None
    output = tf_keras.Model(network.inputs, last.output)(pixels[None].astype(np.float32))
    values = np.asarray(output)[0]
    assert values.shape == found.output_shape
    assert values[found.row, found.column, found.filter] == pytest.approx(found.result, abs=1e-4)
    assert values.max() == pytest.approx(found.result, abs=1e-4)
    assert found.sums.sum() + found.bias == pytest.approx(found.total, abs=1e-9)


def last_index(spec: ModelSpec, stated: LayerSpec) -> int:
    """Which of a definition's convolutions a layer is, by the order; -1 for any other layer."""
    places = list(convolutions(spec).values())
    here = next(i for i, layer in enumerate(spec.layers) if layer is stated)
    return places.index(here) if here in places else -1


def test_a_worked_convolution_as_text(tmp_path: Path) -> None:
    done = cnnedge("models", "lenet", "--worked", "conv2d_1", "--json", "worked.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "worked.json").read_text())
    assert len(told["sums"]) == 8
    assert f"= {told['total']:.4f}" in done.stdout
    for words, said in (
        (("lenet", "--worked", "conv3"), "Its convolutions: conv2d, conv2d_1"),
        (("resnet50", "--worked", "conv2d"), "backbone"),
    ):
        assert_one_clear_line(refused := cnnedge("models", *words))
        assert said in refused.stderr
    assert cnnedge("models", "--worked", "conv2d").returncode == 2


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        (Preprocess(resize="stretch"), (63, 152)),
        (Preprocess(resize="letterbox"), (77, 152)),
        (Preprocess(resize="center_crop"), (63, 126)),
        (Preprocess(resize="center_crop", interpolation="pillow_bilinear"), (63, 126)),
    ],
)
def test_a_map_lies_where_the_input_came_from(rule: Preprocess, where: tuple[int, int]) -> None:
    """A frame of 100 x 200, and one hot place of its input of 40 x 40."""
    heat = np.zeros((40, 40), np.float32)
    heat[25, 30] = 1
    laid = placed(heat, (100, 200), InputSize(height=40, width=40), rule)
    assert laid.shape == (100, 200)
    found = np.unravel_index(laid.argmax(), laid.shape)
    assert np.abs(np.subtract(found, where)).max() <= 6


def picture(folder: Path) -> Path:
    path = folder / "shape.png"
    cv2.imwrite(str(path), shape_picture(SHAPES[1], 900, side=60))
    return path


def test_the_command_on_a_run(trained_run: Path, tmp_path: Path) -> None:
    done = cnnedge(
        *("look", trained_run, "--source", picture(tmp_path), "--out", "seen", "--json", "-"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [e["way"] for e in told["evidence"]] == ["Grad-CAM", "occlusion"]
    assert told == json.loads((tmp_path / "seen" / "look.json").read_text())
    for name in ("evidence", "layers", "kernels"):
        assert cv2.imread(str(tmp_path / "seen" / f"{name}.png")) is not None
    assert told["class"]["label"] == told["answer"][0]["label"]


def test_the_command_on_a_file(plain_models: dict[str, Path], tmp_path: Path) -> None:
    words = ("look", plain_models["int8"], "--source", picture(tmp_path), "--class", "class 3")
    done = cnnedge(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "look" / "look.json").read_text())
    assert [e["way"] for e in told["evidence"]] == ["class activation", "occlusion"]
    assert told["class"]["index"] == 3
    assert "look/evidence.png" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--class", "circel"), "no such class"),
        (("--source", "nothing.jpg"), "nothing.jpg"),
    ],
)
def test_what_cannot_be_looked_at(
    trained_run: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    model = trained_run / "export" / "int8.tflite"
    source = () if "--source" in words else ("--source", picture(tmp_path))
    done = cnnedge("look", model, *source, *words, cwd=tmp_path)
    assert_one_clear_line(done)
    assert said in done.stderr
    assert not (tmp_path / "look").exists()


def test_frames_in_the_light_of_the_map(
    plain_models: dict[str, Path], trained_run: Path, tmp_path: Path
) -> None:
    source = picture(tmp_path)
    for name, model in (("class", plain_models["int8"]), ("activity", trained_run)):
        file = model / "export" / "int8.tflite" if model.is_dir() else model
        for saved, option in (("lit", ["--look"]), ("plain", [])):
            out = tmp_path / f"{name}-{saved}.png"
            done = cnnedge("run", file, "--source", source, "--save", out, *option)
            assert done.returncode == 0, done.stderr
        lit, plain = (cv2.imread(str(tmp_path / f"{name}-{s}.png")) for s in ("lit", "plain"))
        assert lit.shape == plain.shape
        assert not np.array_equal(lit, plain)


def test_look_without_frames_to_draw_on_is_refused(int8_model: Path) -> None:
    done = cnnedge("run", int8_model, "--source", "sample", "--frames", "1", "--look")
    assert done.returncode == 2
    assert "--look draws on frames" in done.stderr
