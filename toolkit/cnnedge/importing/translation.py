"""Layers of either Keras as layers of tf_keras, one by one, from a closed table.

A layer with its weights enters; an equal one of tf_keras leaves, or nothing where the table has
none. Whether it is equal is not believed: the import compares both networks on pictures.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import tf_keras

from ..architectures.keras_file import OTHER_LAYERS
from ..errors import ModelError
from ..specs.layers import LAYERS

# They change pictures while a network is trained, and nothing afterwards.
_ONLY_IN_TRAINING = ("Random", "Gaussian", "AlphaDropout", "MixUp", "CutMix", "ActivityRegular")
_LAYERS = frozenset((*LAYERS, *OTHER_LAYERS, "GroupNormalization"))
# What Keras 3 calls otherwise.
_KEYS = {"LeakyReLU": {"negative_slope": "alpha"}}
_WORDS = {"silu": "swish"}
# The same word is another function in tf_keras, or none.
_COMPUTED = ("hard_sigmoid", "hard_silu", "hard_swish", "relu6")
_UNUSED = ("_initializer", "_regularizer", "_constraint")


class NoEqual(ModelError):
    """There is no equal layer in tf_keras."""


def passes_through(layer: Any) -> bool:
    """Whether a layer does nothing to a picture after training, Dropout apart."""
    name = type(layer).__name__
    return name == "Identity" or name.startswith(_ONLY_IN_TRAINING)


def translated(layer: Any, name: str, *, mirrored: bool = False) -> tuple[Any, str]:
    """A tf_keras layer with the same weights, not called yet, and the activation to compute after.

    mirrored: its input has the channels the other way round, and what it gives shall be the same
    as if it had not; only of Rescaling and Normalization (whose output then is mirrored, too).
    Raises NoEqual.
    """
    kind, config = type(layer).__name__, dict(layer.get_config())
    if kind in ("Rescaling", "Normalization"):
        return _scaling(layer, kind, name, mirrored), ""
    if kind not in _LAYERS:
        raise NoEqual(f"tf_keras has no equal of the layer {kind}")
    for ours, theirs in _KEYS.get(kind, {}).items():
        if ours in config:
            config[theirs] = config.pop(ours)
    cls = getattr(tf_keras.layers, kind)
    known = set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}
    after = ""
    if "activation" in config:
        config["activation"], after = _activation(config["activation"], of=layer)
    kept = {k: v for k, v in config.items() if k in known and not k.endswith(_UNUSED)}
    return cls(**kept | {"name": name}), after


def _activation(word: Any, *, of: Any) -> tuple[str, str]:
    """As tf_keras knows it, and what to compute in its place."""
    if isinstance(word, dict):
        word = word.get("config")
        word = word.get("name") if isinstance(word, dict) else word
    word = str(word or "linear")
    if word in _COMPUTED and type(of).__module__.startswith("keras."):
        return "linear", word
    return _WORDS.get(word, word), ""


def activated(x: Any, word: str, name: Callable[[str], str]) -> Any:
    """What Keras 3 computes by that word, of operators that every delegate runs.

    name: gives a name that no layer has.
    """
    layers = tf_keras.layers
    if word == "relu6":
        return layers.ReLU(6.0, name=name(word))(x)
    gate = layers.ReLU(6.0, name=name(f"{word}_gate"))(x + 3.0) * (1.0 / 6.0)
    return gate if word == "hard_sigmoid" else layers.Multiply(name=name(word))([x, gate])


def _scaling(layer: Any, kind: str, name: str, mirrored: bool) -> Any:
    if kind == "Rescaling":
        scale, offset = np.asarray(layer.scale, float), np.asarray(layer.offset, float)
    else:
        mean, variance = (np.asarray(v, float) for v in (layer.mean, layer.variance))
        scale = 1 / np.maximum(np.sqrt(variance), 1e-7)
        offset = -mean * scale
        if getattr(layer, "invert", False):
            scale, offset = 1 / scale, mean
    step = -1 if mirrored else 1
    return rescaling(scale.reshape(-1)[::step], offset.reshape(-1)[::step], name)


def rescaling(scale: Any, offset: Any, name: str) -> Any:
    """x * scale + offset; a number each where all channels have the same."""
    return tf_keras.layers.Rescaling(_one(scale), offset=_one(offset), name=name)


def _one(values: Any) -> Any:
    found = [float(v) for v in np.asarray(values, float).reshape(-1)]
    return found[0] if len(set(found)) == 1 else found
