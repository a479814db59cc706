"""Which operators the Edge TPU compiler maps, by Coral's table of supported operations.

Written from https://coral.ai/docs/edgetpu/models-intro (runtime 14, the last). The compiler maps
one piece: all that comes before the first operator that it cannot map. Its limits of size are its
own and not checked here. A node enters, a reason leaves.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..bundle import TensorInfo
from .nodes import Node, Rule

SOURCE = "Coral's table of supported operations, runtime 14"

_QUANTIZED = ("int8", "uint8")
_MOST_SOFTMAX = 16_000


def reason(node: Node) -> str | None:
    """Why the compiler leaves a node; None if it maps it."""
    if node.unpacks:
        return "unpacks float weights; only 8 bits are supported"
    rule = _RULES.get(node.name)
    if rule is None:
        return "not supported"
    if not node.outputs or not node.given:
        return "no inputs or outputs"
    for tensor in (*node.runtime, *node.outputs):
        if tensor.dtype not in _QUANTIZED or not tensor.scales:
            return f"{tensor.dtype} values; only 8 bits are supported"
        if tensor.dynamic:
            return "a size that is not fixed"
        if any(d != 1 for d in tensor.shape[:-3]):
            return "more than 3 dimensions above 1"
    return rule(node)


def _any(node: Node) -> str | None:
    return None


def _unfused(node: Node) -> str | None:
    return f"fused {node.activation}" if node.option("activation") else None


def _convolution(node: Node) -> str | None:
    if not node.stored(1):
        return "weights computed at run time"
    even = node.option("dilation_height", 1) == node.option("dilation_width", 1)
    return None if even else "different dilations in height and width"


def _dense(node: Node) -> str | None:
    if not node.stored(1):
        return "weights computed at run time"
    if node.option("weights_format"):
        return "shuffled weights"
    return None if _flat(node.outputs[0]) else "an output of more than 1 dimension"


def _flat(tensor: TensorInfo) -> bool:
    return sum(d != 1 for d in tensor.shape) <= 1


def _softmax(node: Node) -> str | None:
    values = node.given[0]
    if not _flat(values):
        return "more than 1 dimension"
    return f"more than {_MOST_SOFTMAX:,} values" if values.values > _MOST_SOFTMAX else None


def _axes(node: Node) -> str | None:
    if not node.stored(1):
        return "axes computed at run time"
    shape = node.given[0].shape
    axes = {a % len(shape) if shape else a for a in node.small.get(1, ())}
    if len(shape) == 4 and 0 in axes:
        return "over the batch"
    deep = node.name == "MEAN" and len(shape) == 4 and 3 in axes and shape[3] % 4
    return f"over {shape[3]} channels; a multiple of 4" if deep else None


def _pad(node: Node) -> str | None:
    if not node.stored(1):
        return "padding computed at run time"
    paddings = node.small.get(1, ())
    return "of the batch" if len(paddings) == 8 and any(paddings[:2]) else None


def _prelu(node: Node) -> str | None:
    slopes = node.input(1)
    if slopes is None or not node.stored(1):
        return "slopes computed at run time"
    return None if all(d == 1 for d in slopes.shape[:-1]) else "slopes of more than 1 dimension"


def _concatenation(node: Node) -> str | None:
    if len(node.runtime) != len(node.given):
        return "a constant input"
    return _unfused(node)


def _squeeze(node: Node) -> str | None:
    shape = list(node.given[0].shape)
    while shape and shape[0] == 1:
        shape.pop(0)
    return "dimensions of 1 after other dimensions" if 1 in shape else None


def _strided_slice(node: Node) -> str | None:
    for mask in ("ellipsis_mask", "new_axis_mask"):
        if node.option(mask):
            return mask.replace("_", " ")
    return "strides other than 1" if any(s != 1 for s in node.small.get(3, (0,))) else None


def _pack(node: Node) -> str | None:
    return "of the batch" if node.option("axis") == 0 else None


_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(
        "ADD SUB MUL MAXIMUM MINIMUM LOGISTIC TANH RELU RELU6 RELU_N1_TO_1 RESHAPE SLICE SPLIT "
        "SPACE_TO_DEPTH EXPAND_DIMS L2_NORMALIZATION QUANTIZE RSQRT SQUARED_DIFFERENCE TRANSPOSE "
        "TRANSPOSE_CONV RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR UNIDIRECTIONAL_SEQUENCE_LSTM"
        "".split(),
        _any,
    ),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), _unfused),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), _convolution),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"), _axes),
    "CONCATENATION": _concatenation,
    "FULLY_CONNECTED": _dense,
    "PACK": _pack,
    "PAD": _pad,
    "PRELU": _prelu,
    "SOFTMAX": _softmax,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
}
