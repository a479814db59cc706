"""The backbones as Keras graphs, flat, from raw pixels.

A backbone's name and the image tensor enter; its feature map leaves, of untrained layers whose
names are the same in every build. Also: the names grouped into blocks, for training the last of
only those, and the whole published classifier.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tf_keras
from tf_keras import applications, layers

from ..specs.backbones import BACKBONES
from ..specs.pixels import InputSize
from . import efficientnet_lite
from .untraced import untraced

SCALING = "pixel_scaling"


@dataclass(frozen=True, kw_only=True)
class _Names:
    """What the names of the layers before, in and after the blocks begin with, as patterns.

    What `block` matches is the name of the block.
    """

    stem: str
    block: str
    top: str


@dataclass(frozen=True, kw_only=True)
class _Family:
    """make: Keras' own function and its further arguments; None: this package's definition."""

    make: Callable[..., Any] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    names: _Names


_RAW = {"include_preprocessing": False}
_EFFICIENTNET = _Names(stem=r"stem_", block=r"block\d[a-z](?=_)", top=r"top_(?!dropout)")
_MOBILENET_V2 = _Names(
    stem=r"Conv1(_|$)|bn_Conv1", block=r"(block_\d+|expanded_conv)(?=_)", top=r"Conv_1|out_relu$"
)
_MOBILENET_V3 = _Names(stem=r"Conv(/|$)", block=r"expanded_conv(_\d+)?(?=/)", top=r"Conv_1(/|$)")
_RESNET = _Names(stem=r"(conv1|pool1)_", block=r"conv\d_block\d+(?=_)", top=r"(?!)")

_FAMILIES: Mapping[str, _Family] = {
    "efficientnet_lite0": _Family(names=_EFFICIENTNET),
    "efficientnet_v2_b0": _Family(
        make=applications.EfficientNetV2B0, arguments=_RAW, names=_EFFICIENTNET
    ),
    "mobilenet_v2": _Family(make=applications.MobileNetV2, names=_MOBILENET_V2),
    "mobilenet_v3_large": _Family(
        make=applications.MobileNetV3Large, arguments=_RAW, names=_MOBILENET_V3
    ),
    "mobilenet_v3_small": _Family(
        make=applications.MobileNetV3Small, arguments=_RAW, names=_MOBILENET_V3
    ),
    "resnet50": _Family(make=applications.ResNet50, names=_RESNET),
}

# Layers that Keras' applications leave without a name, by the one that Keras gives them.
_NUMBERED = {
    "dropout": "dropout",
    "flatten": "flatten",
    "global_average_pooling2d": "avg_pool",
    "multiply": "multiply",
    "re_lu": "relu",
    "tf.__operators__.add": "plus_three",
    "tf.math.multiply": "by_sixth",
}


@untraced()
def features(name: str, image: Any) -> Any:
    """The feature map of backbone `name` for raw RGB pixels 0..255, float32 [n, h, w, 3]."""
    return _network(name, image, include_top=False)


@untraced()
def classifier(name: str, size: InputSize) -> tf_keras.Model:
    """The published classifier of backbone `name`: raw RGB pixels to 1,000 probabilities.

    Its weights are random, its layers those of Keras' own model of that name, in the same order.
    """
    image = tf_keras.Input(shape=size.shape, name="image", dtype="float32")
    return tf_keras.Model(inputs=image, outputs=_network(name, image, include_top=True))


def block_names(name: str, layer_names: Sequence[str]) -> list[list[str]]:
    """The layers of backbone `name` in blocks; the first is the nearest to the picture.

    layer_names: all layers of a model, in its order; those that are not the backbone's, such as
    its head, are in no block. The first group is the stem, with the scaling of the pixels; then
    comes one for each residual block. The convolution after the last block, if there is one,
    belongs to the last block, so that "the last two blocks" are blocks in every network. All that
    a block hands on leaves its last layer.
    """
    names = _FAMILIES[name].names
    groups: dict[str, list[str]] = {}
    for layer in layer_names:
        if layer == SCALING or re.match(names.stem, layer):
            groups.setdefault("", []).append(layer)
        elif found := re.match(names.block, layer):
            groups.setdefault(found[0], []).append(layer)
        elif re.match(names.top, layer):
            groups[next(reversed(groups))].append(layer)
    return list(groups.values())


def _network(name: str, image: Any, *, include_top: bool) -> Any:
    scaled = _scaling(name)(image)
    family = _FAMILIES[name]
    if family.make is None:
        values = efficientnet_lite.features(scaled)
        return _lite_top(values) if include_top else values
    model = family.make(
        include_top=include_top, weights=None, input_tensor=scaled, **family.arguments
    )
    _rename(model)
    return model.output


def _lite_top(values: Any) -> Any:
    values = layers.GlobalAveragePooling2D(name="avg_pool")(values)
    return layers.Dense(1000, activation="softmax", name="predictions")(values)


def _scaling(name: str) -> layers.Layer:
    backbone = BACKBONES[name]
    # Scalars where they do: a smaller graph, and the converter folds them.
    scale, offset = (
        values[0] if len(set(values)) == 1 else list(values)
        for values in (backbone.scale, backbone.offset)
    )
    return layers.Rescaling(scale, offset, name=SCALING)


def _rename(model: tf_keras.Model) -> None:
    """Names the layers that Keras numbers through after the named layer before them.

    Its numbers count all layers that the process has ever made, so they differ in each build.
    """
    before = ""
    for layer in model.layers:
        short = _NUMBERED.get(re.sub(r"_\d+$", "", layer.name))
        if short is None:
            before = layer.name
        elif short == "avg_pool":
            layer._name = short  # the classifier's own, in no block
        else:
            layer._name = f"{before.rpartition('/')[0] or before}/{short}"
