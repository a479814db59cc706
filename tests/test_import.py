"""Other people's models become runs that answer as their sources do, and work like our own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tf_keras")

import tensorflow as tf

from cnnedge.bundle import read_graph
from cnnedge.classifier import load
from cnnedge.converter import convert
from cnnedge.engines import CPU
from cnnedge.frozen import FrozenNetwork
from cnnedge.importing import heads, tflite_edit
from cnnedge.importing.convention import Convention
from cnnedge.packing import pack, unpack
from cnnedge.specs import InputSize
from support import foreigners, guests
from support.command import call
from support.foreigners import SIDE

DIGITS = "abcdefghij"


def told(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "import.json").read_text())
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def labels(folder: Path) -> Callable[[int], Path]:
    def write(count: int) -> Path:
        path = folder / f"labels{count}.txt"
        path.write_text("\n".join(DIGITS[:count]) + "\n")
        return path

    return write


def saved(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def application(name: str, path: Path) -> Path:
    _, keras = foreigners.kerases()
    build = getattr(keras.applications, name)
    model = build(weights=None, input_shape=(32, 32, 3), classes=4)
    return saved(foreigners.weighted(model), path)


def one_score(path: Path) -> Path:
    _, keras = foreigners.kerases()
    layers = keras.layers
    body = [keras.Input((16, 16, 1)), layers.Conv2D(4, 3), layers.Flatten()]
    model = keras.Sequential([*body, layers.Dense(1, activation="sigmoid")])
    return saved(foreigners.weighted(model), path)


def float_tflite(path: Path) -> Path:
    path.write_bytes(guests.tflite(foreigners.module().scores, (1, SIDE, SIDE, 3)))
    return path


def planes_tflite(path: Path) -> Path:
    """Channels first, as converters of PyTorch leave it."""
    scores = foreigners.module().scores
    network = lambda x: scores(tf.transpose(x, [0, 2, 3, 1]))  # noqa: E731
    path.write_bytes(guests.tflite(network, (1, 3, SIDE, SIDE)))
    return path


_tf, _3 = 0, 1
KINDS: dict[str, tuple[Callable[[Path], Path], int, tuple[str, ...], str, str]] = {
    "keras 3 sequential": (
        lambda f: saved(foreigners.sequential(foreigners.kerases()[_3]), f / "s.keras"),
        *(3, (), "tf_keras", "Keras 3"),
    ),
    "keras 3 hdf5": (
        lambda f: saved(foreigners.sequential(foreigners.kerases()[_3]), f / "s3.h5"),
        *(3, (), "tf_keras", "Keras 3"),
    ),
    "tf_keras": (
        lambda f: saved(foreigners.sequential(foreigners.kerases()[_tf]), f / "t.keras"),
        *(3, (), "tf_keras", "tf_keras"),
    ),
    "tf_keras hdf5": (
        lambda f: saved(foreigners.sequential(foreigners.kerases()[_tf]), f / "t.h5"),
        *(3, (), "tf_keras", "tf_keras"),
    ),
    "nested, with preprocessing": (
        lambda f: saved(foreigners.nested(), f / "n.keras"),
        *(3, (), "tf_keras", "Keras 3"),
    ),
    "MobileNetV3": (
        lambda f: application("MobileNetV3Small", f / "v3.keras"),
        *(4, (), "tf_keras", "Keras 3"),
    ),
    "blue first": (
        lambda f: saved(foreigners.sequential(foreigners.kerases()[_3]), f / "b.keras"),
        *(3, ("--pixels", "0..1", "--bgr"), "tf_keras", "Keras 3"),
    ),
    "one score of grey pictures": (
        lambda f: one_score(f / "one.keras"),
        *(2, ("--pixels", "0..1"), "tf_keras", "Keras 3"),
    ),
    "Teachable Machine": (
        lambda f: foreigners.teachable(f / "keras_model.h5"),
        *(2, (), "tf_keras", "tf_keras 2.4"),
    ),
    "SavedModel, logits": (
        lambda f: foreigners.saved_model(f / "sm1"),
        *(4, ("--signature", "logits", "--pixels", "-1..1"), "frozen", "signature logits"),
    ),
    "SavedModel, blue first": (
        lambda f: foreigners.saved_model(f / "sm2"),
        *(4, ("--signature", "shares", "--mean", "103.9,116.8,123.7", "--std", "57", "--bgr")),
        *("frozen", "signature shares"),
    ),
    "float .tflite": (
        lambda f: float_tflite(f / "f.tflite"),
        *(4, ("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"), "frozen", "float32"),
    ),
    "float .tflite, channels first": (
        lambda f: planes_tflite(f / "p.tflite"),
        *(4, ("--pixels", "-1..1", "--bgr"), "frozen", "float32"),
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_an_import_answers_as_its_source_does(
    name: str, folder: Path, labels: Callable[[int], Path], tmp_path: Path
) -> None:
    make, count, options, network, kind = KINDS[name]
    source = make(folder)
    run = tmp_path / "run"
    done = call("import", source, "--out", run, "--labels", labels(count), *options)
    assert done.exit_code == 0, done.output + str(done.exception)
    found = told(run)
    assert found["network"] == network and kind in found["kind"]
    assert found["parity"]["max_abs"] < 1e-4
    assert found["parity"]["labels_agree"] == found["parity"]["count"] == 16
    assert (run / "model.keras").exists() == (network == "tf_keras")
    assert (run / "labels.txt").read_text().split() == list(DIGITS[:count])


def test_the_source_says_what_pixels_and_what_sizes_it_takes(
    folder: Path, labels: Callable[[int], Path], tmp_path: Path
) -> None:
    run = tmp_path / "nested"
    source = saved(foreigners.nested(), folder / "again.keras")
    assert call("import", source, "--out", run, "--labels", labels(3)).exit_code == 0
    # Resizing has become the run's rule, and Normalization its own scaling.
    said = told(run)["preprocess"]
    assert (said["resize"], said["interpolation"], said["pixels"]) == (
        *("stretch", "bilinear"),
        "0..255",
    )
    (tmp_path / "labels.txt").write_text("0 left\n1 right\n")
    source = foreigners.teachable(tmp_path / "keras_model.h5")
    run = tmp_path / "taught"
    done = call("import", source, "--out", run)
    assert done.exit_code == 0, done.output
    said = told(run)["preprocess"]
    assert (said["pixels"], said["resize"]) == ("-1..1", "center_crop")
    assert (run / "labels.txt").read_text() == "left\nright\n"


def test_a_quantised_model_is_adopted(
    folder: Path, labels: Callable[[int], Path], tmp_path: Path
) -> None:
    source = folder / "q.tflite"
    source.write_bytes(
        guests.tflite(
            foreigners.module().scores, (1, SIDE, SIDE, 3), quantised="uint8", reach=(-1, 1)
        )
    )
    run = tmp_path / "run"
    done = call("import", source, "--out", run, "--labels", labels(4), "--resize", "letterbox")
    assert done.exit_code == 0, done.output
    assert told(run)["network"] == "adopted"
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    with load(run / "export" / "imported.tflite", CPU) as model:
        assert not model.assumptions
        assert model.rule.resize == "letterbox"
        given = model.predict(picture).scores
    exact = tf.nn.softmax(foreigners.module().scores(picture[None] / np.float32(127.5) - 1))[0]
    assert abs(given.sum() - 1) < 0.02 and np.abs(given - exact).max() < 0.05
    # There is no float model in such a run, and convert says so.
    refused = call("convert", run)
    assert refused.exit_code == 1 and "imported as it is" in refused.output


REFUSED = {
    "nothing is said": ((), "nothing says what pixels"),
    "grey": (("--pixels", "0..1", "--signature", "x"), "is for SavedModels"),
    "labels": (("--pixels", "0..1", "--labels", "labels3.txt"), "3 labels for 4 outputs"),
    "an index": (("--pixels", "0..1", "--activation", "index"), "--activation index does not fit"),
    "no probabilities": (
        ("--pixels", "0..1", "--activation", "none"),
        "--activation none does not",
    ),
    "no labels": (("--pixels", "0..1"), "--labels FILE"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_missing_is_one_line_with_the_remedy(
    name: str, folder: Path, labels: Callable[[int], Path], tmp_path: Path
) -> None:
    source = float_tflite(folder / "r.tflite")
    options, expected = REFUSED[name]
    four = () if name in ("labels", "no labels") else ("--labels", labels(4))
    given = [str(labels(3)) if o == "labels3.txt" else o for o in options]
    done = call("import", source, "--out", tmp_path / "run", *four, *given)
    assert done.exit_code == 1
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error")]
    assert expected in line
    assert not (tmp_path / "run").exists()


def test_a_model_that_is_not_importable_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x08\x07")
    done = call("import", tmp_path / "m.onnx", "--out", tmp_path / "run")
    assert done.exit_code == 1
    assert "the ONNX model is damaged" in done.output and "export it again" in done.output
    done = call("import", tmp_path / "nothing", "--out", tmp_path / "run")
    assert done.exit_code == 1 and "no such file" in done.output


NO_MODELS = {
    "dog.jpg": (b"\xff\xd8\xff\xe0", "this is a picture", "--data DIR"),
    "dog.keras": (b"\xff\xd8\xff\xe0", "this is not a .keras file, whatever its name says", ""),
    "cut.keras": (b"PK\x03\x04", "was it cut short?). Copy or save it again", ""),
    "network.py": (b"", "name the function that builds the network after a colon", ""),
    "saved_model.pb": (b"", "name its folder: cnnedge import ", ""),
    "notes.txt": (b"", "this is no model that cnnedge knows", "takes .tflite files"),
}


@pytest.mark.parametrize("name", NO_MODELS)
def test_what_is_no_model_is_said_in_one_line(name: str, tmp_path: Path) -> None:
    content, *expected = NO_MODELS[name]
    (tmp_path / name).write_bytes(content)
    done = call("import", tmp_path / name, "--out", tmp_path / "run")
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error")]
    assert done.exit_code == 1 and all(part in line for part in expected), line
    assert not (tmp_path / "run").exists()


def test_a_saved_model_without_its_variables(labels: Callable[[int], Path], tmp_path: Path) -> None:
    source = foreigners.saved_model(tmp_path / "theirs")
    shutil.rmtree(source / "variables")
    words = ("--out", tmp_path / "run", "--labels", labels(4), "--signature", "logits")
    done = call("import", source, *words)
    assert done.exit_code == 1 and "copy its whole folder, with variables/" in done.stderr
    done = call("import", tmp_path, *words[:2])
    assert done.exit_code == 1 and "this folder is no model" in done.stderr


def test_a_run_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").touch()
    done = call("import", tmp_path / "m", "--out", tmp_path / "run")
    assert done.exit_code == 1 and "not empty" in done.output
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["mine.txt"]


def test_help_fits_a_screen() -> None:
    lines = call("import", "--help").output.splitlines()
    assert len(lines) <= 48


def test_the_name_of_a_family_is_a_hint(
    folder: Path, labels: Callable[[int], Path], tmp_path: Path
) -> None:
    _, keras = foreigners.kerases()
    layers = keras.layers
    body = [keras.Input((16, 16, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([*body, layers.Dense(3, activation="softmax")], name="vgg16")
    source = saved(foreigners.weighted(model), folder / "vgg.keras")
    run = tmp_path / "run"
    done = call("import", source, "--out", run, "--labels", labels(3))
    assert done.exit_code == 0, done.output
    said = told(run)["preprocess"]
    assert (said["pixels"], said["bgr"]) == ("caffe mean", True)
    assert "vgg16" in said["because"]
    assert "if it was trained otherwise" in done.output


def test_what_hides_weights_from_the_quantiser_is_taken_out() -> None:
    """litert-torch's files have it, and int8 variants of them were mostly float."""
    from ai_edge_litert import schema_py_generated as schema

    given = unpack(guests.tflite(foreigners.module().scores, (1, SIDE, SIDE, 3)))
    entry = schema.MetadataT()
    entry.name, entry.buffer = b"keep_stablehlo_constant", 0
    given.metadata = [*(given.metadata or []), entry]
    size = InputSize(height=SIDE, width=SIDE, channels=3)
    whole = tflite_edit.wrapped(
        pack(given), size, Convention(std=(255.0,)), heads.LOGITS, channels_first=False
    )
    pixels = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3)).astype(np.uint8)
    made = convert(FrozenNetwork(whole, "whole"), "int8", pixels)
    assert "DEQUANTIZE" not in {op.name for op in read_graph(made, "int8").operators}
