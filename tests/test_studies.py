"""The studies: real models, real pictures, few of them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cnnedge.studies.disturbances import DISTURBANCES, Disturbance
from cnnedge.studies.subjects import short_names
from support.command import assert_one_clear_line, cnnedge

DRAWS = np.array([0.3, 0.7])


def disturbance(name: str) -> Disturbance:
    return next(each for each in DISTURBANCES if each.name == name)


@pytest.mark.parametrize("how", DISTURBANCES, ids=lambda each: each.name)
@pytest.mark.parametrize("shape", [(40, 60), (60, 40, 3)])
def test_a_disturbance_keeps_the_size_and_grows(how: Disturbance, shape: tuple[int, ...]) -> None:
    frame = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    frame = cv2.GaussianBlur(frame, (0, 0), 1.5)
    far = []
    strengths = sorted(how.strengths, key=lambda s: abs(s - how.neutral))
    for strength in (how.neutral, strengths[0], strengths[-1]):
        after = how(frame, strength, DRAWS)
        assert after.shape == shape
        assert after.dtype == np.uint8
        assert np.array_equal(after, how(frame, strength, DRAWS))
        far.append(np.abs(after.astype(float) - frame).mean())
    assert far[0] == 0
    assert far[0] < far[1] < far[2]


def test_moves_do_what_they_say() -> None:
    frame = np.zeros((40, 40), np.uint8)
    frame[18:22, 18:22] = 255
    moved = disturbance("translation")(frame, 25, np.array([0.0, 0.0]))
    assert np.array_equal(moved[18:22, 28:32], frame[18:22, 18:22])
    assert moved.sum() == frame.sum()
    hidden = disturbance("occlusion")(frame, 50, np.array([0.0, 0.0]))
    assert (hidden[:20, :20] == 128).all()
    larger = disturbance("scale")(frame, 2.0, DRAWS)
    assert larger.sum() == pytest.approx(4 * frame.sum(), rel=0.1)


def test_names_are_as_short_as_tells_models_apart(tmp_path: Path) -> None:
    for run in ("a", "b"):
        (tmp_path / run / "export").mkdir(parents=True)
    a, b = (tmp_path / run for run in ("a", "b"))
    assert short_names([a, a / "export/int8.tflite"]) == ("Keras", "int8")
    assert short_names([a / "export/int8.tflite", b / "export/int8.tflite"]) == (
        "a int8",
        "b int8",
    )
    assert short_names([a, b / "export/x.tflite"]) == ("a Keras", "b x")


def test_invariance_of_a_run_and_its_int8_file(trained_run: Path, tmp_path: Path) -> None:
    models = (trained_run, trained_run / "export" / "int8.tflite")
    done = cnnedge("study", "invariance", *models, "--quick", "--out", "s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Keras: " in done.stdout
    assert "costs most" in done.stdout
    assert "may have learnt" not in done.stderr
    found = json.loads((tmp_path / "s" / "study.json").read_text())
    assert [base["model"] for base in found["bases"]] == ["Keras", "int8"]
    assert len(found["panels"]) == len(DISTURBANCES)
    for panel in found["panels"]:
        for number, curve in enumerate(panel["curves"]):
            base = found["bases"][number]["accuracy"]["accuracy"]
            lost = np.mean([base - p["accuracy"]["accuracy"] for p in curve["points"]])
            assert curve["cost"]["mean"] == pytest.approx(lost)
            assert all(p["accuracy"]["count"] == found["pictures"] for p in curve["points"])
    for name in ("curves.png", "worst_cases_1.png", "worst_cases_2.png"):
        assert cv2.imread(str(tmp_path / "s" / name)) is not None
    for case in found["worst_cases"]["int8"]:
        assert case["label"] != case["answer"]


def test_a_model_that_says_nothing_is_studied_with_what_was_assumed(
    plain_models: dict[str, Path], tmp_path: Path
) -> None:
    for number, name in enumerate("0123"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for level in range(4):
            grey = np.full((20, 20, 3), 50 * number + level, np.uint8)
            cv2.imwrite(str(tmp_path / "data" / name / f"{level}.png"), grey)
    words = ("study", "invariance", plain_models["int8"], "--data", "data", "--quick")
    done = cnnedge(*words, "--out", "s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "assumed: " in done.stderr


def test_undisturbed_accuracy_is_what_eval_says(int8_model: Path, tmp_path: Path) -> None:
    words = ("study", "invariance", int8_model, "--quick", "--json", "-", "--out", "s")
    found = json.loads(cnnedge(*words, cwd=tmp_path).stdout)
    said = json.loads(cnnedge("eval", int8_model, "--json", "-").stdout)
    assert found["pictures"] == said["count"]
    assert found["bases"][0]["accuracy"]["accuracy"] == said["accuracy"]


def test_invariance_refuses_in_one_line(int8_model: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "other" / name).mkdir(parents=True)
        for level in range(4):
            grey = np.full((8, 8, 3), 90 * number + level, np.uint8)
            cv2.imwrite(str(tmp_path / "other" / name / f"{level}.png"), grey)
    words = ("study", "invariance", int8_model, "--quick")
    done = cnnedge(*words, "--data", tmp_path / "other", cwd=tmp_path)
    assert_one_clear_line(done, "cat", "circle")
    (tmp_path / "file").write_text("x")
    assert_one_clear_line(cnnedge(*words, "--out", "file", cwd=tmp_path), "file", "--out")


def test_both_networks_of_the_course(network_studies: Path, shapes: Path) -> None:
    assert "100,010,000" in (network_studies / "mlp_vs_cnn.stdout").read_text()
    assert f"trained on {shapes}" in (network_studies / "mlp_vs_cnn.stderr").read_text()
    made = network_studies / "study-mlp_vs_cnn"
    found = json.loads((made / "study.json").read_text())
    dense, cnn = found["networks"]
    assert (dense["parameters"], cnn["parameters"]) == (829_187, 59_355)
    assert found["first_layers"] == {"dense": 100_010_000, "convolution": 160}
    assert [base["model"] for base in found["shifted"]["bases"]] == ["fully connected", "CNN"]
    for network in (dense, cnn):
        assert (network_studies / network["file"]).stat().st_size == network["size_bytes"]
        assert 0 < network["latency_ms"] <= network["latency_p90_ms"]
    assert cv2.imread(str(made / "mlp_vs_cnn.png")) is not None


def test_an_attack_carries_over_to_the_files(trained_run: Path, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in trained_run.rglob("*") if p.is_file()}
    done = cnnedge("study", "attack", trained_run, "--quick", "--out", "s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "s" / "study.json").read_text())
    curves = {(c["model"], c["method"]): c["points"] for c in found["curves"]}
    assert {model for model, _ in curves} == {"Keras", "float32", "int8"}
    for points in curves.values():
        assert [p["epsilon"] for p in points] == [0, 4, 16]
    last = {key: points[-1]["accuracy"]["accuracy"] for key, points in curves.items()}
    # The direction misleads, not the size; and what misleads Keras misleads its file.
    assert last["Keras", "pgd"] < last["Keras", "noise"]
    assert last["float32", "pgd"] == pytest.approx(last["Keras", "pgd"], abs=0.05)
    assert found["hardened"]["epochs"] == 1
    assert {p: p.read_bytes() for p in trained_run.rglob("*") if p.is_file()} == before
    assert cv2.imread(str(tmp_path / "s" / "attack.png")) is not None


def test_attacked_pixels_stay_within_epsilon(trained_run: Path) -> None:
    pytest.importorskip("tf_keras")
    from cnnedge.studies.attack.gradients import METHODS, Attacker
    from cnnedge.training import backend

    backend.require("test")
    attacker = Attacker(backend.load_keras(trained_run / "model.keras"))
    pixels = np.random.default_rng(0).integers(0, 256, (6, 24, 24, 3)).astype(np.uint8)
    classes = np.array([0, 1, 2, 0, 1, 2], np.int64)
    for method in METHODS:
        hit = attacker(pixels, classes, 5, method)
        assert hit.dtype == np.uint8
        assert np.abs(hit.astype(int) - pixels).max() == 5
        assert np.array_equal(hit, attacker(pixels, classes, 5, method))
    assert attacker(pixels, classes, 0, "pgd") is pixels


def test_attack_says_what_is_missing(trained_run: Path, tmp_path: Path) -> None:
    import shutil

    bare = shutil.copytree(trained_run, tmp_path / "bare")
    shutil.rmtree(bare / "export")
    done = cnnedge("study", "attack", bare, "--quick", cwd=tmp_path)
    assert_one_clear_line(done, "cnnedge convert", "--variant int8")
    done = cnnedge("study", "attack", "no", cwd=tmp_path)
    assert_one_clear_line(done, "no such run folder")
    assert [path.name for path in tmp_path.iterdir()] == ["bare"]


def test_capsules_ship_and_answer_as_keras_does(network_studies: Path, shapes: Path) -> None:
    made = network_studies / "study-capsule"
    found = json.loads((made / "study.json").read_text())
    routed, plain = found["networks"]
    assert routed["parameters"] == pytest.approx(plain["parameters"], rel=0.01)
    for network in (routed, plain):
        float16 = network["variants"][0]
        assert float16["name"] == "float16"
        assert float16["agreement"]["accuracy"] == 1
    labelled = cnnedge("run", made / "capsules_int8.tflite", "--source", shapes)
    assert labelled.returncode == 0, labelled.stderr
    assert cv2.imread(str(made / "capsule.png")) is not None


def test_squashed_vectors_are_shorter_than_one_and_keep_their_direction() -> None:
    pytest.importorskip("tf_keras")
    from cnnedge.training import backend

    backend.require("test")
    from cnnedge.studies.capsule.network import squash

    vectors = np.random.default_rng(0).normal(0, 3, (50, 8)).astype(np.float32)
    short = squash(vectors).numpy()
    length = np.linalg.norm(vectors, axis=1)
    assert np.allclose(np.linalg.norm(short, axis=1), length**2 / (1 + length**2), atol=1e-4)
    assert np.allclose(short / np.linalg.norm(short, axis=1)[:, None], vectors / length[:, None])


def test_what_each_augmentation_adds(shapes: Path, tmp_path: Path) -> None:
    words = ("study", "augmentation", "fashion_cnn", "--data", shapes, "--set", "model=lenet")
    changes = ("--set", "augmentation.flip=none", "--set", "augmentation.cutout=0")
    done = cnnedge(*words, *changes, "--quick", "--out", "s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "s" / "study.json").read_text())
    none, shift = found["ways"]
    assert (none["name"], shift["name"]) == ("none", "shift 0.07")
    gained = shift["accuracy"]["accuracy"] - none["accuracy"]["accuracy"]
    assert shift["gained"]["mean"] == pytest.approx(gained)
    assert none["accuracy"]["count"] == found["pictures"] == 90
    assert len(none["folds"]) == found["folds"] == 2
    assert cv2.imread(str(tmp_path / "s" / "augmentation.png")) is not None
    done = cnnedge(*words, *changes, "--set", "augmentation.shift=0", "--quick", cwd=tmp_path)
    assert done.returncode == 2
    assert "no augmentation" in done.stderr
