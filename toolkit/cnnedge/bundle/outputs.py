"""What the outputs of a .tflite mean, by its last operators, its quantisation and its metadata.

A graph and its standard metadata enter; one frozen OutputMeaning for each output leaves. Nothing
is run: the way back from an output leads to the operator that made its values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .description import describe_metadata
from .graph import Graph, OperatorInfo, TensorInfo
from .inputs import real_range

SOFTMAX, LOG_SOFTMAX, SIGMOID, LOGITS = "softmax", "log_softmax", "sigmoid", "logits"
INDEX, TOP_SCORES, TOP_INDICES = "index", "top_scores", "top_indices"
# Values within 0..1 of an unknown kind; an embedding; anything at all.
SHARES, EMBEDDING, UNKNOWN = "shares", "embedding", "unknown"

_PASSED = frozenset(
    {"DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST", "TRANSPOSE"}
)
_BY_OPERATOR = {
    "SOFTMAX": SOFTMAX,
    "LOG_SOFTMAX": LOG_SOFTMAX,
    "LOGISTIC": SIGMOID,
    "ARG_MAX": INDEX,
    "L2_NORMALIZATION": EMBEDDING,
}
# Sums of products, and what pools or shifts them: any real number.
_UNBOUNDED = frozenset(
    {"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "BATCH_MATMUL", "TRANSPOSE_CONV"}
)
_KEEPING = frozenset(
    {"ADD", "SUB", "MEAN", "SUM", "AVERAGE_POOL_2D", "MAX_POOL_2D", "REDUCE_MAX", "MUL", "DIV"}
)
_GATHERING = frozenset({"CONCATENATION", "PACK", "SPLIT", "STRIDED_SLICE", "SLICE", "GATHER"})
# A way back of more steps than this is not a head of a classifier.
_MOST_STEPS = 12
# Steps of 8 bits that a range may miss 0 and 1 by.
_STEPS = 2


@dataclass(frozen=True, kw_only=True)
class OutputMeaning:
    """One output.

    kind: `softmax`, `log_softmax`, `sigmoid` (each value by itself), `logits`, `index` of the best
    class, `top_scores` and `top_indices` of a list of the best; `shares`: within 0..1, by what is
    not known; `embedding`; `unknown`. of: what the scores of such a list are. classes: how many
    there are, None if the output is not one value for each. because: the evidence. stated: the
    lowest and highest value by the metadata.
    """

    tensor: TensorInfo
    kind: str
    classes: int | None
    because: str
    of: str = ""
    stated: tuple[float, float] | None = None

    def as_json(self) -> dict[str, Any]:
        """For `inspect`."""
        return {"kind": self.kind, "classes": self.classes, "because": self.because}


def describe_outputs(
    graph: Graph, described: bytes | None, *, batch: int | None
) -> tuple[OutputMeaning, ...]:
    """One description for each output, in the graph's order.

    described: the standard metadata. batch: pictures that the file takes at once.
    """
    ranges = _stated_ranges(described)
    trace = _Trace(graph)
    return tuple(
        _described(graph.tensors[index], trace, ranges.get(place), batch)
        for place, index in enumerate(graph.outputs)
    )


def _described(
    tensor: TensorInfo, trace: _Trace, stated: tuple[float, float] | None, batch: int | None
) -> OutputMeaning:
    kind, because, of, classes = trace.kind(tensor.index)
    if kind == UNKNOWN and stated == (0.0, 1.0):
        kind, because = SHARES, "its metadata states 0 to 1"
    if kind == UNKNOWN and _fills_unit_range(tensor):
        kind, because = SHARES, "its quantisation ranges from 0 to 1"
    if kind not in (INDEX, TOP_SCORES, TOP_INDICES):
        classes = _row(tensor, batch)
    elif kind == INDEX and _row(tensor, batch) != 1:
        kind, classes, because = UNKNOWN, None, "an index for each of many positions"
    return OutputMeaning(
        tensor=tensor, kind=kind, classes=classes, because=because, of=of, stated=stated
    )


def _row(tensor: TensorInfo, batch: int | None) -> int | None:
    """How many values there are for a picture; None if they are more than one row."""
    shape = [abs(d) for d in tensor.shape]
    if batch and batch > 1 and shape and shape[0] == batch:
        shape[0] = 1
    count = math.prod(shape)
    return count if count == max(shape, default=1) else None


def _fills_unit_range(tensor: TensorInfo) -> bool:
    found = real_range(tensor)
    if found is None or tensor.dtype not in ("uint8", "int8", "int16"):
        return False
    low, high = found
    # A symmetric type has its zero in the middle.
    low = max(low, 0.0) if tensor.dtype == "int16" else low
    return abs(low) <= _STEPS / 256 and abs(high - 1) <= _STEPS / 256


def _stated_ranges(described: bytes | None) -> dict[int, tuple[float, float]]:
    if not described:
        return {}
    outputs = describe_metadata(described).outputs
    return {
        place: (said.low[0], said.high[0])
        for place, said in enumerate(outputs)
        if said.low and said.high
    }


class _Trace:
    """The way from a tensor back to what made its values."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._maker = {out: op for op in graph.operators for out in op.outputs if out >= 0}
        self._known: dict[int, tuple[str, str, str, int | None]] = {}

    def kind(self, index: int, steps: int = _MOST_STEPS) -> tuple[str, str, str, int | None]:
        """(kind, because, of, classes) of a tensor's values; classes only for indices."""
        if index not in self._known:
            # Each tensor is looked at once, however many ways lead to it, or back to itself.
            self._known[index] = (UNKNOWN, "it is computed from itself", "", None)
            self._known[index] = self._found(index, steps)
        return self._known[index]

    def _found(self, index: int, steps: int) -> tuple[str, str, str, int | None]:
        op = self._maker.get(index)
        while op is not None and op.name in _PASSED and op.inputs and steps > 0:
            index, steps = op.inputs[0], steps - 1
            op = self._maker.get(index)
        if op is None or steps <= 0:
            return UNKNOWN, "no known operator computes it", "", None
        last = f"its last operator is {op.name.removeprefix('CUSTOM ')}"
        if op.name == "TOPK_V2":
            return self._of_list(op, index, steps, last)
        if op.name == "ARG_MAX":
            return INDEX, last, "", self._last_dimension(op)
        if op.name in _BY_OPERATOR:
            return _BY_OPERATOR[op.name], last, "", None
        if op.name == "DIV" and (found := self._written_out(op)):
            return found, f"{last}, of EXP", "", None
        return self._by_sources(op, steps), last, "", None

    def _by_sources(self, op: OperatorInfo, steps: int) -> str:
        if op.options.get("activation"):
            return UNKNOWN
        if op.name in _UNBOUNDED:
            return LOGITS
        if op.name not in _KEEPING | _GATHERING:
            return UNKNOWN
        kinds = {self.kind(i, steps - 1)[0] for i in self._computed(op)}
        if op.name in _GATHERING:
            # Halves of one softmax are no softmax; scores of their own stay what they are.
            return kinds.pop() if kinds in ({SIGMOID}, {LOGITS}) else UNKNOWN
        if op.name in ("MUL", "DIV"):
            return LOGITS if kinds == {LOGITS} and len(list(self._computed(op))) == 1 else UNKNOWN
        bounded = kinds & {SOFTMAX, SIGMOID, LOG_SOFTMAX, SHARES, INDEX, EMBEDDING}
        return UNKNOWN if bounded else LOGITS

    def _computed(self, op: OperatorInfo) -> Iterator[int]:
        """The inputs that are not constants."""
        tensors = self._graph.tensors
        return (i for i in op.inputs if i >= 0 and not tensors[i].constant_bytes)

    def _of_list(
        self, op: OperatorInfo, index: int, steps: int, last: str
    ) -> tuple[str, str, str, int | None]:
        classes = self._last_dimension(op)
        of = self.kind(op.inputs[0], steps - 1)[0] if op.inputs and op.inputs[0] >= 0 else UNKNOWN
        kind = TOP_INDICES if index in op.outputs[1:] else TOP_SCORES
        return kind, last, of, classes

    def _last_dimension(self, op: OperatorInfo) -> int | None:
        if not op.inputs or op.inputs[0] < 0:
            return None
        # The best of one row; where its other dimensions are 1, the axis need not be known.
        longest = max((abs(d) for d in self._graph.tensors[op.inputs[0]].shape), default=0)
        return longest if longest > 1 else None

    def _written_out(self, op: OperatorInfo) -> str:
        """A softmax or a sigmoid that a converter left as arithmetic."""
        made = [self._maker.get(i) for i in op.inputs[:2]]
        if len(made) < 2 or made[1] is None:
            return ""
        above, below = made[0], made[1]
        if above is not None and above.name == "EXP" and below.name == "SUM":
            return SOFTMAX if below.inputs[:1] == op.inputs[:1] else ""
        sources = [self._maker.get(i) for i in below.inputs if i >= 0]
        exponential = any(s is not None and s.name == "EXP" for s in sources)
        return SIGMOID if above is None and below.name == "ADD" and exponential else ""
