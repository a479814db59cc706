"""Compression by tensorflow-model-optimization: what is zero, shared or int8 in the files.

Tiny networks that learn which quarter of a picture is bright, trained for seconds.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnedge.bundle import read_graph, read_model
from cnnedge.bundle.cost import sparsity as file_sparsity
from cnnedge.bundle.cost import weights as file_weights
from cnnedge.engines import load_engine
from cnnedge.errors import CnnedgeError, MissingExtraError

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")
pytest.importorskip("tensorflow_model_optimization")

from cnnedge.compression.tfmot_edges import wrapping as edges  # noqa: E402
from cnnedge.converter import convert  # noqa: E402
from cnnedge.training import fused  # noqa: E402
from cnnedge.training.backend import make_repeatable, unconverted  # noqa: E402
from support.networks import backbone, shortened  # noqa: E402

layers = tf_keras.layers
CLASSES = 4
COUNT = 96
CLUSTERS = 8
# What pruning and clustering may change in `network`.
PRUNABLE = ("expand", "project", "plain", "relued", "out")
KINDS = ("prune", "cluster", "qat", "pqat", "cqat", "pcqat")


@functools.cache
def data() -> tuple[Any, Any]:
    """Pictures uint8 [n, 16, 16, 3] with one bright quarter, and which one, one-hot."""
    rng = np.random.default_rng(5)
    pictures = rng.integers(0, 120, (COUNT, 16, 16, 3)).astype(np.uint8)
    labels = np.arange(COUNT) % CLASSES
    for picture, label in zip(pictures, labels, strict=True):
        row, column = divmod(label, 2)
        picture[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] += 100
    return pictures, np.eye(CLASSES, dtype=np.float32)[labels]


def network() -> Any:
    """Every kind of layer that a backbone is made of."""
    image = tf_keras.Input((16, 16, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1, name="pixel_scaling")(image)
    x = layers.ZeroPadding2D(1, name="pad")(x)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(momentum=0.8, name="stem_bn")(x)
    shortcut = layers.ReLU(6.0, name="stem_relu")(x)
    x = layers.Conv2D(16, 1, use_bias=False, name="expand")(shortcut)
    x = layers.BatchNormalization(momentum=0.8, name="expand_bn")(x)
    x = layers.Activation("relu", name="expand_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = layers.BatchNormalization(momentum=0.8, name="depthwise_bn")(x)
    x = layers.ReLU(6.0, name="depthwise_relu")(x)
    x = layers.Conv2D(8, 1, name="project")(x)
    x = layers.BatchNormalization(momentum=0.8, name="project_bn")(x)
    x = layers.Add(name="add")([shortcut, x])
    x = layers.Activation("relu", name="add_relu")(x)
    x = layers.Conv2D(16, 3, activation="relu", name="plain")(x)
    x = layers.Conv2D(16, 3, name="relued")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.1, name="dropout")(x)
    x = layers.Dense(CLASSES, activation="softmax", name="out")(x)
    return tf_keras.Model(image, x)


def train(model: Any, epochs: int, callbacks: Any = (), rate: float = 1e-3) -> Any:
    pictures, targets = data()
    if not getattr(model, "optimizer", None):
        model.compile(fused.adam(rate), "categorical_crossentropy")
        # A step that makes variables would be traced twice.
        model.optimizer.build(model.trainable_variables)
    # As trainings of the house do.
    model.train_step = unconverted(model.train_step)
    values = pictures.astype(np.float32)
    model.fit(
        values,
        targets,
        batch_size=16,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
    return model


def labels_of(model: Any) -> Any:
    return model(data()[0].astype(np.float32), training=False).numpy().argmax(axis=1)


def right(labels: Any) -> float:
    return float(np.mean(labels == data()[1].argmax(axis=1)))


def prune(model: Any, sparsity: float = 0.8, pattern: Any = "unstructured") -> tuple[Any, Any]:
    return edges.for_pruning(
        model, sparsity=sparsity, pattern=pattern, begin_step=0, end_step=10, frequency=4
    )


def kernel(model: Any, name: str) -> Any:
    return model.get_layer(name).get_weights()[0]


@functools.cache
def learned() -> Any:
    make_repeatable(3)
    return train(network(), 12)


@functools.cache
def pruned() -> Any:
    wrapped, callbacks = prune(learned())
    return edges.strip(train(wrapped, 3, callbacks))


@functools.cache
def clustered() -> Any:
    """Of the pruned one, its zeros kept."""
    wrapped = edges.for_clustering(pruned(), clusters=CLUSTERS, preserve_sparsity=True)
    return edges.strip(train(wrapped, 2))


@functools.cache
def quantised(kind: str) -> Any:
    model = quantisable(kind)
    edges.calibrate(model, data()[0])
    return train(model, 2)


def quantisable(kind: str) -> Any:
    if kind == "qat":
        return edges.for_qat(learned())
    if kind == "pqat":
        return edges.for_qat(pruned(), preserve_sparsity=True)
    return edges.for_qat(clustered(), preserve_clusters=True, preserve_sparsity=kind == "pcqat")


def as_file(model: Any, variant: str, folder: Path, pictures: Any = None) -> Any:
    path = folder / "model.tflite"
    calibration = data()[0][:32] if pictures is None else pictures
    path.write_bytes(convert(model, variant, calibration))
    return read_model(path)


def test_pruning_reaches_the_sparsity_and_strip_keeps_it() -> None:
    before = learned().get_weights()
    wrapped, callbacks = prune(learned())
    train(wrapped, 3, callbacks)
    plain = edges.strip(wrapped)
    assert edges.compressible(learned()) == list(PRUNABLE)
    for name in PRUNABLE:
        values = kernel(plain, name)
        assert np.mean(values == 0) == pytest.approx(0.8, abs=0.5 / values.size + 1e-9)
    for name in ("stem", "depthwise"):
        assert np.all(kernel(plain, name) != 0)
    assert edges.sparsity(wrapped) == edges.sparsity(plain) == pytest.approx(0.75, abs=0.05)
    assert edges.sparsity(learned()) < 0.01
    assert np.array_equal(labels_of(wrapped), labels_of(plain))
    assert right(labels_of(plain)) > 0.9
    for old, new in zip(before, learned().get_weights(), strict=True):
        assert np.array_equal(old, new)


def test_names_and_types_are_those_of_the_model_that_came() -> None:
    names = [layer.name for layer in learned().layers]
    wrapped = prune(learned())[0]
    for model in (wrapped, edges.for_clustering(learned(), clusters=4), quantisable("qat")):
        assert [layer.name for layer in model.layers] == names
    plain = edges.strip(wrapped)
    assert [type(a) for a in plain.layers] == [type(b) for b in learned().layers]
    assert [w.name for w in plain.weights] == [w.name for w in learned().weights]


@pytest.mark.parametrize(
    ("begin", "end", "frequency"),
    [(0, 10, 3), (5, 9, 100), (1, 100, 7), (0, 1, 1), (3, 3, 2), (0, 2, 1)],
)
def test_the_last_pruning_step_has_the_full_sparsity(begin: int, end: int, frequency: int) -> None:
    model = edges.for_pruning(
        learned(),
        sparsity=0.7,
        pattern="unstructured",
        begin_step=begin,
        end_step=end,
        frequency=frequency,
    )[0]
    schedule = model.get_layer("out").pruning_schedule
    found = {
        step: float(target)
        for step in range(1, end + 1)
        for now, target in [schedule(tf.constant(step, tf.int64))]
        if bool(now)
    }
    last = max(found)
    assert max(begin, 1) <= min(found)
    assert end - frequency < last <= end
    assert found[last] == pytest.approx(0.7)


def test_two_of_four_along_the_input_channels_of_the_file(tmp_path: Path) -> None:
    wrapped, callbacks = prune(learned(), 0.5, "2:4")
    train(wrapped, 1, callbacks)
    found = 0
    for _, values in shaped(as_file(edges.strip(wrapped), "float32", tmp_path)):
        if values.shape[-1] % 4 == 0 and values.shape[0] > 1:
            groups = values.reshape(-1, 4)
            assert np.all(np.sum(groups == 0, axis=1) == 2), values.shape
            found += 1
    assert found == len(PRUNABLE)


def shaped(model: Any) -> list[tuple[Any, Any]]:
    """Each kernel of a file with its values in its shape, output channels first."""
    return [(tensor, values.reshape(tensor.shape)) for tensor, values in file_weights(model)]


def test_pruning_without_its_callback_fails_loudly() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="UpdatePruningStep"):
        train(prune(learned())[0], 1)


def sparse_network(padding: int = 1, channels: int = 3) -> Any:
    """What XNNPACK runs sparsely: MobileNet's layers with padding of their own."""
    image = tf_keras.Input((17, 17, channels), name="image")
    x = layers.Rescaling(1 / 255, name="rescaling_0")(image)
    x = layers.ZeroPadding2D(padding)(x)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="stem")(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3, strides=2, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(16, 1, name="pointwise")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return tf_keras.Model(image, layers.Dense(3, activation="softmax", name="out")(x))


def test_for_xnnpack_only_pointwise_convolutions_are_pruned() -> None:
    wrapped = prune(sparse_network(), 0.7, "xnnpack")[0]
    kinds = {layer.name: type(layer).__name__ for layer in wrapped.layers}
    assert [name for name, kind in kinds.items() if kind == "PruneLowMagnitude"] == ["pointwise"]


def test_for_xnnpack_padding_is_written_out_where_it_is_the_same() -> None:
    image = tf_keras.Input((17, 17, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="stem")(image)
    x = layers.DepthwiseConv2D(5, strides=2, padding="same", name="wide")(x)
    shortcut = layers.Conv2D(8, 1, name="pointwise")(x)
    x = layers.DepthwiseConv2D(3, padding="same")(layers.ReLU()(shortcut))
    x = layers.GlobalAveragePooling2D()(layers.Add()([shortcut, x]))
    model = tf_keras.Model(image, layers.Dense(3, activation="softmax")(x))
    wrapped, _ = prune(model, 0.7, "xnnpack")
    plain = edges.strip(wrapped)
    added = {layer.name for layer in plain.layers} - {layer.name for layer in model.layers}
    assert added == {"stem_pad", "wide_pad"}
    pictures = np.random.default_rng(0).uniform(0, 255, (4, 17, 17, 3)).astype(np.float32)
    assert np.allclose(plain(pictures), model(pictures), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (functools.partial(sparse_network, padding=2), "must begin with ZeroPadding2D of 1"),
        (functools.partial(sparse_network, channels=1), "on a colour picture"),
        (network, "must end in GlobalAveragePooling2D"),
    ],
)
def test_for_xnnpack_the_reason_is_given(model: Callable[[], Any], reason: str) -> None:
    with pytest.raises(CnnedgeError, match=reason):
        prune(model(), 0.7, "xnnpack")


def test_for_xnnpack_the_layers_in_the_way_are_named() -> None:
    image = tf_keras.Input((17, 17, 3))
    x = layers.Conv2D(8, 3, strides=2)(layers.ZeroPadding2D(1)(image))
    x = layers.Conv2D(8, 3, name="wide")(x)
    model = tf_keras.Model(image, layers.GlobalAveragePooling2D()(x))
    with pytest.raises(CnnedgeError, match=r"wide \(Conv2D\)"):
        prune(model, 0.7, "xnnpack")


def test_clustering_leaves_few_values_and_keeps_zeros() -> None:
    model = clustered()
    for name in PRUNABLE:
        assert len(np.unique(kernel(model, name))) <= CLUSTERS
        assert np.all(kernel(model, name)[kernel(pruned(), name) == 0] == 0)
    assert edges.sparsity(model) == pytest.approx(edges.sparsity(pruned()), abs=0.01)
    assert right(labels_of(model)) > 0.9


def test_clustering_without_zeros_to_keep() -> None:
    wrapped = train(edges.for_clustering(learned(), clusters=CLUSTERS), 1)
    plain = edges.strip(wrapped)
    assert np.allclose(wrapped(data()[0][:8] * 1.0), plain(data()[0][:8] * 1.0), atol=1e-6)
    for name in PRUNABLE:
        assert len(np.unique(kernel(plain, name))) <= CLUSTERS
    assert len(np.unique(kernel(plain, "stem"))) > CLUSTERS


@pytest.mark.parametrize("kind", ["qat", "pqat", "cqat", "pcqat"])
def test_the_int8_file_is_all_int8_and_answers_alike(kind: str, tmp_path: Path) -> None:
    model = quantised(kind)
    file = as_file(model, "int8", tmp_path)
    assert_all_int8(file)
    names = [op.name for op in file.graph.operators]
    # No batch normalisation of its own is left: only the scaling multiplies, and adds a second.
    assert names.count("MUL") == 1
    assert names.count("ADD") == 2
    answers = labels_of(model)
    assert np.mean(file_labels(file) == answers) > 0.95
    assert np.mean(answers == labels_of(learned())) > 0.9
    assert right(file_labels(file)) > 0.9


def assert_all_int8(file: Any) -> None:
    assert {tensor.dtype for tensor in file.graph.tensors} <= {"int8", "uint8", "int32"}
    assert file.input.dtype == file.output.dtype == "uint8"
    assert (file.input.scales, file.input.zero_points) == ((1.0,), (0,))


def file_labels(file: Any) -> Any:
    engine = load_engine(file)
    answers = []
    for picture in data()[0]:
        engine.set_input(picture[None])
        answers.append(int(engine.invoke().argmax()))
    return np.array(answers)


@pytest.mark.parametrize("kind", ["pqat", "pcqat"])
def test_zeros_are_in_the_int8_file(kind: str, tmp_path: Path) -> None:
    file = as_file(quantised(kind), "int8", tmp_path)
    assert file_sparsity(file) >= 0.95 * edges.sparsity(pruned())
    assert edges.sparsity(quantised(kind)) >= 0.95 * edges.sparsity(pruned())


def test_zeros_are_lost_without_asking_for_them() -> None:
    model = edges.for_qat(pruned())
    edges.calibrate(model, data()[0])
    assert edges.sparsity(train(model, 1)) < 0.5 * edges.sparsity(pruned())


@pytest.mark.parametrize("kind", ["cqat", "pcqat"])
def test_clusters_are_in_the_int8_file(kind: str, tmp_path: Path) -> None:
    few = [
        max(len(np.unique(channel)) for channel in values)
        for _, values in shaped(as_file(quantised(kind), "int8", tmp_path))
    ]
    assert sum(count <= CLUSTERS for count in few) >= len(PRUNABLE)


def test_weights_before_a_relu_layer_are_quantised_too() -> None:
    names = {w.name.rpartition("/")[2] for w in quantisable("qat").get_layer("relued").weights}
    assert {"kernel_min:0", "kernel_max:0"} <= names


def test_each_channel_of_a_depthwise_kernel_has_its_own_range(tmp_path: Path) -> None:
    scales = np.array([1, 0.1, 0.01, 0.001], np.float32)
    values = np.random.default_rng(0).normal(size=(3, 3, 4, 1)).astype(np.float32)
    image = tf_keras.Input((8, 8, 4), name="image")
    x = layers.DepthwiseConv2D(3, use_bias=False, name="depthwise")(image)
    x = layers.BatchNormalization(center=False, name="even")(x)
    model = tf_keras.Model(image, layers.GlobalAveragePooling2D()(layers.ReLU()(x)))
    model.get_layer("depthwise").set_weights([values * scales[:, None]])
    model.get_layer("even").set_weights([1 / scales, np.zeros(4), np.ones(4)])
    pictures = np.random.default_rng(1).integers(0, 256, (8, 8, 8, 4)).astype(np.uint8)
    wrapped = edges.for_qat(model)
    edges.calibrate(wrapped, pictures)
    [(tensor, found)] = shaped(as_file(wrapped, "int8", tmp_path, pictures))
    folded = found[0] * np.array(tensor.scales) / np.sqrt(1 / 1.001)
    assert np.allclose(folded, values[..., 0], atol=np.abs(values).max() / 100)


def test_layers_that_tfmot_alone_would_refuse(tmp_path: Path) -> None:
    """Normalisation that follows no convolution, and separable convolutions."""
    image = tf_keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, activation="relu", name="first")(image)
    x = layers.BatchNormalization(name="alone")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.SeparableConv2D(16, 3, use_bias=False, name="separable")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu6")(x)
    x = layers.Conv2D(8, 1, name="linear")(x)
    x = layers.Activation("relu6")(x)
    x = layers.LeakyReLU(0.1)(layers.AveragePooling2D()(x))
    x = layers.Dense(8, use_bias=False)(layers.GlobalMaxPooling2D()(x))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    model = train(tf_keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x)), 4)
    plain = edges.strip(prune(model)[0])
    assert [type(a) for a in plain.layers] == [type(b) for b in model.layers]
    wrapped = edges.for_qat(model, preserve_sparsity=True)
    edges.calibrate(wrapped, data()[0])
    assert np.mean(labels_of(wrapped) == labels_of(model)) > 0.9
    assert_all_int8(as_file(train(wrapped, 1), "int8", tmp_path))


def test_layers_that_cannot_be_quantised_are_all_named() -> None:
    image = tf_keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(4, 3, activation="relu6", name="clipped")(image)
    x = layers.Activation("elu", name="smooth")(x)
    x = layers.Multiply(name="gate")([x, layers.Conv2D(4, 1, activation="sigmoid")(x)])
    x = layers.Dense(CLASSES, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    with pytest.raises(CnnedgeError) as caught:
        edges.for_qat(tf_keras.Model(image, x))
    said = str(caught.value)
    assert "clipped (Conv2D, activation relu6), smooth (Activation, activation elu)" in said
    assert "gate (Multiply)." in said
    assert "after training instead" in said


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_layers_stay_bit_for_bit(kind: str) -> None:
    source = {"pqat": pruned, "cqat": clustered, "pcqat": clustered}.get(kind, learned)()
    model = tf_keras.models.clone_model(source)
    model.set_weights(source.get_weights())
    frozen = ("stem", "stem_bn", "expand", "expand_bn", "depthwise", "depthwise_bn", "plain")
    for name in frozen:
        model.get_layer(name).trainable = False
    before = {layer.name: layer.get_weights() for layer in model.layers}
    wrapped, callbacks = wrap(kind, model)
    train(wrapped, 1, callbacks, rate=0.01)
    for name in frozen:
        after = {w.name.rpartition("/")[2]: w.numpy() for w in wrapped.get_layer(name).weights}
        for variable, old in zip(model.get_layer(name).weights, before[name], strict=True):
            assert np.array_equal(after[variable.name.rpartition("/")[2]], old), variable.name
    for name in ("project", "relued", "out"):
        assert not np.array_equal(effective(wrapped, name), before[name][0])
    assert not [w for n in frozen for w in wrapped.get_layer(n).trainable_weights]
    if kind in ("prune", "cluster"):
        flags = [layer.trainable for layer in edges.strip(wrapped).layers]
        assert flags == [layer.trainable for layer in model.layers]


def test_a_pruned_model_hands_on_what_it_did() -> None:
    """Frozen statistics are of the network before there were zeros: they drown what is left."""
    from cnnedge.compression.norm_statistics import match, outgoing
    from cnnedge.compression.workshop import frozen_norms

    model = tf_keras.models.clone_model(learned())
    model.set_weights(learned().get_weights())
    norms = [layer.name for layer in model.layers if layer.name.endswith("_bn")]
    for name in norms:
        model.get_layer(name).trainable = False
    batches = [data()[0].astype(np.float32)]
    wanted = outgoing(model, batches)
    before = {name: model.get_layer(name).get_weights() for name in norms}
    # Nothing was taken, nothing is changed.
    match(model, wanted, batches)
    for name in norms:
        for old, new in zip(before[name], model.get_layer(name).get_weights(), strict=True):
            np.testing.assert_allclose(new, old, rtol=1e-3, atol=1e-4)
    wrapped, callbacks = wrap("prune", model)
    train(wrapped, 1, callbacks, rate=0.01)
    assert frozen_norms(wrapped)
    match(wrapped, wanted, batches)
    found = outgoing(wrapped, batches)
    for name in norms:
        np.testing.assert_allclose(found[name].mean, wanted[name].mean, atol=0.02)
        # What is left of a few kernels is so small that epsilon is all of its spread.
        alive = np.asarray(found[name].spread) > 0.5
        assert alive.mean() > 0.75
        both = (np.asarray(each[name].spread)[alive] for each in (found, wanted))
        np.testing.assert_allclose(*both, atol=0.02)
        gamma, beta = wrapped.get_layer(name).get_weights()[:2]
        assert np.array_equal(gamma, before[name][0]) and np.array_equal(beta, before[name][1])
    stripped = edges.strip(wrapped).get_layer("project_bn").get_weights()
    assert np.array_equal(stripped[2], wrapped.get_layer("project_bn").get_weights()[2])


def effective(model: Any, name: str) -> Any:
    from cnnedge.compression.tfmot_edges.layers import kernels

    return next(values for _, values in kernels(model.get_layer(name)))


def wrap(kind: str, model: Any) -> tuple[Any, Any]:
    if kind == "prune":
        return prune(model)
    if kind == "cluster":
        return edges.for_clustering(model, clusters=CLUSTERS), ()
    return edges.for_qat(
        model, preserve_sparsity=kind in ("pqat", "pcqat"), preserve_clusters="cq" in kind
    ), ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_rebuilt_model_goes_on_as_the_first_would_have(kind: str, tmp_path: Path) -> None:
    source = {"pqat": pruned, "cqat": clustered, "pcqat": clustered}.get(kind, learned)()

    def checkpoint(model: Any) -> Any:
        model.compile(fused.adam(1e-3), "categorical_crossentropy")
        model.optimizer.build(model.trainable_variables)
        generator = model.get_layer("dropout")
        generator = getattr(generator, "layer", generator)._random_generator._generator
        return tf.train.Checkpoint(model=model, optimizer=model.optimizer, random=generator)

    first, callbacks = wrap(kind, source)
    saved = checkpoint(first)
    train(first, 1, callbacks)
    path = saved.save(str(tmp_path / "checkpoint"))
    edges.save_weights(first, tmp_path / "weights.npz")
    then = first.get_weights()
    train(first, 1, callbacks)

    second, callbacks = wrap(kind, source)
    checkpoint(second).restore(path).assert_existing_objects_matched()
    assert_same(second.get_weights(), then)
    train(second, 1, callbacks)
    assert_same(second.get_weights(), first.get_weights())

    third, _ = wrap(kind, source)
    edges.load_weights(third, tmp_path / "weights.npz")
    assert_same(third.get_weights(), then)


def assert_same(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    edges.save_weights(prune(learned())[0], path)
    with pytest.raises(CnnedgeError, match="not those of this model"):
        edges.load_weights(learned(), path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CnnedgeError, match="cannot be read"):
        edges.load_weights(learned(), path)
    with pytest.raises(CnnedgeError, match="cannot be read"):
        edges.load_weights(learned(), tmp_path / "none.npz")


def test_calibration_sets_the_ranges_that_the_plain_model_has() -> None:
    wrapped = quantisable("qat")
    edges.calibrate(wrapped, data()[0])
    inner = tf_keras.Model(learned().input, learned().get_layer("add_relu").output)
    expected = float(tf.reduce_max(inner(data()[0].astype(np.float32))))
    ranges = {w.name.rpartition("/")[2]: float(w) for w in wrapped.get_layer("add_relu").weights}
    assert ranges["output_min:0"] == 0
    assert ranges["output_max:0"] == pytest.approx(expected, rel=0.02)
    untouched = quantisable("qat").get_layer("add_relu").weights
    assert 6.0 in [float(w) for w in untouched]
    assert np.mean(labels_of(wrapped) == labels_of(learned())) > 0.97


def test_a_quantised_model_is_not_stripped() -> None:
    with pytest.raises(CnnedgeError, match="converted unchanged"):
        edges.strip(quantisable("qat"))


def test_what_cannot_be_compressed_is_said() -> None:
    inner = network()
    nested = tf_keras.Model(inner.input, layers.Dense(2)(inner(inner.input)))
    frozen = network()
    frozen.trainable = False
    for problem, model in (("another model", nested), ("nothing to prune", frozen)):
        with pytest.raises(CnnedgeError, match=problem):
            prune(model)
    with pytest.raises(CnnedgeError, match="nothing to cluster"):
        edges.for_clustering(frozen, clusters=4)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_model_optimization", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cnnedge\[train\]'"):
        edges.require()


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet50", "efficientnet_lite0"])
def test_backbones_are_pruned_clustered_and_quantised(name: str) -> None:
    model = half(name)
    pictures = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3)).astype(np.uint8)
    wrapped = edges.for_qat(model)
    edges.calibrate(wrapped, pictures)
    graph = read_graph(convert(wrapped, "int8", pictures), name)
    assert {tensor.dtype for tensor in graph.tensors} == {"int8", "uint8", "int32"}
    convolutions = [layer for layer in model.layers if "Conv2D" in type(layer).__name__]
    found = [op.name for op in graph.operators]
    assert found.count("CONV_2D") + found.count("DEPTHWISE_CONV_2D") == len(convolutions)
    # Few: k-means takes most of the time, and what it finds is looked at above.
    for other in (prune(model)[0], edges.for_clustering(model, clusters=4)):
        plain = edges.strip(other)
        assert [layer.name for layer in plain.layers] == [layer.name for layer in model.layers]
    assert plain.output_shape == model.output_shape


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_v2_b0"])
def test_backbones_that_cannot_be_quantised(name: str) -> None:
    with pytest.raises(CnnedgeError, match=r"\(Multiply\).* and \d+ more"):
        edges.for_qat(half(name))
    assert edges.sparsity(edges.strip(prune(half(name))[0])) < 0.1


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_lite0"])
def test_backbones_of_an_odd_size_suit_xnnpack(name: str) -> None:
    wrapped = prune(backbone(name, 65), 0.7, "xnnpack")[0]
    kinds = [type(layer).__name__ for layer in wrapped.layers]
    assert kinds.count("PruneLowMagnitude") > 30
    with pytest.raises(CnnedgeError, match="such as 225"):
        prune(half(name), 0.7, "xnnpack")


@functools.cache
def half(name: str) -> Any:
    """Built once: nothing here changes it."""
    return shortened(name)
