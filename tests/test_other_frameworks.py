"""A model of another framework: every command says what it is and what makes a .tflite of it."""

from __future__ import annotations

import collections
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cnnedge.bundle import read_model
from cnnedge.cli import group
from cnnedge.errors import ModelError, RunFolderError
from cnnedge.training.run_folder import open_finished


class Evil:
    """What a pickle may do when somebody loads it."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch /nowhere/executed",)


def pickled(path: Path, value: object) -> Path:
    """As torch.save lays it out."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(value, protocol=2))
    return path


def keras_3(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        file.writestr("config.json", "{}")
        file.writestr("model.weights.h5", "")
    return path


def hdf5(path: Path) -> Path:
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    return path


def archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "{}")
    return path


def saved_model(path: Path) -> Path:
    path.mkdir()
    (path / "saved_model.pb").touch()
    return path


def tfjs(path: Path) -> Path:
    path.mkdir()
    (path / "model.json").write_text("{}")
    (path / "group1-shard1of1.bin").touch()
    return path


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


MADE = {
    "an .h5": (lambda f: hdf5(f / "m.h5"), "a Keras model", "cnnedge import"),
    "an .h5 of another name": (lambda f: hdf5(f / "weights.bin"), "a Keras model", "--set weights"),
    "an .h5 of weights": (
        lambda f: written(f / "m.h5", b"\x89HDF\r\n\x1a\n layer_names"),
        "a file of Keras weights",
        "save the whole model",
    ),
    "a .keras": (
        lambda f: archive(f / "m.keras", "metadata.json", "config.json", "model.weights.h5"),
        "a Keras model",
        "cnnedge import",
    ),
    "a .keras of Keras 3": (lambda f: keras_3(f / "m.keras"), "a Keras 3 model", "cnnedge import"),
    "a damaged .keras": (lambda f: written(f / "m.keras", b"PK\3\4"), "a Keras model", "cnnedge"),
    "a SavedModel": (lambda f: saved_model(f / "sm"), "a TensorFlow SavedModel", "cnnedge import"),
    "an ONNX model": (
        lambda f: written(f / "m.onnx", b"\x08\x07"),
        "an ONNX model",
        "cnnedge import",
    ),
    "an ONNX model of another name": (
        lambda f: written(f / "model", b"\x08\x08\x12\x07pytorch\x1a\x05"),
        "an ONNX model",
        "cnnedge import",
    ),
    "a PyTorch file that calls": (
        lambda f: pickled(f / "m.pth", Evil()),
        "a pickled module",
        "would execute",
    ),
    "a bare pickle": (
        lambda f: written(f / "m.pt", pickle.dumps(Evil())),
        "a pickled module",
        "torch.export",
    ),
    "a state dict": (
        lambda f: pickled(f / "m.pth", collections.OrderedDict(weight=[0.5])),
        "a state dict",
        "Weights alone",
    ),
    "TorchScript": (
        lambda f: archive(f / "m.pt", "m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"),
        "TorchScript",
        "torch.export",
    ),
    "an exported program": (
        lambda f: archive(f / "m.pt2", "serialized_exported_program.json"),
        "exported from PyTorch",
        "cnnedge import",
    ),
    "safetensors": (
        lambda f: written(f / "weights", struct.pack("<Q", 2) + b"{}" + bytes(9)),
        "a safetensors file",
        "Weights alone",
    ),
    "a frozen graph": (
        lambda f: written(f / "m.pb", b"\x0a\x12"),
        "a TensorFlow graph",
        "from_frozen_graph",
    ),
    "a TensorFlow.js folder": (lambda f: tfjs(f / "js"), "TensorFlow.js", "Export Model"),
    "a Core ML model": (lambda f: written(f / "m.mlmodel", b"\x08\x04"), "Core ML", "as .tflite"),
}


@pytest.mark.parametrize("kind", MADE)
def test_running_and_converting_say_the_same(kind: str, tmp_path: Path) -> None:
    make, what, remedy = MADE[kind]
    path = make(tmp_path)
    for open_it, error in ((read_model, ModelError), (open_finished, RunFolderError)):
        with pytest.raises(error) as caught:
            open_it(path)
        said = str(caught.value)
        assert said.startswith(f"{path}: this is ")
        assert what in said and remedy in said
        assert "\n" not in said


@pytest.mark.parametrize("words", [("run",), ("bench",), ("inspect",), ("eval",), ("convert",)])
def test_no_command_sends_anybody_in_a_circle(words: tuple[str], tmp_path: Path) -> None:
    path = hdf5(tmp_path / "m.h5")
    done = CliRunner().invoke(group, [*words, str(path)])
    assert done.exit_code == 1
    assert "this is a Keras model" in done.output
    assert "cnnedge convert" not in done.output
    assert "train RECIPE --out" not in done.output


def test_train_says_that_a_model_is_no_recipe(tmp_path: Path) -> None:
    done = CliRunner().invoke(group, ["train", str(hdf5(tmp_path / "m.h5"))])
    assert done.exit_code == 1
    assert "this is a Keras model" in done.output


def test_the_model_of_a_run_leads_to_its_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").touch()
    with pytest.raises(ModelError, match=f"convert the run: cnnedge convert {tmp_path}"):
        read_model(archive(tmp_path / "model.keras", "config.json", "model.weights.h5"))


def test_a_tflite_is_converted_already(plain_models: dict[str, Path]) -> None:
    with pytest.raises(RunFolderError, match="already converted: cnnedge run"):
        open_finished(plain_models["int8"])
    read_model(plain_models["int8"])


def test_other_files_keep_their_own_messages(tmp_path: Path) -> None:
    for name, data in (("a.tflite", b"notamodel"), ("b.txt", b"hello"), ("c.zip", b"PK\3\4")):
        with pytest.raises(ModelError, match="this is not a TFLite model"):
            read_model(written(tmp_path / name, data))
    with pytest.raises(ModelError, match="there is no such file"):
        read_model(tmp_path / "gone.h5")
