"""What a network computes on its way: the values behind each of its layers, in order.

Pictures as the network takes them enter; Steps leave, of a Keras model, of a function of
TensorFlow, of a float32 .tflite, or of what a process aside has written down.
"""

from __future__ import annotations

import json
import re
import tempfile
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
from .aside.written import Written

Reals = npt.NDArray[np.float32]
_LONGEST = 120
# What TensorFlow puts before the name of a node for each function that called it.
_CALLS = re.compile(r"^(?:(?:Stateful)?PartitionedCall(?:_\d+)?/)+(?=.)")


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


def of_function(function: Any, values: Reals) -> Trace:
    """Of a concrete function of TensorFlow with one picture as its input, node by node, with the
    functions within it opened up. values: float32 [n, h, w, c].
    """
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants

    whole = convert_to_constants.convert_variables_to_constants_v2(function)
    (picture,) = whole.inputs
    nodes = _computed(whole.graph, picture)
    shown = [(node, made) for node in nodes for made in node.outputs if made.dtype == tf.float32]
    ask = whole.prune([picture], [made for _, made in shown])
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder:
        written = Written(folder)
        # One after the other: a batch could be fixed, and be an axis like others on the way.
        for row in values:
            found = {
                m.name: v for (_, m), v in zip(shown, ask(tf.constant(row[None])), strict=True)
            }
            written.begin({picture.name})
            for node in nodes:
                given, name = [each.name for each in node.inputs], _CALLS.sub("", node.name)
                for made in node.outputs:
                    # Sizes and the like are made of the picture as well, and are no layers.
                    value = 0 if node.type == "Identity" else found.get(made.name, 0)
                    written.add((name, node.type), value, given, made.name)
        return of_folder(Path(folder), written.end())


def _computed(graph: Any, picture: Any) -> list[Any]:
    """The nodes whose values come from the picture, in order."""
    reached, nodes = {picture.name}, []
    for node in graph.get_operations():
        if any(each.name in reached for each in node.inputs):
            reached.update(made.name for made in node.outputs)
            nodes.append(node)
    return nodes


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
