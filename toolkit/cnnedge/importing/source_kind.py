"""What a path holds that is to be imported, or what to do with it instead."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..bundle import foreign, kinds
from ..errors import ModelError
from ..pictures import PICTURE_SUFFIXES


def importable_kind(path: Path) -> str:
    """One of kinds.IMPORTABLE. Raises ModelError for everything else."""
    if not path.exists():
        raise ModelError(f"{path}: there is no such file or folder; expected a model to import")
    kind = kinds.model_kind(path)
    if kind in kinds.IMPORTABLE:
        return kind
    if kind is None:
        raise ModelError(
            f"{path}: {_what(path)}; import takes .tflite files, Keras models (.keras, .h5), "
            "folders of TensorFlow (SavedModel, with saved_model.pb), ONNX, and PyTorch (.pt2, "
            "FILE.py:FUNCTION, timm:NAME, torchvision:NAME)"
        )
    if path.name == "saved_model.pb":
        raise ModelError(
            f"{path}: this file is a part of a SavedModel; name its folder: cnnedge import "
            f"{shlex.quote(str(path.parent))}"
        )
    raise ModelError(f"{path}: this is {foreign.name(kind)}. {foreign.not_importable(kind, path)}")


def _what(path: Path) -> str:
    """What a path is that holds no model."""
    if path.is_dir():
        return "this folder is no model"
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return "this is a picture; name the model here, and pictures with --data DIR"
    if path.suffix == ".py":
        return "this is a file of Python; name the function that builds the network after a colon"
    return "this is no model that cnnedge knows"
