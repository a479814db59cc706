"""Model definitions into Keras models.

A ModelSpec, an input size and a number of classes enter; an untrained, flat Keras model leaves,
from raw pixels to probabilities.
"""

from __future__ import annotations

from typing import Any

import tf_keras

from ..errors import SpecError
from ..specs.arithmetic import trace
from ..specs.layers import ROW_LAYERS, Penalty, resolve
from ..specs.model import LayerSpec, ModelSpec
from ..specs.signals import Sample, SignalSize
from .backbones import features
from .untraced import untraced


@untraced()
def build_model(model: ModelSpec, size: Sample, classes: int) -> tf_keras.Model:
    """A functional Keras model of one layer after the other, none nested in another.

    Takes float32 [batch, height, width, channels], raw pixels 0..255, as the input named
    "image"; of signals [batch, length, channels], which become maps of one row: what a runtime
    makes of a one-dimensional convolution anyway, but once and not at each layer. Gives
    float32 [batch, classes], softmax probabilities. Each layer is named after its type and its
    place in the definition, those of a backbone as its family names them, so that two builds have
    the same names. Raises SpecError for shapes that cannot be.
    """
    trace(model, size, classes)
    if model.learns_scale:
        raise SpecError("scale: data stands for numbers that are learnt from signals first")
    image = tf_keras.Input(shape=size.shape, name="image", dtype="float32")
    values = features(model.backbone, image) if model.backbone else image
    if isinstance(size, SignalSize):
        values = tf_keras.layers.Reshape(size.map, name="one_row")(values)
    for index, layer in enumerate(model.layers):
        values = _keras_layer(layer, index, classes)(values)
    return tf_keras.Model(inputs=image, outputs=values)


def _keras_layer(layer: LayerSpec, index: int, classes: int) -> tf_keras.layers.Layer:
    arguments = {k: _keras_value(v) for k, v in resolve(layer.arguments, classes).items()}
    make = getattr(tf_keras.layers, ROW_LAYERS.get(layer.type, layer.type))
    return make(name=f"{layer.type.lower()}_{index}", **arguments)


def _keras_value(value: Any) -> Any:
    if isinstance(value, Penalty):
        return tf_keras.regularizers.L1L2(l1=value.l1, l2=value.l2)
    return value
