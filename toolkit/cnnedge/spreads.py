"""The spreads that a network divides by, which an int8 network has to keep in float.

The graph of a network enters; the names of tensors leave. Layer normalisation divides by the
standard deviation of what it normalises. 256 steps from zero to the largest square round small ones
to zero, so that a part of the picture with little contrast is divided by too little; and LiteRT's
integer kernel of DIV refuses to run on a zero.
"""

from __future__ import annotations

from .bundle import Graph, OperatorInfo

# What stands between what is normalised and what it is divided by, and where that begins.
_BETWEEN = ("ADD", "MAXIMUM", "MEAN", "RESHAPE", "SQRT", "SUM")
_SQUARES = ("SQUARE", "SQUARED_DIFFERENCE")


def names(graph: Graph) -> list[str]:
    """Of the tensors that are computed for a division or an inverse square root, and of these."""
    made = {output: operator for operator in graph.operators for output in operator.outputs}
    found: dict[int, None] = {}
    for operator in graph.operators:
        divisor = _divisor(graph, operator)
        if divisor is None:
            continue
        found[operator.outputs[0]] = None
        waiting = [divisor]
        while waiting:
            number = waiting.pop()
            before = made.get(number)
            if before is None or number in found:
                continue
            if before.name in _BETWEEN:
                waiting += before.inputs
            elif not _squares(before):
                continue
            found[number] = None
    return [graph.tensors[number].name for number in found]


def _squares(operator: OperatorInfo) -> bool:
    product = operator.name == "MUL" and len({*operator.inputs}) == 1
    return product or operator.name in _SQUARES


def _divisor(graph: Graph, operator: OperatorInfo) -> int | None:
    """The computed tensor that it divides by, or takes the inverse square root of."""
    place = {"RSQRT": 0, "DIV": 1}.get(operator.name)
    if place is None:
        return None
    number = operator.inputs[place]
    return None if graph.tensors[number].constant_bytes else number
