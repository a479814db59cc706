"""What the XNNPACK delegate asks of one tensor or option; None if it is met.

A node or tensor enters; a reason to leave the operator leaves.
"""

from __future__ import annotations

from ..bundle import TensorInfo
from .nodes import Node, one_of

_MOST_DIMENSIONS = 6
_CLAMPS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")


def real_or_8bit(tensor: TensorInfo | None, *, uint8: bool = True) -> str | None:
    """float32, or 8 bits with one scale for the whole tensor."""
    if tensor is None:
        return "an input is missing"
    if tensor.dtype == "float32":
        return None
    if tensor.dtype == "int8" or (uint8 and tensor.dtype == "uint8"):
        return None if len(tensor.scales) == 1 else f"{tensor.dtype} values without one scale"
    return f"{tensor.dtype} values"


def float_alone(*tensors: TensorInfo | None) -> str | None:
    """float32 everywhere."""
    wrong = [t.dtype for t in tensors if t is not None and t.dtype != "float32"]
    return f"{wrong[0]} values; only float32 is supported" if wrong else None


def input_and_outputs(node: Node) -> str | None:
    """The first input and all outputs float32, or 8 bits with one scale."""
    return one_of(real_or_8bit(node.input(0)), *(real_or_8bit(t) for t in node.outputs))


def clamped_at_most(node: Node) -> str | None:
    """No fused activation but those that are a clamp."""
    return None if node.activation in _CLAMPS else f"fused {node.activation}"


def dimensions(tensor: TensorInfo | None, least: int, most: int = _MOST_DIMENSIONS) -> str | None:
    """A known shape of `least` to `most` dimensions."""
    if tensor is None:
        return "an input is missing"
    if not least <= len(tensor.shape) <= most:
        return f"{len(tensor.shape)} dimensions"
    return "a dimension of 0 or unknown size" if min(tensor.shape, default=1) <= 0 else None


def in_the_file(node: Node, place: int, what: str) -> str | None:
    """An input that shapes the operator: its values must be in the file."""
    return None if node.stored(place) else f"{what} computed at run time"


def static_kernel(node: Node, place: int, channel: int) -> str | None:
    """Weights known at load, with one scale, or one for each place of `channel`."""
    kernel = node.input(place)
    if kernel is None:
        return "no weights"
    if not node.static(place):
        return "weights computed at run time"
    if kernel.dtype not in ("float32", "int8", "uint8"):
        return f"{kernel.dtype} weights"
    if kernel.dtype != "float32" and not kernel.scales:
        return f"{kernel.dtype} weights without a scale"
    if len(kernel.scales) > 1 and (
        kernel.dtype == "uint8" or kernel.quantized_dimension != channel
    ):
        return "weights scaled along a dimension other than their channels"
    return None


def static_bias(node: Node, place: int, *, needed: bool) -> str | None:
    """A bias known at load."""
    bias = node.input(place)
    if bias is None:
        return "no bias" if needed else None
    if bias.dtype not in ("float32", "float16", "int32"):
        return f"{bias.dtype} bias"
    return None if node.static(place) else "bias computed at run time"


def one_type(*tensors: TensorInfo | None) -> str | None:
    """All of one type."""
    dtypes = {t.dtype for t in tensors if t is not None}
    return f"mixed types ({' and '.join(sorted(dtypes))})" if len(dtypes) > 1 else None
