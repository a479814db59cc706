"""What kind of model a path holds, by its content alone; nothing in it is executed.

A path enters; one of KINDS leaves, or None for what is no model that cnnedge has heard of. Pickles
are read as a list of instructions, none of which is followed.
"""

from __future__ import annotations

import contextlib
import io
import json
import pickletools
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .. import given_files

TFLITE, SAVED_MODEL, FROZEN = "tflite", "saved_model", "frozen_graph"
KERAS_3, TF_KERAS, KERAS_H5, KERAS_WEIGHTS = "keras3", "tf_keras", "keras_h5", "keras_weights"
ONNX, PT2, TORCHSCRIPT = "onnx", "pt2", "torchscript"
PICKLE, STATE_DICT, SAFETENSORS = "pickle", "state_dict", "safetensors"
TFJS, CORE_ML = "tfjs", "core_ml"
# What `cnnedge import` makes a run of.
IMPORTABLE = (TFLITE, SAVED_MODEL, KERAS_3, TF_KERAS, KERAS_H5, ONNX, PT2)

_MAGIC = 64
HDF5 = b"\x89HDF\r\n\x1a\n"
_KERAS_ENTRIES = {"config.json", "model.weights.h5"}
_EXPORTED = ("serialized_exported_program.json", "models/model.json", "archive_format")
_MOST_METADATA = 1 << 20
# The instructions of a pickle, without the weights, which lie beside it.
_MOST_PICKLE = 16 << 20
_MOST_HEADER = 100 << 20
_MOST_INSTRUCTIONS = 2_000_000
# Where an HDF5 file says that a whole model is in it.
_MOST_SEARCHED = 64 << 20
# What a file of nothing but weights names; anything else is somebody's class.
_TENSORS = ("torch._utils _rebuild", "torch.Size", "torch.storage ", "collections OrderedDict")
_SUFFIXES = {
    ".keras": TF_KERAS,
    **dict.fromkeys((".h5", ".hdf5"), KERAS_H5),
    **dict.fromkeys((".pt", ".pth", ".ckpt"), PICKLE),
    ".pt2": PT2,
    ".ptl": TORCHSCRIPT,
    ".safetensors": SAFETENSORS,
    ".mlmodel": CORE_ML,
    ".onnx": ONNX,
    ".pb": FROZEN,
}


def model_kind(path: Path) -> str | None:
    """The kind of model at this path. Never raises; unreadable and missing files are of none."""
    try:
        return _folder_kind(path) if path.is_dir() else _file_kind(path)
    except (OSError, ValueError):
        return None


def _folder_kind(path: Path) -> str | None:
    if (path / "saved_model.pb").is_file():
        return SAVED_MODEL
    if path.suffix == ".mlpackage":
        return CORE_ML
    model = path / "model.json"
    return TFJS if model.is_file() and any(path.glob("*shard*.bin")) else None


def _file_kind(path: Path) -> str | None:
    suffix = path.suffix.lower()
    with given_files.opened(path) as file:
        begin = file.read(_MAGIC)
        if begin[4:8] == b"TFL3":
            return TFLITE
        if begin.startswith(HDF5):
            return _hdf5_kind(file)
        if begin.startswith(b"PK"):
            return _archive_kind(path, suffix)
        if begin[:1] == b"\x80" and begin[1:2] in b"\x02\x03\x04\x05":
            return _pickle_kind(begin + file.read(_MOST_PICKLE))
        if _is_safetensors(begin, file):
            return SAFETENSORS
    if suffix == ".onnx" or b"onnx" in begin or b"pytorch" in begin[:32]:
        return ONNX
    return _SUFFIXES.get(suffix)


def _hdf5_kind(file: IO[bytes]) -> str:
    """Whole models have their configuration as an attribute, weights alone have not."""
    file.seek(0)
    content = file.read(_MOST_SEARCHED)
    if b"model_config" not in content and b"layer_names" in content:
        return KERAS_WEIGHTS
    return KERAS_H5


def _archive_kind(path: Path, suffix: str) -> str | None:
    with contextlib.suppress(Exception), zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if names >= _KERAS_ENTRIES:
            return KERAS_3 if _keras_version(archive).startswith("3") else TF_KERAS
        if any(name.endswith(_EXPORTED) for name in names):
            return PT2
        pickled = next((name for name in sorted(names) if name.endswith("data.pkl")), None)
        if pickled is not None:
            if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
                return TORCHSCRIPT
            with archive.open(pickled) as file:
                return _pickle_kind(file.read(_MOST_PICKLE))
    return _SUFFIXES.get(suffix)


def _keras_version(archive: zipfile.ZipFile) -> str:
    try:
        with archive.open("metadata.json") as file:
            return str(json.loads(file.read(_MOST_METADATA))["keras_version"])
    except (KeyError, TypeError, ValueError, RecursionError, zipfile.BadZipFile):
        return ""


def _pickle_kind(content: bytes) -> str:
    found = False
    for name in _classes(content):
        if not (name.startswith(_TENSORS) or (name.startswith("torch ") and "Storage" in name)):
            return PICKLE
        found = True
    return STATE_DICT if found else PICKLE


def _classes(content: bytes) -> Iterator[str]:
    """What a pickle would call, as 'module name'; read, not followed. Later ones unknown: '?'."""
    strings: list[str] = []
    try:
        for count, (instruction, value, _) in enumerate(pickletools.genops(io.BytesIO(content))):
            if count > _MOST_INSTRUCTIONS:
                yield "?"
                return
            if instruction.name in ("GLOBAL", "INST"):
                yield str(value)
            elif instruction.name == "STACK_GLOBAL":
                yield " ".join(strings[-2:])
            elif isinstance(value, str):
                strings = [*strings[-1:], value]
    except Exception:
        # Cut off by the limit, damaged, or no pickle at all.
        yield "?"


def _is_safetensors(begin: bytes, file: IO[bytes]) -> bool:
    """Eight bytes with the length of a JSON object, and the object."""
    if len(begin) < 10 or begin[8:9] != b"{":
        return False
    (length,) = struct.unpack("<Q", begin[:8])
    if not 2 <= length <= _MOST_HEADER:
        return False
    file.seek(8)
    try:
        return isinstance(json.loads(file.read(length)), dict)
    except (ValueError, RecursionError):
        return False
