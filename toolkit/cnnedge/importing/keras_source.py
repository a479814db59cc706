"""Keras models of either family, in .keras or HDF5, as live models; none of their code is run.

A path enters; a model of tf_keras or of Keras 3 leaves, built from a configuration that was looked
through before, with the weights of the file.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from .. import given_files
from ..architectures import keras_file
from ..bundle import kinds
from ..errors import ModelError
from . import keras3_config

_MOST_BYTES = 4 << 30


def read_model(path: Path, kind: str) -> tuple[Any, str]:
    """The model and what it is called: 'tf_keras 2.15' or 'Keras 3.15.1'.

    kind: KERAS_3, TF_KERAS or KERAS_H5. Raises ModelError, also for a damaged file and for one that
    holds any class or function that cnnedge does not know.
    """
    try:
        if kind == kinds.KERAS_H5:
            return _of_hdf5(path)
        if kind == kinds.KERAS_3:
            return _of_archive(path)
        return keras_file.read_keras(path), "tf_keras"
    except ModelError as error:
        said = str(error)
        if isinstance(error, keras_file.UnknownClass):
            said += (
                ". Name the file that defines it (--code FILE.py --trust), build the network "
                "without it, or export a SavedModel: model.export('FOLDER')"
            )
        raise ModelError(said if said.startswith(str(path)) else f"{path}: {said}") from None
    except Exception as error:  # json, zipfile, h5py and both Kerases each raise their own
        reason = " ".join((str(error).strip() or type(error).__name__).split())[:200]
        raise ModelError(
            f"{path}: this Keras model cannot be read ({reason}). Save it again with a current "
            "version of Keras, as NAME.keras"
        ) from None


def _of_archive(path: Path) -> tuple[Any, str]:
    with zipfile.ZipFile(path) as archive:
        with keras_file.member(archive, "metadata.json", 1 << 20) as file:
            version = json.loads(file.read(1 << 20)).get("keras_version", "3")
        with keras_file.member(archive, keras_file.CONFIG, keras_file.MAX_CONFIG) as file:
            config = json.loads(file.read(keras_file.MAX_CONFIG))
        model = _keras_3(config)
        keras_file.load_weights(model, archive)
    return model, f"Keras {version}"


def _of_hdf5(path: Path) -> tuple[Any, str]:
    import h5py

    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder:
        # Keras goes by the ending; and what is checked is what is read.
        copy = Path(folder) / "model.h5"
        copy.write_bytes(given_files.read(path, at_most=_MOST_BYTES))
        keras_file.check_h5(copy)
        with h5py.File(copy, "r") as file:
            written = file.attrs.get("model_config")
            version = _text(file.attrs.get("keras_version", "2"))
        if written is None:
            raise ModelError(
                "it holds weights without a model. Build the network in Python, load them into it, "
                "and save the whole model as NAME.keras"
            )
        config = json.loads(_text(written))
        if version.startswith("3"):
            model, name = _keras_3(config), f"Keras {version}"
        else:
            model, name = (
                keras_file.build(_renamed(config)),
                f"tf_keras {version.removesuffix('-tf')}",
            )
        model.load_weights(copy)
    return model, name


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _renamed(node: Any, depth: int = 0) -> Any:
    """As Keras 2.4 and later write it: a functional model was a 'Model', a Sequential a list."""
    if depth > keras_file.MAX_DEPTH:
        raise ModelError("its configuration is nested too deeply")
    if isinstance(node, list):
        return [_renamed(each, depth + 1) for each in node]
    if not isinstance(node, dict):
        return node
    found = {key: _renamed(value, depth + 1) for key, value in node.items()}
    config = found.get("config")
    if found.get("class_name") == "Model" and isinstance(config, dict) and "layers" in config:
        found["class_name"] = "Functional"
    if found.get("class_name") == "Sequential" and isinstance(config, list):
        found["config"] = {"name": "sequential", "layers": config}
    return found


def _keras_3(config: Any) -> Any:
    """The network of a configuration, in Keras 3, with fresh weights."""
    # Both are read when Keras is imported.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        import keras  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ModelError(
            f"it is of Keras 3, which is not installed ({error}). Run: pip install keras"
        ) from None
    if not keras.__version__.startswith("3"):
        raise ModelError(
            f"it is of Keras 3, and Keras {keras.__version__} is installed. Run: pip install "
            "'keras>=3'"
        )
    rebuilt = keras3_config.checked(config)
    if rebuilt["class_name"] not in ("Functional", "Sequential"):
        raise ModelError(f"it holds {rebuilt['class_name']}; expected a whole model")
    model = keras.saving.deserialize_keras_object(rebuilt, safe_mode=True)
    if not model.built:
        raise ModelError(
            "the model in it does not state the size of its input. Call model.build((None, HEIGHT, "
            "WIDTH, 3)) and save it again"
        )
    return model
