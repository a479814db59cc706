"""Imported runs do what trained ones do: converted within the gate, run, scored, verified, and
pruned or trained on where the model has layers."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import Result

tf_keras = pytest.importorskip("tf_keras")

from cnnedge.conversion.report.page import render_report  # noqa: E402
from cnnedge.data import Pixels, load_dataset  # noqa: E402
from cnnedge.errors import ModelError  # noqa: E402
from cnnedge.importing import detective  # noqa: E402
from cnnedge.importing.convention import Convention, candidates  # noqa: E402
from cnnedge.importing.expected import read_expected  # noqa: E402
from cnnedge.pictures import read_picture  # noqa: E402
from cnnedge.preprocess import prepare  # noqa: E402
from cnnedge.specs import InputSize, Preprocess  # noqa: E402
from support import foreigners, guests  # noqa: E402
from support.command import call  # noqa: E402
from support.foreigners import CLASSES, SIDE  # noqa: E402

SIZE = InputSize(height=SIDE, width=SIDE, channels=3)


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
    assert found["parity"]["labels_agree"] == found["parity"]["count"] == 200


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
        pixels=lambda rule: Pixels(dataset, SIZE, rule).batch(indices),
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
    page = (layered / "export" / "report.html").read_text()
    assert "Imported model" in page and "-1..1, RGB" in page and "caffe mean, BGR" in page
    assert "200 of 200 labels agree" in page
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
    names = ("prune50", "channels50-qat", "qat")
    asked = [x for name in names for x in ("--variant", name)]
    worked("convert", layered, *asked, *faster)
    report = json.loads((layered / "export" / "report.json").read_text())
    made = {v["name"]: v for v in report["variants"]}
    assert set(made) == set(names)
    assert all(v["control"] for v in made.values())
    # In one epoch, a network of 12 filters gets over QAT, and over nothing that takes weights away.
    assert made["qat"]["control"]["difference_points"] > -15
    assert made["prune50"]["sparsity"] > 0.3


def test_an_imported_network_trains_as_its_pictures_allow() -> None:
    """With many pictures BatchNorm learns, at the recipe's own rate; with few it stays."""
    import tf_keras

    from cnnedge.compression.workshop import Workshop, make_trainable
    from cnnedge.specs import AllStage, DataSpec, Recipe, Training

    recipe = Recipe(
        data=DataSpec(source=""), model="imported", training=Training(method="imported")
    )
    layers = [tf_keras.layers.Conv2D(4, 3), tf_keras.layers.BatchNormalization()]
    model = tf_keras.Sequential([tf_keras.Input((8, 8, 3)), *layers])
    for count, keeps, rate in (
        (500, True, AllStage().learning_rate),
        (5000, False, recipe.training.optimizer.learning_rate),
    ):
        dataset = SimpleNamespace(indices=lambda split, count=count: range(count))
        data: Any = SimpleNamespace(recipe=recipe, dataset=dataset)
        nothing: Any = None
        shop = Workshop(
            data=data, model=nothing, own=nothing, model_key="", sample=nothing, latency_ms=nothing
        )
        assert shop.keeps_statistics == keeps and shop.full_rate == rate
        make_trainable(shop, model)
        assert [layer.trainable for layer in model.layers] == [True, not keeps]


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


def test_answers_that_the_source_gave_say_its_pixels(
    network: Any, pictures: Path, tmp_path: Path
) -> None:
    network.save(tmp_path / "m.keras")
    (tmp_path / "labels.txt").write_text("\n".join(CLASSES))
    dataset = load_dataset(str(pictures), labels=CLASSES)
    rule = Preprocess(resize="center_crop", interpolation="pillow_bilinear", crop_fraction=0.875)
    files = [path for name in CLASSES for path in sorted((pictures / name).iterdir())[:2]]
    pixels = np.stack([prepare(read_picture(f), SIZE, rule) for f in files])
    raw = np.asarray(network(pixels[..., ::-1] / np.float32(127.5) - 1, training=False))
    assert len(dataset.classes) == raw.shape[1]
    shares = np.exp(raw) / np.exp(raw).sum(1, keepdims=True)
    rows = [
        f"{file},{CLASSES[row.argmax()]},{row.max():.4f}"
        for file, row in zip(files, shares, strict=True)
    ]
    (tmp_path / "answers.csv").write_text("\n".join(["picture,label,score", *rows]) + "\n")
    words = ("--out", tmp_path / "run", "--labels", tmp_path / "labels.txt")
    worked("import", tmp_path / "m.keras", *words, "--expect", tmp_path / "answers.csv")
    said = json.loads((tmp_path / "run" / "import.json").read_text())
    found = said["preprocess"]
    assert (found["pixels"], found["bgr"], found["resize"]) == ("-1..1", True, "center_crop")
    assert found["interpolation"] == "pillow_bilinear" and "--expect" in found["because"]
    assert said["tried"][0]["apart"] <= 0.01 < said["tried"][-1]["apart"]
    # The same pictures with scores of another model.
    answers = tmp_path / "answers.csv"
    answers.write_text(f"{files[0]},{CLASSES[0]},0.5\n{files[0]},{CLASSES[1]},0.9\n")
    done = call("import", tmp_path / "m.keras", *words, "--force", "--expect", answers)
    assert done.exit_code == 1 and "cannot be told: no convention gives the scores" in done.stderr


TABLES = {
    "a.png,red,0.5,1": "picture,label,score",
    "a.png,nobody": "is none of the",
    "b.png,LABEL": "there is no picture 'b.png'",
    "a.png,LABEL,1.5": "from 0 to 1",
    "a.png,LABEL,high": "from 0 to 1",
    "": "it has 0 pictures",
}


@pytest.mark.parametrize("row", TABLES)
def test_a_table_of_answers_that_cannot_be_read(row: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "answers.csv").write_text(row.replace("LABEL", CLASSES[0]))
    with pytest.raises(ModelError, match=TABLES[row]) as said:
        read_expected(tmp_path / "answers.csv", CLASSES)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", ["", "picture,label,score", "file_name,class,score"])
def test_tables_of_answers_as_spreadsheets_write_them(
    separator: str, header: str, tmp_path: Path
) -> None:
    (tmp_path / "a.png").touch()
    score = "0.25" if separator == "," else "0,25"
    lines = [header.replace(",", separator)] if header else []
    lines += [separator.join(("a.png", CLASSES[1], score)), separator.join(("a.png", CLASSES[0]))]
    (tmp_path / "answers.csv").write_text("\n".join(lines) + "\n")
    found = read_expected(tmp_path / "answers.csv", CLASSES)
    assert found.targets.tolist() == [1, 0]
    assert found.scores[0] == 0.25
    assert np.isnan(found.scores[1])


def test_what_a_stranger_writes_into_import_json_stays_text() -> None:
    evil = "<script>alert(1)</script>"
    rows = [{"rule": evil, "accuracy": 0.5, "ci95": evil, "count": evil}, {"rule": 1}, 7]
    told = {"kind": evil, "source": [evil], "preprocess": evil, "parity": {"max_abs": evil}}
    pages = [
        render_report({"variants": [], "imported": imported}, confusion={}, flipped=[])
        for imported in ({}, {**told, "tried": rows})
    ]
    assert all("<script" not in page for page in pages) and "&lt;script" in pages[1]
    assert pages[1].count("<tr>") - pages[0].count("<tr>") == 2
    assert ["Imported model" in page for page in pages] == [False, True]
