"""FGSM and PGD: the changes of a picture, of at most epsilon a pixel, that mislead a network most.

A Keras classifier, pixels and their classes enter; attacked pixels leave, whole numbers 0..255, as
a file takes them, none further than epsilon from where it was.

FGSM: one step along the sign of the loss' gradient (Goodfellow, Shlens and Szegedy 2014). PGD: many
smaller steps from a random start, each brought back to within epsilon (Madry et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ...errors import ModelError

Method = Literal["noise", "fgsm", "pgd"]
METHODS: tuple[Method, ...] = ("noise", "fgsm", "pgd")
Pixels = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.int64]
PGD_STEPS = 10
# Of the usual rule: all steps together may cross the ball two and a half times.
_REACH = 2.5
_BATCH = 128


def logits_of(model: Any) -> Callable[[Any, bool], Any]:
    """A function of pixels and `training` that gives what the last softmax takes, [n, classes].

    After a softmax that is sure, float32 leaves no gradient: an attack would stop where the network
    only looks robust. Raises ModelError for a network that does not end in softmax.
    """
    layers = getattr(model, "layers", None)
    if not layers:
        raise ModelError(
            "this run holds a .tflite file without Keras layers, which has no gradients to follow; "
            "attack a run that 'cnnedge train' wrote"
        )
    last = layers[-1]
    softmax = getattr(last, "activation", None) is tf_keras.activations.softmax
    if type(last).__name__ not in ("Dense", "Activation", "Softmax") or (
        type(last).__name__ != "Softmax" and not softmax
    ):
        raise ModelError(
            f"the network ends in {type(last).__name__} '{last.name}' without softmax; the attack "
            "needs a classifier whose last layer is softmax"
        )
    body = tf_keras.Model(model.inputs, last.input)
    if softmax and type(last).__name__ == "Dense":

        def before_softmax(x: Any, training: bool) -> Any:
            values = tf.matmul(body(x, training=training), last.kernel)
            return values + last.bias if last.use_bias else values

        return before_softmax
    return lambda x, training: body(x, training=training)


class Attacker:
    """Attacks one network. Its weights are read at every call, so it follows training."""

    def __init__(self, model: Any) -> None:
        self.logits = logits_of(model)
        signature = (
            tf.TensorSpec((None, *model.input_shape[1:]), tf.float32),
            tf.TensorSpec((None,), tf.int64),
        )
        self._gradient = tf.function(self._sign, input_signature=signature, autograph=False)

    def __call__(
        self,
        pixels: Pixels,
        classes: Classes,
        epsilon: int,
        method: Method,
        *,
        steps: int = PGD_STEPS,
    ) -> Pixels:
        """uint8 [n, h, w, c], attacked. epsilon: in steps of 1 of 255. The random start and the
        random noise are the same at every call."""
        if not epsilon:
            return pixels
        parts = [
            self._batch(pixels[i : i + _BATCH], classes[i : i + _BATCH], epsilon, method, steps)
            for i in range(0, len(pixels), _BATCH)
        ]
        return np.concatenate(parts)

    def _batch(
        self, pixels: Pixels, classes: Classes, epsilon: int, method: Method, steps: int
    ) -> Pixels:
        start = pixels.astype(np.float32)
        low, high = np.maximum(start - epsilon, 0), np.minimum(start + epsilon, 255)
        rng = np.random.default_rng(len(pixels))
        if method == "noise":
            return _whole(start + epsilon * rng.choice([-1, 1], start.shape), low, high)
        if method == "fgsm":
            return _whole(start + epsilon * self.sign(start, classes), low, high)
        now = np.clip(start + rng.uniform(-epsilon, epsilon, start.shape), low, high)
        step = _REACH * epsilon / steps
        for _ in range(steps):
            now = np.clip(now + step * self.sign(now.astype(np.float32), classes), low, high)
        return _whole(now, low, high)

    def sign(self, values: npt.NDArray[np.float32], classes: Classes) -> npt.NDArray[np.float32]:
        """The sign of the loss' gradient by each pixel, float32 [n, h, w, c]."""
        found: npt.NDArray[np.float32] = self._gradient(values, classes).numpy()
        return found

    def _sign(self, values: Any, classes: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=classes, logits=self.logits(values, False)
            )
        return tf.sign(tape.gradient(loss, values))


def _whole(
    values: npt.NDArray[Any], low: npt.NDArray[np.float32], high: npt.NDArray[np.float32]
) -> Pixels:
    """Rounded; the bounds are whole numbers, so nothing leaves them."""
    whole: Pixels = np.rint(np.clip(values, low, high)).astype(np.uint8)
    return whole
