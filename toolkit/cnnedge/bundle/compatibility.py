"""What tflite-runtime cannot run in a model file, found without running it.

A ModelFile enters; the reasons leave, each a line to read. tflite-runtime 2.14.0 is the last
release, and what many boards have; newer converters write operators that it does not know, and
some that it takes and computes wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from .files import ModelFile
from .graph import Graph, OperatorInfo

RELEASE = "tflite-runtime 2.14.0"

# The highest version of each operator that the release registers, found by asking it: a model of
# that one operator, for every operator and version. It does not have those that are missing.
_VERSIONS = {
    1: """
        FLOOR HASHTABLE_LOOKUP L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LSH_PROJECTION
        RELU_N1_TO_1 RESHAPE SKIP_GRAM EMBEDDING_LOOKUP_SPARSE PRELU NEG SIN EXPAND_DIMS LOG
        SQRT SHAPE POW LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT REDUCE_ANY SQUARE
        ZEROS_LIKE UNIQUE CEIL ADD_N COS RANK ELU REVERSE_SEQUENCE MATRIX_DIAG
        MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4
        NON_MAX_SUPPRESSION_V5 SCATTER_ND DENSIFY SEGMENT_SUM CUMSUM CALL_ONCE RFFT2D
        CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT
        HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE
        BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL
        DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX
        UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN BITCAST BITWISE_XOR RIGHT_SHIFT
    """,
    2: """
        DEPTH_TO_SPACE L2_NORMALIZATION SPACE_TO_DEPTH DIV SQUEEZE EXP LOG_SOFTMAX GREATER
        LESS_EQUAL SUM RSQRT FAKE_QUANT REDUCE_PROD FLOOR_MOD RANGE LEAKY_RELU
        SQUARED_DIFFERENCE SPLIT_V WHERE SELECT_V2 GELU SIGN
    """,
    3: """
        AVERAGE_POOL_2D EMBEDDING_LOOKUP LOGISTIC MAX_POOL_2D RELU RELU6 RNN SOFTMAX TANH
        UNIDIRECTIONAL_SEQUENCE_RNN MEAN BIDIRECTIONAL_SEQUENCE_RNN TOPK_V2
        BIDIRECTIONAL_SEQUENCE_LSTM ARG_MAX LESS GREATER_EQUAL SPARSE_TO_DENSE TILE
        NOT_EQUAL ARG_MIN REDUCE_MAX REDUCE_MIN FLOOR_DIV MIRROR_PAD REVERSE_V2 QUANTIZE
        BROADCAST_TO
    """,
    4: """
        CONCATENATION LSTM RESIZE_BILINEAR SVDF PAD BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND
        UNIDIRECTIONAL_SEQUENCE_LSTM SPLIT MAXIMUM MINIMUM PADV2 SELECT TRANSPOSE_CONV EQUAL
        PACK UNPACK FILL RESIZE_NEAREST_NEIGHBOR GATHER_ND BATCH_MATMUL
    """,
    5: """
        ADD DEQUANTIZE SUB CAST ABS
    """,
    6: """
        GATHER TRANSPOSE SLICE
    """,
    7: """
        CONV_2D DEPTHWISE_CONV_2D MUL
    """,
    8: """
        STRIDED_SLICE
    """,
    10: """
        FULLY_CONNECTED
    """,
}
_HIGHEST = {name: version for version, names in _VERSIONS.items() for name in names.split()}
# Registered beside the builtin operators (tensorflow/lite/core/kernels/register.cc).
_CUSTOM = ("AudioSpectrogram", "Mfcc", "NumericVerify", "TFLite_Detection_PostProcess")
_DTYPES = (
    *("float32", "float16", "float64", "complex64", "complex128"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("bool", "string", "resource", "variant"),
)


def not_runnable(model: ModelFile) -> tuple[str, ...]:
    """Why tflite-runtime 2.14.0 cannot run the model; empty if it can.

    A reason is an operator's version, as "FULLY_CONNECTED version 12: tflite-runtime 2.14.0 has
    up to 10", or arithmetic that the release accepts silently and gets wrong. The smallest
    runtime that a file's metadata states is no help: it is the converter's, and tools that pack
    weights to 4 bits afterwards leave it.
    """
    reasons = dict.fromkeys(r for op in model.graph.operators for r in _reasons(model.graph, op))
    return tuple(reasons)


def _reasons(graph: Graph, op: OperatorInfo) -> Iterator[str]:
    highest = _HIGHEST.get(op.name, 0)
    kind, _, custom = op.name.partition(" ")
    if kind == "CUSTOM":
        if custom not in _CUSTOM:
            yield f"custom operator {custom}: {RELEASE} does not have it"
    elif not highest:
        yield f"{op.name}: {RELEASE} does not have it"
    elif op.version > highest:
        yield f"{op.name} version {op.version}: {RELEASE} has up to {highest}"
    inputs = [graph.tensors[i] for i in op.inputs if i >= 0]
    for dtype in dict.fromkeys(t.dtype for t in inputs if t.dtype not in _DTYPES):
        yield f"{op.name} with {dtype} values: {RELEASE} returns wrong results or none"
    if op.name == "FULLY_CONNECTED" and op.version <= highest and len(inputs) > 1:
        pixels, kernel = inputs[:2]
        # Later versions have a separate number for it; tools that pack weights may not set it.
        if pixels.dtype == "float32" and kernel.dtype != "float32" and len(kernel.scales) > 1:
            yield (
                f"{op.name} with one scale for each output's weights and float32 inputs: {RELEASE} "
                "accepts it and returns wrong results"
            )
