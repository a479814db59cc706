"""Which operators the XNNPACK delegate takes: LiteRT's and TFLite's way to run on the CPU.

Written from tflite/delegates/xnnpack/xnnpack_delegate.cc of LiteRT (its Visit*Node functions and
PrepareOpsToDelegate) and checked against LiteRT 2.3.0 by the tests. One thing it does is missing
here: a float16 kernel that a convolution shares with a transposed one keeps the convolution on the
interpreter. A node enters, a reason leaves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..bundle import TensorInfo
from .nodes import Node, Rule, one_of
from .xnnpack_checks import (
    clamped_at_most,
    dimensions,
    float_alone,
    in_the_file,
    input_and_outputs,
    one_type,
    real_or_8bit,
    static_bias,
    static_kernel,
)

SOURCE = "xnnpack_delegate.cc of LiteRT, checked against LiteRT 2.3.0"

_CLOSE_SCALES = (1 / 1024, 256.0)
_PRODUCT_SCALES = (1 / 65536, 256.0)
_CONVERTED_SCALES = (1 / 256, 128.0)


def reason(node: Node) -> str | None:
    """Why XNNPACK leaves a node; None if it takes it."""
    if node.unpacks:
        return None
    rule = _RULES.get(node.name)
    if rule is None:
        return "no kernel for it"
    if not node.outputs or not node.given:
        return "no inputs or outputs"
    return rule(node)


def _convolution(node: Node) -> str | None:
    pixels, kernel, output = node.input(0), node.input(1), node.outputs[0]
    depthwise = node.name == "DEPTHWISE_CONV_2D"
    return one_of(
        real_or_8bit(pixels),
        dimensions(pixels, 4, 4),
        static_kernel(node, 1, 3 if depthwise else 0),
        dimensions(kernel, 4, 4),
        static_bias(node, 2, needed=True),
        real_or_8bit(output),
        dimensions(output, 4, 4),
        one_type(pixels, output),
        _hybrid(pixels, kernel, depthwise=depthwise),
        _multiplier(node) if depthwise else _groups(pixels, kernel),
        clamped_at_most(node),
    )


def _hybrid(pixels: TensorInfo | None, kernel: TensorInfo | None, *, depthwise: bool) -> str | None:
    if pixels and kernel and pixels.dtype == "float32" and kernel.dtype in ("int8", "int4"):
        return f"{kernel.dtype} weights with float32 values" if depthwise else None
    return one_type(pixels, kernel)


def _multiplier(node: Node) -> str | None:
    kernel = node.inputs[1]
    assert kernel is not None
    multiplier = int(node.option("depth_multiplier"))
    fits = multiplier > 0 and kernel.shape[3] % multiplier == 0
    return None if fits else f"depth multiplier {multiplier}"


def _groups(pixels: TensorInfo | None, kernel: TensorInfo | None) -> str | None:
    assert pixels is not None and kernel is not None
    return None if pixels.shape[3] >= kernel.shape[3] else "fewer channels than its kernel has"


def _transposed(node: Node) -> str | None:
    pixels, kernel, output = node.input(2), node.input(1), node.outputs[0]
    return one_of(
        in_the_file(node, 0, "output shape"),
        real_or_8bit(pixels),
        dimensions(pixels, 4, 4),
        static_kernel(node, 1, 0),
        dimensions(kernel, 4, 4),
        static_bias(node, 3, needed=False),
        real_or_8bit(output),
        one_type(pixels, output),
        _hybrid(pixels, kernel, depthwise=False),
        clamped_at_most(node),
    )


def _mediapipe_transposed(node: Node) -> str | None:
    return one_of(
        float_alone(*node.given, *node.outputs),
        dimensions(node.input(0), 4, 4),
        None if node.static(1) and node.static(2) else "weights computed at run time",
    )


def _dense(node: Node) -> str | None:
    values, kernel, output = node.input(0), node.input(1), node.outputs[0]
    if node.version == 8:
        return "sparse weights"
    if node.option("weights_format"):
        return "shuffled weights"
    if kernel is None or values is None:
        return "no weights"
    if kernel.dtype not in ("float32", "float16", "int8", "uint8", "int4"):
        return f"{kernel.dtype} weights"
    per_channel = kernel.shape and len(kernel.scales) == kernel.shape[0]
    if kernel.dtype == "int4" and (not per_channel or kernel.shape[-1] % 2):
        return "int4 weights with one scale, or with an odd number of inputs"
    return one_of(
        real_or_8bit(values),
        dimensions(kernel, 2, 2),
        None if node.static(1) else "weights computed at run time",
        static_bias(node, 2, needed=False),
        real_or_8bit(output),
        one_type(values, output),
        _dense_types(values, kernel),
        clamped_at_most(node),
    )


def _dense_types(values: TensorInfo, kernel: TensorInfo) -> str | None:
    both = {"int8", "int4"}
    # float32 values: quantised again for each inference.
    if values.dtype in ("int8", "float32") and kernel.dtype in both:
        return None
    return one_type(values, kernel)


def _pool(node: Node) -> str | None:
    height, width = int(node.option("filter_height")), int(node.option("filter_width"))
    strides = int(node.option("stride_height")), int(node.option("stride_width"))
    values = (
        float_alone(node.input(0), *node.outputs)
        if node.name == "AVERAGE_POOL_2D"
        else input_and_outputs(node)
    )
    if min(height, width, *strides) <= 0:
        return "a window or stride of 0"
    if strides[0] > height or strides[1] > width:
        return "strides larger than the window"
    return one_of(values, clamped_at_most(node))


def _scales(node: Node, low: float, high: float, *, product: bool = False) -> str | None:
    """Whether quantised inputs' scales are close enough to the output's."""
    tensors = [node.input(0), node.input(1), node.outputs[0]]
    if any(t is None or t.dtype not in ("int8", "uint8") for t in tensors):
        return None
    first, second, output = (t.scales[0] if t and t.scales else 0.0 for t in tensors)
    ratios = [first * second] if product else [first, second]
    if not output or any(not low <= ratio / output < high for ratio in ratios):
        return "scales too far apart"
    return None


def _arithmetic(node: Node) -> str | None:
    if len(node.given) != 2:
        return f"{len(node.given)} inputs"
    scales = None
    if node.name == "MUL":
        scales = _scales(node, *_PRODUCT_SCALES, product=True)
    elif node.name in ("ADD", "SUB"):
        scales = _scales(node, *_CLOSE_SCALES)
    return one_of(
        *(dimensions(t, 0) for t in node.given),
        *(real_or_8bit(t) for t in (*node.given, *node.outputs)),
        one_type(*node.given, *node.outputs),
        scales,
        clamped_at_most(node),
    )


def _float_pair(node: Node) -> str | None:
    if len(node.given) != 2:
        return f"{len(node.given)} inputs"
    slope = None
    if node.name == "PRELU" and not node.static(1):
        slope = "slopes computed at run time"
    return one_of(
        *(dimensions(t, 0) for t in node.given),
        float_alone(*node.given, *node.outputs),
        slope,
        clamped_at_most(node),
    )


def _float_one(node: Node) -> str | None:
    wrong = [t.dtype for t in (*node.given, *node.outputs) if t.dtype not in ("float32", "float16")]
    return one_of(
        f"{wrong[0]} values; only float is supported" if wrong else None,
        dimensions(node.input(0), 0),
    )


def _curve(node: Node) -> str | None:
    return one_of(dimensions(node.input(0), 0), input_and_outputs(node))


def _elu(node: Node) -> str | None:
    return one_of(*(real_or_8bit(t, uint8=False) for t in (node.input(0), *node.outputs)))


def _leaky(node: Node) -> str | None:
    slope = node.option("alpha")
    if slope == 0 or not math.isfinite(slope):
        return f"slope {slope:g}"
    return one_of(_curve(node), _converted_scales(node, 1.0), _converted_scales(node, abs(slope)))


def _converted_scales(node: Node, factor: float) -> str | None:
    tensors = (node.input(0), node.outputs[0])
    scales = [t.scales[0] for t in tensors if t and t.scales and t.dtype in ("int8", "uint8")]
    if len(scales) < 2:
        return None
    low, high = _CONVERTED_SCALES
    near = scales[1] != 0 and low <= scales[0] / scales[1] * factor <= high
    return None if near else "scales too far apart"


def _quantize(node: Node) -> str | None:
    values, output = node.input(0), node.outputs[0]
    if output.dtype not in ("int8", "uint8"):
        return f"to {output.dtype}"
    if values is not None and values.dtype in ("int8", "uint8") and values.dtype != output.dtype:
        return f"{values.dtype} to {output.dtype}"
    return one_of(_curve(node), _converted_scales(node, 1.0))


def _dequantize(node: Node) -> str | None:
    values = node.input(0)
    assert values is not None
    if values.dtype not in ("int8", "uint8"):
        return f"{values.dtype} values"
    return one_of(real_or_8bit(values), float_alone(*node.outputs))


def _concatenation(node: Node) -> str | None:
    if not 2 <= len(node.inputs) <= 5:
        return f"{len(node.inputs)} inputs; expected 2 to 5"
    output = node.outputs[0]
    if output.dtype == "uint8" and any(
        (t.scales, t.zero_points) != (output.scales, output.zero_points) for t in node.given
    ):
        return "uint8 inputs with scales that differ from the output's"
    return one_of(real_or_8bit(output), *(real_or_8bit(t) for t in node.given))


def _reduce(node: Node) -> str | None:
    axes = node.input(1)
    return one_of(
        input_and_outputs(node),
        None if axes is not None and axes.dtype == "int32" else "axes that are not int32",
        in_the_file(node, 1, "axes"),
    )


def _pad(node: Node) -> str | None:
    return one_of(
        f"{len(node.given)} inputs" if len(node.given) != 2 else None,
        input_and_outputs(node),
        dimensions(node.input(0), 1),
        in_the_file(node, 1, "padding"),
        "negative padding" if min(node.small.get(1, (0,))) < 0 else None,
    )


def _reshape(node: Node) -> str | None:
    values, output = node.input(0), node.outputs[0]
    assert values is not None
    moved = (values.scales, values.zero_points) != (output.scales, output.zero_points)
    return one_of(
        input_and_outputs(node),
        dimensions(values, 0),
        dimensions(output, 0),
        "an output with a different scale" if moved and output.dtype in ("int8", "uint8") else None,
        in_the_file(node, 1, "shape") if len(node.inputs) > 1 else None,
    )


def _resize(node: Node) -> str | None:
    return one_of(
        input_and_outputs(node),
        dimensions(node.input(0), 4, 4),
        in_the_file(node, 1, "size"),
        "size 0" if min(node.small.get(1, (1,))) <= 0 else None,
    )


def _slice(node: Node) -> str | None:
    return one_of(
        in_the_file(node, 1, "begin"),
        in_the_file(node, 2, "size"),
        input_and_outputs(node),
        "a size that is not stated" if min(node.small.get(2, (1,))) <= 0 else None,
    )


def _strided_slice(node: Node) -> str | None:
    masks = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    set_masks = [m for m in masks if node.option(m)]
    values = node.input(0)
    return one_of(
        set_masks[0].replace("_", " ") if set_masks else None,
        in_the_file(node, 1, "begin"),
        in_the_file(node, 2, "end"),
        in_the_file(node, 3, "strides"),
        "strides other than 1" if any(s != 1 for s in node.small.get(3, ())) else None,
        input_and_outputs(node),
        dimensions(values, 0),
    )


def _softmax(node: Node) -> str | None:
    if node.option("beta") != 1:
        return f"beta {node.option('beta'):g}"
    return float_alone(node.input(0), *node.outputs)


def _block(node: Node) -> str | None:
    size = int(node.option("block_size"))
    return f"block size {size}" if size <= 1 else input_and_outputs(node)


def _space_to_depth(node: Node) -> str | None:
    values, size = node.input(0), int(node.option("block_size"))
    found = _block(node)
    if found is None and values is not None:
        shape = values.shape
        if len(shape) != 4 or shape[1] % size or shape[2] % size:
            return "a size that is not a multiple of its blocks"
    return found


def _split(node: Node) -> str | None:
    if not 2 <= len(node.outputs) <= 4:
        return f"{len(node.outputs)} outputs; expected 2 to 4"
    return one_of(
        in_the_file(node, 0, "axis"),
        real_or_8bit(node.input(1)),
        *(real_or_8bit(t) for t in node.outputs),
    )


def _transpose(node: Node) -> str | None:
    return one_of(real_or_8bit(node.input(0)), in_the_file(node, 1, "order of dimensions"))


def _batch_matmul(node: Node) -> str | None:
    first, second = node.input(0), node.input(1)
    if first is None or second is None:
        return "an input is missing"
    if min(len(first.shape), len(second.shape)) < 2:
        return "fewer than 2 dimensions"
    return float_alone(first, second, *node.outputs)


_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), _convolution),
    **dict.fromkeys(("ADD", "MUL", "SUB"), _arithmetic),
    **dict.fromkeys(("DIV", "MAXIMUM", "MINIMUM", "PRELU", "SQUARED_DIFFERENCE"), _float_pair),
    **dict.fromkeys(
        "ABS CEIL COS EXP FLOOR GELU HARD_SWISH LOG NEG RELU_N1_TO_1 RELU RELU6 ROUND RSQRT SIN "
        "SQRT SQUARE".split(),
        _float_one,
    ),
    **dict.fromkeys(("LOGISTIC", "TANH"), _curve),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"), _reduce),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), _pool),
    "BATCH_MATMUL": _batch_matmul,
    "CONCATENATION": _concatenation,
    "CUSTOM Convolution2DTransposeBias": _mediapipe_transposed,
    "DEPTH_TO_SPACE": _block,
    "DEQUANTIZE": _dequantize,
    "ELU": _elu,
    "FULLY_CONNECTED": _dense,
    "LEAKY_RELU": _leaky,
    "PAD": _pad,
    "QUANTIZE": _quantize,
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize,
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "SPACE_TO_DEPTH": _space_to_depth,
    "SPLIT": _split,
    "STRIDED_SLICE": _strided_slice,
    "TRANSPOSE": _transpose,
    "TRANSPOSE_CONV": _transposed,
}
