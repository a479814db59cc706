"""What differs between two models that should be one: operators, weights, ranges.

Two flatbuffers of the same format enter, the file's and one made here of the run; a sentence on
the first difference that matters leaves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..bundle import Graph, OperatorInfo, read_graph
from ..bundle.layer_names import known_layer, layer_name
from ..bundle.values import constant

# Ranges of activations from other calibration pictures differ by less.
_RANGE_FACTOR = 2.0
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class _File:
    """A flatbuffer and the graph in it."""

    data: bytes
    graph: Graph

    def kernel(self, tensor: int) -> np.ndarray | None:  # type: ignore[type-arg]
        """A constant of numbers with two or more axes; None for what is none."""
        if tensor < 0 or self.graph.tensors[tensor].values < 2:
            return None
        values = constant(self.data, self.graph.tensors[tensor])
        return (
            values if values is not None and values.dtype.kind in "fi" and values.ndim > 1 else None
        )


def difference(file: bytes, made: bytes, layers: Sequence[str]) -> str:
    """Why the file computes something else; "" where nothing is found.

    layers: names of the Keras model's. Raises ModelError for broken bytes.
    """
    one, other = read_graph(file, "the file"), read_graph(made, "made here")
    if [op.name for op in one.operators] != [op.name for op in other.operators]:
        return (
            f"it is a different network: {len(one.operators)} operators and "
            f"{_parameters(one):,} constants, the run's has {len(other.operators)} and "
            f"{_parameters(other):,}"
        )
    here, there = _File(data=file, graph=one), _File(data=made, graph=other)
    changed, weighted = [], 0
    for ours, theirs in zip(one.operators, other.operators, strict=True):
        found = _weights_differ(ours, here, theirs, there)
        weighted += found is not None
        if found:
            changed.append(_layer(other, theirs, layers))
    if changed:
        names = ", ".join(dict.fromkeys(changed[:_SHOWN]))
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        return (
            f"its weights are not the run's in {len(changed)} of {weighted} layers with weights "
            f"({names}{more}): they are of another run or epoch"
        )
    return _ranges(one, other, layers)


def _weights_differ(
    ours: OperatorInfo, here: _File, theirs: OperatorInfo, there: _File
) -> bool | None:
    """Whether the constants of one operator differ; None where it has none of more than a few."""
    kernels = False
    for mine, its in zip(ours.inputs, theirs.inputs, strict=False):
        a, b = here.kernel(mine), there.kernel(its)
        if a is None or b is None:
            continue
        kernels = True
        scales = [np.array(f.graph.tensors[t].scales) for f, t in ((here, mine), (there, its))]
        if not _alike(a.astype(np.float64), b.astype(np.float64)) or not _alike(*scales):
            return True
    return False if kernels else None


def _alike(a: np.ndarray, b: np.ndarray) -> bool:  # type: ignore[type-arg]
    """Equal up to rounding: of float16, or of one step of an integer here and there."""
    if a.shape != b.shape:
        return False
    size = float(np.abs(b).max(initial=0.0))
    return bool(np.mean(np.abs(a - b) > 0.01 * size) < 0.01)


def _ranges(one: Graph, other: Graph, layers: Sequence[str]) -> str:
    worst, where = _RANGE_FACTOR, ""
    for ours, theirs in zip(one.operators, other.operators, strict=True):
        a, b = one.tensors[ours.outputs[0]].scales, other.tensors[theirs.outputs[0]].scales
        if len(a) != 1 or len(b) != 1 or min(a[0], b[0]) <= 0:
            continue
        factor = math.exp(abs(math.log(a[0] / b[0])))
        if factor > worst:
            size = "larger" if a[0] > b[0] else "smaller"
            worst, where = factor, f"{_layer(other, theirs, layers)} is {factor:.1f} times {size}"
    if not where:
        return ""
    return (
        f"its weights are the run's, but it was calibrated on other values: the range of {where} "
        "than on the run's pictures"
    )


def _layer(graph: Graph, operator: OperatorInfo, layers: Sequence[str]) -> str:
    name = graph.tensors[operator.outputs[0]].name
    if operator.outputs[0] in graph.outputs:
        # It bears the signature's name, and the last layer gives it.
        return layers[-1]
    return known_layer(name, layers) or layer_name(name)


def _parameters(graph: Graph) -> int:
    return sum(t.values for t in graph.tensors if t.constant_bytes)
