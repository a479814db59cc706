"""Imported runs do what trained ones do: converted within the gate, run, scored, verified, and
pruned or trained on where the model has layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

tf_keras = pytest.importorskip("tf_keras")

from cnnedge.cli import group  # noqa: E402
from cnnedge.data import load_dataset  # noqa: E402
from cnnedge.importing import detective  # noqa: E402
from cnnedge.importing.convention import Convention, candidates  # noqa: E402
from cnnedge.specs import InputSize  # noqa: E402
from support import foreigners, guests  # noqa: E402
from support.foreigners import CLASSES, SIDE  # noqa: E402

SIZE = InputSize(height=SIDE, width=SIDE, channels=3)


def call(*arguments: object) -> Result:
    """The command in this process."""
    return CliRunner().invoke(group, [str(a) for a in arguments], prog_name="cnnedge")


def worked(*arguments: object) -> Result:
    done = call(*arguments)
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return foreigners.colour_folder(tmp_path_factory.mktemp("colours"), 240)


@pytest.fixture(scope="module")
def network() -> Any:
    """Trained on pixels -1..1, red first: float32 [n, 24, 24, 3] to logits, in Keras 3."""
    _, keras = foreigners.kerases()
    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(12, 3, strides=2, use_bias=False),
            layers.BatchNormalization(momentum=0.8),
            layers.ReLU(),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(CLASSES)),
        ]
    )
    pixels, targets = foreigners.colour_pixels(2400)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(pixels / 127.5 - 1, targets, batch_size=32, epochs=8, verbose=0)
    return model


@pytest.fixture(scope="module")
def layered(network: Any, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network, its pixels found out, as a run with layers."""
    folder = tmp_path_factory.mktemp("layered")
    network.save(folder / "colours.keras")
    worked("import", folder / "colours.keras", "--out", folder / "run", "--data", pictures)
    return folder / "run"


def test_the_pixels_are_found_out_and_the_table_says_how(layered: Path) -> None:
    found = json.loads((layered / "import.json").read_text())
    said = found["preprocess"]
    assert (said["pixels"], said["bgr"]) == ("-1..1", False)
    assert "accuracy of each convention" in said["because"]
    best, *others = found["tried"]
    assert best["rule"].startswith("-1..1, RGB") and best["count"] == 200
    assert best["ci95"][0] > 0.6 and min(t["accuracy"] for t in others) < 0.5
    assert found["parity"]["labels_agree"] == found["parity"]["count"] == 100


def wrapped(network: Any, truth: Convention) -> detective.Answer:
    """The network for one who feeds it pixels of that convention."""

    def answer(values: np.ndarray) -> np.ndarray:
        scale, offset = np.array(truth.scale, np.float32), np.array(truth.offset, np.float32)
        pixels = (values - offset) / scale
        pixels = pixels[..., ::-1] if truth.bgr else pixels
        return np.asarray(network(pixels / 127.5 - 1, training=False))

    return answer


@pytest.mark.parametrize("truth", candidates(3), ids=lambda truth: truth.shown)
def test_it_names_each_of_twelve_conventions(
    truth: Convention, network: Any, pictures: Path
) -> None:
    found = evidence(network, truth, pictures, 200)
    assert found.convention is not None, found.why
    named = (found.convention.name, found.convention.bgr)
    assert named == (truth.name, truth.bgr)


def test_five_pictures_tell_nothing(network: Any, pictures: Path) -> None:
    for truth in candidates(3)[:3]:
        found = evidence(network, truth, pictures, 5)
        assert found.convention is None
        assert "5 pictures" in found.why


def evidence(network: Any, truth: Convention, pictures: Path, count: int) -> detective.Found:
    dataset = load_dataset(str(pictures), labels=CLASSES)
    indices = detective.chosen(dataset, count)
    given = detective.Evidence(
        answer=wrapped(network, truth),
        size=SIZE,
        dataset=dataset,
        indices=indices,
        targets=dataset.targets[indices],
    )
    return detective.find(given, None, None, lambda text, done, total: None)


def test_what_cannot_be_told_is_asked(network: Any, tmp_path: Path) -> None:
    network.save(tmp_path / "m.keras")
    few = foreigners.colour_folder(tmp_path / "few", 18)
    done = call("import", tmp_path / "m.keras", "--out", tmp_path / "run", "--data", few)
    assert done.exit_code == 1
    assert "cannot be told" in done.stderr and "--pixels" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_run_with_layers_is_converted_verified_and_run(layered: Path, pictures: Path) -> None:
    formats = ("float32", "int8")
    asked = [x for name in formats for x in ("--variant", name)]
    worked("convert", layered, *asked, "--max-drop", 8)
    report = json.loads((layered / "export" / "report.json").read_text())
    assert [v["name"] for v in report["variants"]] == list(formats)
    assert report["variants"][0]["flipped"] == 0
    assert report["variants"][0]["accuracy"] > 0.6
    uses(layered)


def uses(run: Path) -> None:
    """eval, run and verify, on the int8 file."""
    file = run / "export" / "int8.tflite"
    scored = json.loads(worked("eval", file, "--json", "-").stdout)
    assert scored["accuracy"] > 0.6
    verified = worked("verify", file, "--reference", run, "--pictures", 24)
    assert "int8" in verified.output
    shown = json.loads(
        worked("run", file, "--source", "sample", "--frames", 3, "--json", "-").stdout
    )
    assert shown["frames"] == 3


def test_techniques_work_on_an_imported_keras_3_model(layered: Path) -> None:
    faster = [
        x for key in ("channels", "prune", "qat") for x in ("--set", f"compress.{key}.epochs=1")
    ]
    names = ("prune50", "channels50-qat")
    asked = [x for name in names for x in ("--variant", name)]
    worked("convert", layered, *asked, *faster)
    report = json.loads((layered / "export" / "report.json").read_text())
    made = {v["name"]: v for v in report["variants"]}
    assert set(made) == set(names)
    assert all(v["control"] for v in made.values())
    assert made["prune50"]["sparsity"] > 0.3


def test_a_frozen_run_changes_its_format(network: Any, pictures: Path, tmp_path: Path) -> None:
    import tensorflow as tf

    source = tmp_path / "colours.tflite"
    # The variables of Keras 3 are none of TensorFlow: as constants, they are the same numbers.
    kernel, gamma, beta, mean, variance, second, bias, dense, shift = network.get_weights()

    def ask(x: Any) -> Any:
        x = tf.nn.conv2d(x, kernel, 2, "VALID")
        x = tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-3))
        x = tf.nn.relu(tf.nn.conv2d(x, second, 2, "VALID") + bias)
        return tf.matmul(tf.reduce_mean(x, [1, 2]), dense) + shift

    source.write_bytes(guests.tflite(ask, (1, SIDE, SIDE, 3)))
    run = tmp_path / "run"
    worked("import", source, "--out", run, "--data", pictures, "--pixels", "-1..1")
    formats = ("float32", "float16", "dynamic", "int8", "int8-float-io", "int16x8")
    asked = [x for name in formats for x in ("--variant", name)]
    worked("convert", run, *asked)
    report = json.loads((run / "export" / "report.json").read_text())
    assert [v["name"] for v in report["variants"]] == list(formats)
    sizes = {v["name"]: v["size_bytes"] for v in report["variants"]}
    assert sizes["int8"] < sizes["float32"]
    drops = {v["name"]: v["drop_points"] for v in report["variants"]}
    assert all(abs(drop) <= 8.4 for drop in drops.values()), drops
    uses(run)
    refused = call("convert", run, "--variant", "prune50")
    assert refused.exit_code == 1 and "no layers of Keras" in refused.output


def test_without_pictures_convert_asks_for_them(network: Any, tmp_path: Path) -> None:
    network.save(tmp_path / "m.keras")
    (tmp_path / "labels.txt").write_text("\n".join(CLASSES))
    run = tmp_path / "run"
    given = ("--labels", tmp_path / "labels.txt", "--pixels", "-1..1")
    worked("import", tmp_path / "m.keras", "--out", run, *given)
    done = call("convert", run, "--variant", "int8")
    assert done.exit_code == 1
    assert "--data DIR" in done.stderr
