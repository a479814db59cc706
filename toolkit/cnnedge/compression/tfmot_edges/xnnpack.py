"""Models that XNNPACK can run sparsely, and why others are not.

A plain model enters; the same function leaves, with its padding written as XNNPACK wants it, and
the names of the layers that may be sparse.
"""

from __future__ import annotations

from typing import Any

from ...errors import CnnedgeError
from .layers import copy_layer, is_flat

_STRIDED = ("Conv2D", "DepthwiseConv2D")


def sparse_form(model: Any) -> tuple[Any, set[str]]:
    """A model of the same function, and its layers that XNNPACK has sparse kernels for.

    Raises CnnedgeError, with the reason in plain words, when XNNPACK runs no part of it sparsely.
    """
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_policy

    policy = pruning_policy.PruneForLatencyOnXNNPack()
    padded = _evenly_padded(model)
    try:
        policy.ensure_model_supports_pruning(padded)
    except ValueError as error:
        raise CnnedgeError(
            f"XNNPACK cannot run this model sparsely: {_reason(padded, policy, str(error))}. "
            "Pattern 'unstructured' prunes any model, for size"
        ) from None
    return padded, {layer.name for layer in padded.layers if policy.allow_pruning(layer)}


def _evenly_padded(model: Any) -> Any:
    """The same function with ZeroPadding2D before its strided layers of padding 'same'.

    Only where 'same' pads both sides alike, which is where the layer's input has an odd size: the
    sparse kernels know no other padding. The new layers are named after the old, with "_pad".
    """
    import tensorflow as tf
    import tf_keras

    if not any(_pads_evenly(layer) for layer in model.layers):
        return model
    is_flat(model)
    made: dict[int, Any] = {}
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.InputLayer):
            made[id(layer.output)] = copy_layer(layer).output
            continue
        node = layer.inbound_nodes[0]
        args, kwargs = tf.nest.map_structure(
            lambda value: made.get(id(value), value), (node.call_args, node.call_kwargs)
        )
        changes = {}
        if _pads_evenly(layer):
            margin = tuple(side // 2 for side in layer.kernel_size)
            pad = tf_keras.layers.ZeroPadding2D(margin, name=f"{layer.name}_pad")
            args, changes = (pad(*args),), {"padding": "valid"}
        made[id(layer.output)] = copy_layer(layer, **changes)(*args, **kwargs)
    return tf_keras.Model(made[id(model.input)], made[id(model.output)])


def _pads_evenly(layer: Any) -> bool:
    return (
        type(layer).__name__ in _STRIDED
        and layer.padding == "same"
        and layer.strides == (2, 2)
        and layer.kernel_size in ((3, 3), (5, 5))
        and layer.dilation_rate == (1, 1)
        and all(side % 2 == 1 for side in layer.input_shape[1:3])
    )


def _reason(model: Any, policy: Any, said: str) -> str:
    if "Could not find `Conv2D" in said:
        return (
            "it must begin with ZeroPadding2D of 1 and a 3x3 Conv2D of strides 2 and padding "
            "'valid' on a colour picture. Padding 'same' will do too where the input's sides are "
            "odd, as it then pads all sides alike: the backbones need 32n + 1 pixels, such as 225"
        )
    if "GlobalAveragePooling2D" in said:
        return "it must end in GlobalAveragePooling2D, before the dense layers"
    first = next(i for i, layer in enumerate(model.layers) if policy._start_layer_stop_fn(layer))
    last = next(i for i, layer in enumerate(model.layers) if policy._end_layer_stop_fn(layer))
    wrong = [
        f"{layer.name} ({type(layer).__name__})"
        for layer in model.layers[first + 1 : last]
        if not policy._check_layer_support(layer)
    ]
    return (
        f"it has no sparse kernels around {', '.join(wrong[:5])}{', ...' if wrong[5:] else ''}. "
        "Between the first convolution and GlobalAveragePooling2D it takes 1x1 Conv2D of strides "
        "1; 3x3 or 5x5 DepthwiseConv2D of strides 1 and padding 'same', or of padding 'valid' "
        "after ZeroPadding2D of 1 or 2; BatchNormalization, ReLU, LeakyReLU, Add and Dropout"
    )
