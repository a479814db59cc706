"""The options of an operator, as far as what runs it depends on them.

An operator's table in the flatbuffer and its name enter; names and numbers leave, of the schema's
option tables (tensorflow/compiler/mlir/lite/schema/schema.fbs). Options that nothing here asks
for are left unread.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from flatbuffers import number_types as N
from flatbuffers.table import Table

from .tables import child, field, scalar

# How a fused activation is numbered.
ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")

_TABLE_SLOT, _TABLE_2_SLOT = 4, 12

_BYTE, _BOOL, _INT, _FLOAT = "byte", "bool", "int", "float"
_WINDOW = ("padding byte", "stride_width int", "stride_height int")
_POOL = (*_WINDOW, "filter_width int", "filter_height int", "activation byte")
_ALIGN = ("align_corners bool", "half_pixel_centers bool")
_BLOCK = ("block_size int",)
_ACTIVATION = ("activation byte",)
_REDUCER = ("keep_dims bool",)
# In the order of the fields; "-" stands for one that is deprecated or of no use here.
_FIELDS: dict[str, tuple[str, ...]] = {
    "CONV_2D": (*_WINDOW, "activation byte", "dilation_width int 1", "dilation_height int 1"),
    "DEPTHWISE_CONV_2D": (
        *_WINDOW,
        "depth_multiplier int",
        "activation byte",
        "dilation_width int 1",
        "dilation_height int 1",
    ),
    "TRANSPOSE_CONV": (*_WINDOW, "activation byte"),
    "AVERAGE_POOL_2D": _POOL,
    "MAX_POOL_2D": _POOL,
    "L2_POOL_2D": _POOL,
    "ADD": _ACTIVATION,
    "SUB": _ACTIVATION,
    "MUL": _ACTIVATION,
    "DIV": _ACTIVATION,
    "L2_NORMALIZATION": _ACTIVATION,
    "CONCATENATION": ("axis int", "activation byte"),
    "FULLY_CONNECTED": ("activation byte", "weights_format byte", "keep_num_dims bool"),
    "SOFTMAX": ("beta float",),
    "LEAKY_RELU": ("alpha float",),
    "RESIZE_BILINEAR": ("-", "-", *_ALIGN),
    "RESIZE_NEAREST_NEIGHBOR": _ALIGN,
    "STRIDED_SLICE": (
        "begin_mask int",
        "end_mask int",
        "ellipsis_mask int",
        "new_axis_mask int",
        "shrink_axis_mask int",
        "offset bool",
    ),
    "MEAN": _REDUCER,
    "SUM": _REDUCER,
    "REDUCE_MAX": _REDUCER,
    "REDUCE_MIN": _REDUCER,
    "DEPTH_TO_SPACE": _BLOCK,
    "SPACE_TO_DEPTH": _BLOCK,
    "PACK": ("-", "axis int"),
    "SPLIT": ("num_splits int",),
    "MIRROR_PAD": ("mode byte",),
    "ARG_MAX": ("output_type byte",),
    "ARG_MIN": ("output_type byte",),
    "BATCH_MATMUL": ("adj_x bool", "adj_y bool"),
    "IF": ("then_subgraph int", "else_subgraph int"),
    "WHILE": ("cond_subgraph int", "body_subgraph int"),
    "CALL_ONCE": ("init_subgraph int",),
}
_FLAGS = {_BYTE: N.Int8Flags, _BOOL: N.BoolFlags, _INT: N.Int32Flags}


def options_of(operator: Table, name: str) -> Mapping[str, float]:
    """The options of an operator that has some we know; what the file leaves out has its default.

    Whole numbers and truths as int. No options at all where the operator's table has none.
    """
    fields = _FIELDS.get(name, ())
    table = child(operator, _TABLE_SLOT) or child(operator, _TABLE_2_SLOT)
    if not fields or table is None:
        return {}
    found: dict[str, float] = {}
    for slot, text in enumerate(fields):
        if text == "-":
            continue
        key, kind, *default = text.split()
        if kind == _FLOAT:
            found[key] = _real(table, slot)
        else:
            found[key] = scalar(table, slot, _FLAGS[kind], int(default[0]) if default else 0)
    return found


def _real(table: Table, slot: int) -> float:
    position = field(table, slot)
    return float(struct.unpack_from("<f", table.Bytes, position)[0]) if position else 0.0
