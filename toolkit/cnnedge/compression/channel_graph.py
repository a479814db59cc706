"""Which channels of a network must leave together.

A flat Keras model enters. What leaves: the groups of channels that may be removed, and for each
axis of each weight the channels that it runs over, so that a removal is the same cut everywhere.

Each channel that a layer makes has a number. A tensor is known by the numbers along its last
axis: concatenation strings them together, flattening repeats them for each position, and an
element-wise sum couples those of two tensors one by one (layer by layer in "DepGraph: Towards Any
Structural Pruning", Fang et al. 2023). Coupled channels leave together; channels that enter a
layer without a rule here are frozen: they never leave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras
from tf_keras import layers

from ..errors import CnnedgeError
from .coupling import Coupling, in_order

IntArray = npt.NDArray[np.int64]
Role = Literal["produces", "follows", "consumes"]


@dataclass(frozen=True, kw_only=True)
class ChannelGroup:
    """Channels 0..channels-1 of which each leaves from all layers named here at once.

    name: its first producer, whose own order the channels have. producers: layers whose outputs
    these are, several where a residual sum couples them. followers: layers that hold weights for
    each channel, such as batch normalisation and depthwise convolution. consumers: layers whose
    kernels read them.
    """

    name: str
    channels: int
    producers: tuple[str, ...]
    followers: tuple[str, ...]
    consumers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One axis of one weight, an attribute of its layer, and the channels along that axis."""

    layer: str
    weight: str
    axis: int
    channels: IntArray
    role: Role


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a layer. inputs: of each input tensor, the channels along its last axis."""

    layer: Any
    node: Any
    inputs: tuple[IntArray, ...]
    shapes: tuple[tuple[int | None, ...], ...]
    output_shape: tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True)
class ChannelGraph:
    """All channels of a model, numbered.

    group_of, index_of: for each channel number its place in `groups` (-1: it stays) and which
    of the group's channels it is. widths: layers by the argument that holds a number of outputs,
    with the channels of those. frozen: why the outputs of a layer stay, by its name.
    """

    groups: tuple[ChannelGroup, ...]
    group_of: IntArray
    index_of: IntArray
    slots: tuple[Slot, ...]
    widths: Mapping[str, tuple[str, IntArray]]
    calls: tuple[Call, ...]
    frozen: Mapping[str, str]


def channel_groups(model: Any) -> tuple[ChannelGroup, ...]:
    """The groups of channels that may leave, in the model's order; none where none may.

    model: flat functional tf_keras model. The channels of its inputs and outputs are in no
    group, nor are those of a grouped convolution, of a layer used more than once, or of what
    enters a layer that is not understood. Raises CnnedgeError for a nested model or one without
    a graph.
    """
    return trace(model).groups


def trace(model: Any) -> ChannelGraph:
    """All channels of a model; see channel_groups."""
    nodes = call_nodes(model)
    uses = Counter(node.layer.name for node in nodes)
    tracer = _Tracer()
    for node in nodes:
        tracer.visit(node, shared=uses[node.layer.name] > 1)
    for tensor in model.outputs:
        tracer.freeze(tracer.tensors[id(tensor)], "its outputs are the model's")
    return _resolve(tracer)


def call_nodes(model: Any) -> list[Any]:
    """The calls of a model's layers, Keras' nodes, each after those whose outputs it takes."""
    if not getattr(model, "_is_graph_network", False):
        raise CnnedgeError(
            f"model '{model.name}' has no graph of layers; build it with Keras' functional API"
        )
    for layer in model.layers:
        if isinstance(layer, tf_keras.Model):
            inner = next((each.name for each in layer.layers if each.weights), "")
            raise CnnedgeError(
                f"layer '{inner}' is nested in '{layer.name}'; channels leave flat models alone. "
                "Build the model without a model inside it"
            )
    places = {layer.name: place for place, layer in enumerate(model.layers)}
    by_depth = model._nodes_by_depth
    depths = [by_depth[depth] for depth in sorted(by_depth, reverse=True)]
    return [n for row in depths for n in sorted(row, key=lambda n: places.get(n.layer.name, -1))]


class _NotUnderstood(Exception):
    """Why no rule holds for a call; its channels stay."""


class _Tracer(Coupling):
    """Numbers channels while it goes through the calls of a model."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: dict[int, str] = {}
        self.slots: list[Slot] = []
        self.widths: dict[str, tuple[str, IntArray]] = {}
        self.calls: list[Call] = []
        self.tensors: dict[int, IntArray] = {}

    def visit(self, node: Any, *, shared: bool) -> None:
        """Numbers the outputs of one call."""
        outputs = tf.nest.flatten(node.outputs)
        inputs = [] if node.is_input else tf.nest.flatten(node.keras_inputs)
        call = Call(
            layer=node.layer,
            node=node,
            inputs=tuple(self.tensors[id(tensor)] for tensor in inputs),
            shapes=tuple(tuple(tensor.shape) for tensor in inputs),
            output_shape=tuple(outputs[0].shape),
        )
        try:
            numbers = [_apply(self, call, shared)]
        except _NotUnderstood as reason:
            numbers = [self._stay(call, tensor, str(reason)) for tensor in outputs]
        self.tensors.update(zip(map(id, outputs), numbers, strict=True))
        self.calls.append(call)

    def _stay(self, call: Call, output: Any, reason: str) -> IntArray:
        channels = self.fresh((output.shape[-1] if len(output.shape) else 0) or 0)
        self.freeze(np.concatenate([*call.inputs, channels]), f"'{call.layer.name}' {reason}")
        return channels

    def freeze(self, channels: Iterable[int], reason: str) -> None:
        """These channels stay."""
        self.reasons.update(dict.fromkeys(channels, reason))

    def hold(self, layer: Any, weight: str, axis: int, channels: IntArray, role: Role) -> None:
        """A weight of a layer, where it has that one, runs over these channels."""
        if getattr(layer, weight, None) is not None:
            self.slots.append(
                Slot(layer=layer.name, weight=weight, axis=axis, channels=channels, role=role)
            )


def _resolve(tracer: _Tracer) -> ChannelGraph:
    roots = tracer.roots()
    slots = [replace(slot, channels=roots[slot.channels]) for slot in tracer.slots]
    made = [slot for slot in slots if slot.role == "produces"]
    # Producers that share channels make one group: they are widened and narrowed as one.
    united = Coupling()
    united.fresh(len(roots))
    for slot in made:
        united.couple(slot.channels[1:], slot.channels[:-1])
    streams = united.roots()
    kept = {int(streams[roots[channel]]): why for channel, why in tracer.reasons.items()}
    group_of, index_of = np.full((2, len(roots)), -1, np.int64)
    sizes: list[int] = []
    for stream, channels in _members(made, streams):
        if stream not in kept and len(channels) > 1:
            group_of[channels], index_of[channels] = len(sizes), range(len(channels))
            sizes.append(len(channels))
    groups = _groups(sizes, group_of, slots)
    firsts = {slot.layer: int(slot.channels[0]) for slot in made}
    return ChannelGraph(
        groups=groups,
        group_of=group_of[roots],
        index_of=index_of[roots],
        slots=tuple(slots),
        widths=tracer.widths,
        calls=tuple(tracer.calls),
        frozen={
            name: kept.get(int(streams[channel]), "it has one channel")
            for name, channel in firsts.items()
            if group_of[channel] < 0
        },
    )


def _members(made: Sequence[Slot], streams: IntArray) -> Iterator[tuple[int, IntArray]]:
    """The channels of each stream, both in the order in which layers make them."""
    if not made:
        return
    channels = in_order(np.concatenate([slot.channels for slot in made]))
    for stream in in_order(streams[channels]):
        yield int(stream), channels[streams[channels] == stream]


def _groups(
    sizes: Sequence[int], group_of: IntArray, slots: Sequence[Slot]
) -> tuple[ChannelGroup, ...]:
    named: list[dict[Role, dict[str, None]]] = [
        {"produces": {}, "consumes": {}, "follows": {}} for _ in sizes
    ]
    for slot in slots:
        for group in np.unique(group_of[slot.channels]):
            if group >= 0:
                named[group][slot.role].setdefault(slot.layer)
    return tuple(
        ChannelGroup(
            name=next(iter(layers_["produces"])),
            channels=size,
            producers=tuple(layers_["produces"]),
            # The depthwise half of a separable convolution goes with the half that reads it.
            followers=tuple(n for n in layers_["follows"] if n not in layers_["consumes"]),
            consumers=tuple(layers_["consumes"]),
        )
        for size, layers_ in zip(sizes, named, strict=True)
    )


def _apply(tracer: _Tracer, call: Call, shared: bool) -> IntArray:
    kind = type(call.layer)
    if shared or kind is layers.InputLayer:
        raise _NotUnderstood("is used more than once" if shared else "is the model's input")
    if kind.__name__ == "TFOpLambda":
        return _operation(tracer, call)
    if kind in _COUPLING:
        return _elementwise(tracer, call)
    if kind not in _RULES:
        raise _NotUnderstood(f"is a {kind.__name__}, which cnnedge does not know")
    if len(call.inputs) != 1 and kind is not layers.Concatenate:
        raise _NotUnderstood("has several inputs")
    if getattr(call.layer, "data_format", None) not in (None, "channels_last"):
        raise _NotUnderstood("has its channels first")
    if kind not in _KERNELS and not _is_elementwise(call.layer):
        raise _NotUnderstood("has an activation over all channels")
    return _RULES[kind](tracer, call)


def _kernel(tracer: _Tracer, call: Call) -> IntArray:
    layer, channels = call.layer, call.inputs[0]
    if getattr(layer, "groups", 1) != 1:
        raise _NotUnderstood("is a grouped convolution")
    weight, inwards, outwards, width = _KERNELS[type(layer)]
    if type(layer) is layers.SeparableConv2D:
        tracer.hold(layer, "depthwise_kernel", 2, channels, "follows")
        channels = np.repeat(channels, layer.depth_multiplier)
    made = tracer.fresh(getattr(layer, width))
    tracer.widths[layer.name] = (width, made)
    tracer.hold(layer, weight, inwards, channels, "consumes")
    tracer.hold(layer, weight, outwards, made, "produces")
    tracer.hold(layer, "bias", 0, made, "produces")
    if not _is_elementwise(layer):
        tracer.freeze(made, f"the activation of '{layer.name}' is over all channels")
    return made


def _depthwise(tracer: _Tracer, call: Call) -> IntArray:
    spread = np.repeat(call.inputs[0], call.layer.depth_multiplier)
    tracer.hold(call.layer, "depthwise_kernel", 2, call.inputs[0], "follows")
    tracer.hold(call.layer, "bias", 0, spread, "follows")
    return spread


def _batch_norm(tracer: _Tracer, call: Call) -> IntArray:
    if list(np.ravel(call.layer.axis)) != [len(call.output_shape) - 1]:
        raise _NotUnderstood("normalises another axis than the channels'")
    for weight in ("gamma", "beta", "moving_mean", "moving_variance"):
        tracer.hold(call.layer, weight, 0, call.inputs[0], "follows")
    return call.inputs[0]


def _pass(tracer: _Tracer, call: Call) -> IntArray:
    # Those of a Rescaling; the others have none.
    if any(np.size(getattr(call.layer, name, 0)) != 1 for name in ("scale", "offset")):
        raise _NotUnderstood("has a number for each channel")
    return call.inputs[0]


def _reshape(tracer: _Tracer, call: Call) -> IntArray:
    before = [size for size in call.shapes[0][1:] if size is not None]
    after = call.output_shape[-1]
    if len(before) < len(call.shapes[0]) - 1 or after is None:
        raise _NotUnderstood("reshapes sizes that are not known")
    rows = np.broadcast_to(call.inputs[0], before).reshape(-1, after)
    if (rows != rows[0]).any():
        raise _NotUnderstood("moves channels to another axis")
    if type(call.layer) is layers.Reshape:
        tracer.widths[call.layer.name] = ("target_shape", rows[0])
    channels: IntArray = rows[0]
    return channels


def _concatenate(tracer: _Tracer, call: Call) -> IntArray:
    if call.layer.axis not in (-1, len(call.output_shape) - 1):
        return _elementwise(tracer, call)
    return np.concatenate(call.inputs)


def _elementwise(tracer: _Tracer, call: Call) -> IntArray:
    """Couples the inputs; one of a single channel, spread over those of another, stays."""
    width = max(map(len, call.inputs))
    wide = [channels for channels in call.inputs if len(channels) == width]
    narrow = [channels for channels in call.inputs if len(channels) < width]
    if any(len(channels) != 1 for channels in narrow) or call.output_shape[-1] != width:
        raise _NotUnderstood("takes tensors that do not fit")
    for channels in wide[1:]:
        tracer.couple(wide[0], channels)
    for channels in narrow:
        tracer.freeze(channels, f"'{call.layer.name}' spreads it over other channels")
    return wide[0]


def _operation(tracer: _Tracer, call: Call) -> IntArray:
    name = call.layer.get_config()["function"]
    if name not in _OPERATIONS:
        raise _NotUnderstood(f"is tf.{name}, which cnnedge does not know")
    tensors = {id(tensor) for tensor in tf.nest.flatten(call.node.keras_inputs)}
    arguments = tf.nest.flatten((call.node.call_args, call.node.call_kwargs))
    if any(np.size(each) != 1 for each in arguments if id(each) not in tensors):
        raise _NotUnderstood("has a number for each channel")
    return _elementwise(tracer, call)


def _is_elementwise(layer: Any) -> bool:
    activation = getattr(layer, "activation", None)
    return activation is None or getattr(activation, "__name__", "") in _ACTIVATIONS


_ACTIVATIONS = frozenset(
    "elu exponential gelu hard_sigmoid leaky_relu linear mish relu relu6 selu sigmoid silu "
    "softplus softsign swish tanh".split()
)
_OPERATIONS = frozenset(
    "__operators__.add clip_by_value identity math.abs math.add math.divide math.maximum "
    "math.minimum math.multiply math.negative math.sigmoid math.square math.subtract math.tanh "
    "math.truediv nn.elu nn.leaky_relu nn.relu nn.relu6 nn.silu nn.swish".split()
)
_COUPLING = frozenset(
    getattr(layers, name) for name in "Add Average Maximum Minimum Multiply Subtract".split()
)
_PASSING = (
    "Activation ActivityRegularization AlphaDropout AveragePooling2D Cropping2D Dropout ELU "
    "GaussianDropout GaussianNoise GlobalAveragePooling2D GlobalMaxPooling2D LeakyReLU "
    "MaxPooling2D ReLU Rescaling SpatialDropout2D ThresholdedReLU UpSampling2D ZeroPadding2D"
).split()
# The weight that reads the input; its axes of inputs and outputs; the argument for the latter.
_KERNELS: Mapping[Any, tuple[str, int, int, str]] = {
    layers.Conv2D: ("kernel", 2, 3, "filters"),
    layers.Conv2DTranspose: ("kernel", 3, 2, "filters"),
    layers.Dense: ("kernel", 0, 1, "units"),
    layers.SeparableConv2D: ("pointwise_kernel", 2, 3, "filters"),
}
# By the exact class: what a subclass changes is not known.
_RULES: Mapping[Any, Callable[[_Tracer, Call], IntArray]] = {
    **dict.fromkeys(_KERNELS, _kernel),
    **{getattr(layers, name): _pass for name in _PASSING},
    layers.BatchNormalization: _batch_norm,
    layers.Concatenate: _concatenate,
    layers.DepthwiseConv2D: _depthwise,
    layers.Flatten: _reshape,
    layers.Reshape: _reshape,
}
