"""Models of other frameworks, recognised by their content.

A path enters; what is there, and how to make a .tflite of it, leaves.
"""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path

from .. import given_files

_MAGIC = 64
_HDF5 = b"\x89HDF\r\n\x1a\n"
_KERAS_ENTRIES = {"config.json", "model.weights.h5"}


def foreign_model(path: Path) -> str | None:
    """What a model at this path is if it is not a .tflite, and what to do; None for anything else.

    One sentence or two, for the end of an error. Never raises.
    """
    try:
        kind = _folder_kind(path) if path.is_dir() else _file_kind(path)
    except (OSError, ValueError):
        return None
    return None if kind is None else _REMEDIES[kind](path)


def _folder_kind(path: Path) -> str | None:
    if (path / "saved_model.pb").is_file():
        return "savedmodel"
    if path.suffix == ".mlpackage":
        return "coreml"
    model = path / "model.json"
    return "tfjs" if model.is_file() and any(path.glob("*shard*.bin")) else None


def _file_kind(path: Path) -> str | None:
    with given_files.opened(path) as file:
        begin = file.read(_MAGIC)
    suffix = path.suffix.lower()
    if begin[4:8] == b"TFL3":
        return None
    if begin.startswith(_HDF5):
        return "keras"
    if begin.startswith(b"PK"):
        return _archive_kind(path, suffix)
    if suffix == ".onnx" or b"onnx" in begin or b"pytorch" in begin[:32]:
        return "onnx"
    return _SUFFIXES.get(suffix)


def _archive_kind(path: Path, suffix: str) -> str | None:
    names: set[str] = set()
    with contextlib.suppress(Exception), zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    if names >= _KERAS_ENTRIES:
        return "keras"
    if any(name.endswith(("data.pkl", "serialized_exported_program.json")) for name in names):
        return "torch"
    return _SUFFIXES.get(suffix)


_SUFFIXES = {
    **dict.fromkeys((".keras", ".h5", ".hdf5"), "keras"),
    **dict.fromkeys((".pt", ".pth", ".pt2", ".ptl", ".ckpt", ".safetensors"), "torch"),
    **dict.fromkeys((".mlmodel",), "coreml"),
    ".pb": "frozen",
}


def _keras(path: Path) -> str:
    if (path.parent / "recipe.yaml").is_file() and path.name == "model.keras":
        return (
            f"{path}: this is the Keras model of the run {path.parent}, not a .tflite file; "
            f"convert the run: cnnedge convert {path.parent}"
        )
    load = f"tf.keras.models.load_model('{path}')"
    return (
        f"{path}: this is a Keras model, not a .tflite file and not a run of 'cnnedge train'. "
        f"TensorFlow can convert it: {_by_tensorflow('from_keras_model', load, path)} Or train "
        f"with its weights, if it is a backbone: cnnedge train RECIPE --set weights={path}"
    )


def _saved_model(path: Path) -> str:
    return (
        f"{path}: this is a TensorFlow SavedModel, not a .tflite file and not a run of 'cnnedge "
        "train'. TensorFlow can convert it: "
        f"{_by_tensorflow('from_saved_model', repr(str(path)), path)}"
    )


def _by_tensorflow(maker: str, what: str, path: Path) -> str:
    made = path.with_suffix(".tflite").name
    return (
        f"python -c \"import tensorflow as tf; open('{made}', 'wb').write("
        f'tf.lite.TFLiteConverter.{maker}({what}).convert())" and then: cnnedge run {made}.'
    )


def _onnx(path: Path) -> str:
    return (
        f"{path}: this is an ONNX model, not a .tflite file. Convert it with onnx2tf in a separate "
        f"environment: pip install onnx2tf, onnx2tf -i {path}"
    )


def _torch(path: Path) -> str:
    return (
        f"{path}: this is a PyTorch file, not a .tflite file. Convert the module with litert-torch "
        "in a separate environment: pip install litert-torch, then in Python "
        "litert_torch.convert(module.eval(), (example,)).export('model.tflite')"
    )


def _frozen(path: Path) -> str:
    return (
        f"{path}: this is a TensorFlow graph, not a .tflite file. Convert it with "
        "tf.compat.v1.lite.TFLiteConverter.from_frozen_graph, or export the model again as a "
        "SavedModel"
    )


def _tfjs(path: Path) -> str:
    return (
        f"{path}: this is a TensorFlow.js model, not a .tflite file. Export the model it came from "
        "as .tflite (Teachable Machine: Export Model, TensorFlow Lite)"
    )


def _coreml(path: Path) -> str:
    return (
        f"{path}: this is a Core ML model, which only Apple's systems run, not a .tflite file. "
        "Export the model it came from as .tflite"
    )


_REMEDIES = {
    "keras": _keras,
    "savedmodel": _saved_model,
    "onnx": _onnx,
    "torch": _torch,
    "frozen": _frozen,
    "tfjs": _tfjs,
    "coreml": _coreml,
}
