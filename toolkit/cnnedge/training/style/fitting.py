"""Fits the network of a style: content pictures and the losses enter, a trained network leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ...architectures.style_network import style_network
from ...specs.pixels import InputSize
from ...specs.style import Style
from ..interrupt import held_back
from .perception import Losses, PerceptualLoss

Pixels = npt.NDArray[np.uint8]

# The rate rises over the first steps: the network begins with noise, whose losses are large.
_WARMUP_STEPS = 20
_MOST_GRADIENT = 10.0
_JUDGED = 8


def fit_style(
    how: Style,
    pixels: Pixels,
    loss: PerceptualLoss,
    seed: int,
    progress: Callable[[int, int], None],
) -> Any:
    """The network of the side that it is trained at.

    pixels: uint8 [n, h, w, 3], content pictures of at least `how.side`.
    """
    network = style_network(InputSize(height=how.side, width=how.side))
    optimizer = tf_keras.optimizers.legacy.Adam(how.learning_rate)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(contents: Any, rate: Any) -> Any:
        optimizer.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            total = _total(how, loss(network(contents, training=True), contents))
        weights = network.trainable_variables
        gradients, _ = tf.clip_by_global_norm(tape.gradient(total, weights), _MOST_GRADIENT)
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return total

    rng = np.random.default_rng([seed, 1])
    with held_back() as check:
        for number in range(how.steps):
            batch = tf.constant(_batch(how, pixels, rng), tf.float32)
            step(batch, tf.constant(_rate(how, number), tf.float32))
            progress(number + 1, how.steps)
            check()
    return network


def drawn(network: Any, pixels: Pixels) -> Pixels:
    """uint8 [n, h, w, 3]: what a Keras network of pictures makes of these, one after the other."""
    made = [network(tf.constant(p[None], tf.float32), training=False).numpy()[0] for p in pixels]
    return np.clip(np.round(np.stack(made)), 0, 255).astype(np.uint8)


def judged(network: Any | None, pixels: Pixels, loss: PerceptualLoss) -> Losses:
    """The mean losses of a few pictures, as numbers. network: None for the pictures themselves."""
    found = []
    for picture in pixels[:_JUDGED]:
        content = tf.constant(picture[None], tf.float32)
        drawn = content if network is None else network(content, training=False)
        losses = loss(drawn, content)
        found.append((float(losses.content), float(losses.style), float(losses.smoothness)))
    content, style, smoothness = (float(value) for value in np.mean(found, axis=0))
    return Losses(content=content, style=style, smoothness=smoothness)


def _total(how: Style, losses: Losses) -> Any:
    return (
        how.content * losses.content + how.style * losses.style + how.smoothness * losses.smoothness
    )


def _rate(how: Style, number: int) -> float:
    """A short rise, then a cosine down to 0."""
    rise = min(1.0, (number + 1) / _WARMUP_STEPS)
    return how.learning_rate * rise * (0.5 + 0.5 * float(np.cos(np.pi * number / how.steps)))


def _batch(how: Style, pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """uint8 [batch_size, side, side, 3]: cuts at random places, half of them mirrored."""
    height, width = pixels.shape[1:3]
    cuts = []
    for row in rng.integers(len(pixels), size=how.batch_size):
        top = int(rng.integers(height - how.side + 1))
        left = int(rng.integers(width - how.side + 1))
        cut = pixels[row, top : top + how.side, left : left + how.side]
        cuts.append(cut[:, ::-1] if rng.random() < 0.5 else cut)
    return np.stack(cuts)
