"""Other people's models: what goes in and what comes out, beside a bare interpreter.

Every expected number is worked out here by a formula of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnedge
from cnnedge import Guest
from cnnedge.bundle import read_model
from cnnedge.encoding import Encoder
from cnnedge.errors import ModelError
from cnnedge.raw_model import load_raw
from support.guests import bare, edited, quantisation, real, tflite, with_metadata, written

tf = pytest.importorskip("tensorflow")

RANDOM = np.random.default_rng(3)
# Of the input's very size: what is compared here is numbers, and not resizing.
SIDE = 8
FRAME = RANDOM.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
RGB = FRAME[..., ::-1]
KERNEL = RANDOM.normal(0, 1, (SIDE * SIDE * 3, 3)).astype(np.float32) / SIDE
SMALL = RANDOM.normal(0, 1, (3, 3)).astype(np.float32)


def flat(x: Any) -> Any:
    return tf.matmul(tf.reshape(x, (1, -1)), KERNEL)


def pooled(x: Any) -> Any:
    return tf.matmul(tf.reduce_mean(x, (1, 2)), SMALL)


def soft(x: Any) -> Any:
    return tf.nn.softmax(flat(x))


def softmax_of(values: Any) -> Any:
    wide = np.asarray(values, np.float64).reshape(-1)
    powers = np.exp(wide - wide.max())
    return powers / powers.sum()


# --- inputs -------------------------------------------------------------------------------------

NORMALISATIONS = {
    "0..1": (0.0, 255.0),
    "-1..1": (127.5, 127.5),
    "0..255": (0.0, 1.0),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize(
    ("said", "reach"),
    [("0..1", (0.0, 1.0)), ("0..1", (0.0, 0.5)), ("-1..1", (-1.0, 1.0)), ("imagenet", (-2.2, 2.7))],
)
def test_a_quantised_input_holds_the_real_number(
    dtype: str, said: str, reach: tuple[float, float], tmp_path: Path
) -> None:
    content = tflite(soft, (1, SIDE, SIDE, 3), quantised=dtype, reach=reach)
    mean, std = (np.asarray(v, np.float64) for v in NORMALISATIONS[said])
    scale, zero = quantisation(content)
    limits = np.iinfo(dtype)
    wanted = np.clip(np.round((RGB - mean) / std / scale + zero), limits.min, limits.max)
    guest = (
        Guest(mean=NORMALISATIONS[said][0], std=NORMALISATIONS[said][1])
        if said == "imagenet"
        else Guest(pixel_range=said)
    )
    model = cnnedge.load(written(tmp_path, content), guest=guest)
    encoded = model.encode(model.prepare(FRAME))
    assert encoded.dtype == dtype
    assert np.array_equal(encoded[0], wanted)
    expected = real(content, wanted[np.newaxis])
    assert np.allclose(model(FRAME).scores, np.clip(expected, 0, 1), atol=1e-6)
    # What the metadata says counts as much as what a person says.
    by_file = with_metadata(content, mean=np.atleast_1d(mean), std=np.atleast_1d(std))
    stated = cnnedge.load(written(tmp_path, by_file, "stated.tflite"))
    assert np.array_equal(stated.encode(stated.prepare(FRAME)), encoded)
    assert not any("pixels" in text for text in stated.assumptions)


@pytest.mark.parametrize(
    ("scale", "zero", "dtype"),
    [
        *((1 / 255, 0, "uint8"), (1.0, 0, "uint8"), (2 / 255, 128, "uint8")),
        *((1 / 128, 127, "uint8"), (1 / 255, -128, "int8"), (1.0, -128, "int8")),
        (1 / 127.5, 0, "int8"),
    ],
)
def test_a_quantisation_that_is_the_pixels_needs_no_table(
    scale: float, zero: int, dtype: str, tmp_path: Path
) -> None:
    def requantised(model: Any, _schema: Any) -> None:
        graph = model.subgraphs[0]
        graph.tensors[graph.inputs[0]].quantization.scale = [scale]
        graph.tensors[graph.inputs[0]].quantization.zeroPoint = [zero]

    content = edited(tflite(soft, (1, SIDE, SIDE, 3), quantised=dtype), requantised)
    model = read_model(written(tmp_path, content))
    encoder = Encoder(model, Guest())
    assert encoder.in_place == (dtype == "uint8")
    assert encoder.assumptions == ()
    assert np.array_equal(encoder(RGB)[0].astype(int), RGB.astype(int) - (dtype == "int8") * 128)


@pytest.mark.parametrize("reach", [(0.0, 0.5), (-0.4, 0.5), (0.0, 6.0), (-2.1, 2.6), (0.0, 90.0)])
def test_what_a_quantisation_does_not_tell_is_assumed_aloud(
    reach: tuple[float, float], tmp_path: Path
) -> None:
    content = tflite(soft, (1, SIDE, SIDE, 3), quantised="int8", reach=reach)
    model = cnnedge.load(written(tmp_path, content))
    assert sum("quantisation" in text and "--pixels" in text for text in model.assumptions) == 1


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (127.5, 127.5)])
def test_metadata_that_the_quantisation_contradicts(
    mean: float, std: float, tmp_path: Path
) -> None:
    content = tflite(soft, (1, SIDE, SIDE, 3), quantised="uint8")
    wrong = with_metadata(content, mean=[mean], std=[std])
    model = cnnedge.load(written(tmp_path, wrong))
    assert np.array_equal(model.encode(model.prepare(FRAME))[0], RGB)
    assert any("do not fit" in text for text in model.assumptions)
    told = cnnedge.load(written(tmp_path, wrong), guest=Guest(pixel_range="-1..1"))
    assert not any("do not fit" in text for text in told.assumptions)


@pytest.mark.parametrize(
    ("guest", "mean", "std"),
    [
        (Guest(mean=127.5, std=127.5), 127.5, 127.5),
        (Guest(mean=(123.68, 116.779, 103.939)), (123.68, 116.779, 103.939), 1.0),
        (
            Guest(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
            (123.675, 116.28, 103.53),
            (58.395, 57.12, 57.375),
        ),
        (Guest(pixel_range="-1..1", mean=0.5, std=2.0), 191.25, 255.0),
        (Guest(std=255.0), 0.0, 255.0),
    ],
)
def test_mean_and_std_of_float_inputs(guest: Guest, mean: Any, std: Any, tmp_path: Path) -> None:
    content = tflite(flat, (1, SIDE, SIDE, 3))
    model = cnnedge.load(written(tmp_path, content), guest=guest)
    wanted = (RGB.astype(np.float64) - mean) / std
    assert np.allclose(model.encode(model.prepare(FRAME))[0], wanted, rtol=1e-5, atol=1e-5)
    expected = softmax_of(bare(content, wanted[np.newaxis].astype(np.float32))[0])
    assert np.allclose(model(FRAME).scores, expected, atol=1e-4)


def test_blue_first(tmp_path: Path) -> None:
    content = tflite(flat, (1, SIDE, SIDE, 3))
    guest = Guest(bgr=True, mean=(103.939, 116.779, 123.68), std=60.0)
    model = cnnedge.load(written(tmp_path, content), guest=guest)
    wanted = (FRAME - np.array([103.939, 116.779, 123.68])) / 60
    expected = softmax_of(bare(content, wanted[np.newaxis].astype(np.float32))[0])
    assert np.allclose(model(FRAME).scores, expected, atol=1e-5)
    whole = tflite(soft, (1, SIDE, SIDE, 3), quantised="uint8")
    swapped = cnnedge.load(written(tmp_path, whole), guest=Guest(bgr=True))
    assert np.allclose(swapped(FRAME).scores, real(whole, FRAME[np.newaxis]), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "int32", "float64"])
def test_other_types_of_inputs(dtype: str, tmp_path: Path) -> None:
    content = tflite(lambda x: soft(tf.cast(x, tf.float32) / 255), (1, SIDE, SIDE, 3), dtype=dtype)
    model = cnnedge.load(written(tmp_path, content), guest=Guest(pixel_range="0..255"))
    assert str(model.encode(model.prepare(FRAME)).dtype) == dtype
    expected = bare(content, RGB[np.newaxis].astype(dtype))[0].reshape(-1)
    assert np.allclose(model(FRAME).scores, expected, atol=1e-5)


GREY = RANDOM.integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
LAYOUTS: dict[str, tuple[tuple[int, ...], Callable[[], Any]]] = {
    "NHWC": ((1, SIDE, SIDE, 3), lambda: RGB[np.newaxis]),
    "NCHW": ((1, 3, SIDE, SIDE), lambda: RGB.transpose(2, 0, 1)[np.newaxis]),
    "HWC": ((SIDE, SIDE, 3), lambda: RGB),
    "CHW": ((3, SIDE, SIDE), lambda: RGB.transpose(2, 0, 1)),
}
GREYS = {
    "NHWC": (1, SIDE, SIDE, 1),
    "NCHW": (1, 1, SIDE, SIDE),
    "NHW": (1, SIDE, SIDE),
    "HWC": (SIDE, SIDE, 1),
    "HW": (SIDE, SIDE),
}


@pytest.mark.parametrize("quantised", ["", "uint8"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_in_colour(layout: str, quantised: str, tmp_path: Path) -> None:
    shape, values = LAYOUTS[layout]
    content = tflite(soft, shape, quantised=quantised)
    model = cnnedge.load(written(tmp_path, content), pixel_range="0..1")
    given = values() if quantised else (values() / 255).astype(np.float32)
    assert np.allclose(model(FRAME).scores, real(content, given), atol=1e-5)
    assert model.size.shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("quantised", ["", "uint8", "int8"])
@pytest.mark.parametrize("layout", GREYS)
def test_layouts_in_grey(layout: str, quantised: str, tmp_path: Path) -> None:
    kernel = KERNEL[: SIDE * SIDE]
    content = tflite(
        lambda x: tf.nn.softmax(tf.matmul(tf.reshape(x, (1, -1)), kernel)),
        GREYS[layout],
        quantised=quantised,
    )
    model = cnnedge.load(written(tmp_path, content), pixel_range="0..1")
    given = GREY.reshape(GREYS[layout]).astype(np.float64)
    given = given - 128 if quantised == "int8" else given if quantised else given / 255
    assert np.allclose(model(GREY).scores, real(content, given), atol=1e-5)


def test_a_row_of_values_is_a_picture_when_a_person_says_so(tmp_path: Path) -> None:
    kernel = KERNEL[: SIDE * SIDE]
    content = tflite(lambda x: tf.nn.softmax(tf.matmul(x, kernel)), (1, SIDE * SIDE))
    path = written(tmp_path, content)
    with pytest.raises(ModelError, match="--input HxW"):
        cnnedge.load(path)
    with pytest.raises(ModelError, match="does not fill"):
        cnnedge.load(path, guest=Guest(size=(5, 5)))
    model = cnnedge.load(path, guest=Guest(size=(SIDE, SIDE)))
    expected = real(content, (GREY.reshape(1, -1) / 255).astype(np.float32))
    assert np.allclose(model(GREY).scores, expected, atol=1e-5)


@pytest.mark.parametrize("batch", [2, 8])
def test_a_file_of_several_pictures_takes_one(batch: int, tmp_path: Path) -> None:
    content = tflite(lambda x: tf.nn.softmax(pooled(x)), (batch, SIDE, SIDE, 3))
    model = cnnedge.load(written(tmp_path, content))
    given = np.repeat((RGB[np.newaxis] / 255).astype(np.float32), batch, axis=0)
    expected = bare(content, given)[0][0]
    assert model(FRAME).scores.shape == (3,)
    assert np.allclose(model(FRAME).scores, expected, atol=1e-5)
    assert any(f"{batch} pictures at once" in text for text in model.assumptions)
    assert model.model.output.shape == (1, 3)


OPEN = ((None, None, None, 3), (1, None, None, 3), (1, None, SIDE, 3))


@pytest.mark.parametrize("shape", OPEN, ids=str)
def test_a_size_that_nobody_says_is_asked_for(shape: Any, tmp_path: Path) -> None:
    content = tflite(lambda x: tf.nn.softmax(pooled(x)), shape)
    path = written(tmp_path, content)
    for load in (cnnedge.load, load_raw, cnnedge.bench):
        with pytest.raises(ModelError, match="--input HxW"):
            load(path)
    model = cnnedge.load(path, guest=Guest(size=(SIDE, SIDE)))
    expected = bare(content, (RGB[np.newaxis] / 255).astype(np.float32))[0].reshape(-1)
    assert np.allclose(model(FRAME).scores, expected, atol=1e-5)
    assert not any("height and width" in text for text in model.assumptions)
    named = written(tmp_path, with_metadata(content, size=(SIDE, SIDE)), "named.tflite")
    model = cnnedge.load(named)
    assert np.allclose(model(FRAME).scores, expected, atol=1e-5)
    assert any("in its metadata" in text for text in model.assumptions)


def test_a_size_is_for_files_that_leave_it_open(tmp_path: Path) -> None:
    path = written(tmp_path, tflite(soft, (1, SIDE, SIDE, 3)))
    with pytest.raises(ModelError, match=f"fixed size of {SIDE}x{SIDE}, but --input says 64x64"):
        cnnedge.load(path, guest=Guest(size=(64, 64)))
    assert cnnedge.load(path, guest=Guest(size=(SIDE, SIDE))).size.height == SIDE


def test_the_other_engine_is_given_the_same_size(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    content = tflite(lambda x: tf.nn.softmax(pooled(x)), (None, None, None, 3))
    model = cnnedge.load(
        written(tmp_path, content), engine="openvino", guest=Guest(size=(SIDE, SIDE))
    )
    expected = bare(content, (RGB[np.newaxis] / 255).astype(np.float32))[0].reshape(-1)
    assert np.allclose(model(FRAME).scores, expected, atol=1e-3)


# --- outputs ------------------------------------------------------------------------------------


def sigmoid_of(values: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(values, np.float64).reshape(-1)))


def given_floats() -> Any:
    return (RGB[np.newaxis] / 255).astype(np.float32)


BIAS = np.array([0.1, 0.2, -0.3], np.float32)
HEADS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], bool]] = {
    "softmax": (lambda x: tf.nn.softmax(flat(x)), softmax_of, False),
    "softmax in one place": (
        lambda x: tf.reshape(tf.nn.softmax(flat(x)), (1, 1, 1, 3)),
        softmax_of,
        False,
    ),
    "softmax written out": (
        lambda x: tf.exp(flat(x)) / tf.reduce_sum(tf.exp(flat(x)), -1, keepdims=True),
        softmax_of,
        False,
    ),
    "logits": (flat, softmax_of, True),
    "logits with a bias": (lambda x: flat(x) + BIAS, lambda v: softmax_of(v + BIAS), True),
    "log of softmax": (lambda x: tf.nn.log_softmax(flat(x)), softmax_of, False),
    "sigmoid for each": (lambda x: tf.sigmoid(flat(x)), sigmoid_of, False),
}


@pytest.mark.parametrize("head", HEADS)
def test_heads_of_many_classes(head: str, tmp_path: Path) -> None:
    function, probabilities, assumed = HEADS[head]
    model = cnnedge.load(written(tmp_path, tflite(function, (1, SIDE, SIDE, 3))))
    expected = probabilities((given_floats().reshape(1, -1) @ KERNEL).reshape(-1))
    found = model(FRAME)
    assert np.allclose(found.scores, expected, atol=1e-4)
    assert found.index == int(np.argmax(expected))
    assert any("softmax is applied" in text for text in model.assumptions) == assumed
    assert found.independent == (head == "sigmoid for each")
    if found.independent:
        assert {s.index for s in found.present} == set(np.flatnonzero(expected >= 0.5).tolist())


@pytest.mark.parametrize("quantised", ["uint8", "int8"])
@pytest.mark.parametrize("head", ["logits", "log of softmax", "sigmoid for each", "softmax"])
def test_quantised_heads(head: str, quantised: str, tmp_path: Path) -> None:
    content = tflite(HEADS[head][0], (1, SIDE, SIDE, 3), quantised=quantised)
    model = cnnedge.load(written(tmp_path, content), pixel_range="0..1")
    given = RGB[np.newaxis].astype(int) - (128 if quantised == "int8" else 0)
    raw = real(content, given)
    expected = {"logits": softmax_of, "log of softmax": np.exp}.get(head, np.asarray)(raw)
    assert np.allclose(model(FRAME).scores, np.clip(expected, 0, 1), atol=1e-5)
    assert 0 <= model(FRAME).scores.min() <= model(FRAME).scores.max() <= 1


@pytest.mark.parametrize("quantised", ["", "uint8", "int8"])
@pytest.mark.parametrize("sign", [1, -1])
def test_one_sigmoid_is_the_second_of_two_classes(
    sign: int, quantised: str, tmp_path: Path
) -> None:
    content = tflite(
        lambda x: tf.sigmoid(sign * tf.reduce_mean(x, (1, 2, 3), keepdims=False)[:, tf.newaxis]),
        (1, SIDE, SIDE, 3),
        quantised=quantised,
    )
    model = cnnedge.load(written(tmp_path, content), pixel_range="0..1")
    given = RGB[np.newaxis].astype(int) - (128 if quantised == "int8" else 0)
    share = real(content, given if quantised else given_floats())[0]
    found = model(FRAME)
    assert np.allclose(found.scores, [1 - share, share], atol=1e-6)
    assert found.label == ("class 1" if sign > 0 else "class 0")
    named = cnnedge.load(written(tmp_path, content), guest=Guest(labels=("a cat", "a dog")))
    assert named.labels == ("a cat", "a dog")
    alone = cnnedge.load(written(tmp_path, content), guest=Guest(labels=("mask",)))
    assert alone.labels == ("not mask", "mask")


def test_one_value_without_an_activation_is_not_guessed(tmp_path: Path) -> None:
    content = tflite(lambda x: flat(x)[:, :1], (1, SIDE, SIDE, 3))
    path = written(tmp_path, content)
    with pytest.raises(ModelError, match="--activation sigmoid"):
        cnnedge.load(path)
    expected = sigmoid_of(real(content, given_floats()))[0]
    for guest in (Guest(activation="sigmoid"), Guest(labels=("no", "yes"))):
        model = cnnedge.load(path, guest=guest)
        assert model(FRAME).scores[1] == pytest.approx(expected, abs=1e-5)
    assert load_raw(path)(FRAME).outputs[0].values.size == 1


@pytest.mark.parametrize("made", ["int64", "int32", "reshaped", "as float"])
def test_an_index_is_the_class(made: str, tmp_path: Path) -> None:
    ends: dict[str, Callable[[Any], Any]] = {
        "int64": lambda x: tf.argmax(flat(x), -1),
        "int32": lambda x: tf.argmax(flat(x), -1, output_type=tf.int32),
        "reshaped": lambda x: tf.reshape(tf.argmax(flat(x), -1), (1, 1)),
        "as float": lambda x: tf.cast(tf.argmax(flat(x), -1), tf.float32),
    }
    content = tflite(ends[made], (1, SIDE, SIDE, 3))
    expected = int(bare(content, given_floats())[0].reshape(-1)[0])
    model = cnnedge.load(written(tmp_path, content))
    found = model(FRAME)
    assert (found.index, len(found.scores), found.graded) == (expected, 3, False)
    assert [s.index for s in found.top(3)] == [expected]
    assert any("without a score" in text for text in model.assumptions)
    told = cnnedge.load(tmp_path / "guest.tflite", guest=Guest(activation="index"))
    assert told(FRAME).index == expected
    for wrong in ("none", "softmax", "sigmoid"):
        with pytest.raises(ModelError):
            cnnedge.load(tmp_path / "guest.tflite", guest=Guest(activation=wrong))


@pytest.mark.parametrize("order", ["values first", "indices first"])
def test_a_list_of_the_best(order: str, tmp_path: Path) -> None:
    def best(x: Any) -> Any:
        values, indices = tf.math.top_k(soft(x), 2)
        return (values, indices) if order == "values first" else (indices, values)

    model = cnnedge.load(written(tmp_path, tflite(best, (1, SIDE, SIDE, 3))))
    expected = softmax_of((given_floats().reshape(1, -1) @ KERNEL).reshape(-1))
    found = model(FRAME)
    ranking = np.argsort(-expected)[:2].tolist()
    assert [s.index for s in found.top(3)] == ranking
    assert [s.score for s in found.top(3)] == pytest.approx(expected[ranking].tolist(), abs=1e-5)
    again = model.decode(model.in_a_row(model.infer()))
    assert np.array_equal(again.scores, found.scores)


def test_a_list_of_the_best_logits_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, tflite(lambda x: tf.math.top_k(flat(x), 2), (1, SIDE, SIDE, 3)))
    for activation in (None, "softmax", "none"):
        with pytest.raises(ModelError, match="--raw"):
            cnnedge.load(path, guest=Guest(activation=activation))


@pytest.mark.parametrize("end", ["tanh", "relu", "square"])
def test_values_of_no_known_kind_are_watched(end: str, tmp_path: Path) -> None:
    functions = {"tanh": tf.tanh, "relu": tf.nn.relu, "square": tf.square}
    content = tflite(lambda x: functions[end](10 * flat(x)), (1, SIDE, SIDE, 3))
    model = cnnedge.load(written(tmp_path, content))
    assert any("--activation" in text for text in model.assumptions)
    with pytest.raises(ModelError, match="not probabilities"):
        model(FRAME)


def test_an_embedding_is_no_classifier(tmp_path: Path) -> None:
    content = tflite(lambda x: tf.math.l2_normalize(flat(x), -1), (1, SIDE, SIDE, 3))
    graph = read_model(written(tmp_path, content)).graph
    assert graph.operators[-1].name == "L2_NORMALIZATION"
    with pytest.raises(ModelError, match="not a classifier"):
        cnnedge.load(tmp_path / "guest.tflite")


def test_a_person_says_what_the_outputs_are(tmp_path: Path) -> None:
    content = tflite(flat, (1, SIDE, SIDE, 3))
    path, raw = written(tmp_path, content), real(content, given_floats())
    one = cnnedge.load(path, guest=Guest(activation="softmax"))
    assert np.allclose(one(FRAME).scores, softmax_of(raw), atol=1e-5)
    each = cnnedge.load(path, guest=Guest(activation="sigmoid"))
    assert np.allclose(each(FRAME).scores, sigmoid_of(raw), atol=1e-5)
    assert each(FRAME).independent
    for wrong in ("none", "log_softmax"):
        with pytest.raises(ModelError, match="not probabilities"):
            cnnedge.load(path, guest=Guest(activation=wrong))(FRAME)
    twice = written(tmp_path, tflite(soft, (1, SIDE, SIDE, 3)), "soft.tflite")
    same = cnnedge.load(twice, guest=Guest(activation="softmax"))
    assert np.allclose(same(FRAME).scores, cnnedge.load(twice)(FRAME).scores)
    with pytest.raises(ModelError, match="for one output"):
        cnnedge.load(path, guest=Guest(activation="index"))
    with pytest.raises(ModelError, match="computes softmax itself"):
        cnnedge.load(twice, guest=Guest(activation="sigmoid"))


def test_a_softmax_whose_scale_is_too_large(tmp_path: Path) -> None:
    def widened(model: Any, _schema: Any) -> None:
        graph = model.subgraphs[0]
        graph.tensors[graph.outputs[0]].quantization.scale = [0.00403]

    content = tflite(soft, (1, SIDE, SIDE, 3), quantised="uint8")
    model = cnnedge.load(written(tmp_path, edited(content, widened)))
    assert model.decode(np.array([[0, 255, 0]], np.uint8)).score == 1.0


@pytest.mark.parametrize("where", ["all", "one"])
def test_no_number_is_no_answer(where: str, tmp_path: Path) -> None:
    def broken(x: Any) -> Any:
        logits = tf.math.log(flat(x) * 0 - 1) if where == "all" else flat(x) / [1.0, 0.0, 1.0]
        return tf.nn.softmax(logits)

    model = cnnedge.load(written(tmp_path, tflite(broken, (1, SIDE, SIDE, 3))))
    with pytest.raises(ModelError, match="NaN or infinity"):
        model(FRAME)
