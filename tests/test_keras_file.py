"""Keras models of strangers: none of them may execute anything; our own come back equal."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnedge.errors import CnnedgeError, ModelError, WeightsError
from support.command import assert_one_clear_line, cnnedge

tf_keras = pytest.importorskip("tf_keras")

from cnnedge.architectures.keras_file import read_keras  # noqa: E402
from cnnedge.architectures.weight_files import read_weights  # noqa: E402
from support.keras_files import Config, payload, rewritten  # noqa: E402


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of many kinds of layers, with weights that are none of the defaults."""
    image = tf_keras.Input((8, 8, 3), name="image")
    x = tf_keras.layers.Conv2D(4, 3, kernel_regularizer=tf_keras.regularizers.L1L2(0.01))(image)
    x = tf_keras.layers.BatchNormalization()(x)
    x = tf_keras.layers.SeparableConv2D(4, 3, activation="relu", bias_initializer="ones")(x)
    x = tf_keras.layers.SpatialDropout2D(0.1)(x)
    inner = tf_keras.Sequential([tf_keras.layers.Dense(5, activation="swish")])
    x = tf_keras.layers.LeakyReLU(0.2)(inner(tf_keras.layers.Flatten()(x)))
    model = tf_keras.Model(image, tf_keras.layers.Dense(3, activation="softmax")(x + 1.0))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model.save(path)
    return path


def function(marker: Path) -> Config:
    """The same, as a serialised function with its module."""
    return {"class_name": "function", "module": "os", "config": "system", "registered_name": None}


def layers(config: Config) -> list[Config]:
    found: list[Config] = config["config"]["layers"]
    return found


def in_wrapper(evil: Config) -> Config:
    return {
        "class_name": "TimeDistributed",
        "module": "keras.layers",
        "registered_name": None,
        "config": {"name": "wrapped", "layer": evil},
    }


# One branch for each place that a payload goes to.
def put(config: Config, kind: str, marker: Path) -> Config | None:  # noqa: C901
    evil = payload(marker)
    first = layers(config)[1]
    if kind == "a layer":
        layers(config)[1] = evil | {"name": first["name"], "inbound_nodes": first["inbound_nodes"]}
    elif kind == "a wrapped layer":
        layers(config)[1] = in_wrapper(in_wrapper(evil))
    elif kind == "the whole model":
        return evil
    elif kind == "a model's class":
        config |= {"class_name": "Popen", "module": "subprocess", "registered_name": "Popen"}
    elif kind == "another module":
        # The class is one that is known; where it is, the table says, not the file.
        first["class_name"], first["module"] = "system", "os"
    elif kind == "a registered name":
        first["registered_name"] = first["class_name"] = "pydoc>pipepager"
    elif kind == "an operation":
        operation = next(x for x in layers(config) if x["class_name"] == "TFOpLambda")
        operation["config"]["function"] = "io.write_file"
    elif kind.startswith("text "):
        first["config"][kind.removeprefix("text ")] = "os.system"
    elif kind.startswith("function "):
        first["config"][kind.removeprefix("function ")] = function(marker)
    elif kind == "arguments of a call":
        layers(config)[2]["inbound_nodes"][0][0][3] = {"training": evil}
    else:
        first["config"][kind] = evil
    return None


@pytest.mark.parametrize(
    "kind",
    [
        *("a layer", "a wrapped layer", "the whole model", "a model's class", "another module"),
        *("a registered name", "an operation", "arguments of a call"),
        *("kernel_initializer", "kernel_regularizer", "kernel_constraint", "activation", "dtype"),
        *("text activation", "text kernel_initializer", "text kernel_constraint"),
        *("function activation", "function kernel_regularizer", "custom_objects", "metrics"),
    ],
)
def test_nothing_in_a_configuration_is_executed(saved: Path, tmp_path: Path, kind: str) -> None:
    marker = tmp_path / "executed"
    file = rewritten(saved, tmp_path / "evil.keras", lambda c: put(c, kind, marker))
    with pytest.raises(ModelError, match=r"evil\.keras: "):
        read_keras(file)
    assert not marker.exists()


def test_compiling_is_left_out(saved: Path, tmp_path: Path) -> None:
    def compiled(config: Config) -> None:
        config["compile_config"] = {
            "loss": function(tmp_path),
            "metrics": [payload(tmp_path / "x")],
        }

    model = read_keras(rewritten(saved, tmp_path / "compiled.keras", compiled))
    assert model.get_weights()[0].shape == read_keras(saved).get_weights()[0].shape
    assert not (tmp_path / "x").exists()


def test_a_model_comes_back_equal(saved: Path) -> None:
    ours, theirs = read_keras(saved), tf_keras.models.load_model(saved, compile=False)
    assert ours.get_config() == theirs.get_config()
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def lambda_model(marker: Path) -> Any:
    """A model whose Lambda layer holds Python bytecode."""
    image = tf_keras.Input((8, 8, 3))
    touch = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    evil = eval(f"lambda x: ({touch}, x)[1]")
    return tf_keras.Model(image, tf_keras.layers.Lambda(evil)(image))


def of_format(folder: Path, marker: Path, form: str) -> Path:
    """RUN/model.keras of a stranger in one of the formats that Keras recognises."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.keras"
    model = lambda_model(marker)
    if form == "zip":
        model.save(path)
    elif form == "HDF5":
        model.save(folder / "model.h5", save_format="h5")
        (folder / "model.h5").rename(path)
    else:
        model.save(folder / "saved", save_format="tf")
        (folder / "saved").rename(path)
    marker.unlink(missing_ok=True)
    return path


@pytest.mark.parametrize("form", ["zip", "HDF5", "SavedModel"])
def test_no_format_is_executed(tmp_path: Path, form: str) -> None:
    marker = tmp_path / "executed"
    path = of_format(tmp_path / "model", marker, form)
    with pytest.raises(ModelError):
        read_keras(path)
    weights = path if path.is_file() else path / "saved_model.pb"
    with pytest.raises(WeightsError):
        read_weights(weights, "mobilenet_v2")
    assert not marker.exists()


def test_commands_execute_nothing(tmp_path: Path, trained_run: Path, int8_model: Path) -> None:
    marker = tmp_path / "executed"
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    (run / "model.keras").unlink()
    of_format(run, marker, "HDF5")
    assert_one_clear_line(cnnedge("convert", run), "model.keras")
    rewritten(
        trained_run / "model.keras",
        run / "model.keras",
        lambda c: put(c, "kernel_initializer", marker),
    )
    assert_one_clear_line(cnnedge("verify", int8_model, "--reference", run), "model.keras")
    assert not marker.exists()


def damaged(path: Path, kind: str) -> None:
    if kind == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "a bomb":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("config.json", b" " * (64 << 20))
            archive.writestr("model.weights.h5", b"")
    elif kind == "deep":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "[" * 50_000)
            archive.writestr("model.weights.h5", b"")
    elif kind == "no weights":
        rewritten(path, path.with_suffix(".new"), lambda _: None)
        with zipfile.ZipFile(path.with_suffix(".new")) as old, zipfile.ZipFile(path, "w") as new:
            new.writestr("config.json", old.read("config.json"))
    else:
        rewritten(path, path.with_suffix(".new"), lambda c: layers(c)[1]["config"].clear())
        path.with_suffix(".new").replace(path)


@pytest.mark.parametrize("kind", ["half", "empty", "a bomb", "deep", "no weights", "no arguments"])
def test_damaged_files_are_refused(saved: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.keras"
    shutil.copy(saved, path)
    damaged(path, kind)
    with pytest.raises(CnnedgeError, match=r"model\.keras: "):
        read_keras(path)


def test_weights_that_lead_elsewhere(tmp_path: Path, saved: Path) -> None:
    h5py = pytest.importorskip("h5py")
    other = tmp_path / "elsewhere.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones(4)
    weights = tmp_path / "model.weights.h5"
    with zipfile.ZipFile(saved) as archive:
        weights.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(weights, "a") as file:
        file["linked"] = h5py.ExternalLink(str(other), "/secret")
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(path, "w") as new:
        new.writestr("config.json", old.read("config.json"))
        new.write(weights, "model.weights.h5")
    with pytest.raises(ModelError, match="the link 'linked'"):
        read_keras(path)
