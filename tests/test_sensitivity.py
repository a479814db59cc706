"""Which layers int8 hurts: one broken by design is named, and left in float it does no harm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cnnedge.conversion.selective import fewest
from cnnedge.conversion.sensitivity import LIMIT_DB, LayerError, layer_errors, worst_layers
from cnnedge.converter import convert
from cnnedge.errors import ModelError
from support.broken import broken_model, huge_layer
from support.networks import answers, shape_pixels

tf_keras = pytest.importorskip("tf_keras")

PICTURES = shape_pixels(60, first=5000)
CALIBRATION = shape_pixels(50)
LAYERS = (
    *("scaling", "first_conv", "second_conv", "depthwise", "third_conv"),
    *("pool", "hidden", "probabilities"),
)


def agreement(model: Any, flatbuffer: bytes) -> float:
    """The fraction of pictures that both give the same label."""
    expected = model.predict(PICTURES.astype(np.float32), verbose=0).argmax(axis=1)
    assert set(expected) == {0, 1, 2}
    return float(np.mean(answers(flatbuffer, PICTURES).argmax(axis=1) == expected))


def pooled_chain() -> Any:
    """A trained convolution, BatchNormalization, ReLU, MaxPooling and convolution."""
    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(1)
    model = tf_keras.Sequential(
        [
            layers.Input((24, 24, 3), name="image"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, use_bias=False, name="one"),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.MaxPooling2D(2, name="between"),
            layers.Conv2D(24, 3, activation="relu", name="two"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(shape_pixels(900).astype(np.float32), np.arange(900) % 3, epochs=15, verbose=0)
    return model


@pytest.fixture(scope="module")
def healthy(chain: Any) -> list[LayerError]:
    return layer_errors(chain, convert(chain, "int8", CALIBRATION), PICTURES[:12])


def test_every_layer_is_judged_in_order(healthy: list[LayerError]) -> None:
    assert tuple(e.layer for e in healthy) == LAYERS
    operators = {e.layer: e.operator for e in healthy}
    assert operators["depthwise"] == "DEPTHWISE_CONV_2D"
    assert operators["probabilities"] == "FULLY_CONNECTED"
    for error, after in zip(healthy, [*LAYERS[1:], None], strict=True):
        assert error.followers == ((after,) if after else ())
        assert error.low < error.high
        assert error.output_range_ratio >= 1
        assert error.weight_range_ratio >= 1
        # A healthy layer: no more than a few of 256 steps are lost.
        assert 25 < error.snr_db < 60
        assert 30 < error.own_snr_db < 100
        assert 30 < error.rounding_snr_db < 100
    assert healthy[0].low == pytest.approx(-1, abs=0.05)
    assert next(e for e in healthy if e.layer == "depthwise").high <= 6


def test_what_each_layer_changes_and_would_cost_in_float(
    healthy: list[LayerError], chain: Any
) -> None:
    for error in healthy:
        assert error.pictures == 12
        assert error.changed == 0
        assert error.float_ms is not None
        weights = chain.get_layer(error.layer).get_weights()
        # 4 bytes instead of 1 for each number of the kernel; a bias has 4 in both.
        if weights and error.operator != "DEPTHWISE_CONV_2D":
            assert error.float_bytes == 3 * weights[0].size


@pytest.mark.parametrize("pooled", [False, True])
def test_the_broken_layer_is_named_and_mended(pooled: bool, chain: Any) -> None:
    """pooled: with a layer between the two that hands on what was rounded."""
    model = broken_model(pooled_chain() if pooled else chain)
    guilty, undoing = huge_layer(model)
    int8 = convert(model, "int8", CALIBRATION)
    assert agreement(model, int8) < 0.7
    errors = layer_errors(model, int8, PICTURES[:12])
    first = min(errors, key=lambda e: e.own_snr_db)
    assert first.layer == guilty
    assert first.own_snr_db < 10
    assert first.rounding_snr_db < 10
    assert first.changed is not None
    assert first.changed >= 4
    assert all(e.changed == 0 for e in errors if e.layer not in (guilty, undoing))
    # What plain signal-to-noise does not see: the huge channel itself is fine.
    assert first.snr_db > 20
    assert first.weight_range_ratio > 100
    assert first.output_range_ratio > 100
    worst = worst_layers(errors, 3 if pooled else 2)
    assert worst[0] == guilty
    assert undoing in worst
    assert agreement(model, convert(model, "int8", CALIBRATION, float_layers=worst)) == 1
    # Alone it does not help: an int8 layer behind it takes in the same few steps.
    assert agreement(model, convert(model, "int8", CALIBRATION, float_layers=worst[:1])) < 0.7


def test_a_broken_model_computes_the_same_in_float(chain: Any) -> None:
    pixels = PICTURES.astype(np.float32)
    expected = chain.predict(pixels, verbose=0)
    found = broken_model(chain).predict(pixels, verbose=0)
    assert np.abs(found - expected).max() < 1e-3


def test_float_layers_have_no_noise_of_their_own(chain: Any) -> None:
    mixed = convert(chain, "int8", CALIBRATION, float_layers=("second_conv", "probabilities"))
    errors = {e.layer: e for e in layer_errors(chain, mixed, PICTURES[:4])}
    assert tuple(errors) == LAYERS
    assert errors["probabilities"].own_snr_db > 100
    assert errors["second_conv"].own_snr_db > 100
    assert errors["second_conv"].rounding_snr_db == LIMIT_DB
    assert errors["third_conv"].own_snr_db < 100


def test_sparse_kernels_and_float_pixels_are_read(pruned_chain: Any) -> None:
    for flatbuffer in (
        convert(pruned_chain, "int8", CALIBRATION, sparse=True),
        convert(pruned_chain, "int8-float-io", CALIBRATION),
    ):
        errors = layer_errors(pruned_chain, flatbuffer, PICTURES[:4])
        assert tuple(e.layer for e in errors) == LAYERS
        assert all(20 < e.own_snr_db < 100 for e in errors)


def test_branches_and_no_softmax() -> None:
    """A residual block, one layer used twice, and logits as the output."""
    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(2)
    image = layers.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(image)
    shared = layers.Conv2D(8, 3, padding="same", name="shared")
    y = layers.Add(name="sum")([x, shared(x)])
    y = layers.Concatenate(name="both")([y, shared(y)])
    y = layers.GlobalAveragePooling2D(name="pool")(y)
    model = tf_keras.Model(image, layers.Dense(4, name="logits")(y))
    pictures = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3)).astype(np.uint8)
    int8 = convert(model, "int8", pictures)
    errors = layer_errors(model, int8, pictures[:4])
    names = [e.layer for e in errors]
    assert names == ["stem", "shared", "sum", "shared", "both", "pool", "logits"]
    assert errors[0].followers == ("shared", "sum")
    assert all(15 < e.own_snr_db < LIMIT_DB for e in errors if e.layer != "both")
    exact = answers(convert(model, "float32", pictures), pictures[:4])
    noise = answers(int8, pictures[:4]) - exact
    ratio = 10 * np.log10(np.sum(exact**2) / np.sum(noise**2))
    assert errors[-1].snr_db == pytest.approx(ratio, abs=0.1)


def test_progress_is_told_and_pictures_are_taken_in_parts(
    healthy: list[LayerError], chain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnnedge.conversion import sensitivity

    monkeypatch.setattr(sensitivity, "_KEPT_BYTES", 1_000_000)
    told: list[tuple[int, int]] = []
    again = layer_errors(
        chain,
        convert(chain, "int8", CALIBRATION),
        PICTURES[:12],
        lambda done, total: told.append((done, total)),
    )
    (total,) = {t for _, t in told}
    assert total > len(LAYERS)
    assert [d for d, _ in told] == list(range(1, total + 1))
    for one, other in zip(healthy, again, strict=True):
        assert one.own_snr_db == pytest.approx(other.own_snr_db)
        assert one.snr_db == pytest.approx(other.snr_db)


def test_time_bounds_the_pictures_but_for_the_first(chain: Any) -> None:
    many = np.concatenate([PICTURES, PICTURES])
    errors = layer_errors(chain, convert(chain, "int8", CALIBRATION), many, seconds=0)
    assert {e.pictures for e in errors} == {32}


def test_what_fits_not(chain: Any) -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        layer_errors(chain, b"", PICTURES[:0])
    with pytest.raises(ModelError, match="empty"):
        layer_errors(chain, b"", PICTURES[:1])
    image = tf_keras.layers.Input((24, 24, 3))
    other = tf_keras.layers.Conv2D(3, 3, name="another")(image)
    other = tf_keras.layers.GlobalAveragePooling2D()(other)
    flatbuffer = convert(tf_keras.Model(image, other), "int8", CALIBRATION[:4])
    with pytest.raises(ModelError, match=r"not converted from this model.*another"):
        layer_errors(chain, flatbuffer, PICTURES[:1])


def test_worst_layers() -> None:
    def error(name: str, own: float, rounding: float, *followers: str) -> LayerError:
        return LayerError(
            layer=name,
            operator="CONV_2D",
            snr_db=0,
            own_snr_db=own,
            rounding_snr_db=rounding,
            low=0,
            high=1,
            weight_range_ratio=1,
            output_range_ratio=1,
            followers=followers,
        )

    errors = [error("a", 30, 50, "b"), error("b", 10, 11, "c", "d"), error("c", 20, 60, "d")]
    assert worst_layers(errors, 9) == ("b", "c", "d", "a")
    assert worst_layers(errors, 2) == ("b", "c")
    assert worst_layers(errors, 0) == ()
    # Labels tell more than decibels.
    told = [replace(each, changed=changed) for each, changed in zip(errors, (5, 0, 9), strict=True)]
    assert worst_layers(told, 2) == ("c", "a")


@pytest.mark.parametrize(
    ("needed", "found"),
    [
        ({"a"}, ("a",)),
        ({"b"}, ("b",)),
        ({"a", "c"}, ("a", "c")),
        ({"c", "d"}, ("c", "d")),
        ({"never"}, ("a", "b", "c", "d")),
    ],
)
def test_no_more_layers_stay_in_float_than_the_gate_needs(
    needed: set[str], found: tuple[str, ...]
) -> None:
    worst = ("a", "b", "c", "d")
    tried = (worst[:count] for count in (1, 2, 3, 4))
    assert fewest(tried, lambda layers: needed <= set(layers)) == found
