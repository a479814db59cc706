"""Batch normalisation that hands on what it did before weights were taken away.

A model before, the same model with other weights and pictures enter; moving statistics of the
second leave, so that each normalised channel has the mean and spread that it had in the first.

Frozen statistics belong to the network's pretraining, not to these pictures: taking the pictures'
own instead would change a network that lost nothing (EfficientNet-Lite0, fine-tuned: 97 % right
became 74 %). Matching changes nothing where nothing was taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tf_keras import layers

from .channel_graph import call_nodes

Floats = npt.NDArray[np.float32]
# Below this spread a channel says nothing but its mean, and its variance stays.
_SILENT = 1e-6


class Outgoing(NamedTuple):
    """What one batch normalisation hands on before gamma and beta: float32 [channels] each."""

    mean: Any
    spread: Any


def outgoing(model: Any, batches: Iterable[Floats]) -> dict[str, Outgoing]:
    """Mean and spread of each batch normalisation's output, by layer, gamma and beta apart.

    batches: float32 [n, h, w, c] pictures. The model runs as it would on a device.
    """
    sums: dict[str, list[Any]] = {}
    for batch in batches:
        for layer, values in _inputs(model, batch, _as_it_is):
            mean, variance = _moments(layer, values)
            scale = tf.sqrt(layer.moving_variance + layer.epsilon)
            found = ((mean - layer.moving_mean) / scale, tf.sqrt(variance) / scale)
            total = sums.setdefault(layer.name, [0.0, 0.0, 0])
            for place, value in enumerate((*found, 1)):
                total[place] += len(batch) * value
    return {n: Outgoing(mean / count, spread / count) for n, (mean, spread, count) in sums.items()}


def match(model: Any, wanted: dict[str, Outgoing], batches: Iterable[Floats]) -> None:
    """Sets the moving statistics so that each batch normalisation hands on what `wanted` says.

    wanted: of `outgoing`. Layers before a batch normalisation count as matched already.
    """
    sums: dict[str, list[Any]] = {}

    def matched(layer: Any, values: Any) -> Any:
        return _normalised(layer, values, *_statistics(layer, values, wanted[layer.name]))

    for batch in batches:
        for layer, values in _inputs(model, batch, matched):
            mean, variance = _statistics(layer, values, wanted[layer.name])
            total = sums.setdefault(layer.name, [0.0, 0.0, 0])
            for place, value in enumerate((mean, variance, 1)):
                total[place] += len(batch) * value
    for name, (mean, variance, count) in sums.items():
        layer = model.get_layer(name)
        layer.moving_mean.assign(mean / count)
        layer.moving_variance.assign(variance / count)


def _statistics(layer: Any, values: Any, wanted: Outgoing) -> tuple[Any, Any]:
    """Moving mean and variance with which these values come out as wanted."""
    mean, variance = _moments(layer, values)
    spread = tf.sqrt(variance)
    says = (wanted.spread > _SILENT) & (spread > _SILENT)
    kept = tf.sqrt(layer.moving_variance + layer.epsilon)
    scale = tf.where(says, spread / tf.where(says, wanted.spread, 1.0), kept)
    return mean - wanted.mean * scale, tf.maximum(scale**2 - layer.epsilon, 0.0)


def _moments(layer: Any, values: Any) -> tuple[Any, Any]:
    axes = [axis for axis in range(values.shape.rank) if axis not in np.ravel(layer.axis)]
    return tf.nn.moments(values, axes)  # type: ignore[no-any-return]


def _normalised(layer: Any, values: Any, mean: Any, variance: Any) -> Any:
    return tf.nn.batch_normalization(values, mean, variance, layer.beta, layer.gamma, layer.epsilon)


def _as_it_is(layer: Any, values: Any) -> Any:
    return _normalised(layer, values, layer.moving_mean, layer.moving_variance)


def _inputs(model: Any, batch: Floats, normalise: Any) -> Iterator[tuple[Any, Any]]:
    """Each batch normalisation with what enters it, in the order of the graph."""
    # Keras' own bookkeeping: a copy of each tensor for each use, so that none outlives its last.
    uses = model._tensor_usage_count
    keys = [str(id(tensor)) for tensor in model.inputs]
    held = {key: [tf.convert_to_tensor(batch, tf.float32)] * uses[key] for key in keys}
    for node in call_nodes(model):
        if node.is_input:
            continue
        arguments, named = node.map_arguments(held)
        if isinstance(node.layer, layers.BatchNormalization):
            yield node.layer, arguments[0]
            outputs = normalise(node.layer, arguments[0])
        else:
            outputs = node.layer(*arguments, **named)
        keys = [str(id(tensor)) for tensor in tf.nest.flatten(node.outputs)]
        found = zip(keys, tf.nest.flatten(outputs), strict=True)
        held.update((key, [value] * uses[key]) for key, value in found)
