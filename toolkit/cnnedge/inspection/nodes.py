"""A model's operators as a delegate sees them: with their tensors, and what is constant.

A ModelFile enters; nodes leave, in the order of execution. What a rule says of one is None if
the delegate takes it, and otherwise the reason, a few words that follow the operator's name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..bundle import ModelFile, OperatorInfo, TensorInfo
from ..bundle.options import ACTIVATIONS
from ..bundle.values import constant

# Larger constants are weights: no rule asks for their values.
_MOST_SMALL = 64
# What delegates unpack of constants while a model loads, by operator.
_UNPACKED = {"DEQUANTIZE": ("float16", "int8"), "DENSIFY": ("float32", "float16", "int8")}


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operator of the first subgraph.

    inputs: None if an optional one is left out. small: the values of constant inputs that hold
    axes, shapes and such, by place. unpacked: the tensors that constants become at load.
    """

    index: int
    operator: OperatorInfo
    inputs: tuple[TensorInfo | None, ...]
    outputs: tuple[TensorInfo, ...]
    small: dict[int, tuple[int, ...]]
    unpacked: frozenset[int]

    @property
    def name(self) -> str:
        return self.operator.name

    @property
    def version(self) -> int:
        return self.operator.version

    def option(self, name: str, default: float = 0) -> float:
        return self.operator.options.get(name, default)

    @property
    def activation(self) -> str:
        """The fused activation's name."""
        number = int(self.option("activation"))
        return ACTIVATIONS[number] if 0 <= number < len(ACTIVATIONS) else f"activation {number}"

    def input(self, place: int) -> TensorInfo | None:
        return self.inputs[place] if place < len(self.inputs) else None

    def stored(self, place: int) -> bool:
        """Whether an input's values are in the file unchanged."""
        tensor = self.input(place)
        return tensor is not None and tensor.constant_bytes > 0

    def static(self, place: int) -> bool:
        """Whether an input's values are known at load: in the file, or unpacked from it."""
        tensor = self.input(place)
        return tensor is not None and (tensor.constant_bytes > 0 or tensor.index in self.unpacked)

    @property
    def unpacks(self) -> bool:
        """Whether it only unpacks a constant at load."""
        return bool(self.outputs) and self.outputs[0].index in self.unpacked

    @property
    def given(self) -> list[TensorInfo]:
        """The inputs that are there."""
        return [t for t in self.inputs if t is not None]

    @property
    def runtime(self) -> list[TensorInfo]:
        """The inputs whose values are known only during inference."""
        return [t for t in self.given if not t.constant_bytes]


Rule = Callable[[Node], str | None]


def nodes_of(model: ModelFile) -> tuple[Node, ...]:
    """The operators of the first subgraph."""
    tensors = model.graph.tensors
    unpacked = unpacked_constants(model)
    return tuple(
        Node(
            index=index,
            operator=operator,
            inputs=tuple(tensors[i] if i >= 0 else None for i in operator.inputs),
            outputs=tuple(tensors[i] for i in operator.outputs if i >= 0),
            small=_small(model, operator),
            unpacked=unpacked,
        )
        for index, operator in enumerate(model.graph.operators)
    )


def unpacked_constants(model: ModelFile) -> frozenset[int]:
    """The tensors that DEQUANTIZE and DENSIFY compute only from constants, at load."""
    known: set[int] = set()
    for operator in model.graph.operators:
        dtypes = _UNPACKED.get(operator.name)
        if (
            dtypes
            and len(operator.inputs) == len(operator.outputs) == 1
            and operator.inputs[0] >= 0
        ):
            source = model.graph.tensors[operator.inputs[0]]
            sparse = source.sparse is not None
            if source.dtype in dtypes and (
                source.index in known
                or (source.constant_bytes > 0 and sparse == (operator.name == "DENSIFY"))
            ):
                known.add(operator.outputs[0])
    return frozenset(known)


def plain_name(node: Node) -> str:
    """The operator's name without what marks a custom one."""
    return node.name.removeprefix("CUSTOM ")


def one_of(*reasons: str | None) -> str | None:
    """The first reason, if there is one."""
    return next((reason for reason in reasons if reason is not None), None)


def _small(model: ModelFile, operator: OperatorInfo) -> dict[int, tuple[int, ...]]:
    found = {}
    for place, index in enumerate(operator.inputs):
        tensor = model.graph.tensors[index] if index >= 0 else None
        if tensor is None or not tensor.constant_bytes or tensor.dtype not in ("int32", "int64"):
            continue
        if tensor.values <= _MOST_SMALL:
            values = constant(model.data, tensor)
            if values is not None:
                found[place] = tuple(int(v) for v in values.reshape(-1))
    return found
