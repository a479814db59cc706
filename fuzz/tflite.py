"""Damaged and hostile .tflite files, made of sound ones by changes that know the format.

A seed enters; files leave, the same for the same seed. Each has one to three changes of its tables
(types, shapes, quantisation, operators and their operands, buffers, ends, signatures), of what is
packed behind them (metadata, labels, provenance), or of its raw bytes. What is done with such a
file must end in an answer or in one clear line.

    for content in mutants(seed=1, count=100): ...
"""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cnnedge.bundle import pack_model
from cnnedge.specs import InputSize

from . import networks

Random = random.Random

SIZE = InputSize(height=networks.SIDE, width=networks.SIDE, channels=3)
# As a conversion writes it.
PROVENANCE = {
    "format": 1,
    "cnnedge": "0.1.0",
    "recipe": "mutant",
    "variant": "int8",
    "techniques": [],
    "input": {"height": SIZE.height, "width": SIZE.width, "channels": 3, "color": "RGB"},
    "preprocess": {"resize": "stretch", "interpolation": "area"},
    "data": {
        "source": "embedded:fashion_mnist",
        "fingerprint": "0",
        "splits": {"train": 0.8, "val": 0.1, "test": 0.1},
        "seed": 0,
        "max_unreadable": 0.05,
    },
    "accuracy": {"accuracy": 0.9, "ci95": [0.88, 0.92], "count": 2000, "drop_points": 0.1},
    "model_sha256": "0",
}
# Numbers at which arithmetic breaks.
EDGES = (0, 1, -1, 2, 127, 128, -129, 255, 256, 32768, 2**24, 2**31 - 1, -(2**31))
LONG_EDGES = (*EDGES, 2**31, 2**32, 2**63 - 1, -(2**63))
FLOATS = (0.0, -1.0, 1e-45, 1e38, float("nan"), float("inf"), -float("inf"))
# In the place of a value in JSON; the text is pasted as it is.
JSON_EDGES = (
    *("null", "true", "-1", "1e999", "NaN", "[]", "{}", '""', '"\\u001b[31m\\u202e"', '"\\ud800"'),
    *('"x"', "[1, 2, 3]", '{"a": {"b": []}}', "0.5", "9" * 400, "[" * 5000 + "]" * 5000),
)


def mutants(seed: int, count: int) -> Iterator[bytes]:
    """`count` files; the first ones of a seed are the same however many are asked for."""
    for number in range(count):
        yield mutant(seed, number)[1]


def mutant(seed: int, number: int) -> tuple[str, bytes]:
    """One of them by its number, with the names of what was changed."""
    chance = Random(f"{seed} {number}")
    while True:
        try:
            return _made(chance)
        except (struct.error, TypeError, ValueError, OverflowError, AttributeError, IndexError):
            # A change that the format cannot even hold: another is drawn.
            continue


def _made(chance: Random) -> tuple[str, bytes]:
    flatbuffer = chance.choice((networks.float_network, networks.int8_network))()
    names = []
    if chance.random() < 0.75:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(flatbuffer))
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            change = chance.choice(TABLE_CHANGES)
            change(model, chance)
            names.append(change.__name__)
        flatbuffer = networks.packed(model)
    dressed = chance.random()
    if dressed < 0.4:
        content = with_provenance(flatbuffer, json.dumps(PROVENANCE))
    elif dressed < 0.6:
        change = chance.choice(PACKED_CHANGES)
        content = change(flatbuffer, chance)
        names.append(change.__name__)
    else:
        content = flatbuffer
    if not names or chance.random() < 0.1:
        change = chance.choice(RAW_CHANGES)
        content = change(content, chance)
        names.append(change.__name__)
    return "+".join(names), content


# Changes of the tables.


def _tensor(model: Any, chance: Random) -> Any:
    return chance.choice(model.subgraphs[0].tensors)


def _operator(model: Any, chance: Random) -> Any:
    return chance.choice(model.subgraphs[0].operators)


def _edge(chance: Random, near: int) -> int:
    return chance.choice((near - 1, near + 1, near * 2, near * 1000 + 1, *EDGES))


def tensor_type(model: Any, chance: Random) -> None:
    _tensor(model, chance).type = chance.choice((*range(23), 99, -1, 127, -128))


def tensor_shape(model: Any, chance: Random) -> None:
    tensor = _tensor(model, chance)
    shape = [int(d) for d in tensor.shape]
    if shape and chance.random() < 0.7:
        place = chance.randrange(len(shape))
        shape[place] = _edge(chance, shape[place])
    else:
        shape = chance.choice(([], [1] * 40, [1, *shape], shape[1:], [2**15] * 4))
    tensor.shape = shape


def shape_signature(model: Any, chance: Random) -> None:
    tensor = _tensor(model, chance)
    tensor.shapeSignature = [chance.choice((-1, int(d), -7)) for d in tensor.shape]


def zero_point(model: Any, chance: Random) -> None:
    tensor = chance.choice([t for t in model.subgraphs[0].tensors if t.quantization])
    count = len(tensor.quantization.zeroPoint)
    values = [int(z) for z in tensor.quantization.zeroPoint]
    values[chance.randrange(count)] = chance.choice(LONG_EDGES)
    tensor.quantization.zeroPoint = values


def scale(model: Any, chance: Random) -> None:
    tensor = chance.choice([t for t in model.subgraphs[0].tensors if t.quantization])
    values = [float(s) for s in tensor.quantization.scale]
    values[chance.randrange(len(values))] = chance.choice(FLOATS)
    tensor.quantization.scale = values


def quantisation_lists(model: Any, chance: Random) -> None:
    tensor = _tensor(model, chance)
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = [0.1] * chance.choice((0, 1, 2, 8, 1000))
    tensor.quantization.zeroPoint = [0] * chance.choice((0, 1, 2, 8))
    tensor.quantization.quantizedDimension = chance.choice(EDGES)


def variable(model: Any, chance: Random) -> None:
    _tensor(model, chance).isVariable = True


def sparsity(model: Any, chance: Random) -> None:
    made = schema.SparsityParametersT()
    made.traversalOrder = [chance.choice(EDGES) for _ in range(chance.randrange(5))]
    made.dimMetadata = []
    for _ in range(chance.randrange(4)):
        level = schema.DimensionMetadataT()
        level.format, level.denseSize = chance.choice((0, 1)), chance.choice(EDGES)
        made.dimMetadata.append(level)
    _tensor(model, chance).sparsity = made


def operator_code(model: Any, chance: Random) -> None:
    entry = chance.choice(model.operatorCodes)
    code = chance.choice((*range(210), 300, 2**31 - 1, -1))
    entry.builtinCode, entry.deprecatedBuiltinCode = code, max(-128, min(code, 127))


def operator_version(model: Any, chance: Random) -> None:
    chance.choice(model.operatorCodes).version = chance.choice((*range(10), *EDGES))


def operator_swapped(model: Any, chance: Random) -> None:
    operator = _operator(model, chance)
    operator.opcodeIndex = chance.choice((*range(len(model.operatorCodes)), 99, 2**32 - 1))


def operator_option(model: Any, chance: Random) -> None:
    operator = chance.choice([o for o in model.subgraphs[0].operators if o.builtinOptions])
    name = chance.choice(list(vars(operator.builtinOptions)))
    found = getattr(operator.builtinOptions, name)
    if isinstance(found, float):
        value: Any = chance.choice(FLOATS)
    elif name in ("padding", "fusedActivationFunction"):
        value = chance.choice((-128, -1, 2, 6, 99, 127))
    else:
        value = chance.choice(EDGES)
    setattr(operator.builtinOptions, name, value)


def operator_options_lost(model: Any, chance: Random) -> None:
    operator = _operator(model, chance)
    operator.builtinOptions, operator.builtinOptionsType = None, chance.choice((0, 1, 5, 126, 255))


def operator_operand(model: Any, chance: Random) -> None:
    operator, count = _operator(model, chance), len(model.subgraphs[0].tensors)
    side = chance.choice(("inputs", "outputs"))
    indices = [int(i) for i in getattr(operator, side)]
    index = chance.choice((*range(count), -1, -2, count, *EDGES))
    indices[chance.randrange(len(indices))] = index
    setattr(operator, side, indices)


def operator_operands(model: Any, chance: Random) -> None:
    operator = _operator(model, chance)
    side = chance.choice(("inputs", "outputs"))
    indices = [int(i) for i in getattr(operator, side)]
    changed = chance.choice((indices[:-1], [], indices * 2, indices[::-1], indices * 500))
    setattr(operator, side, changed)


def operators_order(model: Any, chance: Random) -> None:
    operators = model.subgraphs[0].operators
    place = chance.randrange(len(operators))
    how = chance.randrange(4)
    if how == 0:
        chance.shuffle(operators)
    elif how == 1:
        operators.insert(place, operators[chance.randrange(len(operators))])
    elif how == 2:
        del operators[place]
    else:
        operators.clear()


def buffer_content(model: Any, chance: Random) -> None:
    buffer = chance.choice([b for b in model.buffers if b.data is not None])
    data = np.asarray(buffer.data, np.uint8)
    how = chance.randrange(4)
    if how == 0:
        buffer.data = data[: chance.randrange(len(data))]
    elif how == 1:
        buffer.data = np.concatenate([data, np.zeros(chance.choice((1, 4, 4096)), np.uint8)])
    elif how == 2:
        buffer.data = None
    else:
        buffer.data = np.frombuffer(chance.randbytes(len(data)), np.uint8)


def buffer_outside(model: Any, chance: Random) -> None:
    buffer = chance.choice(model.buffers)
    buffer.data, buffer.offset, buffer.size = None, chance.choice((2, 100, 2**40)), 64


def tensor_buffer(model: Any, chance: Random) -> None:
    _tensor(model, chance).buffer = chance.choice((*range(len(model.buffers)), 99, 2**32 - 1))


def ends(model: Any, chance: Random) -> None:
    graph = model.subgraphs[0]
    side, count = chance.choice(("inputs", "outputs")), len(graph.tensors)
    index = chance.randrange(count)
    found = [int(i) for i in getattr(graph, side)]
    setattr(graph, side, chance.choice(([index], [], [-1], [count], found * 2, [*found, index])))


def subgraphs(model: Any, chance: Random) -> None:
    how = chance.randrange(3)
    if how == 0:
        model.subgraphs = []
    elif how == 1:
        model.subgraphs = model.subgraphs * chance.choice((2, 50))
    else:
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = schema.BuiltinOperator.WHILE
        model.operatorCodes.append(entry)
        call, graph = schema.OperatorT(), model.subgraphs[0]
        call.opcodeIndex = len(model.operatorCodes) - 1
        call.inputs = call.outputs = [int(i) for i in graph.outputs]
        call.builtinOptionsType = schema.BuiltinOptions.WhileOptions
        call.builtinOptions = schema.WhileOptionsT()
        call.builtinOptions.condSubgraphIndex = chance.choice((0, 1, -1))
        call.builtinOptions.bodySubgraphIndex = chance.choice((0, 1, 99))
        graph.operators.append(call)


def signature(model: Any, chance: Random) -> None:
    made, graph = schema.SignatureDefT(), model.subgraphs[0]
    made.signatureKey = chance.choice((b"serve", b"", b"\x1b[2J" * 20, b"\xff\xfe"))
    made.subgraphIndex = chance.choice((0, 0, 1, 2**32 - 1))
    for side, indices in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        maps = []
        for index in [*indices, *chance.choice(((), (0,), (99,), (2**32 - 1,)))]:
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = chance.choice((b"x", b"", None)), int(index)
            maps.append(entry)
        setattr(made, side, maps)
    model.signatureDefs = [made] * chance.choice((1, 2))


def names(model: Any, chance: Random) -> None:
    _tensor(model, chance).name = chance.choice(
        (None, b"", b"\x1b]0;x\x07", b"\xff" * 9, b"n" * 100_000, "\u202e\u009b31m".encode())
    )


def version(model: Any, chance: Random) -> None:
    model.version = chance.choice((0, 1, 2, 4, 2**32 - 1))


TABLE_CHANGES: tuple[Callable[[Any, Random], None], ...] = (
    *(tensor_type, tensor_shape, tensor_shape, shape_signature, zero_point, scale),
    *(quantisation_lists, variable, sparsity, operator_code, operator_code, operator_version),
    *(operator_swapped, operator_option, operator_option, operator_options_lost),
    *(operator_operand, operator_operand, operator_operands, operators_order),
    *(buffer_content, buffer_outside, tensor_buffer, ends, subgraphs, signature, names, version),
)


# Changes of what is packed behind the tables.


def with_provenance(
    flatbuffer: bytes, text: str, labels: str = "\n".join(networks.LABELS)
) -> bytes:
    """A file as a conversion writes it, with this text for its cnnedge.json, and these labels."""
    whole = pack_model(flatbuffer, labels=networks.LABELS, size=SIZE, provenance={})
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        begin = min(entry.header_offset for entry in archive.infolist())
    held = io.BytesIO()
    held.write(whole[:begin])
    with zipfile.ZipFile(held, "a") as archive:
        archive.writestr(zipfile.ZipInfo("labels.txt"), labels.encode("utf-8", "surrogatepass"))
        archive.writestr(zipfile.ZipInfo("cnnedge.json"), text)
    return held.getvalue()


def provenance(flatbuffer: bytes, chance: Random) -> bytes:
    """One value at any depth replaced by one that is none of its kind."""
    text = json.dumps(PROVENANCE)
    told = json.loads(text)
    where = told
    while True:
        key = chance.choice(list(where))
        if not isinstance(where[key], dict) or chance.random() < 0.3:
            break
        where = where[key]
    where[key] = "HERE"
    return with_provenance(
        flatbuffer, json.dumps(told).replace('"HERE"', chance.choice(JSON_EDGES))
    )


def provenance_whole(flatbuffer: bytes, chance: Random) -> bytes:
    """Another text altogether."""
    return with_provenance(flatbuffer, chance.choice((*JSON_EDGES, "", "\0", '{"a":', "x" * 10**6)))


def labels(flatbuffer: bytes, chance: Random) -> bytes:
    """A list of other length, of harmful or of endless names."""
    lists = (
        "",
        "a",
        "\n" * 10**5 + "x",
        "x" * 10**6,
        "\x1b[2J\n\u202eb\nc\nd",
        "a\n" * 3 + "é" * 10**5,
    )
    return with_provenance(flatbuffer, json.dumps(PROVENANCE), chance.choice(lists))


def metadata(flatbuffer: bytes, chance: Random) -> bytes:
    """Bytes of the standard metadata flipped."""
    content = bytearray(with_provenance(flatbuffer, json.dumps(PROVENANCE)))
    begin = content.find(b"M001")
    for _ in range(chance.randrange(1, 12)):
        content[begin + chance.randrange(-4, 600)] = chance.choice(
            (0, 1, 255, chance.randrange(256))
        )
    return bytes(content)


PACKED_CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(provenance, provenance, provenance_whole, labels, metadata),
)


# Changes of raw bytes.


def flipped(content: bytes, chance: Random) -> bytes:
    """A few bytes, anywhere."""
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 16)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def words(content: bytes, chance: Random) -> bytes:
    """A few whole numbers of four bytes."""
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        at = 4 * chance.randrange(2, len(changed) // 4)
        struct.pack_into("<i", changed, at, chance.choice(EDGES))
    return bytes(changed)


def cut(content: bytes, chance: Random) -> bytes:
    """Cut off, or a part left out."""
    at = chance.randrange(len(content))
    return content[:at] + (content[at + chance.randrange(64) :] if chance.random() < 0.5 else b"")


RAW_CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (flipped, flipped, words, cut)
