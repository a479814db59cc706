"""read_checkpoint: tensors out of PyTorch's legacy files, and nothing that is pickled runs."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnedge.architectures.torch_checkpoint import read_checkpoint
from cnnedge.errors import WeightsError

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
NAMES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}

Tensor = tuple[str, int, tuple[int, ...], tuple[int, ...]]  # storage, offset, shape, strides
VALUES = np.arange(24, dtype="<f4")
STORAGES = {
    "94": VALUES,
    "7": np.array([3], "<i8"),
    "8": np.array([1, 0.5], "<f2"),
    "9": np.array([1e300], "<f8"),
}
STATE: Mapping[str, Tensor] = {
    "whole": ("94", 0, (2, 3, 4), (12, 4, 1)),
    "transposed": ("94", 0, (4, 6), (1, 4)),
    "inner": ("94", 7, (2, 2), (8, 2)),
    "counter": ("7", 0, (), ()),
    "half": ("8", 0, (2,), (1,)),
    "double": ("9", 0, (1,), (1,)),
    "nothing": ("8", 2, (0, 3), (3, 1)),
}


def body(value: Any) -> bytes:
    """The opcodes that put a plain value on the pickle's stack."""
    return pickle.dumps(value, 2)[2:-1]


def tensor_opcodes(tensor: Tensor, storages: Mapping[str, np.ndarray]) -> bytes:
    """What torch.save writes for a tensor."""
    key, offset, shape, strides = tensor
    values = storages[key]
    kind = f"ctorch\n{NAMES[values.dtype.str[1:]]}\n".encode()
    storage = b"(" + body("storage") + kind + body(key) + body("cpu") + body(values.size)
    view = storage + body(None) + b"tQ" + body(offset) + body(shape) + body(strides)
    return REBUILD + b"(" + view + body(False) + b"ccollections\nOrderedDict\n)RtR"


def state_pickle(
    tensors: Mapping[str, Tensor], storages: Mapping[str, np.ndarray], extra: bytes = b""
) -> bytes:
    state = b"ccollections\nOrderedDict\n)R"
    for name, tensor in tensors.items():
        state += body(name) + tensor_opcodes(tensor, storages) + b"s"
    return b"\x80\x02" + state + extra + b"."


def legacy(
    state: bytes, storages: Mapping[str, np.ndarray] | None = None, *, magic: Any = MAGIC
) -> bytes:
    """A checkpoint as torch.save(..., _use_new_zipfile_serialization=False) writes it."""
    storages = STORAGES if storages is None else storages
    pickles = [pickle.dumps(value, 2) for value in (magic, 1001, SYSTEM)]
    raw = [struct.pack("<q", v.size) + v.tobytes() for v in storages.values()]
    return b"".join((*pickles, state, pickle.dumps(list(storages), 2), *raw))


GOOD = legacy(state_pickle(STATE, STORAGES))


def refused(path: Path, content: bytes) -> str:
    """The one line that these bytes are refused with."""
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.count(str(path)) == 1
    assert "\n" not in text
    return text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def test_tensors_with_their_dtypes_and_views(path: Path) -> None:
    path.write_bytes(GOOD)
    found = read_checkpoint(path)
    expected = {
        "whole": VALUES.reshape(2, 3, 4),
        "transposed": VALUES.reshape(6, 4).T,
        "inner": VALUES[[[7, 9], [15, 17]]],
        "counter": np.array(3, "<i8"),
        "half": np.array([1, 0.5], "<f2"),
        "double": np.array([1e300], "<f8"),
        "nothing": np.zeros((0, 3), "<f2"),
    }
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, strict=True, err_msg=name)
        assert found[name].flags.owndata or found[name].base.flags.owndata


def test_what_is_no_tensor_is_left_out(path: Path) -> None:
    extra = body("epoch") + body(3) + b"s"
    path.write_bytes(legacy(state_pickle(STATE, STORAGES, extra)))
    assert list(read_checkpoint(path)) == list(STATE)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("subprocess", "Popen"),
        ("torch", "load"),
        ("torch", "__builtins__"),
        ("collections", "namedtuple"),
        ("cnnedge.architectures.torch_checkpoint", "read_checkpoint"),
    ],
)
def test_a_pickle_that_names_a_function_is_refused_and_nothing_is_called(
    path: Path, module: str, name: str
) -> None:
    mark = path.with_name("called")
    called = f"c{module}\n{name}\n(".encode() + body(f"touch '{mark}'") + b"tR"
    evil = b"\x80\x02" + called + b"."
    for content in (
        legacy(evil),
        legacy(state_pickle(STATE, STORAGES, body("x") + called + b"s")),
        evil,
        pickle.dumps(MAGIC, 2) + evil,
        pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2) + evil,
        GOOD[: GOOD.index(pickle.dumps(list(STORAGES), 2))] + evil,
    ):
        text = refused(path, content)
        assert f"{module}.{name}" in text
        assert "did not call it" in text
    assert not mark.exists()


def test_a_reduced_object_of_pythons_own_pickler_is_refused(path: Path) -> None:
    import os

    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch '{path.with_name('called')}'",)

    assert "system" in refused(path, legacy(pickle.dumps({"weight": Evil()})))
    assert not path.with_name("called").exists()


def test_a_pickle_cannot_change_what_tensors_are_made_with(path: Path) -> None:
    change = REBUILD + body((None, {"__defaults__": (1,)})) + b"b"
    refused(path, legacy(state_pickle(STATE, STORAGES, body("x") + change + b"s")))
    path.write_bytes(GOOD)
    assert list(read_checkpoint(path)) == list(STATE)


def test_every_cut_is_refused(path: Path) -> None:
    for length in range(len(GOOD)):
        refused(path, GOOD[:length])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "legacy"),
        (b"hello", "legacy"),
        (b"\x89HDF\r\n\x1a\n", "legacy"),
        (legacy(state_pickle({}, {}), {}, magic=1), "legacy"),
        (b"PK\x03\x04rest", "zip format"),
        (legacy(b"\x80\x02" + body([1, 2]) + b".", {}), "found a list; expected a state dict"),
        (legacy(state_pickle(STATE, STORAGES), {"94": VALUES}), "its storages do not match"),
        (legacy(state_pickle(STATE, STORAGES), STORAGES | {"8": VALUES}), "storage 8"),
    ],
)
def test_other_files_are_refused(path: Path, content: bytes, said: str) -> None:
    assert said in refused(path, content)


@pytest.mark.parametrize(
    "tensor",
    [
        ("94", 0, (25,), (1,)),
        ("94", 1, (24,), (1,)),
        ("94", 0, (3,), (12,)),
        ("94", -1, (2,), (1,)),
        ("94", 8, (2,), (-1,)),
        ("94", 0, (-1,), (1,)),
        ("94", 25, (), ()),
        ("94", 0, (1 << 20, 1 << 20), (0, 0)),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(path: Path, tensor: Tensor) -> None:
    storages = {"94": VALUES}
    content = legacy(state_pickle({"weight": tensor}, storages), storages)
    assert "weight reaches beyond its storage" in refused(path, content)


@pytest.mark.parametrize("tensor", [("94", 0, (2, 2), (1,)), ("94", 0, (1,), (1 << 70,))])
def test_a_tensor_that_cannot_be_is_refused(path: Path, tensor: Tensor) -> None:
    storages = {"94": VALUES}
    content = legacy(state_pickle({"weight": tensor}, storages), storages)
    assert "damaged or incomplete" in refused(path, content)


def test_a_missing_file_is_one_message(path: Path) -> None:
    for place in (path, path.parent):
        with pytest.raises(WeightsError, match="cannot read these weights"):
            read_checkpoint(place)
