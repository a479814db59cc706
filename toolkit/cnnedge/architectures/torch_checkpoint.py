"""PyTorch's legacy checkpoint files (.pth), read without PyTorch.

A path enters; the tensors of its state dict leave, by name. The file is a row of pickles followed
by raw storages (torch.save with `_use_new_zipfile_serialization=False`; the format is described by
torch/serialization.py). A pickle may name any function for the reader to call: here the few names
that a state dict needs are answered by functions of this module, and any other name is refused
before anything is called.
"""

from __future__ import annotations

import collections
import io
import pickle
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import WeightsError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
}


@dataclass(frozen=True)
class _Storage:
    """A storage as the pickle names it; its values follow behind the pickles."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class _View:
    """A tensor: a view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_checkpoint(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a state dict, by name, each a NumPy array of its own dtype and shape.

    Raises WeightsError for a file that is damaged, of another format, or that names anything but
    tensors.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot read these weights: {error.strerror}") from None
    stream = io.BytesIO(content)
    try:
        magic, protocol = _Plain(stream).load(), _Plain(stream).load()
        if magic != _MAGIC or protocol != _PROTOCOL:
            raise WeightsError(f"{path}: this is no PyTorch checkpoint of the legacy format")
        _Plain(stream).load()  # what machine wrote it; storages are little-endian all the same
        state = _Tensors(stream).load()
        keys = _Plain(stream).load()
        storages = _read_storages(stream, keys, _storages(state))
        return {
            name: _tensor(view, storages)
            for name, view in state.items()
            if isinstance(view, _View)
        }
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None
    except Exception as error:  # a damaged pickle raises nearly anything
        raise WeightsError(
            f"{path}: this PyTorch checkpoint is damaged or of another format ({error})"
        ) from None


class _Plain(pickle.Unpickler):
    """Numbers, texts, lists and dicts alone: every global is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise WeightsError(
            f"the checkpoint names {module}.{name}, which is no tensor; it was not called"
        )

    def persistent_load(self, pid: Any) -> Any:
        raise WeightsError("the checkpoint refers to a storage where none may be")


class _Tensors(_Plain):
    """A state dict: the names that tensors need stand for functions of this module."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return _rebuild
        if module == "torch" and name in _DTYPES:
            return _StorageType(_DTYPES[name])
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, key, _location, count = pid[:5]
        if kind != "storage" or not isinstance(storage, _StorageType):
            raise WeightsError("the checkpoint refers to something that is no storage")
        return _Storage(str(key), storage.dtype, int(count))


@dataclass(frozen=True)
class _StorageType:
    """What torch.FloatStorage and its like stand for here."""

    dtype: str


def _rebuild(
    storage: _Storage, offset: int, size: Sequence[int], stride: Sequence[int], *rest: Any
) -> _View:
    return _View(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def _storages(state: Any) -> dict[str, _Storage]:
    if not isinstance(state, dict):
        raise WeightsError("it holds no state dict, but another object")
    views = [view for view in state.values() if isinstance(view, _View)]
    return {view.storage.key: view.storage for view in views}


def _read_storages(
    stream: io.BytesIO, keys: Any, wanted: dict[str, _Storage]
) -> dict[str, npt.NDArray[Any]]:
    if not isinstance(keys, list) or set(wanted) - set(keys):
        raise WeightsError("its list of storages does not fit its tensors")
    found = {}
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        storage = wanted.get(key)
        if storage is None or storage.count != count:
            raise WeightsError(f"storage {key} is not of the size that its tensor says")
        raw = stream.read(count * np.dtype(storage.dtype).itemsize)
        found[key] = np.frombuffer(raw, storage.dtype, count)
    return found


def _tensor(view: _View, storages: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    values = storages[view.storage.key]
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
    negative = min((view.offset, *view.shape, *view.strides)) < 0
    if negative or (0 not in view.shape and last >= len(values)):
        raise WeightsError("a tensor reaches beyond its storage")
    strides = [s * values.itemsize for s in view.strides]
    seen = np.lib.stride_tricks.as_strided(values[view.offset :], view.shape, strides)
    return np.array(seen)
