"""Which operators TFLite's NNAPI delegate hands to Android, by the phone's API level.

Written from NNAPIDelegateKernel::Validate in tensorflow/lite/delegates/nnapi/nnapi_delegate.cc,
with an accelerator named. A phone's driver may still refuse what it passes on. NNAPI is
deprecated since Android 15 (API level 35). A node and a level enter, a reason leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .nodes import Node, one_of

SOURCE = "nnapi_delegate.cc of TensorFlow Lite"
LEVELS = tuple(range(27, 36))
DEPRECATED = 35
# Android 8.1, 9, 10 and 11: NNAPI 1.0 to 1.3. The delegate asks for nothing newer.
_NNAPI_11, _NNAPI_12, _NNAPI_13 = 28, 29, 30

_FLOAT = ("float32",)
_REAL = ("float32", "uint8", "int8")
_NUMBER = (*_REAL, "int32")
_GATHERED = (*_NUMBER, "float16")


@dataclass(frozen=True, kw_only=True)
class _Spec:
    """What one operator may be. version: at most; level: at least; dtypes: of its first input."""

    version: int = 99
    level: int = 27
    dtypes: tuple[str, ...] = ()
    check: Callable[[Node, int], str | None] | None = None


def reason(node: Node, level: int) -> str | None:
    """Why the delegate leaves a node on a phone of this API level; None if it takes it."""
    if node.unpacks:
        sparse = node.name == "DENSIFY" and level < _NNAPI_13
        return "sparse weights need API level 30" if sparse else None
    spec = _SPECS.get(node.name)
    if spec is None:
        return "not mapped to NNAPI"
    if not node.outputs or not node.given:
        return "no inputs or outputs"
    if level < spec.level:
        return f"needs API level {spec.level}"
    if node.version > spec.version:
        return f"version {node.version}; the limit is {spec.version}"
    dtype = node.given[0].dtype
    if spec.dtypes and dtype not in spec.dtypes:
        return f"{dtype} values"
    return spec.check(node, level) if spec.check else None


def _hybrid(node: Node) -> bool:
    kernel = node.input(1)
    return (
        node.given[0].dtype == "float32"
        and kernel is not None
        and kernel.dtype in ("int8", "uint8")
    )


def _early_weights(node: Node, level: int) -> str | None:
    """What NNAPI 1.0 and 1.1 ask of convolutions and dense layers."""
    if level >= _NNAPI_12:
        return None
    values, kernel, output = node.given[0], node.input(1), node.outputs[0]
    if _hybrid(node):
        return "8-bit weights with float32 values need API level 29"
    if values.dtype not in ("float32", "uint8"):
        return f"{values.dtype} values need API level 29"
    if kernel is not None and len(kernel.scales) > 1:
        return "weights with one scale per channel need API level 29"
    if values.dtype == "uint8" and kernel is not None:
        scales = [t.scales[0] if t.scales else 0.0 for t in (values, kernel, output)]
        if not scales[0] * scales[1] < scales[2]:
            return "scales that need API level 29"
    return None


def _dilation(node: Node, level: int) -> str | None:
    dilated = node.option("dilation_height", 1) != 1 or node.option("dilation_width", 1) != 1
    return "dilation needs API level 29" if dilated and level < _NNAPI_12 else None


def _convolution(node: Node, level: int) -> str | None:
    bias = "no bias" if len(node.inputs) != 3 else None
    return one_of(bias, _early_weights(node, level), _dilation(node, level))


def _depthwise(node: Node, level: int) -> str | None:
    return one_of(_early_weights(node, level), _dilation(node, level))


def _dense(node: Node, level: int) -> str | None:
    if node.outputs[0].dtype == "int16":
        return "int16 values"
    if node.option("keep_num_dims") and level < _NNAPI_13:
        return "keeping its dimensions needs API level 30"
    return _early_weights(node, level)


def _arithmetic(node: Node, level: int) -> str | None:
    if node.given[0].dtype != "int32":
        return None
    if level < _NNAPI_13:
        return "int32 values need API level 30"
    return f"int32 values with fused {node.activation}" if node.option("activation") else None


def _subtract(node: Node, level: int) -> str | None:
    if node.given[0].dtype in ("int8", "uint8") and level < _NNAPI_12:
        return f"{node.given[0].dtype} values need API level 29"
    most = max(len(t.shape) for t in node.given)
    return one_of(
        _arithmetic(node, level), f"{most} dimensions; the limit is 4" if most > 4 else None
    )


def _tanh(node: Node, level: int) -> str | None:
    early = node.given[0].dtype != "float32" and level < _NNAPI_12
    return f"{node.given[0].dtype} values need API level 29" if early else None


def _concatenation(node: Node, level: int) -> str | None:
    first = node.given[0]
    if node.option("activation"):
        return f"fused {node.activation}"
    if len(first.shape) > 4:
        return f"{len(first.shape)} dimensions; the limit is 4"
    other = any((t.scales, t.zero_points) != (first.scales, first.zero_points) for t in node.given)
    if first.dtype == "uint8" and other and level < _NNAPI_12:
        return "inputs of different scales need API level 29"
    return None


def _softmax(node: Node, level: int) -> str | None:
    rank = len(node.given[0].shape)
    if rank > 4:
        return f"{rank} dimensions; the limit is 4"
    return (
        f"{rank} dimensions need API level 29" if level < _NNAPI_12 and rank not in (2, 4) else None
    )


def _constant(place: int, what: str) -> Callable[[Node, int], str | None]:
    def check(node: Node, level: int) -> str | None:
        given = len(node.inputs) > place and node.input(place) is not None
        return f"{what} computed at run time" if given and not node.stored(place) else None

    return check


def _resize(node: Node, level: int) -> str | None:
    shape = node.outputs[0].shape
    moved = next((o for o in ("align_corners", "half_pixel_centers") if node.option(o)), None)
    if len(node.given[0].shape) != 4:
        return "a number of dimensions other than 4"
    if node.name == "RESIZE_BILINEAR" and level < _NNAPI_12:
        if len(shape) == 4 and shape[1] != shape[2]:
            return "outputs that are not square need API level 29"
        if node.given[0].dtype != "float32":
            return f"{node.given[0].dtype} values need API level 29"
    if moved and level <= _NNAPI_12:
        return f"{moved.replace('_', ' ')} needs API level 30"
    return _constant(1, "size")(node, level)


def _mean(node: Node, level: int) -> str | None:
    values, output = node.given[0], node.outputs[0]
    if values.dtype != "float32" and level < _NNAPI_12:
        return f"{values.dtype} values need API level 29"
    if not output.shape:
        return "a single number as output"
    same = (values.scales, values.zero_points) == (output.scales, output.zero_points)
    return None if same else "an output with a different scale"


def _pad(node: Node, level: int) -> str | None:
    if len(node.given) == 3:
        return "a padding value needs API level 29" if level < _NNAPI_12 else None
    early = node.given[0].dtype != "float32" and level < _NNAPI_12
    return f"{node.given[0].dtype} values need API level 29" if early else None


def _dequantize(node: Node, level: int) -> str | None:
    values = node.given[0]
    if values.dtype == "float16" and level >= _NNAPI_13:
        return None
    allowed = ("uint8",) if level < _NNAPI_12 else ("uint8", "int8")
    if values.dtype not in allowed:
        return f"{values.dtype} values"
    offset = values.zero_points[0] if values.zero_points else 0
    if level == _NNAPI_12 and values.dtype == "int8" and offset:
        return "int8 values with a zero point need API level 30"
    return None


def _quantize(node: Node, level: int) -> str | None:
    output = node.outputs[0].dtype
    allowed = ("uint8",) if level < _NNAPI_13 else ("uint8", "int8")
    if output in allowed:
        return None
    return f"to {output} needs API level 30" if output == "int8" else f"to {output}"


def _cast(node: Node, level: int) -> str | None:
    allowed = _NUMBER if level >= _NNAPI_13 else ("float32", "int32", "uint8")
    wrong = [t.dtype for t in (node.given[0], node.outputs[0]) if t.dtype not in allowed]
    return f"{wrong[0]} values" if wrong else None


def _split(node: Node, level: int) -> str | None:
    values = node.input(1)
    dtype = values.dtype if values is not None else "no"
    if dtype not in _NUMBER or (dtype == "int8" and level < _NNAPI_13):
        return f"{dtype} values"
    return _constant(0, "axis")(node, level)


def _transposed(node: Node, level: int) -> str | None:
    stored = node.stored(0) and node.stored(1)
    return None if stored else "weights or output shape computed at run time"


def _largest(node: Node, level: int) -> str | None:
    # How the schema numbers int32.
    return None if node.option("output_type") == 2 else "an output that is not int32"


def _scalar_output(node: Node, level: int) -> str | None:
    return None if node.outputs[0].shape else "a single number as output"


def _pack(node: Node, level: int) -> str | None:
    axis, rank = node.option("axis"), len(node.given[0].shape)
    return "packing along the last dimension" if axis in (-1, rank) else None


def _crops(node: Node, level: int) -> str | None:
    return "crops" if any(node.small.get(2, (1,))) else None


def _l2(node: Node, level: int) -> str | None:
    if node.option("activation"):
        return f"fused {node.activation}"
    early = node.given[0].dtype != "float32" and level < _NNAPI_12
    return f"{node.given[0].dtype} values need API level 29" if early else None


def _same_order(*names: str, spec: _Spec) -> dict[str, _Spec]:
    return dict.fromkeys(names, spec)


_SPECS: Mapping[str, _Spec] = {
    "ADD": _Spec(version=2, dtypes=_NUMBER, check=_arithmetic),
    "MUL": _Spec(version=3, dtypes=_NUMBER, check=_arithmetic),
    "SUB": _Spec(version=3, level=_NNAPI_11, dtypes=_NUMBER, check=_subtract),
    "DIV": _Spec(version=1, level=_NNAPI_11, dtypes=_FLOAT),
    "CONV_2D": _Spec(version=3, check=_convolution),
    "DEPTHWISE_CONV_2D": _Spec(version=3, check=_depthwise),
    "FULLY_CONNECTED": _Spec(version=5, check=_dense),
    "TRANSPOSE_CONV": _Spec(version=3, level=_NNAPI_12, check=_transposed),
    **_same_order(
        "AVERAGE_POOL_2D",
        "MAX_POOL_2D",
        "RELU",
        "RELU6",
        "RELU_N1_TO_1",
        "LOGISTIC",
        spec=_Spec(version=2, dtypes=_REAL),
    ),
    "HARD_SWISH": _Spec(dtypes=_REAL),
    "TANH": _Spec(version=2, dtypes=_REAL, check=_tanh),
    "FLOOR": _Spec(version=1),
    "SOFTMAX": _Spec(version=2, dtypes=_REAL, check=_softmax),
    "RESHAPE": _Spec(version=1, dtypes=_REAL, check=_constant(1, "shape")),
    "RESIZE_BILINEAR": _Spec(version=3, dtypes=_REAL, check=_resize),
    "RESIZE_NEAREST_NEIGHBOR": _Spec(version=3, level=_NNAPI_12, dtypes=_REAL, check=_resize),
    "SQUEEZE": _Spec(version=1, level=_NNAPI_11),
    "L2_NORMALIZATION": _Spec(version=2, check=_l2),
    "L2_POOL_2D": _Spec(version=1, dtypes=_FLOAT),
    "LOCAL_RESPONSE_NORMALIZATION": _Spec(version=1),
    "CONCATENATION": _Spec(version=2, dtypes=(*_REAL, "float16"), check=_concatenation),
    "DEQUANTIZE": _Spec(version=2, check=_dequantize),
    "QUANTIZE": _Spec(version=2, level=_NNAPI_12, dtypes=_REAL, check=_quantize),
    "PAD": _Spec(version=2, level=_NNAPI_11, dtypes=_REAL, check=_pad),
    "PADV2": _Spec(version=2, level=_NNAPI_11, dtypes=_REAL, check=_pad),
    "SPACE_TO_BATCH_ND": _Spec(version=2, level=_NNAPI_11),
    "BATCH_TO_SPACE_ND": _Spec(version=2, level=_NNAPI_11, check=_crops),
    "STRIDED_SLICE": _Spec(version=2, level=_NNAPI_11),
    "SLICE": _Spec(version=2, level=_NNAPI_12, dtypes=_NUMBER),
    "TRANSPOSE": _Spec(version=2, level=_NNAPI_11, check=_constant(1, "order of dimensions")),
    **_same_order(
        "ABS",
        "EXP",
        "LOG",
        "RSQRT",
        "POW",
        "SIN",
        "SQRT",
        spec=_Spec(version=1, level=_NNAPI_12, dtypes=_FLOAT),
    ),
    "SPACE_TO_DEPTH": _Spec(version=2, dtypes=_REAL),
    "DEPTH_TO_SPACE": _Spec(dtypes=_REAL),
    "MEAN": _Spec(version=2, level=_NNAPI_11, dtypes=_REAL, check=_mean),
    **_same_order("MAXIMUM", "MINIMUM", spec=_Spec(version=3, level=_NNAPI_12, dtypes=_NUMBER)),
    "CAST": _Spec(version=1, level=_NNAPI_12, check=_cast),
    **_same_order("LEAKY_RELU", "PRELU", spec=_Spec(version=1, level=_NNAPI_12, dtypes=_REAL)),
    "TILE": _Spec(version=1, level=_NNAPI_12, dtypes=_NUMBER),
    **_same_order(
        "LOGICAL_OR",
        "LOGICAL_AND",
        "LOGICAL_NOT",
        spec=_Spec(version=1, level=_NNAPI_12, dtypes=("bool",)),
    ),
    **_same_order(
        "LESS",
        "LESS_EQUAL",
        "GREATER",
        "GREATER_EQUAL",
        "EQUAL",
        "NOT_EQUAL",
        spec=_Spec(version=2, level=_NNAPI_11, dtypes=(*_NUMBER, "bool")),
    ),
    "NEG": _Spec(version=2, level=_NNAPI_11, dtypes=("float32", "int32")),
    "TOPK_V2": _Spec(version=2, level=_NNAPI_12, dtypes=_NUMBER, check=_constant(1, "count")),
    "GATHER": _Spec(version=2, level=_NNAPI_12, dtypes=_GATHERED),
    "EXPAND_DIMS": _Spec(version=1, level=_NNAPI_12, dtypes=_GATHERED, check=_constant(1, "axis")),
    "SPLIT": _Spec(version=3, level=_NNAPI_12, check=_split),
    "LOG_SOFTMAX": _Spec(version=1, level=_NNAPI_12, dtypes=_FLOAT),
    **_same_order(
        "ARG_MAX",
        "ARG_MIN",
        spec=_Spec(version=2, level=_NNAPI_12, dtypes=_GATHERED, check=_largest),
    ),
    **_same_order("REDUCE_MIN", "REDUCE_MAX", spec=_Spec(version=2, level=_NNAPI_12, dtypes=_REAL)),
    **_same_order(
        "REDUCE_PROD",
        "SUM",
        spec=_Spec(version=1, level=_NNAPI_12, dtypes=_FLOAT, check=_scalar_output),
    ),
    "ELU": _Spec(version=1, level=_NNAPI_13, dtypes=_FLOAT),
    "PACK": _Spec(version=2, level=_NNAPI_13, dtypes=("int32", "float32", "int8"), check=_pack),
}
