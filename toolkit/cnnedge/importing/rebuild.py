"""A Keras model of either family as one flat tf_keras model of raw pixels to probabilities.

A live model, a convention and a head enter; a tf_keras model leaves, whose layers pruning, removing
channels and quantisation-aware training know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tf_keras

from ..errors import ModelError
from ..specs.pixels import InputSize
from . import heads
from .aside import flatten
from .convention import Convention
from .translation import NoEqual, activated, passes_through, rescaling, translated

_THROUGH = ("ZeroPadding2D", "Dropout", "SpatialDropout2D")
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": lambda x, y: x + y,
    "Subtract": lambda x, y: x - y,
    "Multiply": lambda x, y: x * y,
    "TrueDivide": lambda x, y: x / y,
    "Divide": lambda x, y: x / y,
    "Negative": lambda x: -x,
}
_FUNCTIONS = {
    "Relu": "relu",
    "Silu": "swish",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
}


def rebuilt(model: Any, size: InputSize, convention: Convention, head: str) -> tf_keras.Model:
    """The network in tf_keras. Raises ModelError where a layer has no equal there."""
    image = x = tf_keras.Input(size.shape, name="image")
    work = _Work(mirrored=image if convention.bgr else None)
    if any(convention.mean) or set(convention.std) != {1.0}:
        step = -1 if convention.bgr else 1
        scale, offset = (
            np.asarray(v, float)[::step] for v in (convention.scale, convention.offset)
        )
        x = rescaling(scale, offset, "pixels")(image)
        work.names.add("pixels")
        work.moved(image, x)
    try:
        (y,) = flatten.run(model, [x], work.call)
    except ModelError:
        raise
    except Exception as error:  # Keras raises many kinds
        reason = " ".join(str(error).split())[:200]
        raise NoEqual(f"tf_keras cannot build an equal network ({reason})") from None
    return tf_keras.Model(image, _headed(y, head, work))


class _Work:
    """mirrored: the tensors whose channels lie the other way round than the model expects."""

    def __init__(self, mirrored: Any) -> None:
        self.names: set[str] = {"image"}
        self._mirrored: dict[int, Any] = {} if mirrored is None else {id(mirrored): mirrored}
        self._made: dict[tuple[int, bool], tuple[Any, str]] = {}

    def moved(self, before: Any, after: Any) -> None:
        """What was made of a mirrored tensor, channel by channel, is one."""
        if id(before) in self._mirrored:
            self._mirrored[id(after)] = after

    def name(self, wanted: str) -> str:
        """A name that no layer has yet."""
        wanted = wanted.replace("/", "_")
        name, number = wanted, 0
        while name in self.names:
            number += 1
            name = f"{wanted}_{number}"
        self.names.add(name)
        return name

    def call(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The layer's equal, called with tensors of the new network."""
        kind, first = type(layer).__name__, args[0]
        if kind == "TFOpLambda":
            return layer.function(*args, **kwargs)
        if type(layer).__module__.startswith("keras.src.ops."):
            return self._computed(layer, kind, args, kwargs)
        if passes_through(layer):
            return first
        mirrored = id(first) in self._mirrored
        scales = kind in ("Rescaling", "Normalization")
        turned = mirrored and kind == "Conv2D" and layer.groups == 1
        if mirrored and not (scales or turned or kind in _THROUGH):
            first, mirrored = self._mirror(first), False
        key = (id(layer), mirrored)
        known = self._made.get(key)
        if known is None:
            known = translated(layer, self.name(layer.name), mirrored=mirrored and scales)
        made, after = known
        y = made(first, *args[1:])
        if key not in self._made:
            self._made[key] = known
            if not scales:
                made.set_weights(_weights(layer, turned))
        if mirrored and not turned:
            self.moved(first, y)
        return activated(y, after, self.name) if after else y

    def _computed(
        self, operation: Any, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Arithmetic of Keras 3 between tensors."""
        layers = tf_keras.layers
        if kind in _ARITHMETIC:
            return _ARITHMETIC[kind](*args, *kwargs.values())
        if kind in _FUNCTIONS:
            return layers.Activation(_FUNCTIONS[kind], name=self.name(operation.name))(args[0])
        if kind in ("Relu6", "HardSigmoid"):
            word = "relu6" if kind == "Relu6" else "hard_sigmoid"
            return activated(args[0], word, self.name)
        if kind == "Concatenate":
            name = self.name(operation.name)
            return layers.Concatenate(axis=operation.axis, name=name)(args[0])
        if kind == "Mean" and tuple(np.atleast_1d(operation.axis)) == (1, 2):
            name, whole = self.name(operation.name), bool(operation.keepdims)
            return layers.GlobalAveragePooling2D(keepdims=whole, name=name)(args[0])
        raise NoEqual(f"tf_keras has no equal of the operation {kind}")

    def _mirror(self, x: Any) -> Any:
        """The channels turned round by a convolution, which every delegate runs."""
        turn = tf_keras.layers.Conv2D(3, 1, use_bias=False, name=self.name("channels"))
        y = turn(x)
        turn.set_weights([np.eye(3, dtype=np.float32)[:, ::-1].reshape(1, 1, 3, 3)])
        return y


def _weights(layer: Any, turned: bool) -> list[Any]:
    weights = layer.get_weights()
    return [weights[0][:, :, ::-1, :], *weights[1:]] if turned else weights


def _headed(y: Any, head: str, work: _Work) -> Any:
    """Probabilities of at least two classes."""
    if head == heads.SHARES:
        return y
    if head == heads.LOGITS:
        return tf_keras.layers.Softmax(name=work.name("probabilities"))(y)
    dense, below = _last_dense(y)
    kernel, *bias = dense.get_weights()
    two = tf_keras.layers.Dense(2, activation="softmax", name=work.name("probabilities"))
    made = two(below)
    # The softmax of 0 and z is the sigmoid of z, and what is left of 1.
    shift = bias[0] if bias else np.zeros(1, np.float32)
    two.set_weights(
        [np.concatenate([np.zeros_like(kernel), kernel], 1), np.concatenate([[0.0], shift])]
    )
    return made


def _last_dense(y: Any) -> tuple[Any, Any]:
    """The layer of the one score, and what enters it."""
    layer = y._keras_history.layer
    if type(layer).__name__ == "Activation":
        layer = layer.input._keras_history.layer
    if type(layer).__name__ != "Dense" or layer.units != 1:
        raise NoEqual("its one output is not of a Dense layer")
    return layer, layer.input
