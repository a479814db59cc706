"""Wrapping and unwrapping the layers of a flat Keras model, one by one.

A plain model and a function from layer to layer enter; a model of the same graph and the same
layer names leaves, sharing no variable with the first. What each tfmot wrapper makes of a kernel
is known here, so that all others ask for `kernels` and never look inside a wrapper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import CnnedgeError
from ...training.backend import unconverted

# The attributes that hold the weights of a layer type, the one that may be thinned out last.
_KERNELS = {
    "Conv2D": ("kernel",),
    "Dense": ("kernel",),
    "DepthwiseConv2D": ("depthwise_kernel",),
    "SeparableConv2D": ("depthwise_kernel", "pointwise_kernel"),
}
# A kernel of depthwise filters has nine weights a channel: a small part of a network, and the
# one that accuracy hangs on most. tfmot leaves it alone too.
_COMPRESSIBLE = ("Conv2D", "Dense", "SeparableConv2D")

# What reads a picture has up to four channels to read.
_PICTURE_CHANNELS = 4


def compressible(model: Any) -> list[str]:
    """Names of the layers whose kernels pruning and clustering may change.

    All Conv2D, Dense and SeparableConv2D (its 1x1 part) but these: frozen layers, as tfmot's
    wrappers would change their weights all the same; and convolutions that read the picture
    itself (at most four channels), as they hold a thousandth of the weights and all that
    follows depends on them.
    """
    return [
        layer.name
        for layer in model.layers
        if type(layer).__name__ in _COMPRESSIBLE and layer.trainable and not _reads_picture(layer)
    ]


def _reads_picture(layer: Any) -> bool:
    return type(layer).__name__ != "Dense" and layer.input_shape[-1] <= _PICTURE_CHANNELS


def clone(model: Any, wrap: Callable[[Any], Any]) -> Any:
    """The same graph of new layers, each what `wrap` makes of a copy of the old one.

    The copies are built and hold their weights when `wrap` sees them: tfmot takes masks and
    centroids from the weights when it builds its wrappers, and its own functions wrap the layers
    of the model that they are given, whose weights training then changes. Raises CnnedgeError
    for a model within the model, which tfmot passes over in silence.
    """
    import tf_keras

    from ...architectures.untraced import untraced

    is_flat(model)
    cloned = unconverted(tf_keras.models.clone_model)
    with untraced():
        return cloned(model, clone_function=lambda layer: wrap(copy_layer(layer)))


def is_flat(model: Any) -> None:
    """Raises CnnedgeError for a model within the model."""
    import tf_keras

    nested = [layer.name for layer in model.layers if isinstance(layer, tf_keras.Model)]
    if nested:
        raise CnnedgeError(
            f"the model holds another model ({', '.join(nested)}); compression needs one graph of "
            "layers: build the head on the output of the backbone instead of calling it"
        )


def copy_layer(layer: Any, **changes: Any) -> Any:
    """A layer of the same weights and configuration, but for what is to change in that."""
    import tensorflow as tf

    copy = type(layer).from_config(layer.get_config() | changes)
    if layer.weights:
        with tf.name_scope(layer.name):
            copy.build(layer.input_shape)
        copy.built = True
        copy.set_weights(layer.get_weights())
    return copy


def is_wrapper(layer: Any, kind: str) -> bool:
    """Whether this is tfmot's wrapper: "PruneLowMagnitude", "ClusterWeights", "QuantizeWrapper".

    By name and not by class: to ask must not import TensorFlow.
    """
    return any(base.__name__ == kind for base in type(layer).__mro__)


def bare(layer: Any) -> Any:
    """The layer within a wrapper of tfmot, any other layer itself."""
    kinds = ("PruneLowMagnitude", "ClusterWeights", "QuantizeWrapper")
    return layer.layer if any(is_wrapper(layer, kind) for kind in kinds) else layer


def kernels(layer: Any) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Attribute name and values of each kernel of a plain or wrapped layer.

    As they are after stripping: with a pruning mask applied, and with each clustered weight
    replaced by its centroid.
    """
    inner = bare(layer)
    values = {
        name: getattr(inner, name) for name in _KERNELS.get(type(inner).__name__, ())
    } | _in_wrapper(layer)
    for name, value in values.items():
        yield name, np.asarray(value)


def _in_wrapper(layer: Any) -> dict[str, Any]:
    if is_wrapper(layer, "PruneLowMagnitude"):
        # Remasked: training may have been stopped between the optimizer and the mask.
        return {
            _attribute(layer.layer, variable): variable.numpy() * mask.numpy()
            for variable, mask, _ in layer.pruning_vars
        }
    if is_wrapper(layer, "ClusterWeights"):
        # The last optimizer step moved the weights and the centroids after they were matched.
        layer.update_clustered_weights_associations()
        return {name: getattr(layer.layer, name) for name in layer.original_clusterable_weights}
    if is_wrapper(layer, "QuantizeWrapper"):
        # The attribute of the layer is by now the fake-quantised tensor of some traced graph.
        names = _KERNELS.get(type(layer.layer).__name__, ())
        return dict(zip(names, (variable for variable, _, _ in layer._weight_vars), strict=False))
    return {}


def _attribute(layer: Any, variable: Any) -> str:
    names = _KERNELS[type(layer).__name__]
    return next(name for name in names if getattr(layer, name) is variable)


def stripped(model: Any) -> Any:
    """The plain model behind pruning or clustering wrappers; see `tfmot_edges.strip`."""
    import tf_keras

    from ...architectures.untraced import untraced

    def plain_layer(layer: Any) -> Any:
        return type(bare(layer)).from_config(bare(layer).get_config())

    with untraced():
        plain = tf_keras.models.clone_model(model, clone_function=plain_layer)
    for old, new in zip(model.layers, plain.layers, strict=True):
        if old is bare(old):
            new.set_weights(old.get_weights())
            continue
        values = dict(kernels(old))
        for variable in new.weights:
            name = variable.name.rpartition("/")[2].partition(":")[0]
            variable.assign(values[name] if name in values else getattr(old.layer, name))
    return plain
