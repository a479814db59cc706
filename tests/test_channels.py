"""Channels leave whole: what is silent may go and nothing changes, and the counts are kept."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnedge.errors import CnnedgeError
from cnnedge.specs import InputSize, parse_model, shipped
from cnnedge.specs.arithmetic import trace as trace_spec
from support.networks import shortened

tf_keras = pytest.importorskip("tf_keras")
tf = pytest.importorskip("tensorflow")
layers = tf_keras.layers

SMALL = ["cifar_cnn", "ds_cnn", "fashion_cnn", "lenet", "mlp", "mobilenet_v3_small"]
LARGE = ["efficientnet_lite0", "efficientnet_v2_b0", "mobilenet_v2", "resnet50"]
ALL = [*SMALL, *(pytest.param(name, marks=pytest.mark.heavy) for name in LARGE)]
SIDE = InputSize(height=64, width=64)


@pytest.fixture(autouse=True)
def _seed() -> None:
    tf_keras.utils.set_random_seed(3)


@functools.cache
def shipped_model(name: str) -> Any:
    """Built once for all tests, which change none of its weights."""
    from cnnedge.architectures import build_model

    spec = parse_model(*shipped.read("models", name))
    return awake(build_model(spec, SIDE if spec.backbone else spec.input, 5))


@functools.cache
def in_part(name: str) -> Any:
    """A large one's first half, since all its blocks are alike; a small one whole."""
    return awake(shortened(name)) if name in LARGE else shipped_model(name)


def awake(model: Any) -> Any:
    """The model with no weight at its initial zero or one, values near 1 at each depth."""
    from cnnedge.compression.norm_statistics import reestimate_batch_norm

    random = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            size = layer.gamma.shape
            layer.gamma.assign(random.uniform(0.5, 1.5, size) * random.choice([-1, 1], size))
            layer.beta.assign(random.normal(0, 0.3, size))
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(random.normal(0, 0.1, layer.bias.shape))
    reestimate_batch_norm(model, [pictures(model, 4)])
    return model


def pictures(model: Any, count: int = 3, seed: int = 1) -> Any:
    shape = (count, *model.input_shape[1:])
    return np.random.default_rng(seed).uniform(0, 255, shape).astype(np.float32)


def copy(model: Any) -> Any:
    twin = tf_keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


def some(groups: Any, seed: int = 2) -> dict[str, Any]:
    """About half of each group's channels."""
    random = np.random.default_rng(seed)
    return {
        group.name: np.sort(random.permutation(group.channels)[: (group.channels + 1) // 2])
        for group in groups
    }


@contextlib.contextmanager
def silenced(model: Any, gone: dict[str, Any]) -> Iterator[None]:
    """Meanwhile these channels of the model's layers are zero. A copy would take longer."""
    before = model.get_weights()
    for name, channels in gone.items():
        _silence(model.get_layer(name), channels)
    try:
        yield
    finally:
        model.set_weights(before)


def left_out(groups: Any, kept: dict[str, Any]) -> dict[str, Any]:
    """The channels that are not kept, at each layer from where they are made on."""
    return {
        name: np.setdiff1d(np.arange(group.channels), kept[group.name])
        for group in groups
        for name in (*group.producers, *group.followers)
    }


def _silence(layer: Any, gone: Any) -> None:
    def clear(weight: Any, axis: int, places: Any = gone) -> None:
        if weight is not None:
            values = np.moveaxis(weight.numpy(), axis, 0)
            values[places] = 0
            weight.assign(np.moveaxis(values, 0, axis))

    if isinstance(layer, layers.BatchNormalization):
        clear(layer.gamma, 0)
        clear(layer.beta, 0)
    elif isinstance(layer, layers.DepthwiseConv2D):
        times = layer.depth_multiplier
        clear(layer.bias, 0, [times * c + k for c in gone for k in range(times)])
    else:
        transposed = isinstance(layer, layers.Conv2DTranspose)
        separable = isinstance(layer, layers.SeparableConv2D)
        kernel = layer.pointwise_kernel if separable else layer.kernel
        clear(kernel, 2 if transposed else len(kernel.shape) - 1)
        clear(layer.bias, 0)


def logits(model: Any, values: Any) -> Any:
    """The outputs without softmax, in which differences would vanish."""
    last, before = model.layers[-1], model.layers[-1].activation
    last.activation = tf_keras.activations.linear
    found = model(values, training=False).numpy()
    last.activation = before
    return found


def assert_same(expected: Any, model: Any, values: Any) -> None:
    assert np.isfinite(expected).all()
    assert np.ptp(expected, axis=0).max() > 1e-3  # the pictures matter
    assert logits(model, values) == pytest.approx(
        expected, abs=1e-5 * float(np.abs(expected).max())
    )


def assert_exact(model: Any, kept: dict[str, Any] | None = None) -> Any:
    """Removing channels that are zero changes nothing; gives the smaller model."""
    from cnnedge.compression.channel_graph import channel_groups
    from cnnedge.compression.channels import remove

    groups = channel_groups(model)
    kept = some(groups) | (kept or {})
    smaller, values = remove(model, kept), pictures(model)
    with silenced(model, left_out(groups, kept)):
        quiet = logits(model, values)
    assert_same(quiet, smaller, values)
    with pytest.raises(AssertionError):
        assert_same(logits(model, values), smaller, values)  # what left was not silent before
    return smaller


@pytest.mark.parametrize("name", ALL)
def test_silent_channels_leave_without_a_trace(name: str) -> None:
    from cnnedge.compression.channel_graph import channel_groups

    model = in_part(name)
    for layer in model.layers[::3]:
        layer.trainable = False
    smaller = assert_exact(model)
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    assert [x.trainable for x in smaller.layers] == [x.trainable for x in model.layers]
    assert (smaller.input_names, smaller.name) == (["image"], model.name)
    assert (smaller.input_shape, smaller.output_shape) == (model.input_shape, model.output_shape)
    assert smaller(pictures(model)).numpy().sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert smaller.count_params() < 0.5 * model.count_params()
    # Every layer with a choice of outputs may lose some, but for the last.
    made = {name for group in channel_groups(model) for name in group.producers}
    kinds = (layers.Conv2D, layers.Dense)
    assert made == {layer.name for layer in model.layers if isinstance(layer, kinds)} - {
        model.layers[-1].name
    }


@pytest.mark.parametrize("name", ALL)
def test_targets_are_met(name: str) -> None:
    from cnnedge.compression.channel_graph import channel_groups
    from cnnedge.compression.channels import choose, model_macs, remove
    from cnnedge.compression.importance import importance

    model = in_part(name)
    groups = channel_groups(model)
    scores = importance(model, groups, "l1")
    total = sum(group.channels for group in groups)
    for spread in ("global", "uniform"):
        kept = choose(model, groups, scores, ratio=0.4, spread=spread)
        left = sum(map(len, kept.values()))
        assert left == pytest.approx(0.6 * total, abs=8 if spread == "global" else 0.05 * total)
        kept = choose(model, groups, scores, macs=0.6, spread=spread)
        for group in groups:
            count = len(kept[group.name])
            assert np.array_equal(kept[group.name], np.unique(kept[group.name]))
            assert count >= 8 or group.channels <= 8
            assert count >= 0.1 * group.channels
            assert count % 8 == 0 or count == group.channels or group.channels < 16
        fraction = model_macs(remove(model, kept)) / model_macs(model)
        assert 0.4 < fraction <= 0.6


@pytest.mark.parametrize("name", [*SMALL, *LARGE])
def test_multiply_accumulates_are_those_of_the_definition(name: str) -> None:
    from cnnedge.compression.channels import model_macs

    spec = parse_model(*shipped.read("models", name))
    size = SIDE if spec.backbone else spec.input
    assert model_macs(shipped_model(name)) == sum(row.macs for row in trace_spec(spec, size, 5))


SIZES = {"a": 4, "b": 6, "c": 5, "d": 7}


def branches() -> Any:
    """Concatenation into a sum, flattening, and a batch normalisation over two groups."""
    image = tf_keras.Input((6, 6, 3), name="image")
    x = layers.Rescaling(1 / 255)(image)
    a = layers.Conv2D(4, 3, padding="same", activation="relu", name="a")(x)
    b = layers.Conv2D(6, 3, padding="same", activation="relu", name="b")(x)
    both = layers.Concatenate(name="both")([b, a, b])
    norm = layers.BatchNormalization(name="norm")(both)
    c = layers.Conv2D(5, 1, name="c")(layers.ReLU()(norm))
    flat = layers.Flatten()(layers.Concatenate()([c, layers.MaxPooling2D(1)(a)]))
    d = layers.Dense(7, activation="relu", name="d")(layers.Dropout(0.5)(flat))
    return tf_keras.Model(image, layers.Dense(3, activation="softmax", name="e")(d))


def test_offsets_of_concatenation_and_flattening() -> None:
    from cnnedge.compression.channel_graph import channel_groups
    from cnnedge.compression.channels import remove

    model = awake(branches())
    groups = {group.name: group for group in channel_groups(model)}
    assert {name: group.channels for name, group in groups.items()} == SIZES
    assert (groups["a"].followers, groups["a"].consumers) == (("norm",), ("c", "d"))
    assert (groups["c"].producers, groups["c"].consumers) == (("c",), ("d",))
    kept = {"a": [1, 3], "b": [0, 1, 5], "c": [2, 4], "d": [0, 2, 3, 6]}
    small = remove(model, kept)
    spread = [0, 1, 5, 7, 9, 10, 11, 15]  # b, a + 6, b + 10
    for weight, whole in zip(
        small.get_layer("norm").get_weights(), model.get_layer("norm").get_weights(), strict=True
    ):
        assert np.array_equal(weight, whole[spread])
    assert np.array_equal(
        small.get_layer("c").kernel, model.get_layer("c").kernel.numpy()[:, :, spread][..., [2, 4]]
    )
    rows = [9 * place + column for place in range(36) for column in (2, 4, 6, 8)]
    assert np.array_equal(
        small.get_layer("d").kernel, model.get_layer("d").kernel.numpy()[rows][:, [0, 2, 3, 6]]
    )
    assert np.array_equal(
        small.get_layer("d").bias, model.get_layer("d").bias.numpy()[[0, 2, 3, 6]]
    )
    # The wide batch normalisation by hand, since its places are not those of the groups.
    gone = left_out([groups["c"], groups["d"]], kept)
    gone |= {name: np.setdiff1d(range(groups[name].channels), kept[name]) for name in "ab"}
    with silenced(model, gone | {"norm": np.setdiff1d(range(16), spread)}):
        quiet = logits(model, pictures(model))
    assert_same(quiet, small, pictures(model))


def test_a_sum_with_a_concatenation_couples_all_three() -> None:
    from cnnedge.compression.channel_graph import channel_groups
    from cnnedge.compression.channels import remove

    image = tf_keras.Input((5, 5, 2), name="image")
    a, b, c = (layers.Conv2D(n, 3, name=x)(image) for n, x in ((2, "a"), (3, "b"), (5, "c")))
    total = layers.Add()([layers.Concatenate()([a, b]), c])
    flat = layers.GlobalMaxPooling2D()(layers.ReLU()(total))
    model = awake(tf_keras.Model(image, layers.Dense(3, name="d")(flat)))
    (group,) = channel_groups(model)
    assert (group.name, group.channels, set(group.producers)) == ("a", 5, {"a", "b", "c"})
    whole = {name: model.get_layer(name).kernel.numpy() for name in "abcd"}
    small = remove(model, {group.name: [1, 2, 4]})
    assert np.array_equal(small.get_layer("a").kernel, whole["a"][..., [1]])
    assert np.array_equal(small.get_layer("b").kernel, whole["b"][..., [0, 2]])
    assert np.array_equal(small.get_layer("c").kernel, whole["c"][..., [1, 2, 4]])
    assert np.array_equal(small.get_layer("d").kernel, whole["d"][[1, 2, 4]])


def residual() -> Any:
    image = tf_keras.Input((8, 8, 3), name="image")
    x = stem = layers.Conv2D(12, 3, padding="same", name="stem")(layers.Rescaling(1 / 255)(image))
    for block in range(3):
        y = layers.BatchNormalization()(x)
        y = layers.Conv2D(10, 3, padding="same", activation="relu", name=f"wide_{block}")(y)
        y = layers.Conv2D(12, 3, padding="same", name=f"back_{block}")(y)
        x = layers.Add()([y, x]) if block else layers.Maximum()([x, y])
    x = layers.Average()([x, layers.Subtract()([x, stem])])
    x = layers.GlobalAveragePooling2D()(layers.LeakyReLU()(x))
    return tf_keras.Model(image, layers.Dense(4, activation="softmax")(x))


def mixed() -> Any:
    """Separable, depthwise with multipliers, transposed; squeeze and excite in three spellings."""
    image = tf_keras.Input((8, 8, 3), name="image")
    x = layers.Rescaling(1 / 255, -0.5)(image)
    x = layers.SeparableConv2D(8, 3, depth_multiplier=2, activation="swish", name="first")(x)
    x = layers.SeparableConv2D(6, 3, depth_multiplier=3, padding="same", name="second")(x)
    x = layers.ZeroPadding2D(1)(layers.ReLU(6.0)(layers.BatchNormalization()(x)))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="tanh")(x)
    x = layers.Conv2DTranspose(9, 3, strides=2, activation="relu", name="up")(x)
    for spelling in range(3):
        keep = spelling == 0
        gate = layers.GlobalAveragePooling2D(keepdims=keep)(x)
        if spelling == 1:
            gate = layers.Reshape((1, 1, 9))(gate)
        dense = layers.Dense if spelling == 2 else layers.Conv2D
        window = {} if spelling == 2 else {"kernel_size": 1}
        gate = dense(4, activation="relu", name=f"squeeze_{spelling}", **window)(gate)
        gate = dense(9, name=f"excite_{spelling}", **window)(gate)
        gate = tf.nn.relu6(gate + 3.0) * (1 / 6)
        x = layers.Multiply()([x, gate])
    x = layers.AveragePooling2D()(layers.SpatialDropout2D(0.2)(x))
    x = layers.Reshape((-1,))(layers.UpSampling2D()(x))
    return tf_keras.Model(image, layers.Dense(4, activation="softmax")(x))


@pytest.mark.parametrize("build", [residual, mixed])
def test_silent_channels_leave_awkward_networks(build: Any) -> None:
    from cnnedge.compression.channel_graph import channel_groups

    model = awake(build())
    smaller = assert_exact(model)
    groups = {group.name: group for group in channel_groups(model)}
    if build is residual:
        assert groups["stem"].producers == ("stem", "back_0", "back_1", "back_2")
        assert smaller.get_layer("back_2").kernel.shape == (3, 3, 5, 6)
    else:
        assert set(groups["up"].producers) == {"up", "excite_0", "excite_1", "excite_2"}
        assert groups["first"].consumers == ("second",)
        assert smaller.get_layer("second").depthwise_kernel.shape == (3, 3, 4, 3)


def test_a_sequential_model_leaves_as_a_functional_one() -> None:
    from cnnedge.compression.channel_graph import channel_groups

    model = tf_keras.Sequential(
        [
            tf_keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(6, activation="relu", name="hidden"),
            layers.Dense(2, activation="softmax"),
        ]
    )
    smaller = assert_exact(awake(model))
    assert not isinstance(smaller, tf_keras.Sequential)
    assert "hidden" in [group.name for group in channel_groups(model)]


def frozen_network() -> Any:
    image = tf_keras.Input((8, 8, 4), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="free")(image)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="read_by_groups")(x)
    x = layers.Conv2D(8, 3, padding="same", groups=2, name="grouped")(x)
    x = layers.Conv2D(6, 1, activation="relu", name="read_twice")(x)
    twice = layers.Conv2D(6, 3, padding="same", activation="relu", name="shared")
    x = twice(twice(x))
    x = layers.LayerNormalization()(layers.Conv2D(6, 1, name="normalised")(x))
    x = layers.Conv2D(6, 1, activation="softmax", name="softmax")(x)
    spread = layers.Conv2D(1, 1, activation="sigmoid", name="spread")(x)
    x = layers.Conv2D(8, 1, activation="relu", name="spread_over")(x) * spread
    x = layers.Conv2D(8, 1, activation="relu", name="scaled")(x) * np.arange(8, dtype=np.float32)
    x = layers.Conv2D(6, 1, activation="relu", name="permuted")(x)
    x = layers.Conv2D(6, 3, activation="relu", name="sliced")(layers.Permute((3, 1, 2))(x)[:, 1:])
    x = layers.Softmax(name="over_all")(x)
    return tf_keras.Model(image, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))


def test_what_is_not_understood_stays_whole() -> None:
    from cnnedge.compression.channel_graph import channel_groups, trace

    model = awake(frozen_network())
    groups = channel_groups(model)
    assert [group.name for group in groups] == ["free", "spread_over"]
    reasons = trace(model).frozen
    assert "grouped convolution" in reasons["read_by_groups"]
    assert "used more than once" in reasons["read_twice"]
    assert "LayerNormalization, which cnnedge does not know" in reasons["normalised"]
    assert "over all channels" in reasons["softmax"]
    assert "spreads it over other channels" in reasons["spread"]
    assert "a number for each channel" in reasons["scaled"]
    assert "Permute" in reasons["permuted"]
    assert "Softmax" in reasons["sliced"]
    assert_exact(model)


def test_what_cannot_be_done_is_said() -> None:
    from cnnedge.compression.channel_graph import channel_groups
    from cnnedge.compression.channels import choose, model_macs, remove
    from cnnedge.compression.importance import importance

    image = tf_keras.Input((8, 8, 1), name="image")
    inner = tf_keras.Sequential([layers.Conv2D(8, 3, name="deep")], name="inside")
    nested = tf_keras.Model(image, layers.Dense(2)(layers.Flatten()(inner(image))))
    for call in (channel_groups, model_macs, lambda model: remove(model, {})):
        with pytest.raises(CnnedgeError, match="'deep' is nested in 'inside'"):
            call(nested)
    bare = tf_keras.Model(image, layers.Conv2D(8, 3, name="only", activation="relu")(image))
    assert channel_groups(bare) == ()
    with pytest.raises(CnnedgeError, match="'only': its outputs are the model's"):
        choose(bare, (), {}, ratio=0.5)
    anysize = tf_keras.Input((None, None, 1))
    with pytest.raises(CnnedgeError, match="'wide' has feature maps of unknown size"):
        model_macs(tf_keras.Model(anysize, layers.Conv2D(8, 3, name="wide")(anysize)))
    model = branches()
    groups = channel_groups(model)
    for kept, said in [
        ({"e": [0]}, "layer 'e' produces no channels.*its outputs are the model's"),
        ({"x": [0]}, "layer 'x' produces no channels"),
        ({"a": []}, "'a' has channels 0..3, of which at least one"),
        ({"a": [4]}, "'a' has channels 0..3"),
    ]:
        with pytest.raises(CnnedgeError, match=said):
            remove(model, kept)
    with pytest.raises(CnnedgeError, match="no group of channels 'b'"):
        choose(bare, groups, importance(model, groups, "l1"), ratio=0.5)
    with pytest.raises(ValueError, match="exactly one"):
        choose(model, groups, {}, ratio=0.5, macs=0.5)
    with pytest.raises(ValueError, match="taylor needs"):
        importance(model, groups, "taylor")


@pytest.mark.parametrize("spread", ["global", "uniform"])
def test_the_least_that_can_be_reached_is_said_and_reached(spread: Any) -> None:
    from cnnedge.compression.channel_graph import channel_groups
    from cnnedge.compression.channels import choose, model_macs, remove
    from cnnedge.compression.importance import importance

    model = shipped_model("cifar_cnn")
    groups = channel_groups(model)
    scores = importance(model, groups, "batch_norm")
    with pytest.raises(CnnedgeError) as caught:
        choose(model, groups, scores, macs=0.01, spread=spread)
    least = float(str(caught.value).split(" remain")[0].split()[-1])
    kept = choose(model, groups, scores, macs=least, spread=spread)
    assert model_macs(remove(model, kept)) <= least * model_macs(model)
    assert [len(kept[group.name]) for group in groups] == [8, 8, 8, 8, 16, 16]
    with pytest.raises(CnnedgeError, match=r"0.95 of 448 .* 0.857 can"):
        choose(model, groups, scores, ratio=0.95, spread=spread)
    fine = choose(model, groups, scores, ratio=0.95, spread=spread, multiple=1, keep_at_least=0.01)
    assert sum(map(len, fine.values())) == pytest.approx(0.05 * 448, abs=3)


def test_the_lowest_scores_leave_and_given_groups_alone() -> None:
    from cnnedge.compression.channel_graph import channel_groups
    from cnnedge.compression.channels import choose

    model = branches()
    groups = channel_groups(model)
    scores = {"a": [4, 3, 2, 1], "b": [9, 9, 0, 9, 0, 9], "c": [5] * 5, "d": [7, 6, 5, 4, 3, 2, 1]}
    rows = {name: np.array(row, np.float32) for name, row in scores.items()}
    kept = choose(model, groups, rows, ratio=5 / 22)
    found = {name: row.tolist() for name, row in kept.items()}
    assert found["b"] == [0, 1, 3, 5]
    assert sum(map(len, found.values())) == 17
    assert (found["a"], found["c"], found["d"][:5]) == ([0, 1], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    one = [group for group in groups if group.name == "d"]
    assert choose(model, one, rows, ratio=3 / 7)["d"].tolist() == [0, 1, 2, 3]
    assert all(row.dtype == np.int64 for row in kept.values())
    assert all(
        len(row) == group.channels
        for group, row in zip(groups, choose(model, groups, rows, macs=1.0).values(), strict=True)
    )


def test_a_ranking_by_cost_spares_what_is_cheap() -> None:
    from cnnedge.compression.channel_graph import channel_groups
    from cnnedge.compression.channels import choose, model_macs, remove

    model = shipped_model("cifar_cnn")
    groups = channel_groups(model)
    same = {group.name: np.linspace(0, 1, group.channels, dtype=np.float32) for group in groups}
    left = {}
    for per_cost in (False, True):
        kept = choose(model, groups, same, macs=0.5, per_cost=per_cost)
        assert model_macs(remove(model, kept)) <= 0.5 * model_macs(model)
        left[per_cost] = sum(map(len, kept.values()))
    assert left[True] > left[False]  # the dearest go, so fewer have to


def test_filters_count_by_their_norms_and_gammas() -> None:
    from cnnedge.compression.channel_graph import channel_groups
    from cnnedge.compression.importance import importance

    model = awake(branches())
    groups = channel_groups(model)
    norms = importance(model, groups, "l1")
    sums = np.abs(model.get_layer("b").kernel.numpy()).sum(axis=(0, 1, 2))
    assert norms["b"] == pytest.approx(sums / sums.mean(), rel=1e-5)
    gammas = importance(model, groups, "batch_norm")
    known = np.abs(model.get_layer("norm").gamma.numpy())
    assert gammas["a"] == pytest.approx(known[6:10], rel=1e-6)
    assert gammas["b"] == pytest.approx((known[:6] + known[10:]) / 2, rel=1e-6)
    level = np.concatenate([gammas["a"], gammas["b"]]).mean()
    assert gammas["d"] == pytest.approx(level * norms["d"], rel=1e-5)
    assert all(row.dtype == np.float32 for row in (*norms.values(), *gammas.values()))


@pytest.mark.parametrize("build", [branches, residual, mixed])
def test_taylor_is_the_slope_of_the_loss(build: Any) -> None:
    """By differences: the loss with a channel a little fainter wherever it is read."""
    from cnnedge.compression.channel_graph import channel_groups, trace
    from cnnedge.compression.importance import importance

    model = awake(build())
    values = pictures(model, 40)
    targets = np.eye(model.output_shape[-1], dtype=np.float32)[np.arange(40) % 3]
    groups = channel_groups(model)
    scores = importance(model, groups, "taylor", values, targets)
    graph = trace(model)

    def losses() -> Any:
        found = logits(model, values).astype(np.float64)
        each = np.log(np.exp(found).sum(axis=1)) - (targets * found).sum(axis=1)
        return np.array([each[:32].mean(), each[32:].mean()])

    for place in range(3):
        group, step, ends = groups[place], 0.001, []
        most = scores[group.name].argmax()
        for sign in (1, -1):
            before = model.get_weights()
            for slot in graph.slots:
                if slot.role == "consumes":
                    weight = getattr(model.get_layer(slot.layer), slot.weight)
                    mine = (graph.group_of[slot.channels] == place) & (
                        graph.index_of[slot.channels] == most
                    )
                    shape = [-1 if axis == slot.axis else 1 for axis in range(len(weight.shape))]
                    weight.assign(weight * np.where(mine, 1 + sign * step, 1).reshape(shape))
            ends.append(losses())
            model.set_weights(before)
        slopes = (ends[0] - ends[1]) / (2 * step)
        assert scores[group.name][most] == pytest.approx((slopes**2).mean(), rel=0.03)


def test_batch_norm_anew_is_what_training_would_have_counted() -> None:
    from cnnedge.compression.norm_statistics import reestimate_batch_norm

    model = awake(residual())
    reference = copy(model)
    for layer in reference.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0
    model.get_layer("wide_0").trainable = False
    frozen = [x for x in model.layers if isinstance(x, layers.BatchNormalization)][1]
    frozen.trainable = False
    batches = [pictures(model, 8, seed) for seed in (3, 4)]
    moving = []
    for batch in batches:
        reference(batch, training=True)
        moving.append([w.numpy() for w in reference.weights if "moving" in w.name])
    expected = [np.mean(each, axis=0) for each in zip(*moving, strict=True)]
    others = [w.numpy() for w in model.weights if "moving" not in w.name]
    reestimate_batch_norm(model, iter(batches))
    found = [w.numpy() for w in model.weights if "moving" in w.name]
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4)
    kept = [w.numpy() for w in model.weights if "moving" not in w.name]
    assert all(np.array_equal(a, b) for a, b in zip(kept, others, strict=True))
    assert not frozen.trainable and not model.get_layer("wide_0").trainable
    with pytest.raises(ValueError, match="at least one picture"):
        reestimate_batch_norm(model, [])


@pytest.mark.parametrize(
    "name", ["mobilenet_v3_small", "lenet", pytest.param("resnet50", marks=pytest.mark.heavy)]
)
def test_the_smaller_model_saves_and_converts(name: str, tmp_path: Path) -> None:
    from cnnedge.compression.channel_graph import channel_groups
    from cnnedge.compression.channels import remove
    from cnnedge.converter import convert

    interpreters = pytest.importorskip("ai_edge_litert.interpreter")
    model = shipped_model(name)
    smaller = remove(model, some(channel_groups(model)))
    values = pictures(model, 1)
    expected = smaller(values).numpy()
    smaller.save(tmp_path / "model.keras")
    again = tf_keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert again(values).numpy() == pytest.approx(expected, abs=1e-6)
    assert len(channel_groups(again)) == len(channel_groups(model))
    cut = convert(smaller, "float32", values.astype(np.uint8))
    # What the whole model's file holds at least: its batch normalisation is within its kernels.
    norms = layers.BatchNormalization
    whole = sum(x.count_params() for x in model.layers if not isinstance(x, norms))
    assert len(cut) < 0.6 * 4 * whole
    interpreter = interpreters.Interpreter(model_content=cut)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert found == pytest.approx(expected, abs=1e-4)
