"""Adversarial training of a copy in memory, for a few epochs.

A Keras network, training pictures and their classes enter; the same network with other weights
leaves. Half of each batch is attacked as the network stands at that moment (Madry et al. 2018),
half is as it is, so that it does not forget plain pictures (Goodfellow et al. 2014).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from .gradients import Attacker, Classes, Pixels

# Steps of PGD in training: enough to be worth training against, few enough to wait for.
_STEPS = 3
_BATCH = 128


@dataclass(frozen=True, kw_only=True)
class Hardening:
    """epsilon: of the attacks, in steps of 1 of 255; 0 trains on plain pictures alone, for as long,
    as the control. seed: of the order."""

    epochs: int
    epsilon: int
    learning_rate: float = 1e-3
    seed: int = 0


def harden(
    model: Any,
    pixels: Callable[[Classes], Pixels],
    targets: Classes,
    how: Hardening,
    progress: Callable[[int, int], None],
) -> None:
    """Trains `model` in place. pixels: gives uint8 [n, h, w, c] of rows of `targets` int64 [m]."""
    attacker = Attacker(model)
    optimizer = tf_keras.optimizers.legacy.Adam(how.learning_rate)
    steps = -(-len(targets) // _BATCH)
    total = steps * how.epochs

    @tf.function(reduce_retracing=True, autograph=False)  # type: ignore[untyped-decorator]
    def learn(values: Any, classes: Any, rate: Any) -> None:
        optimizer.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            logits = attacker.logits(values, True)
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=logits)
            loss = tf.reduce_mean(each)
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    for epoch in range(how.epochs):
        order = np.random.default_rng([how.seed, epoch]).permutation(len(targets))
        for step in range(steps):
            rows = order[step * _BATCH : (step + 1) * _BATCH]
            batch, classes = pixels(rows), targets[rows]
            half = len(rows) // 2
            if how.epsilon and half:
                hit = attacker(batch[:half], classes[:half], how.epsilon, "pgd", steps=_STEPS)
                batch = np.concatenate([hit, batch[half:]])
            done = epoch * steps + step
            rate = how.learning_rate * 0.5 * (1 + np.cos(np.pi * done / total))
            learn(
                tf.constant(batch, tf.float32), tf.constant(classes), tf.constant(rate, tf.float32)
            )
            progress(done + 1, total)
