"""Conversion: raw pixels in, true accuracies, a gate that holds, and no leftovers."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import cnnedge as package
from cnnedge.bundle import read_model
from cnnedge.data import Pixels
from cnnedge.scoring import load_model_data, score
from cnnedge.specs import InputSize
from support.command import assert_one_clear_line, cnnedge
from support.reporters import Quiet

VARIANTS = ("float32", "float16", "dynamic", "int8")
SIZE = InputSize(height=24, width=24, channels=3)


@pytest.fixture(scope="module")
def report(trained_run: Path) -> dict[str, Any]:
    return json.loads((trained_run / "export" / "report.json").read_text())


def entry(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(v for v in report["variants"] if v["name"] == name)


def evaluation(*arguments: object, cwd: Path | None = None) -> dict[str, Any]:
    done = cnnedge("eval", *arguments, "--json", "-", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def files(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_file_is_there_and_nothing_else(trained_run: Path) -> None:
    names = {p.name for p in (trained_run / "export").iterdir()}
    assert names == {*(f"{v}.tflite" for v in VARIANTS), "report.json", "report.html"}


def test_report_contract(report: dict[str, Any], trained_run: Path) -> None:
    assert [v["name"] for v in report["variants"]] == list(VARIANTS)
    reference = report["reference"]["accuracy"]
    assert reference == json.loads((trained_run / "metrics.json").read_text())["test"]["accuracy"]
    for v in report["variants"]:
        data = (trained_run / "export" / v["file"]).read_bytes()
        assert v["file"] == f"{v['name']}.tflite"
        assert v["size_bytes"] == len(data)
        assert v["gzip_bytes"] == len(gzip.compress(data, 9, mtime=0)) < len(data)
        assert v["ci95"][0] <= v["accuracy"] <= v["ci95"][1]
        assert v["drop_points"] == pytest.approx(100 * (reference - v["accuracy"]))
        assert type(v["flipped"]) is int
        assert v["flipped"] >= abs(round(v["drop_points"] / 100 * report["test_pictures"]))
        assert 0 <= v["sparsity"] <= 1
        assert v["macs"] == 24 * 24 * 8 * 27 + 12 * 12 * 16 * 72 + 576 * 3
        latency = v["latency_ms"]
        assert 0 < latency["median"] <= latency["p90"] <= latency["p99"]
        assert type(latency["count"]) is int
        assert latency["count"] >= 150
    assert entry(report, "float32")["flipped"] == 0
    assert entry(report, "int8")["size_bytes"] < entry(report, "float32")["size_bytes"]


def test_int8_takes_raw_pixels(int8_model: Path) -> None:
    tensor = read_model(int8_model).input
    assert (tensor.dtype, tensor.shape) == ("uint8", (1, 24, 24, 3))
    assert tensor.scales == pytest.approx((1.0,), abs=1e-6)
    assert tensor.zero_points == (0,)


@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic"])
def test_float_variants_take_raw_pixels(trained_run: Path, variant: str) -> None:
    model = read_model(trained_run / "export" / f"{variant}.tflite")
    assert (model.input.dtype, model.input.shape) == ("float32", (1, 24, 24, 3))
    assert model.normalization is not None
    assert (model.normalization.mean, model.normalization.std) == ((0.0,), (1.0,))


def test_float32_is_the_trained_model(trained_run: Path) -> None:
    from cnnedge.training.backend import load_keras
    from cnnedge.training.fitting import predict

    classifier = package.load(trained_run / "export" / "float32.tflite")
    dataset = load_model_data(classifier.model, None, "test")
    pixels = Pixels(dataset, SIZE, classifier.rule)
    indices = dataset.indices("test")
    trained = predict(load_keras(trained_run / "model.keras"), pixels, indices)
    assert np.allclose(score(classifier, pixels, indices), trained, atol=1e-4)


def test_what_travels_in_the_file(trained_run: Path, report: dict[str, Any]) -> None:
    metrics = json.loads((trained_run / "metrics.json").read_text())
    for variant in VARIANTS:
        model = read_model(trained_run / "export" / f"{variant}.tflite")
        assert list(model.labels or ()) == metrics["data"]["classes"]
        about = model.provenance
        assert about is not None and about.preprocess and about.data and about.accuracy
        assert about.preprocess.resize == "letterbox"
        assert about.data.fingerprint == metrics["data"]["fingerprint"]
        assert about.accuracy.accuracy == entry(report, variant)["accuracy"]
        assert about.variant == variant
        assert about.raw["input"] == {"height": 24, "width": 24, "channels": 3, "color": "RGB"}


def test_calibration_is_of_training_pictures_alone(trained_run: Path) -> None:
    from cnnedge.conversion.work import prepare
    from cnnedge.training.run_folder import RunFolder, read_recipe

    run = RunFolder(trained_run)
    work = prepare(run, read_recipe(run), Quiet())
    calibration = work.calibration(40)
    assert len(calibration) == 40
    parts = {
        part: {p.tobytes() for p in work.data.pixels.batch(work.data.dataset.indices(part))}
        for part in ("train", "val", "test")
    }
    used = {p.tobytes() for p in calibration}
    assert used <= parts["train"]
    assert not used & (parts["val"] | parts["test"])


@pytest.mark.parametrize("variant", ["int8", "float32"])
def test_eval_gives_the_accuracy_of_the_report(
    trained_run: Path, report: dict[str, Any], variant: str
) -> None:
    result = evaluation(trained_run / "export" / f"{variant}.tflite")
    told = entry(report, variant)
    assert (result["accuracy"], result["count"]) == (told["accuracy"], told["count"])
    assert result["ci95"] == told["ci95"]
    assert result["labels"] == ["circle", "cross", "square"]
    matrix = np.array(result["confusion"])
    assert matrix.shape == (3, 3)
    assert matrix.sum() == result["count"]
    assert np.trace(matrix) / result["count"] == result["accuracy"]
    assert result["split"] == "test"


def test_eval_of_all_pictures(int8_model: Path) -> None:
    assert evaluation(int8_model, "--split", "all")["count"] == 120


def test_eval_and_convert_where_the_pictures_moved(
    trained_run: Path, shapes: Path, tmp_path: Path, report: dict[str, Any]
) -> None:
    """Also: one variant alone, in a run that was converted before."""
    moved = shutil.copytree(shapes, tmp_path / "moved here")
    run = shutil.copytree(trained_run, tmp_path / "run")
    recipe = run / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace(str(shapes), "/nowhere/at/all"))
    assert_one_clear_line(cnnedge("convert", run), "/nowhere/at/all")
    result = evaluation(run / "export" / "int8.tflite", "--data", moved)
    assert result["accuracy"] == entry(report, "int8")["accuracy"]

    others = files(run / "export")
    done = cnnedge("convert", run, "--data", moved, "--variant", "float32", "--json", "-")
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    assert again == json.loads((run / "export" / "report.json").read_text())
    assert [v["name"] for v in again["variants"]] == ["float32"]
    for key in ("accuracy", "drop_points", "flipped", "macs"):
        assert again["variants"][0][key] == entry(report, "float32")[key], key
    now = files(run / "export")
    assert now.keys() == others.keys()
    assert now[run / "export" / "int8.tflite"] == others[run / "export" / "int8.tflite"]
    about = read_model(run / "export" / "float32.tflite").provenance
    assert about is not None and about.data is not None
    assert about.data.source == str(moved)


def test_eval_of_an_unknown_class(int8_model: Path, shapes: Path, tmp_path: Path) -> None:
    other = shutil.copytree(shapes, tmp_path / "other")
    (other / "cross").rename(other / "crosses")
    done = cnnedge("eval", int8_model, "--data", other)
    assert_one_clear_line(done, "'crosses'", "Did you mean 'cross'", "circle, cross, square")


def test_convert_with_other_classes(trained_run: Path, shapes: Path, tmp_path: Path) -> None:
    other = shutil.copytree(shapes, tmp_path / "other")
    (other / "cross").rename(other / "heart")
    before = files(trained_run)
    done = cnnedge("convert", trained_run, "--data", other)
    assert_one_clear_line(done, "circle, heart, square", "circle, cross, square", "--data")
    assert files(trained_run) == before


def test_the_gate_stops_a_variant_that_lost_too_much(trained_run: Path, tmp_path: Path) -> None:
    """One channel is made huge and the next layer undoes it: the same function in float.

    In int8 a tensor has one scale, and beside that channel all others round to nothing
    (Nagel et al. 2019, cross-layer equalisation, the other way round).
    """
    tf_keras = pytest.importorskip("tf_keras")
    run = shutil.copytree(trained_run, tmp_path / "run", ignore=shutil.ignore_patterns("export"))
    model = tf_keras.models.load_model(run / "model.keras", compile=False)
    normal = next(x for x in model.layers if isinstance(x, tf_keras.layers.BatchNormalization))
    conv = [x for x in model.layers if isinstance(x, tf_keras.layers.Conv2D)][1]
    gamma, beta, mean, variance = normal.get_weights()
    gamma[0], beta[0] = gamma[0] * 1e4, beta[0] * 1e4
    normal.set_weights([gamma, beta, mean, variance])
    kernel, bias = conv.get_weights()
    kernel[:, :, 0] /= 1e4
    conv.set_weights([kernel, bias])
    model.save(run / "model.keras")

    done = cnnedge("convert", run, "--variant", "float32", "--variant", "int8", "--max-drop", "0")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(said) == 1
    assert "int8 lost" in said[0]
    report = json.loads((run / "export" / "report.json").read_text())
    assert [v["status"] for v in report["variants"]] == ["ok", "failed"]
    assert report["best"] == "float32"
    assert entry(report, "float32")["drop_points"] == 0
    assert entry(report, "int8")["drop_points"] > 10
    names = {p.name for p in (run / "export").iterdir()}
    assert names == {"float32.tflite", "int8.tflite", "report.json", "report.html"}


def test_wrong_usage(trained_run: Path) -> None:
    assert cnnedge("convert", trained_run, "--variant", "int5").returncode == 2
    assert cnnedge("convert", trained_run, "--variant", "[qat, prune]").returncode == 2
    assert cnnedge("convert", trained_run, "--budget", "latency=fast").returncode == 2
    both = ("--budget", "size=1MB", "--variant", "int8")
    assert cnnedge("convert", trained_run, *both).returncode == 2
    assert cnnedge("convert", trained_run, "--max-drop", "-1").returncode == 2


def test_a_folder_that_is_no_finished_run(trained_run: Path, tmp_path: Path) -> None:
    assert_one_clear_line(cnnedge("convert", tmp_path / "none"), "no such run folder")
    assert_one_clear_line(cnnedge("convert", tmp_path), "no recipe.yaml")
    unfinished = shutil.copytree(trained_run, tmp_path / "run")
    (unfinished / "metrics.json").unlink()
    assert_one_clear_line(cnnedge("convert", unfinished), "not finished", "--resume")


def test_eval_of_one_picture_without_a_split(plain_models: dict[str, Path], tmp_path: Path) -> None:
    """A third party's model, that knows no split: all pictures are judged."""
    (tmp_path / "class 2").mkdir()
    picture = np.full((16, 16, 3), 99, np.uint8)
    cv2.imwrite(str(tmp_path / "class 2" / "one.png"), picture)
    result = evaluation(plain_models["int8"], "--data", tmp_path)
    assert (result["count"], result["split"]) == (1, "all")
    expected = package.load(plain_models["int8"])(picture).label
    assert result["accuracy"] == (expected == "class 2")
