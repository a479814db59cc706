"""The values of constant tensors, whatever way the file packs them.

The bytes of a file and one of its tensors enter, an array of the tensor's shape leaves: plain,
packed to 4 or 2 bits, or sparse. (tensorflow/compiler/mlir/lite/schema/schema.fbs)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .graph import NumbersAt, SparseLayout, TensorInfo

Values = npt.NDArray[np.generic]
_Whole = npt.NDArray[np.int64]

_PACKED = {"int4": 4, "int2": 2}
# A damaged file must not ask for all memory. A sparse kernel has some hundred values for each byte
# that the file keeps of it at most, and no kernel comes near the other limit.
_MOST_VALUES, _MOST_SPREAD = 2**27, 4096


def constant(data: bytes, tensor: TensorInfo) -> Values | None:
    """The stored values of a constant tensor, of its shape; int4 and int2 widened to int8.

    None if the tensor is not a constant, or of a type that numpy does not have. Raises ValueError
    or IndexError where the file contradicts itself.
    """
    stored = _stored(data, tensor)
    if stored is None:
        return None
    if tensor.sparse is not None:
        return _spread(data, stored, tensor)
    return stored[: tensor.values].reshape(tensor.shape)


def _stored(data: bytes, tensor: TensorInfo) -> Values | None:
    """The values in the file's order; packed ones may have a few more, of the last byte."""
    if not tensor.constant_bytes:
        return None
    if tensor.dtype in _PACKED:
        packed = np.frombuffer(data, np.uint8, tensor.constant_bytes, tensor.constant_at)
        return _unpacked(packed, _PACKED[tensor.dtype])
    try:
        dtype = np.dtype(tensor.dtype)
    except TypeError:
        return None
    return np.frombuffer(data, dtype, tensor.constant_bytes // dtype.itemsize, tensor.constant_at)


def _unpacked(packed: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.int8]:
    """Two's complement numbers, the first in a byte's lowest bits."""
    # Each number is moved to the top of its byte, and back down with its sign.
    tops = [(packed << shift).astype(np.int8) for shift in range(8 - bits, -1, -bits)]
    spread: npt.NDArray[np.int8] = np.stack(tops, axis=-1).reshape(-1) >> (8 - bits)
    return spread


def _spread(data: bytes, stored: Values, tensor: TensorInfo) -> Values:
    """A sparse tensor with all its values; those not stored are zero."""
    layout = tensor.sparse
    assert layout is not None
    rank, places = len(tensor.shape), _places(data, layout)
    if sorted(layout.order) != list(range(rank + len(layout.blocks))):
        raise ValueError("a sparse tensor's order lists dimensions that it does not have")
    if len(places) != len(layout.order) or places[0].size > stored.size:
        raise ValueError("a sparse tensor's indices and values do not match")
    at = dict(zip(layout.order, places, strict=True))
    where = [at[i] for i in range(rank)]
    for i, dimension in enumerate(layout.blocks):
        size = layout.levels[layout.order.index(rank + i)].size
        where[dimension] = where[dimension] * size + at[rank + i]
    if tensor.values > min(_MOST_VALUES, _MOST_SPREAD * len(data)):
        raise ValueError(f"a sparse tensor of {tensor.values:,} values")
    # A quantised tensor's zero is its zero point: 0, as weights are symmetric.
    full = np.zeros(tensor.shape, stored.dtype)
    full[tuple(where)] = stored[: places[0].size]
    return full


def _places(data: bytes, layout: SparseLayout) -> list[_Whole]:
    """For each level, where along it each stored value lies."""
    places: list[_Whole] = []
    nodes = np.zeros(1, np.int64)
    for level in layout.levels:
        if level.segments is None or level.indices is None:
            # Each place of a dense level stands for a value, or for an entry of the next list.
            if not 0 <= nodes.size * level.size <= len(data):
                raise ValueError(f"a sparse tensor's dimension of {level.size:,}")
            counts = np.full(nodes.size, level.size)
            here = np.tile(np.arange(level.size), nodes.size)
            following = np.repeat(nodes * level.size, counts) + here
        else:
            segments, indices = _numbers(data, level.segments), _numbers(data, level.indices)
            starts, counts = segments[nodes], segments[nodes + 1] - segments[nodes]
            if not 0 <= counts.sum() <= indices.size:
                raise ValueError("the segments and indices of a sparse tensor do not match")
            firsts = np.cumsum(counts) - counts
            following = np.repeat(starts - firsts, counts) + np.arange(counts.sum())
            here = indices[following]
        places = [np.repeat(p, counts) for p in places] + [here]
        nodes = following
    return places


def _numbers(data: bytes, where: NumbersAt) -> _Whole:
    return np.frombuffer(data, where.dtype, where.count, where.at).astype(np.int64)
