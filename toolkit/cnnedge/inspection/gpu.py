"""Which operators a GPU takes: TFLite's GPU delegate (OpenCL, OpenGL, Metal), and LiteRT's.

Written from tflite/tools/versioning/gpu_compatibility.cc of LiteRT, which both ask, and from
GetOpsToReplace in tflite/delegates/gpu/common/model_builder.cc. What LiteRT's own accelerator
(WebGPU, OpenCL) adds to it is not published; so only a run is certain. A node enters, a reason
leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..bundle import TensorInfo
from .nodes import Node, Rule, one_of

SOURCE = "gpu_compatibility.cc and model_builder.cc of LiteRT"

_MOST_DIMENSIONS = 4
_REAL = ("float32", "float16", "int8", "uint8")
# What an operator takes and returns besides these.
_LOGICAL = "EQUAL NOT_EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND".split()
_ALSO_IN = {
    "CAST": ("bool", "int32"),
    "ONE_HOT": ("int32",),
    "SELECT": ("bool",),
    "SELECT_V2": ("bool",),
    "LOGICAL_AND": ("bool",),
    "GATHER": ("int32",),
}
_ALSO_OUT = {"CAST": ("bool", "int32"), **dict.fromkeys(_LOGICAL, ("bool",))}


def classic(node: Node) -> str | None:
    """Why TFLite's GPU delegate leaves a node; None if it takes it."""
    if node.name in _ACCELERATOR_ALONE:
        return "no kernel for it"
    return _reason(node, _broadcast_few)


def accelerator(node: Node) -> str | None:
    """Why LiteRT's GPU accelerator leaves a node, as far as it is known."""
    if node.name == "DENSIFY":
        return "sparse weights"
    return _reason(node, _broadcast_any)


_Broadcast = Callable[[TensorInfo, TensorInfo], bool]


def _reason(node: Node, broadcast: _Broadcast) -> str | None:
    if node.unpacks:
        return None
    rule = _RULES.get(node.name)
    if rule is None:
        return "no kernel for it"
    if not node.outputs or not node.given:
        return "no inputs or outputs"
    return one_of(rule(node), _broadcast(node, broadcast), _types(node))


def _types(node: Node) -> str | None:
    runtime = [t for t in node.runtime if t.index not in node.unpacked]
    for tensors, more in ((runtime, _ALSO_IN), (node.outputs, _ALSO_OUT)):
        allowed = _REAL + more.get(node.name, ())
        for tensor in tensors:
            if tensor.dtype not in allowed:
                return f"{tensor.dtype} values"
    most = max(len(t.shape) for t in (*node.given, *node.outputs))
    return (
        (f"{most} dimensions; the limit is {_MOST_DIMENSIONS}") if most > _MOST_DIMENSIONS else None
    )


def _broadcast(node: Node, allowed: _Broadcast) -> str | None:
    if node.name not in ("ADD", "MUL"):
        return None
    first, second = node.given
    ranks = len(first.shape), len(second.shape)
    if min(ranks) <= 1 or ranks[0] == ranks[1]:
        return None
    longer, shorter = (first, second) if ranks[0] > ranks[1] else (second, first)
    if allowed(longer, shorter):
        return None
    return f"shapes {_shape(longer)} and {_shape(shorter)}"


def _broadcast_few(longer: TensorInfo, shorter: TensorInfo) -> bool:
    a, b = longer.shape, shorter.shape
    if len(a) != 4:
        return False
    if len(b) == 3:
        return a[0] == 1
    return (a[0] == 1 and b == (1, 1)) or (a[0], a[3]) == b


def _broadcast_any(longer: TensorInfo, shorter: TensorInfo) -> bool:
    pairs = zip(reversed(longer.shape), reversed(shorter.shape), strict=False)
    return all(a == b or 1 in (a, b) for a, b in pairs)


def _shape(tensor: TensorInfo) -> str:
    return "×".join(str(d) for d in tensor.shape)


def _inputs(node: Node, runtime: int, *, constants: int | None = None) -> str | None:
    """This many inputs at run time, and with `constants` this many more that are known before."""
    known = sum(node.static(i) for i in range(len(node.inputs)))
    brought = len(node.given) - known
    if brought != runtime:
        return f"{brought} inputs at run time"
    return f"{known} constant inputs" if constants not in (None, known) else None


def _any(node: Node) -> str | None:
    return None


def _activation(node: Node) -> str | None:
    return "fused SIGN_BIT" if node.activation == "SIGN_BIT" else None


def _one(node: Node) -> str | None:
    return _inputs(node, 1)


def _elementwise(node: Node) -> str | None:
    return _inputs(node, 1, constants=0)


def _pair(node: Node) -> str | None:
    if _inputs(node, 2, constants=0) and _inputs(node, 1, constants=1):
        return "only constant inputs, or more than 2"
    return _activation(node)


def _two(node: Node) -> str | None:
    return f"{len(node.given)} inputs" if len(node.given) != 2 else _activation(node)


def _convolution(node: Node) -> str | None:
    brought = sum(not node.static(i) for i, t in enumerate(node.inputs) if t is not None)
    if brought > 2 or len(node.given) < 2:
        return f"{brought} inputs at run time"
    return _activation(node)


def _depthwise(node: Node) -> str | None:
    pixels, kernel, output = node.input(0), node.input(1), node.outputs[0]
    if pixels is None or kernel is None:
        return "no weights"
    if not len(pixels.shape) == len(kernel.shape) == len(output.shape) == 4:
        return "a number of dimensions other than 4"
    if output.shape[3] != pixels.shape[3] * int(node.option("depth_multiplier")):
        return "a depth multiplier that does not match its shapes"
    return _convolution(node)


def _dense(node: Node) -> str | None:
    if node.option("weights_format"):
        return "shuffled weights"
    values = node.input(0)
    if node.option("keep_num_dims") and values and len(values.shape) != len(node.outputs[0].shape):
        return "a different number of dimensions after it"
    return _convolution(node)


def _pool(node: Node) -> str | None:
    window = ("filter_height", "filter_width", "stride_height", "stride_width")
    zero = any(node.option(name) <= 0 for name in window)
    return one_of(_inputs(node, 1), "a window or stride of 0" if zero else None, _activation(node))


def _axes(node: Node) -> str | None:
    axes = node.input(1)
    if axes is None or not node.stored(1):
        return "axes computed at run time"
    return f"{axes.dtype} axes" if axes.dtype != "int32" else _inputs(node, 1)


def _pad(node: Node) -> str | None:
    paddings = node.input(1)
    if paddings is None or paddings.shape not in ((3, 2), (4, 2)):
        return "padding of a number of dimensions other than 3 or 4"
    if node.name == "MIRROR_PAD" and node.option("mode"):
        return "symmetric padding"
    return _inputs(node, 1)


def _block(node: Node) -> str | None:
    size = int(node.option("block_size"))
    return f"block size {size}" if size <= 1 else _inputs(node, 1)


def _softmax(node: Node) -> str | None:
    beta = node.option("beta")
    return f"beta {beta:g}" if beta != 1 else None


def _slice(node: Node) -> str | None:
    values = node.input(0)
    if len(node.inputs) < 3 or values is None:
        return f"{len(node.inputs)} inputs"
    return (
        None
        if len(values.shape) in (3, 4)
        else (f"{len(values.shape)} dimensions; expected 3 or 4")
    )


def _strided_slice(node: Node) -> str | None:
    for mask in ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask"):
        if node.option(mask):
            return mask.replace("_", " ")
    return _slice(node)


def _gather(node: Node) -> str | None:
    indices = node.input(1)
    if indices is None or len(indices.shape) != 1:
        return "indices of more or fewer than 1 dimension"
    return None if indices.dtype == "int32" else f"{indices.dtype} indices"


def _dequantize(node: Node) -> str | None:
    values = node.input(0)
    return f"{values.dtype} values" if values is not None and values.dtype not in _REAL else None


def _resize(node: Node) -> str | None:
    if node.option("align_corners") and node.option("half_pixel_centers"):
        return "aligned corners with half-pixel centres"
    return _inputs(node, 1)


# In gpu_compatibility.cc, but without a parser in the classic delegate.
_ACCELERATOR_ALONE = (
    "CEIL ROUND LOGICAL_NOT LOGICAL_OR REDUCE_ALL REDUCE_ANY REVERSE_V2 TOPK_V2 ATAN2 RIGHT_SHIFT"
).split()
_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("ADD", "MUL", "ADD_N", "BATCH_MATMUL"), _two),
    **dict.fromkeys(("CONV_2D", "TRANSPOSE_CONV"), _convolution),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), _pool),
    **dict.fromkeys(
        "CONCATENATION PACK PRELU RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 LEAKY_RELU SPLIT SPLIT_V "
        "UNPACK".split(),
        _any,
    ),
    **dict.fromkeys("RESHAPE TRANSPOSE TILE QUANTIZE HARD_SWISH CAST TOPK_V2".split(), _one),
    **dict.fromkeys(
        "ABS CEIL COS ELU EXP FLOOR GELU LOG LOGICAL_NOT LOGISTIC NEG ROUND RSQRT SIGN SIN SQRT "
        "SQUARE TANH".split(),
        _elementwise,
    ),
    **dict.fromkeys(
        "ATAN2 DIV EQUAL FLOOR_DIV FLOOR_MOD GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND "
        "LOGICAL_OR MAXIMUM MINIMUM NOT_EQUAL POW RIGHT_SHIFT SQUARED_DIFFERENCE SUB".split(),
        _pair,
    ),
    **dict.fromkeys(
        "MEAN SUM REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD REVERSE_V2".split(),
        _axes,
    ),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _pad),
    **dict.fromkeys(("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"), _block),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), _resize),
    **dict.fromkeys(
        (
            "CUSTOM Convolution2DTransposeBias",
            "CUSTOM MaxPoolingWithArgmax2D",
            "CUSTOM MaxUnpooling2D",
            "CUSTOM Resampler",
        ),
        _any,
    ),
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEQUANTIZE": _dequantize,
    "FULLY_CONNECTED": _dense,
    "GATHER": _gather,
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "STRIDED_SLICE": _strided_slice,
}
