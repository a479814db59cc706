"""An ONNX file, looked through before anything is made of it: its input, its outputs, its files.

A path enters; a frozen OnnxModel leaves, or the reason why the file is not a network for pictures
alone: operators of strangers, weights outside its folder, sizes that no network has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from .. import given_files
from ..errors import ModelError
from .protobuf_wire import Scan, number, numbers, parts, text

# As much as one message may hold, with its weights outside or not.
_MOST_BYTES = (1 << 31) - 1
_MOST_WEIGHTS = 4 << 30
_MOST_FIELDS = 5_000_000
_DEEPEST = 8
_FLOAT32 = 1
# Bytes of one value, by ONNX's numbers of types; 4-bit ones count a whole byte.
_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16}
_TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 8: "text", 10: "float16"}
_OWN_DOMAINS = ("", "ai.onnx")
# A network for pictures repeats nothing, and what does may never end.
_ENDLESS = ("Loop", "Scan", "SequenceMap")
_Fields = Mapping[int, list["int | memoryview"]]


@dataclass(frozen=True, kw_only=True)
class Value:
    """An input or output. dtype: as numpy has it. shape: None where it is open, or of all of it."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True, kw_only=True)
class OnnxModel:
    """files: those with weights, relative to the model's folder."""

    opset: int
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    files: tuple[str, ...]


@dataclass(kw_only=True)
class _Read:
    """One file on its way. known: operators that the file itself defines. weights: bytes so far."""

    path: Path
    scan: Scan
    known: frozenset[tuple[str, str]]
    files: dict[str, int]
    weights: int = 0


def read_onnx(path: Path) -> OnnxModel:
    """Looks through a model; none of it is executed. Raises ModelError."""
    try:
        data = memoryview(given_files.read(path, at_most=_MOST_BYTES))
        return _model(path, data)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; expected an ONNX model") from None
    except ValueError as error:
        raise ModelError(f"{path}: the ONNX model is damaged ({error}); export it again") from None


def _model(path: Path, data: memoryview) -> OnnxModel:
    scan = Scan(_MOST_FIELDS)
    model = scan.fields(data)
    functions = [scan.fields(f) for f in parts(model.get(25, []))]
    known = frozenset((text(f.get(10, [])), text(f.get(1, []))) for f in functions)
    read = _Read(path=path, scan=scan, known=known, files={})
    opsets = [scan.fields(o) for o in parts(model.get(8, []))]
    opset = max(
        (number(o.get(2, [])) for o in opsets if text(o.get(1, [])) in _OWN_DOMAINS), default=0
    )
    if len(model.get(7, [])) != 1:
        raise ValueError("it has no graph")
    (content,) = parts(model[7])
    graph = scan.fields(content)
    for function in functions:
        _check_nodes(read, parts(function.get(7, [])), 1)
    weights = _check_graph(read, graph, 0)
    return OnnxModel(
        opset=opset,
        inputs=tuple(
            v for m in parts(graph.get(11, [])) if (v := _value(scan, m)).name not in weights
        ),
        outputs=tuple(_value(scan, m) for m in parts(graph.get(12, []))),
        files=tuple(read.files),
    )


def _check_graph(read: _Read, graph: _Fields, depth: int) -> set[str]:
    """Its nodes and weights; the names of the weights."""
    if depth > _DEEPEST:
        raise ValueError("its graphs are nested too deeply")
    names = set()
    for message in parts(graph.get(5, [])):
        names.add(_check_tensor(read, read.scan.fields(message)))
    for message in parts(graph.get(15, [])):
        sparse = read.scan.fields(message)
        for inner in parts([*sparse.get(1, []), *sparse.get(2, [])]):
            _check_tensor(read, read.scan.fields(inner))
    _check_nodes(read, parts(graph.get(1, [])), depth)
    return names


def _check_nodes(read: _Read, nodes: Iterable[memoryview], depth: int) -> None:
    for message in nodes:
        node = read.scan.fields(message)
        kind, domain = text(node.get(4, [])), text(node.get(7, []))
        foreign = domain not in _OWN_DOMAINS and (domain, kind) not in read.known
        if foreign or kind in _ENDLESS:
            whose = f" of {domain[:60]!r}" if foreign else ""
            raise ModelError(
                f"{read.path}: its graph has the operator {kind[:60]!r}{whose}; import reads "
                "ONNX's own operators alone, and no loops. Export the model without it"
            )
        for content in parts(node.get(5, [])):
            attribute = read.scan.fields(content)
            for tensor in parts([*attribute.get(5, []), *attribute.get(10, [])]):
                _check_tensor(read, read.scan.fields(tensor))
            for inner in parts([*attribute.get(6, []), *attribute.get(11, [])]):
                _check_graph(read, read.scan.fields(inner), depth + 1)


def _check_tensor(read: _Read, tensor: _Fields) -> str:
    """Its size, and where it lies; its name."""
    name, shape = text(tensor.get(8, [])), numbers(tensor.get(1, []))
    if any(n < 0 for n in shape):
        raise ValueError(f"the weights {name[:60]!r} have the shape {list(shape)[:8]}")
    size = math.prod(shape) * _BYTES.get(number(tensor.get(2, [])), 1)
    read.weights += size
    if size > _MOST_WEIGHTS or len(shape) > 16:
        raise _too_large(read.path, name, shape)
    if number(tensor.get(14, [])) == 1 or tensor.get(13):
        _check_place(read, tensor, name, size)
    elif (raw := tensor.get(9)) and size > sum(len(part) for part in parts(raw)):
        raise ValueError(f"the weights {name[:60]!r} are cut off")
    if read.weights > _MOST_WEIGHTS:
        raise _too_large(read.path, name, shape)
    return name


def _too_large(path: Path, name: str, shape: tuple[int, ...]) -> ModelError:
    return ModelError(
        f"{path}: with the weights {name[:60]!r} of shape {list(shape)[:8]} the model takes more "
        f"than {_MOST_WEIGHTS >> 30} GiB, the most that import reads"
    )


def _check_place(read: _Read, tensor: _Fields, name: str, size: int) -> None:
    """Weights beside the model lie in an ordinary file of its folder, to their end."""
    entries = [read.scan.fields(e) for e in parts(tensor.get(13, []))]
    said = {text(e.get(1, [])): text(e.get(2, [])) for e in entries}
    where = said.get("location", "")
    folder = read.path.absolute().parent
    if where not in read.files:
        file = folder / where
        inside = where and not any(
            kind(where).is_absolute() or ".." in kind(where).parts or kind(where).drive
            for kind in (PurePosixPath, PureWindowsPath)
        )
        if not inside or file.resolve() != folder.resolve() / where:
            raise ModelError(
                f"{read.path}: the weights {name[:60]!r} are said to lie in {where[:120]!r}; they "
                "may lie in the model's own folder alone, and not behind links. Save the model "
                "again in one file"
            )
        if not file.is_file():
            raise ModelError(
                f"{read.path}: its weights lie in {where[:120]!r}, which is not there; put that "
                "file beside the model"
            )
        read.files[where] = file.stat().st_size
    begin = _whole(said.get("offset", "0"))
    length = _whole(said.get("length", str(size)))
    if length < size or begin + length > read.files[where]:
        raise ValueError(f"the weights {name[:60]!r} do not lie in {where[:120]!r} as it says")


def _whole(value: str) -> int:
    if not value.isdecimal() or len(value) > 18:
        raise ValueError(f"the place {value[:40]!r} of weights")
    return int(value)


def _value(scan: Scan, message: memoryview) -> Value:
    value = scan.fields(message)
    kinds = [scan.fields(t) for t in parts(value.get(2, []))]
    tensors = [scan.fields(t) for kind in kinds for t in parts(kind.get(1, []))]
    if not tensors:
        return Value(name=text(value.get(1, [])), dtype="no tensor", shape=None)
    element = number(tensors[0].get(1, []))
    shapes = list(parts(tensors[0].get(2, [])))
    return Value(
        name=text(value.get(1, [])),
        dtype=_TYPES.get(element, f"type {element}"),
        shape=tuple(_sizes(scan, shapes[0])) if shapes else None,
    )


def _sizes(scan: Scan, shape: memoryview) -> Iterator[int | None]:
    for message in parts(scan.fields(shape).get(1, [])):
        size = number(scan.fields(message).get(1, []))
        yield size if size > 0 else None
