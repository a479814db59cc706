"""What a network computes on its way: the values behind each of its layers, in order.

Pictures as the network takes them enter; Steps leave, of a Keras model, of a float32 .tflite, or of
what a process aside has written down.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import numpy_files
from ..bundle import read_graph
from ..harmless import one_line
from ..specs.values import read
from .aside import flatten

Reals = npt.NDArray[np.float32]
_LONGEST = 120


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """name, kind: of a layer or operator, for people. values: float32 [n, ...], what leaves it for
    n pictures. inputs: the numbers of the steps whose values enter it.
    """

    name: str
    kind: str
    values: Reals
    inputs: tuple[int, ...]


Trace = tuple[Step, ...]
Tracer = Callable[[Reals], Trace]


def of_keras(model: Any, values: Reals) -> Trace:
    """Of a live model of either family, those within it opened up. values: float32 [n, h, w, c]."""
    import tensorflow as tf

    steps: list[Step] = []
    numbers: dict[int, int] = {}

    def seen(layer: Any, entering: list[Any], made: Any) -> None:
        inputs = tuple(numbers[id(x)] for x in entering if id(x) in numbers)
        found = np.asarray(made)
        if found.dtype == np.float32:
            numbers[id(made)] = len(steps)
            kind = type(layer).__name__
            steps.append(Step(name=layer.name, kind=kind, values=found, inputs=inputs))

    flatten.watch(model, tf.constant(values), seen)
    return tuple(steps)


def of_flatbuffer(flatbuffer: bytes, values: npt.NDArray[Any]) -> Trace:
    """Of a float32 .tflite, by LiteRT's own kernels. values: numbers [n, ...] for its one input."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    graph = read_graph(flatbuffer, "the network")
    engine = Interpreter(
        model_content=flatbuffer,
        # XNNPACK would keep what is between its operators to itself.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    engine.allocate_tensors()
    rows: dict[int, list[Any]] = {}
    for picture in values:
        engine.set_tensor(graph.inputs[0], np.ascontiguousarray(picture[np.newaxis], np.float32))
        engine.invoke()
        for operator in graph.operators:
            for tensor in operator.outputs:
                if graph.tensors[tensor].dtype == "float32":
                    rows.setdefault(tensor, []).append(engine.get_tensor(tensor))
    numbers = {tensor: number for number, tensor in enumerate(rows)}
    return tuple(
        Step(
            name=graph.tensors[tensor].name,
            kind=operator.name,
            values=np.stack(rows[tensor]),
            inputs=tuple(numbers[t] for t in operator.inputs if t in numbers),
        )
        for operator in graph.operators
        for tensor in operator.outputs
        if tensor in rows
    )


@dataclass(frozen=True, kw_only=True)
class _Written:
    """A step as a process aside describes it."""

    name: str
    kind: str
    inputs: tuple[int, ...]


def of_folder(folder: Path, said: str) -> Trace:
    """As a process aside wrote it: said is a list in JSON, and the values are in NUMBER.npy.

    Raises CnnedgeError for anything else.
    """
    steps = read(tuple[_Written, ...], json.loads(said), "trace")  # type: ignore[type-var]
    return tuple(
        Step(
            name=one_line(step.name, _LONGEST),
            kind=one_line(step.kind, _LONGEST),
            values=np.asarray(numpy_files.read_array(folder / f"{number}.npy"), np.float32),
            inputs=tuple(i for i in step.inputs if 0 <= i < number),
        )
        for number, step in enumerate(steps)
    )
