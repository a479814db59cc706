"""Keras layers behind the tensors of a converted model.

The name of an operator's output enters, as the TFLite converter makes it of the layers that it
fused ("model/relu/Relu;model/bn/FusedBatchNormV3;model/conv/Conv2D1"); a layer's name leaves.
"""

from __future__ import annotations

import re
from collections.abc import Collection

# The operation of the layer that gives a fused operator its weights.
_WEIGHTED = re.compile(
    r"(Conv[123]D|depthwise|separable_conv2d|conv[23]d_transpose|MatMul|BiasAdd)(_\d+|\d+)?$"
)
# Scopes that Keras opens inside a layer.
_INNER = re.compile(r"/(Tensordot|separable_conv2d)$")


def layer_name(tensor: str) -> str:
    """The layer whose operation leads in an operator, by its output tensor's name.

    The layer that brings the weights, if one does, otherwise the first of those fused. A name
    of no layer, such as a quantisation's, comes back as it is.
    """
    parts = _parts(tensor)
    weighted = [p for p in parts if _WEIGHTED.search(p)]
    scope, _, _ = (weighted or parts)[-1].rpartition("/")
    # The first scope is the model itself.
    _, _, layer = _INNER.sub("", scope).partition("/")
    return layer or tensor


def known_layer(tensor: str, known: Collection[str]) -> str | None:
    """The same, as one of the names of a model's layers; None if none is in it."""
    parts = _parts(tensor)
    weighted = [p for p in parts if _WEIGHTED.search(p)]
    for part in (*reversed(weighted), *reversed(parts)):
        found = [name for name in known if _holds(part, name)]
        if found:
            # A layer's name may be the beginning of another's: "Conv" and "Conv/BatchNorm".
            return max(found, key=len)
    return None


def holds_layer(tensor: str, layer: str) -> bool:
    """Whether a layer is among those fused into an operator, by its output tensor's name."""
    return any(_holds(part, layer) for part in _parts(tensor))


def _parts(tensor: str) -> list[str]:
    return [part for part in tensor.split(";") if part] or [tensor]


def _holds(part: str, layer: str) -> bool:
    scope, _, _ = part.rpartition("/")
    return f"/{layer}/" in f"/{scope}/"
