"""Optimizers of one operator for each variable, held against those of tf_keras."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")

from cnnedge.training import fused  # noqa: E402

# Ours and theirs.
KINDS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "adam": (lambda: fused.adam(0.01), lambda: tf_keras.optimizers.Adam(0.01)),
    "adamw": (
        lambda: fused.adamw(0.01, 0.1),
        lambda: tf_keras.optimizers.AdamW(0.01, weight_decay=0.1),
    ),
    "sgd": (
        lambda: fused.sgd(0.01, 0.9, False),
        lambda: tf_keras.optimizers.SGD(0.01, momentum=0.9),
    ),
    "nesterov": (
        lambda: fused.sgd(0.01, 0.9, True),
        lambda: tf_keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    ),
    "without momentum": (
        lambda: fused.sgd(0.01, 0.0, False),
        lambda: tf_keras.optimizers.SGD(0.01),
    ),
}
OPERATORS = {"adam": "ResourceApplyAdam", "sgd": "ResourceApplyKerasMomentum"}


def network(optimizer: Any) -> Any:
    """Of each kind of variable, one that its optimizer gets sparse gradients for among them."""
    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(0)
    words = tf_keras.Input((8,), dtype=tf.int32)
    x = layers.Embedding(20, 6)(words)
    # No bias: normalised away, its gradient is rounding alone, which Adam follows.
    x = layers.Conv1D(5, 3, use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    model = tf_keras.Model(words, layers.Dense(3)(layers.Flatten()(x)))
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, "mse")
    optimizer.build(model.trainable_variables)
    return model


def train(model: Any, epochs: int = 3) -> list[Any]:
    rng = np.random.default_rng(1)
    words, targets = rng.integers(0, 20, (32, 8)), rng.normal(size=(32, 3)).astype(np.float32)
    model.fit(words, targets, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    # A rate that changes, as it does before every step of a training here.
    model.optimizer.learning_rate.assign(0.002)
    model.fit(words, targets, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return [np.asarray(values) for values in (*model.get_weights(), *state(model.optimizer))]


def state(optimizer: Any) -> list[Any]:
    return [variable.numpy() for variable in optimizer.variables]


def assert_close(found: list[Any], expected: list[Any]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_as_that_of_keras(kind: str) -> None:
    ours, theirs = (train(network(make())) for make in KINDS[kind])
    assert_close(ours, theirs)
    untrained = network(KINDS[kind][0]()).get_weights()
    assert np.abs(ours[0] - untrained[0]).max() > 0.01


@pytest.mark.parametrize("kind", ["adamw", "nesterov"])
def test_one_goes_on_with_what_the_other_has_saved(kind: str, tmp_path: Path) -> None:
    first, second = (network(make()) for make in KINDS[kind])
    train(first)

    def checkpoint(model: Any) -> Any:
        return tf.train.Checkpoint(model=model, optimizer=model.optimizer)

    path = checkpoint(first).save(str(tmp_path / "checkpoint"))
    checkpoint(second).restore(path).assert_consumed()
    assert_close(state(second.optimizer), state(first.optimizer))
    assert_close(train(second), train(first))


@pytest.mark.parametrize(("kind", "operator"), OPERATORS.items())
def test_each_variable_takes_one_operator(kind: str, operator: str) -> None:
    model = network(KINDS[kind][0]())
    batch = (np.zeros((4, 8), np.int32), np.zeros((4, 3), np.float32))
    step = tf.function(model.train_step).get_concrete_function(batch)
    found = Counter(node.type for node in step.graph.get_operations())
    # The embedding's gradient is sparse.
    assert found[operator] == len(model.trainable_variables) - 1


def test_two_steps_in_one_graph_are_two_steps() -> None:
    def twice(optimizer: Any) -> Any:
        variable = tf.Variable([1.0, 2.0])
        optimizer.build([variable])

        @tf.function
        def steps() -> None:
            for _ in range(2):
                optimizer.apply_gradients([(2 * variable, variable)])

        steps()
        return variable.numpy()

    ours, theirs = (twice(make()) for make in KINDS["adam"])
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
