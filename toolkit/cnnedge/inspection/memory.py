"""What a model needs in memory besides its file, computed from shapes and lifetimes.

A ModelFile enters; an ArenaPlan leaves. It is computed, not measured: runtimes do not report it.
TFLite keeps all values of an inference in one arena, in which tensors that are never alive together
share bytes; XNNPACK and GPUs have their own memory besides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..bundle import ModelFile, OperatorInfo, TensorInfo
from .nodes import unpacked_constants

# TFLite's: kDefaultTensorAlignment of tensorflow/lite/arena_planner and interpreter.
ALIGNMENT = 64
# Planning time grows with the square; no picture model comes near this.
_MOST_TENSORS = 5_000


@dataclass(frozen=True, kw_only=True)
class ArenaPlan:
    """Bytes of one inference.

    arena_bytes: of the planned arena; None for graphs too large to plan. peak_bytes: the most that
    is alive at once, which no plan can beat. working_set_bytes: of the operator with the largest
    inputs and outputs; peak_at: its place. unpacked_bytes: weights that are unpacked at load and
    stay (float16, sparse). activation_bytes: what is alive while each operator runs.
    """

    arena_bytes: int | None
    peak_bytes: int
    working_set_bytes: int
    peak_at: int
    unpacked_bytes: int
    activation_bytes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """A tensor from the operator that writes it to the last that reads it, both included."""

    size: int
    first: int
    last: int


def plan_arena(model: ModelFile) -> ArenaPlan:
    """The first subgraph's arena, packed as TFLite's planner packs it, without kernels' scratch."""
    graph = model.graph
    unpacked = unpacked_constants(model)
    lifetimes = _lifetimes(model, unpacked)
    count = max(1, len(graph.operators))
    alive = np.zeros(count + 1, np.float64)
    for life in lifetimes:
        alive[life.first] += life.size
        alive[life.last + 1] -= life.size
    activation = tuple(int(v) for v in np.cumsum(alive)[:count])
    sets = [_working_set(graph.tensors, op, unpacked) for op in graph.operators] or [0]
    return ArenaPlan(
        arena_bytes=arena_size(lifetimes) if len(lifetimes) <= _MOST_TENSORS else None,
        peak_bytes=max(activation),
        working_set_bytes=max(sets),
        peak_at=int(np.argmax(activation)),
        unpacked_bytes=sum(graph.tensors[i].size_bytes for i in unpacked),
        activation_bytes=activation,
    )


def arena_size(lifetimes: Sequence[Lifetime]) -> int:
    """The arena that holds tensors of these lifetimes.

    Greedy by size, as ArenaPlanner of tensorflow/lite/arena_planner.cc: those alive all along
    first, then the larger before the smaller, each into the tightest gap between those that are
    alive with it and already have a place.
    """
    if not lifetimes:
        return 0
    end = max(life.last for life in lifetimes)
    order = sorted(lifetimes, key=lambda x: (not (x.first == 0 and x.last == end), -x.size))
    firsts, lasts, offsets, sizes = (np.zeros(len(order), np.int64) for _ in range(4))
    top = 0
    for i, life in enumerate(order):
        together = (firsts[:i] <= life.last) & (lasts[:i] >= life.first)
        at = _place(offsets[:i][together], sizes[:i][together], life.size)
        firsts[i], lasts[i], offsets[i], sizes[i] = life.first, life.last, at, life.size
        top = max(top, at + life.size)
    return top


def _place(offsets: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], size: int) -> int:
    """The tightest gap's offset, or the first free one after all."""
    if not offsets.size:
        return 0
    order = np.argsort(offsets, kind="stable")
    starts = offsets[order]
    ends = np.maximum.accumulate(starts + sizes[order])
    begins = _aligned(np.concatenate([np.zeros(1, np.int64), ends[:-1]]))
    gaps = starts - begins
    fits = np.flatnonzero(gaps >= size)
    if fits.size:
        return int(begins[fits[np.argmin(gaps[fits])]])
    return int(_aligned(ends[-1:])[0])


def _aligned(offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return -(-offsets // ALIGNMENT) * ALIGNMENT


def _lifetimes(model: ModelFile, unpacked: Iterable[int]) -> list[Lifetime]:
    graph = model.graph
    end = max(0, len(graph.operators) - 1)
    first: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    last: dict[int, int] = {}
    for place, operator in enumerate(graph.operators):
        for index in operator.outputs:
            first.setdefault(index, place)
            last[index] = max(last.get(index, 0), place)
        for index in operator.inputs:
            last[index] = max(last.get(index, 0), place)
    # Callers may read and write these at any time between two inferences.
    kept = {*graph.inputs, *graph.outputs}
    apart = set(unpacked)
    found = []
    for index, begin in first.items():
        tensor = graph.tensors[index] if index >= 0 else None
        if tensor is None or tensor.constant_bytes or index in apart or not tensor.size_bytes:
            continue
        always = tensor.variable or index in graph.inputs
        found.append(
            Lifetime(
                size=tensor.size_bytes,
                first=0 if always else begin,
                last=end if index in kept or always else max(begin, last.get(index, begin)),
            )
        )
    return found


def _working_set(
    tensors: Sequence[TensorInfo], operator: OperatorInfo, unpacked: frozenset[int]
) -> int:
    used = {i for i in (*operator.inputs, *operator.outputs) if i >= 0} - unpacked
    return sum(tensors[i].size_bytes for i in used if not tensors[i].constant_bytes)
