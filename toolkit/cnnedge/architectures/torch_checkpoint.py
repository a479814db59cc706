"""PyTorch's legacy checkpoint files (.pth), read without PyTorch.

A path enters; the tensors of its state dict leave, by name. The file is a row of pickles followed
by raw storages (torch.save with `_use_new_zipfile_serialization=False`; the format is described by
torch/serialization.py). A pickle may name any function for the reader to call: here the few names
that a state dict needs are answered by objects of this module, and any other name is refused
before anything is called.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import WeightsError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_SAVE_AGAIN = (
    "save its state dict as torch.save(state, 'NAME.pth', _use_new_zipfile_serialization=False)"
)
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
class _StorageType:
    """What torch.FloatStorage and its like stand for here."""

    dtype: str


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
    try:
        return _read(content)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except Exception as error:  # a damaged pickle raises nearly anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"{path}: this PyTorch checkpoint is damaged or incomplete ({reason}). Download it "
            f"again, or {_SAVE_AGAIN}"
        ) from None


def _read(content: bytes) -> dict[str, npt.NDArray[Any]]:
    if content.startswith(b"PK"):
        raise WeightsError(
            "this PyTorch checkpoint uses the newer zip format; cnnedge reads only the legacy "
            f"format: {_SAVE_AGAIN}"
        )
    stream = io.BytesIO(content)
    if not _is_legacy(stream):
        raise WeightsError(
            "this is not a PyTorch checkpoint in the legacy format, the only one that cnnedge "
            f"reads: {_SAVE_AGAIN}"
        )
    # What machine wrote it. PyTorch writes storages little-endian on every machine.
    _Plain(stream).load()
    reader = _Tensors(stream)
    state = reader.load()
    if not isinstance(state, dict):
        raise WeightsError(f"found a {type(state).__name__}; expected a state dict: {_SAVE_AGAIN}")
    storages = _read_storages(stream, _Plain(stream).load(), reader.storages)
    return {
        str(name): _tensor(str(name), view, storages)
        for name, view in state.items()
        if isinstance(view, _View)
    }


def _is_legacy(stream: io.BytesIO) -> bool:
    try:
        return bool(_Plain(stream).load() == _MAGIC and _Plain(stream).load() == _PROTOCOL)
    except WeightsError:
        raise
    except Exception:  # no pickle at all
        return False


class _Plain(pickle.Unpickler):
    """Numbers, texts, lists and dicts alone: every global is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise WeightsError(
            f"this checkpoint refers to {module}.{name}, which does not create a tensor; cnnedge "
            f"did not call it. If you trust the source of the file, {_SAVE_AGAIN}"
        )

    def persistent_load(self, pid: Any) -> Any:
        raise WeightsError(
            "this checkpoint is damaged: it refers to a storage where none is allowed"
        )


class _Tensors(_Plain):
    """A state dict; `storages` holds those that its tensors refer to, by key."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Rebuild()
        if module == "torch" and name in _DTYPES:
            return _StorageType(_DTYPES[name])
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, key, _location, count, *view = pid
        if kind != "storage" or not isinstance(storage, _StorageType) or any(view):
            raise WeightsError("this checkpoint refers to something other than a complete storage")
        return self.storages.setdefault(str(key), _Storage(str(key), storage.dtype, int(count)))


class _Rebuild:
    """What torch._utils._rebuild_tensor_v2 stands for.

    Not a function: a pickle may set attributes of what it names, and a function is one for the
    whole process.
    """

    __slots__ = ()

    def __call__(
        self,
        storage: _Storage,
        offset: int,
        size: Sequence[int],
        strides: Sequence[int],
        *_: Any,
    ) -> _View:
        return _View(storage, int(offset), tuple(map(int, size)), tuple(map(int, strides)))


def _read_storages(
    stream: io.BytesIO, keys: Any, wanted: Mapping[str, _Storage]
) -> dict[str, npt.NDArray[Any]]:
    if not isinstance(keys, list) or set(keys) != set(wanted):
        raise WeightsError("this checkpoint is damaged: its storages do not match its tensors")
    found = {}
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        storage = wanted[key]
        if count != storage.count or count < 0:
            raise WeightsError(
                f"this checkpoint is damaged: storage {key} holds {count} values, but its tensors "
                f"expect {storage.count}"
            )
        raw = stream.read(count * np.dtype(storage.dtype).itemsize)
        found[key] = np.frombuffer(raw, storage.dtype, count)
    return found


def _tensor(name: str, view: _View, storages: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    values = storages[view.storage.key]
    size = math.prod(view.shape)
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
    negative = min((view.offset, *view.shape, *view.strides)) < 0
    # A view may repeat values (stride 0): a few bytes of file would then fill any memory.
    if negative or size > len(values) or (size and last >= len(values)):
        raise WeightsError(f"this checkpoint is damaged: {name} reaches beyond its storage")
    strides = [s * values.itemsize for s in view.strides]
    return np.array(np.lib.stride_tricks.as_strided(values[view.offset :], view.shape, strides))
