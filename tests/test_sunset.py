"""The classical detector as a .tflite is the one that scikit-learn fitted."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cnnedge import classifier
from cnnedge.data.scenes import scene, write_scenes
from cnnedge.studies.sunset.classical import SIDE, RbfSvm, fit_network, fit_svm, moments
from support.command import assert_one_clear_line, cnnedge

COUNT = 500


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """uint8 [500, 98, 98, 3]: synthetic scenes, the classes by turns."""
    scenes = (scene(np.random.default_rng((5, i)), sunset=i % 2 == 1) for i in range(COUNT))
    return np.stack([cv2.resize(s, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for s in scenes])


@pytest.fixture(scope="module")
def fitted(pixels: np.ndarray) -> RbfSvm:
    return fit_svm(moments(pixels[:200]), np.arange(200) % 2)


def test_moments_are_means_and_variances_of_cells(pixels: np.ndarray) -> None:
    found = moments(pixels[:1]).reshape(7, 7, 2, 3)
    red, green, blue = (pixels[0, 28:42, 42:56, c].astype(float) for c in range(3))
    for place, channel in enumerate((red + green + blue, red - blue, red - 2 * green + blue)):
        assert found[2, 3, 0, place] == pytest.approx(channel.mean())
        assert found[2, 3, 1, place] == pytest.approx(channel.var())


def test_the_svm_decides_as_scikit_learn_does(pixels: np.ndarray, fitted: RbfSvm) -> None:
    from sklearn.svm import SVC

    features = moments(pixels)
    scaled = fitted.scaling(features)
    svm = SVC(kernel="rbf", C=fitted.cost, gamma=fitted.gamma).fit(scaled[:200], np.arange(200) % 2)
    assert np.abs(svm.decision_function(scaled) - fitted.decision(features)).max() < 1e-9


def test_the_file_decides_as_scikit_learn_does(
    pixels: np.ndarray, fitted: RbfSvm, tmp_path: Path
) -> None:
    """All labels of 500 pictures, and decision values to 1e-3."""
    from cnnedge.bundle import write_model
    from cnnedge.converter import convert
    from cnnedge.specs.pixels import InputSize
    from cnnedge.studies.sunset.graph import svm_network

    size = InputSize(height=SIDE, width=SIDE, channels=3)
    for variant, most in (("float32", 1e-3), ("float16", 0.3)):
        file = tmp_path / f"{variant}.tflite"
        content = convert(svm_network(fitted), variant, pixels[:1])
        write_model(file, content, labels=("other", "sunset"), size=size, provenance={})
        with classifier.load(file) as model:
            scores = np.stack([model.predict(picture).scores for picture in pixels])
        decided = fitted.decision(moments(pixels))
        assert np.abs(np.log(scores[:, 1] / scores[:, 0]) - decided).max() < most
        if variant == "float32":
            assert np.array_equal(scores.argmax(axis=1), (decided > 0).astype(int))
            assert (scores.argmax(axis=1) == np.arange(COUNT) % 2).mean() > 0.85


def test_the_small_network_answers_as_scikit_learn_does(pixels: np.ndarray) -> None:
    from sklearn.neural_network import MLPClassifier

    from cnnedge.studies.sunset.graph import dense_network

    features, classes = moments(pixels[:200]), np.arange(200) % 2
    fitted = fit_network(features, classes, sizes=((8, 4),))
    scaled = fitted.scaling(features)
    again = MLPClassifier((8, 4), alpha=0.1, max_iter=60, random_state=0).fit(scaled, classes)
    shares = dense_network(fitted)(pixels[:200].astype(np.float32)).numpy()
    assert np.abs(shares - again.predict_proba(scaled)).max() < 1e-4


def test_the_study(sunset_study: Path) -> None:
    told = json.loads((sunset_study / "study.json").read_text())
    assert [o["name"] for o in told["options"]] == [
        *("moments + SVM", "moments + small network", "CNN from scratch"),
    ]
    assert [o["name"] for o in told["left_out"]] == ["CNN features + SVM", "transfer"]
    assert told["synthetic"]
    assert told["options"][0]["accuracy"]["accuracy"] > 0.7
    assert cv2.imread(str(sunset_study / "sunset.png")) is not None


def test_eval_and_run_take_the_classical_file(sunset_study: Path) -> None:
    told = json.loads((sunset_study / "study.json").read_text())
    done = cnnedge("eval", sunset_study / "svm.tflite", "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"] == told["options"][0]["accuracy"]["accuracy"]
    picture = next((sunset_study / "synthetic-60" / "sunset").iterdir())
    done = cnnedge("run", sunset_study / "svm.tflite", "--source", picture)
    assert done.returncode == 0, done.stderr
    assert "sunset" in done.stdout


def test_three_classes_are_refused(tmp_path: Path) -> None:
    write_scenes(tmp_path / "pictures", 4, 0)
    for number in range(4):
        (tmp_path / "pictures" / "third").mkdir(exist_ok=True)
        picture = np.full((30, 30, 3), 10 * number, np.uint8)
        cv2.imwrite(str(tmp_path / "pictures" / "third" / f"{number}.png"), picture)
    done = cnnedge("study", "sunset", "--data", "pictures", "--quick", cwd=tmp_path)
    assert_one_clear_line(done)
    assert "found 3 classes" in done.stderr
