"""Whole channels out of a network: which, how many, and the smaller network without them.

A flat Keras model and a score for each channel enter; a flat Keras model with narrower layers
leaves, of the same layer names, inputs and outputs. Also: the multiply-accumulates of a model,
and statistics of batch normalisation anew, which a smaller network needs.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tf_keras
from tf_keras import layers

from ..architectures.untraced import untraced
from ..errors import CnnedgeError
from .channel_graph import ChannelGraph, ChannelGroup, IntArray, trace

Floats = npt.NDArray[np.float32]
_Mask = npt.NDArray[np.bool_]

# The last step of a removal, and the counts of all groups at each step, none ever rising.
_Ladder = tuple[int, Callable[[int], IntArray]]
# A uniform removal is found to a thousandth of each group.
_STEPS = 1000


def choose(
    model: Any,
    groups: Sequence[ChannelGroup],
    scores: Mapping[str, Floats],
    *,
    ratio: float | None = None,
    macs: float | None = None,
    spread: Literal["global", "uniform"] = "global",
    per_cost: bool = False,
    multiple: int = 8,
    keep_at_least: float = 0.1,
) -> dict[str, IntArray]:
    """The channels that stay, int64 indices in order, for each group by its name.

    groups: some or all of channel_groups(model). scores: of `importance`, float [channels] by
    the group's name; the lowest leave first. Exactly one target. ratio: the fraction of the
    groups' channels that leaves, met to about `multiple` channels where it is spread globally.
    macs: the fraction of the model's multiply-accumulates that may remain, never exceeded.
    spread: "global" ranks all channels at once; "uniform" takes the same fraction of each group.
    per_cost: the global ranking is by score per multiply-accumulate saved. Meant for `macs` with
    scores in units of the loss ("taylor"), which otherwise empty the wide, cheap last layers;
    relative ones ("l1", "batch_norm") would empty the few dear layers instead.

    No group falls below `keep_at_least` of its channels, nor below `multiple` where it has more.
    A group of 2 * `multiple` channels or more that loses any keeps a multiple of it, as kernels
    of phones work on 8 channels at a time.

    Raises CnnedgeError where no channel may leave, a group is not the model's, or the target
    cannot be reached, with what can be; ValueError for other arguments that make no sense.
    """
    if (ratio is None) == (macs is None):
        raise ValueError("exactly one of ratio and macs is needed")
    if not 0 <= (ratio or 0) < 1 or not 0 < (1 if macs is None else macs) <= 1:
        raise ValueError("ratio is from 0 to below 1, macs above 0 to 1")
    search = _Search.of(model, groups, scores, multiple, keep_at_least)
    ladder = search.ranked(per_cost) if spread == "global" else search.uniform()
    counts = search.to_ratio(ratio or 0, ladder) if macs is None else search.to_macs(macs, ladder)
    return search.kept(counts)


def remove(model: Any, kept: Mapping[str, npt.ArrayLike]) -> tf_keras.Model:
    """The model with only the channels of `kept`, indices by a group's name; other groups whole.

    Gives a new flat functional model, not compiled, with copied weights, of the same layer
    names, `trainable` flags, inputs and outputs. Where what is removed contributed exactly zero,
    its outputs are the same. Raises CnnedgeError for names or indices that the model does not
    have, and as channel_groups does.
    """
    graph = trace(model)
    alive = _alive(graph, kept)

    def narrowed(layer: Any) -> Any:
        config = layer.get_config()
        if layer.name in graph.widths:
            argument, channels = graph.widths[layer.name]
            count, whole = int(alive[channels].sum()), config[argument]
            config[argument] = [*whole[:-1], count] if argument == "target_shape" else count
        return type(layer).from_config(config)

    with model.distribute_strategy.scope(), untraced():
        # What is cloned as it is stays a Sequential, if it is one.
        whole = tf_keras.Model(model.inputs, model.outputs, name=model.name)
        smaller = tf_keras.models.clone_model(whole, clone_function=narrowed)
        _fill(model, smaller, graph, alive)
    return smaller


def model_macs(model: Any) -> int:
    """Multiply-accumulates of one picture in all convolutions and fully connected layers.

    Raises CnnedgeError where sizes are not known, and as channel_groups does.
    """
    graph = trace(model)
    return _Cost.of(graph)(np.ones(len(graph.group_of), np.bool_))


def _alive(graph: ChannelGraph, kept: Mapping[str, npt.ArrayLike]) -> _Mask:
    """For each channel number, whether it stays."""
    alive = np.ones(len(graph.group_of), np.bool_)
    places = {group.name: place for place, group in enumerate(graph.groups)}
    for name, stay in kept.items():
        if name not in places:
            raise CnnedgeError(
                f"layer '{name}' produces no channels that can be removed: "
                f"{graph.frozen.get(name, 'it is not the first of a group')}"
            )
        indices = np.asarray(stay, np.int64)
        channels = graph.groups[places[name]].channels
        if not len(indices) or indices.min() < 0 or indices.max() >= channels:
            raise CnnedgeError(
                f"layer '{name}' has channels 0..{channels - 1}, of which at least one has to "
                f"stay; found {indices.tolist()[:10]}"
            )
        mine = graph.group_of == places[name]
        alive[mine] = np.isin(graph.index_of[mine], indices)
    return alive


def _fill(model: Any, smaller: Any, graph: ChannelGraph, alive: _Mask) -> None:
    """Copies weights, each cut along the axes that run over channels; and trainable flags."""
    for layer in model.layers:
        values = {id(weight): weight.numpy() for weight in layer.weights}
        for slot in graph.slots:
            if slot.layer == layer.name:
                key = id(getattr(layer, slot.weight))
                values[key] = np.compress(alive[slot.channels], values[key], slot.axis)
        smaller.get_layer(layer.name).set_weights([values[id(each)] for each in layer.weights])
    smaller.trainable = model.trainable
    for layer in model.layers:
        smaller.get_layer(layer.name).trainable = layer.trainable


@dataclass(frozen=True, kw_only=True)
class _Cost:
    """What kernels multiply. products: a factor, and channels whose counts it is times."""

    products: tuple[tuple[int, tuple[IntArray, ...]], ...]

    @classmethod
    def of(cls, graph: ChannelGraph) -> _Cost:
        """Raises CnnedgeError where the size of a feature map is not known."""
        axes: dict[tuple[str, str], dict[int, IntArray]] = {}
        for slot in graph.slots:
            axes.setdefault((slot.layer, slot.weight), {})[slot.axis] = slot.channels
        products = []
        for layer, positions in _multiplying(graph):
            for weight in _KERNELS:
                if (kernel := getattr(layer, weight, None)) is not None:
                    cut = axes.get((layer.name, weight), {})
                    whole = [size for axis, size in enumerate(kernel.shape) if axis not in cut]
                    products.append((positions * math.prod(whole), tuple(cut.values())))
        return cls(products=tuple(products))

    def __call__(self, alive: _Mask) -> int:
        """The multiply-accumulates of one picture while these channels are there."""
        return sum(
            factor * math.prod(int(alive[channels].sum()) for channels in read)
            for factor, read in self.products
        )


_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
_MULTIPLYING = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Dense)


def _multiplying(graph: ChannelGraph) -> Iterator[tuple[Any, int]]:
    """Each call of a layer with kernels, and how many positions these are multiplied at."""
    for call in graph.calls:
        layer = call.layer
        if not isinstance(layer, _MULTIPLYING):
            continue
        shape = call.shapes[0] if isinstance(layer, layers.Conv2DTranspose) else call.output_shape
        last = getattr(layer, "data_format", "channels_last") == "channels_last"
        sizes = shape[1:-1] if last else shape[2:]
        if None in sizes:
            raise CnnedgeError(
                f"layer '{layer.name}' has feature maps of unknown size, and so of unknown cost; "
                "build the model for one input size"
            )
        yield layer, math.prod(size for size in sizes if size is not None)


@dataclass(frozen=True, kw_only=True)
class _Search:
    """How many channels each group of a model may keep.

    Arrays over the graph's groups. sizes: channels; least: as few as may stay; open: those that
    may lose any; ranks: of each channel in its group, 0 for the one needed most.
    """

    graph: ChannelGraph
    sizes: IntArray
    least: IntArray
    open: _Mask
    scores: tuple[npt.NDArray[Any], ...]
    ranks: tuple[IntArray, ...]
    multiple: int

    @classmethod
    def of(
        cls,
        model: Any,
        groups: Sequence[ChannelGroup],
        scores: Mapping[str, Floats],
        multiple: int,
        keep_at_least: float,
    ) -> _Search:
        graph = trace(model)
        _check_groups(model, graph, groups)
        sizes = np.array([group.channels for group in graph.groups], np.int64)
        rows = [
            np.asarray(scores[group.name] if group in groups else np.zeros(group.channels))
            for group in graph.groups
        ]
        if [len(row) for row in rows] != sizes.tolist():
            raise ValueError("each group needs one score for each channel")
        return cls(
            graph=graph,
            sizes=sizes,
            least=_least(sizes, multiple, keep_at_least),
            open=np.array([group in groups for group in graph.groups], np.bool_),
            scores=tuple(rows),
            ranks=tuple(np.argsort(np.argsort(-1 * row, kind="stable")) for row in rows),
            multiple=multiple,
        )

    @cached_property
    def cost(self) -> _Cost:
        return _Cost.of(self.graph)

    def kept(self, counts: IntArray) -> dict[str, IntArray]:
        """The channels that stay, where each open group keeps so many of its best."""
        return {
            group.name: np.flatnonzero(self.ranks[place] < counts[place])
            for place, group in enumerate(self.graph.groups)
            if self.open[place]
        }

    def fitting(self, wanted: npt.NDArray[Any]) -> IntArray:
        """Counts near those wanted that may be; never fewer for more wanted."""
        stepped = np.rint(wanted / self.multiple) * self.multiple
        counts = np.where(self.sizes >= 2 * self.multiple, stepped, wanted)
        counts = np.clip(counts, self.least, self.sizes)
        whole = (wanted >= self.sizes) | ~self.open
        return np.where(whole, self.sizes, counts).astype(np.int64)

    def uniform(self) -> _Ladder:
        """Counts after so many thousandths of each group have left."""
        return _STEPS, lambda step: self.fitting(np.rint(self.sizes * (1 - step / _STEPS)))

    def ranked(self, per_cost: bool) -> _Ladder:
        """Counts after so many of the channels with the lowest scores have left."""
        worth = self._savings() if per_cost else np.ones(len(self.sizes))
        places = np.flatnonzero(self.open)
        owners = np.repeat(places, self.sizes[places])
        keys = np.concatenate([self.scores[place] / worth[place] for place in places])
        order = owners[np.argsort(keys, kind="stable")]

        def counts(step: int) -> IntArray:
            return self.fitting(self.sizes - np.bincount(order[:step], minlength=len(self.sizes)))

        return len(order), counts

    def to_ratio(self, ratio: float, ladder: _Ladder) -> IntArray:
        """Counts without about this fraction of the open groups' channels."""
        top, counts = ladder
        total = int(self.sizes[self.open].sum())
        asked = round(ratio * total)

        def removed(step: int) -> int:
            return int((self.sizes - counts(step)).sum())

        if asked > removed(top) + self.multiple:
            raise CnnedgeError(
                f"{ratio:g} of {total} channels cannot be removed: with the least that each group "
                f"keeps, {math.floor(1000 * removed(top) / total) / 1000:g} can. Ask for that or "
                "less, or let groups keep less"
            )
        step = bisect_left(range(top), asked, key=removed)
        return counts(min(step, max(step - 1, 0), key=lambda each: abs(removed(each) - asked)))

    def to_macs(self, fraction: float, ladder: _Ladder) -> IntArray:
        """Counts that leave at most this fraction of the model's multiply-accumulates."""
        top, counts = ladder
        total = self._cost(self.sizes)
        if self._cost(counts(top)) > fraction * total:
            least = math.ceil(1000 * self._cost(counts(top)) / total) / 1000
            raise CnnedgeError(
                f"{fraction:g} of the multiply-accumulates cannot be reached: with the least that "
                f"each group keeps, {least:g} remain. Ask for that or more, or let groups keep less"
            )
        # Costs never rise along a ladder; bisection wants them rising.
        asked = -fraction * total
        return counts(bisect_left(range(top), asked, key=lambda step: -self._cost(counts(step))))

    def _savings(self) -> npt.NDArray[np.float64]:
        """The multiply-accumulates of each group's channels, of one on average; at least one."""
        places = np.arange(len(self.sizes))
        without = [self._cost(np.where(places == place, 0, self.sizes)) for place in places]
        return np.maximum((self._cost(self.sizes) - np.array(without)) / self.sizes, 1.0)

    def _cost(self, counts: IntArray) -> int:
        """The model's multiply-accumulates where each group keeps so many of its best."""
        starts, owner = np.cumsum(self.sizes) - self.sizes, self.graph.group_of
        ranks = np.concatenate(self.ranks)[starts[owner] + self.graph.index_of]
        return self.cost((owner < 0) | (ranks < counts[owner]))


def _check_groups(model: Any, graph: ChannelGraph, groups: Sequence[ChannelGroup]) -> None:
    if not groups:
        reasons = [f"layer '{name}': {why}" for name, why in list(graph.frozen.items())[:3]]
        raise CnnedgeError(
            f"no channels of model '{model.name}' can be removed; "
            f"{'; '.join(reasons) or 'it has no layer that makes any'}"
        )
    if strangers := [group.name for group in groups if group not in graph.groups]:
        raise CnnedgeError(f"model '{model.name}' has no group of channels '{strangers[0]}'")


def _least(sizes: IntArray, multiple: int, keep_at_least: float) -> IntArray:
    """The fewest channels that groups of these sizes may keep."""
    # Less what the product may be above a whole number for rounding.
    least = np.maximum(np.ceil(keep_at_least * sizes - 1e-9), 1)
    least = np.where(sizes > multiple, np.maximum(least, multiple), least)
    stepped = np.where(sizes >= 2 * multiple, np.ceil(least / multiple) * multiple, least)
    fewest: IntArray = np.minimum(stepped, sizes).astype(np.int64)
    return fewest
