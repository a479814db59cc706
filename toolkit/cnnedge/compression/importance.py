"""How much each channel of a network counts.

A Keras model, its groups of channels and, for one method, labelled pictures enter; one score for
each channel leaves, higher for one that the network needs more. Scores of different groups can be
compared, so that one threshold serves for the whole network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from .channel_graph import ChannelGraph, ChannelGroup, IntArray, Slot, trace

Method = Literal["batch_norm", "l1", "taylor"]
Floats = npt.NDArray[np.float32]
Scores = dict[str, npt.NDArray[np.float64]]

_BATCH = 32


def importance(
    model: Any,
    groups: Sequence[ChannelGroup],
    method: Method,
    pictures: Floats | None = None,
    targets: Floats | None = None,
) -> dict[str, Floats]:
    """The scores of each group's channels, float32 [channels], by the group's name.

    "batch_norm": |gamma|, the mean over the group's batch normalisations, as it is: gammas act
    on values of variance 1 and so compare across layers (Liu et al. 2017, "Network Slimming").
    A group without a gamma has its "l1" scores, times the mean |gamma| of all other groups.

    "l1": the sum of a filter's absolute weights (Li et al. 2017, "Pruning Filters for Efficient
    ConvNets"), divided by the mean over its layer, since larger kernels have larger sums; the
    mean over the group's producers.

    "taylor": the square of what the loss changes by, to first order, when the channel leaves,
    the mean over batches of 32 (Molchanov et al. 2019, "Importance Estimation for Neural Network
    Pruning"). The change is the sum of gradient times weight over all kernels that read the
    channel, which is that of gradient times activation: not over the filters that make it, as a
    batch normalisation after them would still add its beta. In units of the loss, so it needs
    no normalisation. pictures: float32 [n, h, w, c] as the model takes them; targets: float32
    [n, classes], one-hot or mixed, for cross-entropy.

    groups: some or all of channel_groups(model). Raises ValueError where "taylor" has no
    pictures or no targets, or another number of them, and CnnedgeError as channel_groups does.
    """
    graph = trace(model)
    if method == "taylor":
        if pictures is None or targets is None or not 0 < len(pictures) == len(targets):
            raise ValueError("taylor needs pictures and as many targets")
        scores = _taylor(model, graph, pictures, targets)
    elif method == "l1":
        scores = _filter_norms(model, graph)
    else:
        scores = _gammas(model, graph)
    return {group.name: scores[group.name].astype(np.float32) for group in groups}


def _filter_norms(model: Any, graph: ChannelGraph) -> Scores:
    kernels = [s for s in graph.slots if s.role == "produces" and s.weight != "bias"]
    rows = []
    for slot in kernels:
        norms = _along(np.abs(_weight(model, slot).numpy()), slot.axis)
        rows.append(norms / (norms.mean() or 1.0))
    return _means(graph, kernels, rows)


def _gammas(model: Any, graph: ChannelGraph) -> Scores:
    gammas = [slot for slot in graph.slots if slot.weight == "gamma"]
    found = _means(graph, gammas, [np.abs(_weight(model, slot).numpy()) for slot in gammas])
    known = {name: scores for name, scores in found.items() if not np.isnan(scores).any()}
    level = np.concatenate(list(known.values())).mean() if known else 1.0
    norms = _filter_norms(model, graph)
    return {name: known.get(name, level * norms[name]) for name in norms}


def _taylor(model: Any, graph: ChannelGraph, pictures: Floats, targets: Floats) -> Scores:
    kernels = [s for s in graph.slots if s.role == "consumes"]
    weights = [_weight(model, slot) for slot in kernels]
    totals = {group.name: np.zeros(group.channels) for group in graph.groups}
    starts = range(0, len(pictures), _BATCH)
    for start in starts:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            answers = model(pictures[start : start + _BATCH], training=False)
            truth = targets[start : start + _BATCH]
            loss = tf.reduce_mean(tf_keras.losses.categorical_crossentropy(truth, answers))
        gradients = tape.gradient(loss, weights)
        rows = [
            _along((gradient * weight).numpy(), slot.axis)
            for slot, weight, gradient in zip(kernels, weights, gradients, strict=True)
        ]
        for name, changes in _sums(graph, kernels, rows).items():
            totals[name] += changes**2 / len(starts)
    return totals


def _weight(model: Any, slot: Slot) -> Any:
    return getattr(model.get_layer(slot.layer), slot.weight)


def _along(values: npt.NDArray[Any], axis: int) -> npt.NDArray[np.float64]:
    """The sums over all other axes."""
    others = tuple(each for each in range(values.ndim) if each != axis)
    summed: npt.NDArray[np.float64] = values.sum(axis=others, dtype=np.float64)
    return summed


def _sums(graph: ChannelGraph, slots: Sequence[Slot], rows: Sequence[npt.NDArray[Any]]) -> Scores:
    """For each channel of each group, the sum of its values. rows: those along each slot."""
    totals = {group.name: np.zeros(group.channels) for group in graph.groups}
    for slot, values in zip(slots, rows, strict=True):
        for name, places, index in _shares(graph, slot):
            np.add.at(totals[name], index, values[places])
    return totals


def _means(graph: ChannelGraph, slots: Sequence[Slot], rows: Sequence[npt.NDArray[Any]]) -> Scores:
    """As _sums, the mean of a channel's values; NaN where it has none."""
    counts = _sums(graph, slots, [np.ones(len(values)) for values in rows])
    with np.errstate(invalid="ignore"):
        return {name: total / counts[name] for name, total in _sums(graph, slots, rows).items()}


def _shares(graph: ChannelGraph, slot: Slot) -> Iterator[tuple[str, IntArray, IntArray]]:
    """The groups along a slot: the name, the places along its axis, their channels' indices."""
    owners = graph.group_of[slot.channels]
    for owner in np.unique(owners[owners >= 0]):
        places = np.flatnonzero(owners == owner)
        yield graph.groups[owner].name, places, graph.index_of[slot.channels[places]]
