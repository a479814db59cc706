"""ONNX files, written byte by byte: no package that knows ONNX is in the tests' environment.

Nodes, weights and shapes enter; the bytes of a model leave.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Shape = Sequence[int | str]
SIDE = 24


def number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value & (1 << 64) - 1)


def content(field: int, value: bytes | str) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    made = b""
    while value > 0x7F:
        made += bytes([value & 0x7F | 0x80])
        value >>= 7
    return made + bytes([value])


def tensor(name: str, values: Floats, outside: Mapping[str, str] | None = None) -> bytes:
    """Weights; outside: what the entry says of a file beside the model, and none is in this one."""
    shape = b"".join(number(1, n) for n in values.shape)
    begin = shape + number(2, 1) + content(8, name)
    if outside is None:
        return begin + content(9, values.astype("<f4").tobytes())
    said = (content(1, k) + content(2, v) for k, v in outside.items())
    return begin + b"".join(content(13, entry) for entry in said) + number(14, 1)


def attribute(name: str, value: int | float | Sequence[int] | bytes) -> bytes:
    """bytes: a graph."""
    if isinstance(value, bytes):
        return content(1, name) + content(6, value) + number(20, 5)
    if isinstance(value, float):
        return content(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
    if isinstance(value, int):
        return content(1, name) + number(3, value) + number(20, 2)
    return content(1, name) + b"".join(number(8, n) for n in value) + number(20, 7)


def node(
    kind: str, given: Sequence[str], made: str, *, domain: str = "", **attributes: object
) -> bytes:
    """One operator with one output."""
    entries = b"".join(content(5, attribute(k, v)) for k, v in attributes.items())  # type: ignore[arg-type]
    inputs = b"".join(content(1, name) for name in given)
    return inputs + content(2, made) + content(4, kind) + entries + content(7, domain)


def value(name: str, shape: Shape, element: int = 1) -> bytes:
    """An input or output; a text in the shape is a size that stays open."""
    sizes = (content(2, n) if isinstance(n, str) else number(1, n) for n in shape)
    dimensions = content(2, b"".join(content(1, size) for size in sizes))
    return content(1, name) + content(2, content(1, number(1, element) + dimensions))


def graph(
    nodes: Sequence[bytes], weights: Sequence[bytes], inputs: Sequence[bytes], output: bytes
) -> bytes:
    return b"".join(
        (
            *(content(1, n) for n in nodes),
            content(2, "network"),
            *(content(5, w) for w in weights),
            *(content(11, i) for i in inputs),
            content(12, output),
        )
    )


def model(whole: bytes) -> bytes:
    """The file of a graph."""
    return (
        number(1, 9) + content(2, "cnnedge tests") + content(8, number(2, 17)) + content(7, whole)
    )


def network(
    shape: Shape = ("n", 3, SIDE, SIDE),
    *,
    last: bool = False,
    extra: Sequence[bytes] = (),
    inside: Sequence[bytes] = (),
    weights: Sequence[bytes] = (),
) -> bytes:
    """A small classifier of four classes, random weights. last: its channels come last. extra:
    more nodes behind. inside: some in the middle, from `g` to `m`. weights: in the place of those
    of its convolution, `kernel` and `bias`."""
    random = np.random.default_rng(0)
    channels = shape[3] if last else shape[1]
    assert isinstance(channels, int)
    nodes = [node("Transpose", ["image"], "planes", perm=(0, 3, 1, 2))] if last else []
    nodes += [
        node("Conv", ["planes" if last else "image", "kernel", "bias"], "c", strides=(2, 2)),
        node("Relu", ["c"], "r"),
        node("GlobalAveragePool", ["r"], "g"),
        *inside,
        node("Flatten", ["m" if inside else "g"], "f"),
        node("Gemm", ["f", "dense"], "scores", transB=1),
    ]
    held = [
        tensor("kernel", random.normal(0, 0.3, (8, channels, 3, 3)).astype(np.float32)),
        tensor("bias", random.normal(0, 0.1, 8).astype(np.float32)),
    ]
    held = [*(weights or held), tensor("dense", random.normal(0, 2, (4, 8)).astype(np.float32))]
    output = value("scores", (shape[0], 4))
    return model(graph([*nodes, *extra], held, [value("image", shape)], output))


def with_files(folder: Path) -> Path:
    """The network with the weights of its convolution in a file beside it."""
    random = np.random.default_rng(0)
    kernel = random.normal(0, 0.3, (8, 3, 3, 3)).astype("<f4")
    bias = random.normal(0, 0.1, 8).astype("<f4")
    (folder / "weights.bin").write_bytes(bytes(64) + kernel.tobytes() + bias.tobytes())
    places = [(64, kernel), (64 + kernel.nbytes, bias)]
    entries = [
        {"location": "weights.bin", "offset": str(offset), "length": str(values.nbytes)}
        for offset, values in places
    ]
    weights = [
        tensor(name, values, entry)
        for name, (_, values), entry in zip(("kernel", "bias"), places, entries, strict=True)
    ]
    path = folder / "files.onnx"
    path.write_bytes(network(weights=weights))
    return path
