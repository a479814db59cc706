"""Quantisation-aware training: which layers, frozen ones, and ranges.

A plain model enters, one with fake quantisation leaves; pictures enter, and the ranges of its
activations are set. Imports tfmot: to be imported after `tfmot_edges.require`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize,
    quantize_annotate,
    quantize_wrapper,
)

from ...architectures.untraced import know, untraced
from ...errors import CnnedgeError
from ...preprocess import Pixels
from ...training.backend import unconverted
from .layers import clone, is_wrapper
from .scheme import ClusterQuantizer, Scheme

# Neither is annotated. The pixels' range is exact and given at conversion; a range trained on
# what the pictures happen to hold would give the file's input a scale other than 1.
_PIXELS = ("InputLayer", "Rescaling")
_BATCH = 32


def _settle(wrapper: Any) -> None:
    """As after a run: the layer holds its weights as values, and the wrapper as variables."""
    config, layer = wrapper.quantize_config, wrapper.layer
    values = [tf.convert_to_tensor(variable) for variable, _, _ in wrapper._weight_vars]
    config.set_quantize_weights(layer, values)
    for activation in wrapper._quantize_activations:
        activation.training = False
    config.set_quantize_activations(layer, wrapper._quantize_activations)


know(quantize_annotate.QuantizeAnnotate)
know(quantize_wrapper.QuantizeWrapperV2, _settle)


def quantised(model: Any, preserve_sparsity: bool, preserve_clusters: bool) -> Any:
    """See `tfmot_edges.for_qat`."""
    scheme = Scheme(preserve_sparsity=preserve_sparsity, preserve_clusters=preserve_clusters)
    _check(model, scheme)

    def annotate(layer: Any) -> Any:
        if type(layer).__name__ in _PIXELS:
            return layer
        # The annotation must have a name of its own; it is gone when `quantize_apply` returns.
        return quantize_annotate.QuantizeAnnotate(layer)

    apply = unconverted(quantize.quantize_apply)
    with untraced():
        result = apply(clone(model, annotate), scheme, quantized_layer_name_prefix="")
    for wrapper in _wrappers(result):
        _freeze(wrapper)
        _set_weight_ranges(wrapper)
    return result


def _check(model: Any, scheme: Scheme) -> None:
    """Names all that tfmot cannot quantise: it stops at the first, with less to go by."""
    wrong = [
        f"{layer.name} ({type(layer).__name__}{_activation(layer)})"
        for layer in model.layers
        if type(layer).__name__ not in _PIXELS and not scheme.can_quantise(layer)
    ]
    if not wrong:
        return
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    raise CnnedgeError(
        "quantisation-aware training cannot take these layers: "
        f"{', '.join(wrong[:5])}{more}. Convert this model to int8 after training instead, or "
        "make it smaller by pruning or by removing channels"
    )


def _activation(layer: Any) -> str:
    name = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return "" if name == "linear" else f", activation {name}"


def _wrappers(model: Any) -> Iterator[Any]:
    return (layer for layer in model.layers if is_wrapper(layer, "QuantizeWrapper"))


def _freeze(wrapper: Any) -> None:
    """Keeps frozen what is: the wrapper holds its kernel as trainable whatever the layer says.

    So it does where centroids are trained and the kernel follows. BatchNormalization within a
    wrapper sees its own flag, and so runs in inference mode.
    """
    held = wrapper._trainable_weights
    frozen = {id(v) for v, q, _ in wrapper._weight_vars if isinstance(q, ClusterQuantizer)}
    if not wrapper.layer.trainable:
        frozen = {id(v) for v in held}
    # In place: a list that is assigned to a layer, Keras goes through and makes trainable again.
    wrapper._non_trainable_weights.extend(v for v in held if id(v) in frozen)
    held[:] = [v for v in held if id(v) not in frozen]


def _set_weight_ranges(wrapper: Any) -> None:
    """Sets each kernel's range to its own; it starts at -6..6, and only training sets it."""
    for variable, quantizer, ranges in wrapper._weight_vars:
        clustered = isinstance(quantizer, ClusterQuantizer)
        (quantizer.ranges if clustered else quantizer)(variable, True, ranges)


class _Observer:
    """Stands in for a quantizer: lets values pass and keeps the range they had."""

    def __init__(self) -> None:
        self._ranges: dict[int, tuple[Any, float, float]] = {}

    def __call__(self, inputs: Any, training: Any, weights: Any, **_: Any) -> Any:
        key = id(weights["min_var"])
        # Zero is in every range: padding must be exact.
        _, low, high = self._ranges.get(key, (weights, 0.0, 0.0))
        low = min(low, float(tf.reduce_min(inputs)))
        high = max(high, float(tf.reduce_max(inputs)))
        self._ranges[key] = (weights, low, high)
        return inputs

    def assign(self) -> None:
        for weights, low, high in self._ranges.values():
            weights["min_var"].assign(low)
            weights["max_var"].assign(high if high > low else low + 1e-3)


def observe(model: Any, pictures: Pixels) -> None:
    """See `tfmot_edges.calibrate`.

    Runs the model as at inference, op by op: in training mode, batch normalisation and dropout
    would leave their traces.
    """
    observer, before = _Observer(), []
    for wrapper in _wrappers(model):
        outputs, activations = wrapper._output_quantizers, wrapper._quantize_activations
        before.append((wrapper, outputs, [activation.quantizer for activation in activations]))
        wrapper._output_quantizers = [observer] if outputs else outputs
        for activation in activations:
            activation.quantizer = observer
    try:
        for start in range(0, len(pictures), _BATCH):
            model(np.asarray(pictures[start : start + _BATCH], np.float32), training=False)
    finally:
        for wrapper, outputs, quantizer_list in before:
            wrapper._output_quantizers = outputs
            for activation, old in zip(wrapper._quantize_activations, quantizer_list, strict=True):
                activation.quantizer = old
    observer.assign()
