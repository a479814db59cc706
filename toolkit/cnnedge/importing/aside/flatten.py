"""The calls of a Keras model of either family, in order, models within it opened up.

A live model enters; its layers' calls leave, one after the other, with whatever their tensors are
in the network that is made of it. Both sides of a process use it, so it imports nothing of either.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

# One layer or operation, called with arguments; gives what comes out.
Call = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


class _Node(NamedTuple):
    layer: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[Any]


def run(model: Any, inputs: list[Any], call: Call) -> list[Any]:
    """The outputs of `model` for `inputs`, where every layer within it is done by `call`."""
    graph = _graph(model)
    values = {id(t): x for t, x in zip(_listed(graph.inputs), inputs, strict=True)}
    for node in _nodes(graph):
        args, kwargs = _filled(node.args, values), _filled(node.kwargs, values)
        if _is_model(node.layer):
            made = run(node.layer, _listed(args[0]), call)
        else:
            made = _listed(call(node.layer, args, kwargs))
        values.update((id(t), x) for t, x in zip(node.outputs, made, strict=True))
    return [values[id(t)] for t in _listed(graph.outputs)]


def watch(model: Any, values: Any, seen: Callable[[Any, list[Any], Any], None]) -> None:
    """Runs the model once on a tensor. seen: told of each layer or operation, of the tensors that
    enter it, and of one that leaves it; all of them live until the end.
    """
    alive: list[Any] = []

    def call(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if type(layer).__name__ == "TFOpLambda":
            result = layer.function(*args, **kwargs)
        else:
            # Some layers are in training where nobody says otherwise.
            known = inspect.signature(layer.call).parameters
            told = {"training": False} if "training" in known else {}
            result = layer(*args, **kwargs | told)
        entering = list(_tensors((args, kwargs)))
        for made in _tensors(result):
            alive.append(made)
            seen(layer, entering, made)
        return result

    run(model, [values], call)


def _tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif hasattr(value, "dtype") and hasattr(value, "shape"):
        yield value


def _graph(model: Any) -> Any:
    """The functional model; of a Sequential of Keras 3 the one in it."""
    return getattr(model, "_functional", None) or model


def _is_model(layer: Any) -> bool:
    return hasattr(_graph(layer), "_nodes_by_depth")


def _nodes(graph: Any) -> Iterator[_Node]:
    by_depth = graph._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            if node.is_input:
                continue
            if hasattr(node, "arguments"):
                given = node.arguments
                yield _Node(node.operation, given.args, given.kwargs, _listed(node.outputs))
            else:
                yield _Node(node.layer, node.call_args, node.call_kwargs, _listed(node.outputs))


def _listed(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _filled(value: Any, values: dict[int, Any]) -> Any:
    """The same with the tensors that were made of them."""
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(each, values) for each in value)
    if isinstance(value, dict):
        return {key: _filled(each, values) for key, each in value.items()}
    return values.get(id(value), value)
