"""What no runtime could make sense of in a model's graph, found without running it.

A Graph enters; ModelError leaves if its tables contradict themselves or ask for more memory than
an image CNN takes. Native runtimes check little of this and die, or compute nonsense. What is
not certain to be wrong passes: a trial in a process of its own (`engines.trial`) shows the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ..errors import ModelError
from ..harmless import harmless
from .graph import BITS, DTYPES, Graph, OperatorInfo, Subgraph, TensorInfo
from .options import ACTIVATIONS

# The largest photographs as float32 fit into the first, and what segments them into the second.
MOST_INPUT_BYTES, MOST_TENSOR_BYTES, MOST_ALIVE_BYTES = 2**28, 2**30, 2**31
# More dimensions than any kernel takes; numpy has 32 at least.
_MOST_DIMENSIONS = 16
_MOST_NAME = 60
_PADDINGS = 2
# Whose zero points are numbers of the tensor's own type.
_QUANTISED = ("uint8", "int8", "uint16", "int16", "int32", "uint4", "int4", "int2")
# The operators that write to a variable among their inputs.
_STATEFUL = frozenset(
    {
        *("SVDF", "RNN", "LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN"),
        *("UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM"),
    }
)
# How many inputs an operator cannot do without, the first ones.
_NEEDED = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"), 2),
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "PAD", "MEAN", "SUM", "REDUCE_MAX"), 2),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D", "SOFTMAX", "RESHAPE"), 1),
    **dict.fromkeys(("CONCATENATION", "LOGISTIC", "RELU", "RELU6", "HARD_SWISH", "TANH"), 1),
    **dict.fromkeys(("QUANTIZE", "DEQUANTIZE", "SQUEEZE", "L2_NORMALIZATION", "PRELU"), 1),
    "TRANSPOSE_CONV": 3,
}
_SIZES = ("stride_width", "stride_height", "filter_width", "filter_height")
_CALLS = ("then_subgraph", "else_subgraph", "cond_subgraph", "body_subgraph", "init_subgraph")


def refuse_unsound(graph: Graph, place: str) -> None:
    """Raises ModelError for the first thing in a graph that cannot be; `place` names the file."""
    for complaint in _complaints(graph):
        raise ModelError(
            f"{place}: the model file is damaged or malicious: {complaint}. cnnedge did not run "
            "it; get the file from its source again"
        )


def _complaints(graph: Graph) -> Iterator[str]:
    for subgraph in graph.subgraphs:
        for tensor in subgraph.tensors:
            yield from _of_tensor(tensor)
        yield from _of_ends(subgraph)
        for place, operator in enumerate(subgraph.operators):
            yield from _of_operator(operator, place)
        yield from _of_variables(subgraph)
        yield from _of_order(subgraph)
        yield from _of_memory(subgraph)
    yield from _of_calls(graph.subgraphs)


def _of_tensor(tensor: TensorInfo) -> Iterator[str]:
    name, shape = _named(tensor), tensor.shape
    if tensor.dtype.startswith("type "):
        yield f"{name} has the type {tensor.dtype}; types range from 0 to {len(DTYPES) - 1}"
    if len(shape) > _MOST_DIMENSIONS:
        yield f"{name} has {len(shape)} dimensions; the limit is {_MOST_DIMENSIONS}"
    if any(d < -1 for d in (*shape, *tensor.shape_signature)):
        yield f"{name} has a dimension of {min((*shape, *tensor.shape_signature))}"
    if tensor.dtype in _QUANTISED:
        low, high = _limits(tensor.dtype)
        for zero in (min(tensor.zero_points, default=0), max(tensor.zero_points, default=0)):
            if not low <= zero <= high:
                yield f"{name} has the zero point {zero}, which is not a valid {tensor.dtype}"
    # Texts and handles have no size of their own, and a sparse tensor leaves values out.
    fixed = tensor.dtype in BITS and tensor.sparse is None and min(shape, default=0) >= 0
    if tensor.constant_bytes and fixed and tensor.constant_bytes != tensor.size_bytes:
        yield (
            f"{name} is {tensor.dtype} {list(shape)}, {tensor.size_bytes:,} bytes, but the file "
            f"holds {tensor.constant_bytes:,} for it"
        )
    if not tensor.constant_bytes and tensor.size_bytes > MOST_TENSOR_BYTES:
        yield f"{name} takes {_gib(tensor.size_bytes)}; the limit is {_gib(MOST_TENSOR_BYTES)}"


def _of_ends(subgraph: Subgraph) -> Iterator[str]:
    """What must hold of the tensors that callers write and read."""
    for index in (*subgraph.inputs, *subgraph.outputs):
        tensor = subgraph.tensors[index]
        small = tensor.dtype in ("uint8", "int8", "uint16", "int16")
        if small and any(not (math.isfinite(s) and s > 0) for s in tensor.scales):
            yield f"{_named(tensor)} has a scale that is not a number above 0"
    for index in subgraph.inputs:
        tensor = subgraph.tensors[index]
        if tensor.size_bytes > MOST_INPUT_BYTES:
            taken = f"the limit is {_gib(MOST_INPUT_BYTES)}"
            yield f"the input, {_named(tensor)}, takes {_gib(tensor.size_bytes)}; {taken}"


def _of_operator(operator: OperatorInfo, place: int) -> Iterator[str]:
    name, options = f"operator {place}, {harmless(operator.name, _MOST_NAME)},", operator.options
    needed = _NEEDED.get(operator.name, 0)
    given = operator.inputs[:needed]
    if len(given) < needed or any(i < 0 for i in given):
        yield f"{name} lacks one of the {needed} inputs that it needs"
    if needed and (not operator.outputs or operator.outputs[0] < 0):
        yield f"{name} has no output"
    for option, count in (("padding", _PADDINGS), ("activation", len(ACTIVATIONS))):
        if not 0 <= options.get(option, 0) < count:
            yield f"{name} has the {option} {options[option]}; allowed: 0 to {count - 1}"
    for option in _SIZES:
        if options.get(option, 1) < 1:
            yield f"{name} has the {option} {options[option]}, which must be 1 or more"


def _of_variables(subgraph: Subgraph) -> Iterator[str]:
    """A variable keeps what an operator writes to it; nothing writes to these."""
    variables = {t.index for t in subgraph.tensors if t.variable}
    if not variables:
        return
    written = {
        i
        for op in subgraph.operators
        if op.name in _STATEFUL or op.name.startswith(("CUSTOM", "builtin"))
        for i in op.inputs
    }
    used = {i for op in subgraph.operators for i in (*op.inputs, *op.outputs)}
    for index in sorted(variables.intersection(used) - written):
        yield (
            f"{_named(subgraph.tensors[index])} is marked as a variable, but no operator that "
            "keeps a state uses it"
        )


def _of_order(subgraph: Subgraph) -> Iterator[str]:
    """Operators run in the order of the file: each reads what one before it has written."""
    maker: dict[int, int] = {}
    for place, operator in enumerate(subgraph.operators):
        for index in operator.outputs:
            maker.setdefault(index, place)
    there = set(subgraph.inputs)
    for place, operator in enumerate(subgraph.operators):
        for index in operator.inputs:
            if index < 0 or index in there or maker.get(index, -1) < place:
                continue
            tensor = subgraph.tensors[index]
            itself = maker[index] == place and operator.name.startswith("CUSTOM")
            if not (tensor.constant_bytes or tensor.variable or itself):
                yield (
                    f"operator {place}, {harmless(operator.name, _MOST_NAME)}, reads "
                    f"{_named(tensor)}, which operator {maker[index]} writes"
                )


def _of_memory(subgraph: Subgraph) -> Iterator[str]:
    """What is alive at once is what a runtime must hold, however well it packs."""
    end = max(0, len(subgraph.operators) - 1)
    first: dict[int, int] = dict.fromkeys(subgraph.inputs, 0)
    last: dict[int, int] = dict.fromkeys((*subgraph.inputs, *subgraph.outputs), end)
    for place, operator in enumerate(subgraph.operators):
        for index in operator.outputs:
            first.setdefault(index, place)
        for index in (*operator.inputs, *operator.outputs):
            last[index] = max(last.get(index, 0), place)
    change = [0] * (end + 2)
    for index, place in first.items():
        tensor = subgraph.tensors[index] if index >= 0 else None
        if tensor is not None and not tensor.constant_bytes:
            change[place] += tensor.size_bytes
            change[max(place, last.get(index, place)) + 1] -= tensor.size_bytes
    alive = 0
    for place, more in enumerate(change):
        alive += more
        if alive > MOST_ALIVE_BYTES:
            yield (
                f"its values take {_gib(alive)} at operator {place}; the limit is "
                f"{_gib(MOST_ALIVE_BYTES)}"
            )
            return


def _of_calls(subgraphs: Sequence[Subgraph]) -> Iterator[str]:
    """Subgraphs call others by number, and none itself: a runtime would call without end."""
    callers: list[list[int]] = [[] for _ in subgraphs]
    open_calls = [0] * len(subgraphs)
    for number, subgraph in enumerate(subgraphs):
        for operator in subgraph.operators:
            for called in (int(operator.options[c]) for c in _CALLS if c in operator.options):
                if not 0 <= called < len(subgraphs):
                    yield f"{operator.name} calls graph {called} of {len(subgraphs)}"
                    return
                callers[called].append(number)
                open_calls[number] += 1
    settled = [number for number, calls in enumerate(open_calls) if not calls]
    for number in settled:
        for caller in callers[number]:
            open_calls[caller] -= 1
            if not open_calls[caller]:
                settled.append(caller)
    if len(settled) < len(subgraphs):
        yield "one of its graphs calls itself"


def _limits(dtype: str) -> tuple[int, int]:
    bits = int(dtype.lstrip("uint"))
    return (0, 2**bits - 1) if dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _named(tensor: TensorInfo) -> str:
    shown = harmless(tensor.name, _MOST_NAME).strip()
    return f"tensor {tensor.index} '{shown}'" if shown else f"tensor {tensor.index}"


def _gib(count: int) -> str:
    return f"{count / 2**30:.3g} GiB"
