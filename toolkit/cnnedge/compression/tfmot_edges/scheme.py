"""How tfmot is to quantise: its 8-bit scheme, put right where it goes wrong for this package.

What to preserve enters; a scheme for `quantize_apply` leaves, which says which layers it can
take. Imports tfmot: to be imported after `tfmot_edges.require`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow_model_optimization.python.core.clustering.keras.clustering_algorithm import (
    ClusteringAlgorithm,
)
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_aware_activation,
    quantize_registry,
    quantize_scheme,
    quantizers,
    utils,
)
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (  # noqa: E501
    prune_preserve_quantize_registry as prune_preserving,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_configs as configs,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_registry as default_8bit,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantizers,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_transforms as patterns,
)
from tensorflow_model_optimization.python.core.quantization.keras.graph_transformations import (
    model_transformer,
    transforms,
)

from .layers import kernels

# What tfmot's quantizers accept as the activation within a layer, and as a layer of its own.
_WITHIN = ("linear", "relu", "softmax", "sigmoid", "tanh", "swish", "gelu")
_ALONE = (*_WITHIN, "relu6")


class Scheme(quantize_scheme.QuantizeScheme):  # type: ignore[misc]
    """tfmot's default 8 bits, with zeros or clusters preserved where asked for."""

    def __init__(self, *, preserve_sparsity: bool, preserve_clusters: bool) -> None:
        self._registry = _Registry(preserve_sparsity, preserve_clusters)

    def get_layout_transformer(self) -> Any:
        return _Layout()

    def get_quantize_registry(self) -> Any:
        return self._registry

    def can_quantise(self, layer: Any) -> bool:
        """Whether a layer of a plain model can be quantised, its activation included."""
        name = type(layer).__name__
        if name == "SeparableConv2D":  # becomes a DepthwiseConv2D and a Conv2D
            return _activation(layer) in _WITHIN
        if not self._registry.supports(layer):
            return False
        return _activation(layer) in (_ALONE if name == "Activation" else _WITHIN)


def _activation(layer: Any) -> str:
    return str(getattr(getattr(layer, "activation", None), "__name__", "linear"))


class _Registry(quantize_registry.QuantizeRegistry):  # type: ignore[misc]
    """Says what is quantised within a layer."""

    def __init__(self, preserve_sparsity: bool, preserve_clusters: bool) -> None:
        self._sparsity, self._clusters = preserve_sparsity, preserve_clusters

    def supports(self, layer: Any) -> bool:
        # tfmot knows BatchNormalization after a convolution alone; its preserving registry
        # claims every layer without weights, Rescaling too, and then fails on it.
        known: bool = default_8bit.Default8BitQuantizeRegistry().supports(layer)
        return known or type(layer).__name__ == "BatchNormalization"

    def get_quantize_config(self, layer: Any) -> Any:
        name = type(layer).__name__
        if name == "BatchNormalization":
            return configs.Default8BitOutputQuantizeConfig()
        # A registry for each layer: within one, layers share the objects that are changed below.
        plain = default_8bit.Default8BitQuantizeRegistry().get_quantize_config(layer)
        if name == "DepthwiseConv2D":
            plain.weight_quantizer = _DepthwiseQuantizer()
        elif self._clusters and layer.trainable and _is_clustered(layer):
            plain.weight_quantizer = ClusterQuantizer(plain.weight_quantizer, self._sparsity)
        elif self._sparsity:
            registry = prune_preserving.Default8bitPrunePreserveQuantizeRegistry()
            return registry.get_quantize_config(layer)
        return plain


class ClusterQuantizer(quantizers.Quantizer):  # type: ignore[misc]
    """Quantises a kernel that keeps the number of its different values.

    In place of tfmot's, which gives each output channel centroids of its own, in operations of
    its own: a MobileNetV2 takes minutes to trace. Trains the centroids and, beneath, a free copy
    of the kernel that says which weight is nearest to which centroid.
    """

    def __init__(self, ranges: Any, preserve_sparsity: bool) -> None:
        """ranges: the quantizer that a kernel without clusters would have."""
        self.ranges, self._sparsity = ranges, preserve_sparsity

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        kernel = getattr(layer.layer, name).numpy()
        held = {"centroids": np.unique(kernel), "free": kernel}
        constant = tf_keras.initializers.Constant
        return {
            key: layer.add_weight(f"{name}_{key}", shape=value.shape, initializer=constant(value))
            for key, value in held.items()
        } | {
            # By the values at the start, so that a model rebuilt on the same one has the same.
            **{f"{key}_mask": tf.cast(value != 0, tf.float32) for key, value in held.items()},
            **self.ranges.build(tensor_shape, name, layer),
        }

    def __call__(self, inputs: Any, training: Any, weights: Any, **_: Any) -> Any:
        if not training:
            return self.ranges(inputs, training, weights)
        centroids, free = weights["centroids"], weights["free"]
        if self._sparsity:
            centroids.assign(centroids * weights["centroids_mask"])
            free.assign(free * weights["free_mask"])
        nearest = ClusteringAlgorithm(centroids)
        kernel = nearest.get_clustered_weight(nearest.get_pulling_indices(free), free)
        # Inference, and the converter with it, reads the kernel.
        inputs.assign(kernel)
        return self.ranges(kernel, training, weights)

    def get_config(self) -> dict[str, Any]:
        return {"ranges": self.ranges, "preserve_sparsity": self._sparsity}


class _DepthwiseQuantizer(default_8bit_quantizers.Default8BitConvWeightsQuantizer):  # type: ignore[misc]
    """One range for each channel of a depthwise kernel [h, w, channels, multiplier].

    tfmot's goes by the last axis, the multiplier: one range for all channels, whose weights can
    differ a thousandfold as BatchNormalization evens them out. The converter folds the reshapes.
    """

    def build(self, tensor_shape: Any, name: str, layer: Any) -> Any:
        return super().build((tensor_shape[2] * tensor_shape[3],), name, layer)

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        height, width, channels, multiplier = inputs.shape
        rows = tf.reshape(inputs, (height, width, 1, channels * multiplier))
        quantised = super().__call__(rows, training, weights, **kwargs)
        return tf.reshape(quantised, inputs.shape)


def _is_clustered(layer: Any) -> bool:
    """Whether values other than zero repeat."""
    values = [kernel[kernel != 0] for _, kernel in kernels(layer)]
    return any(len(np.unique(v)) < 0.9 * v.size for v in values)


class _ReluAfterWeights(transforms.Transform):  # type: ignore[misc]
    """A ReLU layer right after a convolution or dense layer: one range, behind the ReLU.

    tfmot's own transform turns quantisation off for the whole layer before the ReLU, its weights
    included.
    """

    def pattern(self) -> Any:
        weighted = transforms.LayerPattern(
            "Conv2D|DepthwiseConv2D|Dense", config={"activation": "linear"}
        )
        return transforms.LayerPattern("ReLU", inputs=[weighted])

    def replacement(self, match_layer: Any) -> Any:
        weighted = match_layer.input_layers[0]
        weighted.layer["config"]["activation"] = utils.serialize_activation(
            quantize_aware_activation.NoOpActivation(), use_legacy_format=True
        )
        return match_layer

    def custom_objects(self) -> dict[str, Any]:
        return {"NoOpActivation": quantize_aware_activation.NoOpActivation}


class _ActivationAfterWeights(_ReluAfterWeights):
    """The same for an Activation layer of relu or relu6."""

    def pattern(self) -> Any:
        weighted = super().pattern().inputs[0]
        return transforms.LayerPattern(
            "Activation", config={"activation": "relu6?"}, inputs=[weighted]
        )


class _ReluAfterAdd(patterns.LayerReLUQuantize):  # type: ignore[misc]
    """tfmot's, for Add alone."""

    def pattern(self) -> Any:
        return transforms.LayerPattern("ReLU", inputs=[transforms.LayerPattern("Add")])


class _ActivationAfterAdd(patterns.LayerReLUQuantize):  # type: ignore[misc]
    """tfmot's, for Add alone."""

    def pattern(self) -> Any:
        added = transforms.LayerPattern("Add")
        return transforms.LayerPattern(
            "Activation", config={"activation": "relu6?"}, inputs=[added]
        )


class _Layout:
    """Says where, between layers, nothing is to be quantised, as the converter fuses them.

    Without tfmot's transform of the input layer: the range of the pixels is not to be trained.
    """

    def apply(self, model: Any, layer_quantize_map: dict[str, Any]) -> Any:
        found = [
            patterns.SeparableConvQuantize(),
            patterns.Conv2DBatchNormReLUQuantize(),
            patterns.Conv2DBatchNormActivationQuantize(),
            patterns.Conv2DBatchNormQuantize(),
            patterns.DenseBatchNormQuantize(),
            patterns.DenseBatchNormReLUQuantize(),
            patterns.DenseBatchNormActivationQuantize(),
            _ReluAfterWeights(),
            _ActivationAfterWeights(),
            _ReluAfterAdd(),
            _ActivationAfterAdd(),
        ]
        return model_transformer.ModelTransformer(
            model, found, set(layer_quantize_map), layer_quantize_map
        ).transform()
