"""Models of other frameworks: what each is, and what to do with it.

A path enters; a sentence or two leaves, for the end of an error.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from . import kinds

_NOT_YET = "'cnnedge import' does not read {what} yet. {instead}"
_BY_CODE = "cnnedge import FILE.py:FUNCTION --trust --out RUN"
_EXPORT_TORCH = (
    "Export the network with torch.export.save(torch.export.export(module.eval(), (example,)), "
    f"'NAME.pt2') and import that; or name a function that builds it: {_BY_CODE}"
)
_LOAD_TORCH = (
    "Weights alone do not say what the network is. Name it: cnnedge import timm:NAME --weights "
    "PATH --out RUN, or torchvision:NAME; or a function that builds it and loads them: "
    f"{_BY_CODE}"
)


def foreign_model(path: Path) -> str | None:
    """What a model at this path is if it is not a .tflite, and what to do; None for anything else.

    Never raises.
    """
    kind = kinds.model_kind(path)
    if kind is None or kind == kinds.TFLITE:
        return None
    if path.name == "model.keras" and (path.parent / "recipe.yaml").is_file():
        return (
            f"{path}: this is the Keras model of the run {path.parent}, not a .tflite file; "
            f"convert the run: cnnedge convert {path.parent}"
        )
    what = _NAMES[kind]
    if kind in kinds.IMPORTABLE:
        backbone = "Keras" in what
        more = (
            f" Or train with its weights, if it is a backbone: cnnedge train RECIPE --set "
            f"weights={path}"
        )
        return (
            f"{path}: this is {what}, not a .tflite file and not a run. Make a run of it: cnnedge "
            f"import {shlex.quote(str(path))} --out RUN{more if backbone else ''}"
        )
    return f"{path}: this is {what}, not a .tflite file. {not_importable(kind, path)}"


def not_importable(kind: str, path: Path) -> str:
    """Why `cnnedge import` does not take a kind, and what to do instead; for the end of an error.

    kind: one of `kinds`, and not of IMPORTABLE.
    """
    return _INSTEAD[kind].replace("PATH", shlex.quote(str(path)))


def name(kind: str) -> str:
    """What a kind is called in a sentence, with its article."""
    return _NAMES[kind]


_NAMES = {
    kinds.TFLITE: "a .tflite model",
    kinds.KERAS_3: "a Keras 3 model",
    kinds.TF_KERAS: "a Keras model",
    kinds.KERAS_H5: "a Keras model in HDF5",
    kinds.KERAS_WEIGHTS: "a file of Keras weights without a model",
    kinds.SAVED_MODEL: "a TensorFlow SavedModel",
    kinds.FROZEN: "a TensorFlow graph",
    kinds.ONNX: "an ONNX model",
    kinds.PT2: "a program exported from PyTorch (.pt2)",
    kinds.TORCHSCRIPT: "a TorchScript model of PyTorch",
    kinds.PICKLE: "a PyTorch file with a pickled module",
    kinds.STATE_DICT: "a PyTorch file with weights alone (a state dict)",
    kinds.SAFETENSORS: "a safetensors file, with weights alone",
    kinds.TFJS: "a TensorFlow.js model",
    kinds.CORE_ML: "a Core ML model, which only Apple's systems run",
}
_WEIGHTS_ALONE = (
    "Weights alone do not say what the network is. Build the network in Python, load them into it, "
)
_INSTEAD = {
    kinds.KERAS_WEIGHTS: f"{_WEIGHTS_ALONE}and save the whole model as NAME.keras. Or train with "
    "them, if they are a backbone's: cnnedge train RECIPE --set weights=PATH",
    kinds.FROZEN: _NOT_YET.format(
        what="frozen graphs",
        instead="Convert it with tf.compat.v1.lite.TFLiteConverter.from_frozen_graph, or export "
        "the model again as a SavedModel",
    ),
    kinds.TORCHSCRIPT: f"TorchScript is a program, which cnnedge does not run. {_EXPORT_TORCH}",
    kinds.PICKLE: "Loading it would execute whatever code is in it, so cnnedge does not. "
    + _EXPORT_TORCH,
    kinds.STATE_DICT: _LOAD_TORCH,
    kinds.SAFETENSORS: _LOAD_TORCH,
    kinds.TFJS: "Export the model it came from as .tflite (Teachable Machine: Export Model, "
    "TensorFlow Lite), or as Keras for cnnedge import",
    kinds.CORE_ML: "Export the model it came from as .tflite",
}
