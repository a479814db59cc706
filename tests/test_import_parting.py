"""Where an import answers otherwise than its source, its first layer that parts is named; layers of
one's own are read in a process of their own, if they are trusted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tf_keras")

import tensorflow as tf

from cnnedge.conversion.report.imported import imported_model
from cnnedge.converter import convert
from cnnedge.importing import parting, saved_model, trace
from cnnedge.importing.convention import Convention
from cnnedge.importing.rebuild import rebuilt
from cnnedge.specs import InputSize
from support import foreigners
from support.command import call
from support.foreigners import SIDE

SIZE = InputSize(height=SIDE, width=SIDE, channels=3)
# What `Fickle` does depends on who calls it, and a converter is none who runs it.
LAYERS = """
import {keras} as keras
import tensorflow as tf

print("the code runs")

@keras.saving.register_keras_serializable("theirs")
class Swapped(keras.layers.Layer):
    def call(self, x):
        return tf.reverse(x, [-1])

@keras.saving.register_keras_serializable("theirs")
class Fickle(keras.layers.Layer):
    def call(self, x):
        return x * 1.5 if tf.executing_eagerly() else x
"""


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def nested() -> Any:
    """Keras 3, with models within it."""
    return foreigners.nested()


@pytest.fixture
def ours(nested: Any) -> Iterator[Any]:
    """The same in tf_keras, to be changed."""
    yield rebuilt(nested, SIZE, Convention(), "logits")


def changed(model: Any, name: str) -> None:
    """Other weights in one layer than its source has."""
    layer = model.get_layer(name)
    layer.set_weights([w * 1.1 + 0.01 for w in layer.get_weights()])


CHANGED = {
    "conv2d": ("conv2d", "normalization"),
    "separable_conv2d": ("separable_conv2d", "conv2d"),
    "dense": ("dense", "global_average_pooling2d"),
}


@pytest.mark.parametrize("start", CHANGED)
def test_the_layer_whose_weights_were_changed_is_named(
    start: str, nested: Any, ours: Any, pixels: np.ndarray
) -> None:
    values = pixels.astype(np.float32)
    source = trace.of_keras(nested, values)
    name = next(layer.name for layer in ours.layers if layer.name.startswith(start))
    whole = parting.first(source, trace.of_keras(ours, values))
    assert not whole.layer and whole.compared == 8 and whole.apart < 1e-5
    assert "No layer parts" in whole.text and "rounding" in whole.text
    changed(ours, name)
    flatbuffer = convert(ours, "float32", pixels)
    for imported in (trace.of_keras(ours, values), trace.of_flatbuffer(flatbuffer, pixels)):
        found = parting.first(source, imported)
        layer, before = CHANGED[start]
        assert found.layer.startswith(layer) and found.after.startswith(before), found
        assert 0.01 < found.apart < 1 and found.kind in found.text


def test_networks_that_have_nothing_in_common(nested: Any, pixels: np.ndarray) -> None:
    other = foreigners.sequential(foreigners.kerases()[1])
    values = pixels.astype(np.float32)
    found = parting.first(trace.of_keras(nested, values), trace.of_keras(other, values))
    assert "cannot be told" in found.text and found.as_json()["why"]


def test_a_layer_that_means_something_else_in_tf_keras(tmp_path: Path) -> None:
    """tf_keras' Resizing has no padding: the model is frozen, and the layer is named."""
    _, keras = foreigners.kerases()
    layers = keras.layers
    body = [
        keras.Input((SIDE, SIDE, 3)),
        layers.Rescaling(1 / 127.5, offset=-1),
        layers.Conv2D(6, 3, activation="relu"),
        layers.Resizing(10, 20, pad_to_aspect_ratio=True, name="padded"),
        layers.Conv2D(6, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, activation="softmax"),
    ]
    foreigners.weighted(keras.Sequential(body)).save(tmp_path / "m.keras")
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    words = ("--out", tmp_path / "run", "--labels", tmp_path / "labels.txt")
    done = call("import", tmp_path / "m.keras", *words)
    assert done.exit_code == 0, done.output + repr(done.exception)
    found = json.loads((tmp_path / "run" / "import.json").read_text())
    assert found["network"] == "frozen" and found["parity"]["max_abs"] < 1e-5
    assert "its layer 'padded' (Resizing) means something else there" in found["notes"][-1]


def own_model(folder: Path, family: int, layer: str, name: str = "own.keras") -> Path:
    """A model with one of LAYERS in its middle, and the file with its code beside it."""
    keras = foreigners.kerases()[family]
    code = folder / "theirs.py"
    code.write_text(LAYERS.format(keras=keras.__name__))
    held: dict[str, Any] = {"__name__": "theirs"}
    exec(compile(code.read_text(), code, "exec"), held)
    layers = keras.layers
    body = [
        keras.Input((SIDE, SIDE, 3)),
        layers.Rescaling(1 / 127.5, offset=-1),
        layers.Conv2D(6, 3, name="first"),
        held[layer](name="own"),
        layers.Conv2D(6, 3, activation="relu", name="second"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, activation="softmax"),
    ]
    foreigners.weighted(keras.Sequential(body)).save(folder / name)
    (folder / "labels.txt").write_text("a\nb\nc\n")
    return folder / name


FAMILIES = {"Keras 3": (1, "own.keras"), "tf_keras": (0, "own.h5")}


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_of_ones_own_are_read_with_their_code(family: str, tmp_path: Path) -> None:
    source = own_model(tmp_path, FAMILIES[family][0], "Swapped", FAMILIES[family][1])
    words = ("import", source, "--out", tmp_path / "run", "--labels", tmp_path / "labels.txt")
    words += ("--pixels", "0..255")
    # Without its code, and without trust in it.
    done = call(*words)
    assert done.exit_code == 1 and "--code FILE.py --trust" in done.stderr, done.output
    code = ("--code", tmp_path / "theirs.py")
    done = call(*words, *code)
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error")]
    assert done.exit_code == 1 and "runs theirs.py" in line and "--trust" in line
    assert not (tmp_path / "run").exists() and "the code runs" not in done.output
    done = call(*words, *code, "--trust")
    assert done.exit_code == 0, done.output + repr(done.exception)
    found = json.loads((tmp_path / "run" / "import.json").read_text())
    assert found["network"] == "frozen" and found["kind"].endswith("with theirs.py")
    assert found["parity"]["max_abs"] < 1e-5 and found["parity"]["parting"] is None


def test_a_layer_that_does_something_else_when_it_is_converted(tmp_path: Path) -> None:
    source = own_model(tmp_path, 1, "Fickle")
    words = ("--labels", tmp_path / "labels.txt", "--pixels", "0..255", "--trust")
    run, code = tmp_path / "run", tmp_path / "theirs.py"
    words += ("--json", tmp_path / "told.json")
    done = call("import", source, "--out", run, "--code", code, *words)
    assert done.exit_code == 3, done.output + repr(done.exception)
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error")]
    said = "The first layer that parts is 'own' (Fickle)"
    assert said in line and "'first' before it agrees" in line
    found = json.loads((run / "import.json").read_text())
    parted = found["parity"]["parting"]
    assert (parted["layer"], parted["kind"], parted["after"]) == ("own", "Fickle", "first")
    assert json.loads((tmp_path / "told.json").read_text())["parity"] == found["parity"]
    assert "next:" not in done.output
    shown = imported_model(found)
    assert shown and any(said in line for line in shown.lines)


def test_a_saved_model_is_compared_node_by_node(ours: Any, pixels: np.ndarray) -> None:
    """By the frozen graph of its signature, which has the layers' names."""
    values = pixels.astype(np.float32)
    picture = [tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32)]
    inner = tf.function(lambda x: ours(x, training=False), picture)
    serve = tf.function(lambda x: {"scores": inner(x)}, picture).get_concrete_function()
    source = trace.of_function(serve, values)
    assert not any(step.kind == "Identity" for step in source)
    whole = parting.first(source, trace.of_flatbuffer(convert(ours, "float32", pixels), pixels))
    assert not whole.layer and whole.compared >= 8 and whole.apart < 1e-5
    name = next(layer.name for layer in ours.layers if layer.name.startswith("separable_conv2d"))
    changed(ours, name)
    found = parting.first(source, trace.of_flatbuffer(convert(ours, "float32", pixels), pixels))
    assert f"/{name}/" in found.layer and found.layer.startswith(ours.name), found


def test_a_saved_model_that_is_converted_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreigners.saved_model(tmp_path / "theirs")
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
    other, frozen = foreigners.module(), saved_model.frozen
    other.dense.assign(other.dense[::-1])
    monkeypatch.setattr(saved_model, "frozen", lambda _, *rest: frozen(other.scores, *rest))
    words = ("--labels", tmp_path / "labels.txt", "--pixels", "-1..1", "--signature", "logits")
    done = call("import", tmp_path / "theirs", "--out", tmp_path / "run", *words)
    assert done.exit_code == 3, done.output + repr(done.exception)
    said = "The first layer that parts is 'MatMul' (MatMul)"
    assert said in done.stderr and "'Mean' before it agrees" in done.stderr


def test_code_that_does_not_fit_is_one_line(tmp_path: Path) -> None:
    source = own_model(tmp_path, 1, "Swapped")
    (tmp_path / "m.onnx").write_bytes(b"\x08\x07")
    words = ("--out", tmp_path / "run", "--labels", tmp_path / "labels.txt", "--trust", "--code")
    for given, code, expected in (
        (source, "none.py", "expected a file of Python"),
        (tmp_path / "m.onnx", "theirs.py", "--code is for the layers of a Keras model"),
    ):
        done = call("import", given, *words, tmp_path / code)
        (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error")]
        assert done.exit_code == 1 and expected in line, line
    assert not (tmp_path / "run").exists()
