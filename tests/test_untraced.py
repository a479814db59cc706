"""Networks that are built without running their layers are those that Keras builds by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")

from tf_keras.src.engine import base_layer  # noqa: E402

from cnnedge.architectures import build_model, untraced  # noqa: E402
from cnnedge.compression.tfmot_edges import wrapping as edges  # noqa: E402
from cnnedge.specs import InputSize, parse_model, shipped  # noqa: E402
from support.networks import backbone  # noqa: E402

layers = tf_keras.layers


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Calls with every layer traced, as Keras does by itself."""

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(untraced, "_is_ordinary", lambda *_: False)
            return function(*arguments)

    return call


def seeded(function: Callable[..., Any], *arguments: Any) -> Any:
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(7)
    return function(*arguments)


def described(model: Any) -> dict[str, Any]:
    return {
        "config": model.get_config(),
        "outputs": [(layer.output_shape, layer.output.dtype) for layer in model.layers],
        "weights": [(weight.name, weight.shape, weight.trainable) for weight in model.weights],
    }


def small(name: str) -> Any:
    """A network without a backbone, of an odd size."""
    size = InputSize(height=33, width=30)
    return build_model(parse_model(*shipped.read("models", name)), size, 3)


@pytest.mark.parametrize(
    ("build", "name"),
    # All layers that are not traced are in one of them.
    [
        *((backbone, name) for name in ("mobilenet_v3_small", "efficientnet_v2_b0")),
        *((small, name) for name in ("lenet", "fashion_cnn", "ds_cnn")),
    ],
)
def test_a_network_is_the_one_that_keras_builds(
    build: Callable[[str], Any], name: str, traced: Callable[..., Any]
) -> None:
    ours, theirs = seeded(build, name), seeded(traced, build, name)
    assert described(ours) == described(theirs)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert np.array_equal(mine, other)


def compressed(technique: str) -> Any:
    """A small network in tfmot's wrappers."""
    model = small("fashion_cnn")
    if technique == "prune":
        steps = {"begin_step": 0, "end_step": 10, "frequency": 4}
        return edges.for_pruning(model, sparsity=0.5, pattern="unstructured", **steps)[0]
    return edges.for_qat(model, preserve_sparsity=technique == "pqat")


@pytest.mark.parametrize("technique", ["qat", "pqat", "prune"])
def test_wrappers_are_those_that_keras_has_run(
    technique: str, traced: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 33, 30, 3)).astype(np.float32)
    told = []
    for model in (seeded(compressed, technique), seeded(traced, compressed, technique)):
        kinds = ("weights", "trainable_weights", "non_trainable_weights")
        told.append([[v.name for v in getattr(x, kind)] for x in model.layers for kind in kinds])
        # Run, they do what they do; a step of pruning belongs to its callback.
        for training in (False, technique != "prune"):
            tf_keras.utils.set_random_seed(7)
            told[-1].append(model(pixels, training=training).numpy().tobytes())
        told[-1].append([values.tobytes() for values in model.get_weights()])
    assert told[0] == told[1]
    # Dropout draws at random, also in an annotation of tfmot's.
    assert len(set(ran(monkeypatch, lambda: compressed(technique)))) <= 2


def ran(monkeypatch: pytest.MonkeyPatch, build: Callable[[], Any]) -> list[str]:
    """The names of the layers that Keras ran to build it."""
    found = []
    place = base_layer.tf.__internal__
    placeholders = place.FuncGraph

    def counted(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.endswith("_scratch_graph"):
            found.append(name.removesuffix("_scratch_graph"))
        return placeholders(name, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(place, "FuncGraph", counted)
        build()
    return found


def test_only_what_draws_at_random_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ran(monkeypatch, lambda: backbone("mobilenet_v2")) == ["dropout_1"]


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.MaxPooling2D(9),
        lambda: layers.Conv2D(4, 3, dilation_rate=5),
        lambda: layers.Reshape((5, 5)),
        lambda: layers.Conv2D(4, 3, groups=2),
    ],
)
def test_what_cannot_be_is_said_by_keras(
    layer: Callable[[], Any], traced: Callable[..., Any]
) -> None:
    def call() -> str:
        tf_keras.backend.clear_session()
        with untraced.untraced(), pytest.raises(ValueError) as caught:
            layer()(tf_keras.Input((8, 8, 3)))
        return str(caught.value)

    assert call() == traced(call)


class Doubled(layers.ReLU):
    """Of a kind that is known, and gives something else than that."""

    def call(self, inputs: Any) -> Any:
        return tf.concat([inputs, inputs], -1)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (Doubled, "float32"),
        (lambda: layers.Reshape((64, 3)), "uint8"),
        (lambda: layers.Dense(4, dtype="mixed_float16"), "float32"),
        (lambda: layers.Dense(4, activity_regularizer="l2"), "float32"),
        (lambda: layers.Dropout(0.5), "float32"),
    ],
)
def test_what_is_out_of_the_ordinary_is_run(
    layer: Callable[[], Any], kind: str, traced: Callable[..., Any]
) -> None:
    def call() -> Any:
        with untraced.untraced():
            output = layer()(tf_keras.Input((8, 8, 3), dtype=kind))
        return output.shape, output.dtype

    assert call() == traced(call)


def test_elsewhere_keras_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    with untraced.untraced():
        pass
    build = lambda: layers.ReLU(name="relu")(tf_keras.Input((8, 8, 3)))  # noqa: E731
    assert ran(monkeypatch, build) == ["relu"]


def test_in_a_graph_a_variable_is_found_by_its_name() -> None:
    with untraced.untraced():
        outside = tf.Variable([1.0], name="outside")
        with tf.Graph().as_default() as graph:
            tf.Variable([1.0], name="inside")
    assert outside.name == "outside:0"
    assert graph.get_operation_by_name("inside").get_attr("debug_name") == b"inside/"
