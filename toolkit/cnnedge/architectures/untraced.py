"""Building Keras networks without running each layer once.

Keras learns the shape of a layer's output by running the layer in a graph, which it throws away:
half of the time that it takes to build a network. The layers of image networks also state that
shape by `compute_output_shape`; within `untraced`, Keras believes it. Everything else is left as
Keras does it: names, weights, their order and their random values.

Any other layer, and any use of these that is out of the ordinary, is traced as before.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import tensorflow as tf
import tf_keras
from tensorflow.python.ops import gen_resource_variable_ops
from tf_keras.src.engine import base_layer, keras_tensor
from tf_keras.src.saving import saving_lib

# None of them draws random numbers when it is run: what does, Keras seeds in the order of running.
_LAYERS = frozenset(
    getattr(tf_keras.layers, name)
    for name in (
        *("Conv2D", "DepthwiseConv2D", "Dense", "BatchNormalization", "ReLU", "Activation"),
        *("ZeroPadding2D", "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D"),
        *("Add", "Multiply", "Rescaling", "Flatten", "Reshape"),
    )
)
# Kinds of wrappers that give what the layer within them gives; each with what it does to that layer
# when it is run.
_WRAPPERS: dict[type, Callable[[Any], None]] = {}
# To save and to load, Keras looks at each attribute of a layer for further layers. These are made
# anew whenever they are looked at, which takes long, and neither is a layer.
_NO_LAYERS = frozenset({"_tracking_metadata", "_jit_compiled_convolution_op"})
# Of every variable, outside graphs. TensorFlow prepares the operation that makes a variable once
# for each name that it is to have in error messages, and that takes longer than all else of it.
_VARIABLE = "variable"
_within: ContextVar[bool] = ContextVar("untraced", default=False)


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """Layers that are called on Keras' symbolic tensors, in this thread and within, are not run."""
    _teach()
    token = _within.set(True)
    try:
        yield
    finally:
        _within.reset(token)


def know(kind: type, settle: Callable[[Any], None] = lambda wrapper: None) -> None:
    """Has `untraced` take wrappers of that kind for the layers within them.

    settle: called with a built wrapper, does to its layer what running the wrapper would have done.
    """
    _WRAPPERS[kind] = settle


@functools.cache
def _teach() -> None:
    """Has Keras ask `_stated` first, and leave out the rest of what takes long and is for nothing.

    There is no public place for either; the versions are pinned.
    """
    traced = base_layer.Layer._infer_output_signature
    made = gen_resource_variable_ops.var_handle_op

    def infer(layer: Any, inputs: Any, args: Any, kwargs: Any, masks: Any) -> Any:
        output = None
        if _within.get() and _is_ordinary(layer, inputs, args, kwargs, masks):
            output = _stated(layer, inputs)
        if output is None:
            return traced(layer, inputs, args, kwargs, masks)
        layer._set_save_spec(inputs, args, kwargs)
        return output

    @functools.wraps(made)
    def one_for_all(*args: Any, **kwargs: Any) -> Any:
        if tf.executing_eagerly():
            kwargs["debug_name"] = _VARIABLE
        return made(*args, **kwargs)

    base_layer.Layer._infer_output_signature = infer
    gen_resource_variable_ops.var_handle_op = one_for_all
    saving_lib.ATTR_SKIPLIST |= _NO_LAYERS


def _is_ordinary(layer: Any, inputs: Any, args: Any, kwargs: Any, masks: Any) -> bool:
    inner = _inner(layer)
    return (
        type(inner) in _LAYERS
        and not args
        and kwargs.keys() <= {"training"}
        and all(mask is None for mask in tf.nest.flatten(masks))
        and inner.activity_regularizer is None
        and inner.compute_dtype == inner.variable_dtype == "float32"
        and all(
            isinstance(each, keras_tensor.KerasTensor) and each.dtype == tf.float32
            for each in tf.nest.flatten(inputs)
        )
        and tf.executing_eagerly()
    )


def _inner(layer: Any) -> Any:
    return layer.layer if type(layer) in _WRAPPERS else layer


def _stated(layer: Any, inputs: Any) -> Any:
    """What the layer says that its output is, once it is built; None where that cannot be."""
    try:
        with tf_keras.backend.name_scope(layer._name_scope()):
            layer._maybe_build(inputs)
        shapes = tf.nest.map_structure(lambda each: each.shape, inputs)
        shape = tf.TensorShape(_inner(layer).compute_output_shape(shapes))
        if any(size is not None and size < 1 for size in shape):
            return None
    except (TypeError, ValueError):
        # Keras has words of its own for it, which come when it runs the layer.
        return None
    if settle := _WRAPPERS.get(type(layer)):
        settle(layer)
    return keras_tensor.KerasTensor(tf.TensorSpec(shape, tf.float32, name=layer.name))
