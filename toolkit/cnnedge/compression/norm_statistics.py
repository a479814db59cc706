"""Moving statistics of batch normalisation for a network that was changed, from pictures.

A model and pictures enter; its statistics are those of the pictures (`reestimate_batch_norm`), or
such that each normalised channel has the mean and spread that it had before (`outgoing`, `match`).

Frozen statistics belong to the network's pretraining, not to these pictures: taking the pictures'
own instead would change a network that lost nothing (EfficientNet-Lite0, fine-tuned: 97 % right
became 74 %). Matching changes nothing where nothing was taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tf_keras import layers

from .channel_graph import call_nodes

Floats = npt.NDArray[np.float32]
# A batch normalisation and what enters it; what leaves it, and two figures to average.
_Visit = Callable[[Any, Any], tuple[Any, tuple[Any, Any]]]
# Below this spread a channel says nothing but its mean, and its variance stays.
_SILENT = 1e-6


class Outgoing(NamedTuple):
    """What one batch normalisation hands on before gamma and beta: float32 [channels] each."""

    mean: Any
    spread: Any


def reestimate_batch_norm(model: Any, batches: Iterable[Floats]) -> None:
    """New moving statistics for every BatchNormalization, from float32 [n, h, w, c] pictures.

    Each batch goes through the network once, normalised by its own statistics, without dropout;
    the moving mean and variance become those of the batches, weighted by their pictures. All
    else stays, `trainable` flags too. Raises ValueError without a picture.
    """

    def own(layer: Any, values: Any) -> tuple[Any, tuple[Any, Any]]:
        mean, variance = _moments(layer, values)
        count = tf.size(values) // tf.size(mean)
        # Kept is the unbiased variance, as in Keras' training; the other normalises.
        unbiased = variance * tf.cast(count / tf.maximum(count - 1, 1), variance.dtype)
        return _normalised(layer, values, mean, variance), (mean, unbiased)

    _keep(model, _averages(model, batches, own))


def outgoing(model: Any, batches: Iterable[Floats]) -> dict[str, Outgoing]:
    """Mean and spread of each batch normalisation's output, by layer, gamma and beta apart.

    batches: float32 [n, h, w, c] pictures. The model runs as it would on a device. Raises
    ValueError without a picture.
    """

    def as_it_is(layer: Any, values: Any) -> tuple[Any, tuple[Any, Any]]:
        mean, variance = _moments(layer, values)
        scale = tf.sqrt(layer.moving_variance + layer.epsilon)
        told = (mean - layer.moving_mean) / scale, tf.sqrt(variance) / scale
        return _normalised(layer, values, layer.moving_mean, layer.moving_variance), told

    return {name: Outgoing(*told) for name, told in _averages(model, batches, as_it_is).items()}


def match(model: Any, wanted: dict[str, Outgoing], batches: Iterable[Floats]) -> None:
    """Sets the moving statistics so that each batch normalisation hands on what `wanted` says.

    wanted: of `outgoing`. Layers before a batch normalisation count as matched already. Raises
    ValueError without a picture.
    """

    def matched(layer: Any, values: Any) -> tuple[Any, tuple[Any, Any]]:
        statistics = _matching(layer, values, wanted[layer.name])
        return _normalised(layer, values, *statistics), statistics

    _keep(model, _averages(model, batches, matched))


def _matching(layer: Any, values: Any, wanted: Outgoing) -> tuple[Any, Any]:
    """Moving mean and variance with which these values come out as wanted."""
    mean, variance = _moments(layer, values)
    spread = tf.sqrt(variance)
    says = (wanted.spread > _SILENT) & (spread > _SILENT)
    kept = tf.sqrt(layer.moving_variance + layer.epsilon)
    scale = tf.where(says, spread / tf.where(says, wanted.spread, 1.0), kept)
    return mean - wanted.mean * scale, tf.maximum(scale**2 - layer.epsilon, 0.0)


def _keep(model: Any, statistics: dict[str, tuple[Any, Any]]) -> None:
    for name, (mean, variance) in statistics.items():
        layer = model.get_layer(name)
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)


def _moments(layer: Any, values: Any) -> tuple[Any, Any]:
    """Mean and variance of each channel, float32 [channels]."""
    axes = [axis for axis in range(values.shape.rank) if axis not in np.ravel(layer.axis)]
    mean, variance = tf.nn.moments(values, axes)
    kept = layer.moving_mean.shape
    return tf.reshape(mean, kept), tf.reshape(variance, kept)


def _normalised(layer: Any, values: Any, mean: Any, variance: Any) -> Any:
    axes = np.ravel(layer.axis) % values.shape.rank
    shape = [side if axis in axes else 1 for axis, side in enumerate(values.shape)]
    statistics = (
        None if each is None else tf.reshape(each, shape)
        for each in (mean, variance, layer.beta, layer.gamma)
    )
    return tf.nn.batch_normalization(values, *statistics, layer.epsilon)


def _averages(model: Any, batches: Iterable[Floats], visit: _Visit) -> dict[str, tuple[Any, Any]]:
    """The two figures of each batch normalisation, by layer, averaged over the pictures."""
    nodes = call_nodes(model)
    sums: dict[str, list[Any]] = {}
    pictures = 0
    for batch in batches:
        pictures += len(batch)
        for name, figures in _through(model, nodes, batch, visit):
            total = sums.setdefault(name, [0.0, 0.0, 0])
            for place, value in enumerate((*figures, 1)):
                total[place] += len(batch) * value
    if not pictures:
        raise ValueError("statistics need at least one picture")
    return {name: (first / count, second / count) for name, (first, second, count) in sums.items()}


def _through(
    model: Any, nodes: list[Any], batch: Floats, visit: _Visit
) -> list[tuple[str, tuple[Any, Any]]]:
    """Each batch normalisation's name and figures, in the order of the graph."""
    told = []
    # Keras' own bookkeeping: a copy of each tensor for each use, so that none outlives its last.
    uses = model._tensor_usage_count
    keys = [str(id(tensor)) for tensor in model.inputs]
    held = {key: [tf.convert_to_tensor(batch, tf.float32)] * uses[key] for key in keys}
    for node in nodes:
        if node.is_input:
            continue
        arguments, named = node.map_arguments(held)
        if isinstance(node.layer, layers.BatchNormalization):
            outputs, figures = visit(node.layer, arguments[0])
            told.append((node.layer.name, figures))
        else:
            outputs = node.layer(*arguments, **named)
        keys = [str(id(tensor)) for tensor in tf.nest.flatten(node.outputs)]
        found = zip(keys, tf.nest.flatten(outputs), strict=True)
        held.update((key, [value] * uses[key]) for key, value in found)
    return told
