"""Transfer learning as a user does it: stages, linear heads, published networks, comparisons."""

from __future__ import annotations

import csv
import json
import signal
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from cnnedge.architectures.untraced import untraced
from cnnedge.training.backend import load_keras
from support.command import assert_one_clear_line, begun, cnnedge
from support.pictures import shape_folder

SMALL = "input={height: 64, width: 64, channels: 3}"
# What sends every download into the void, also where there is internet.
OFFLINE = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
STAGES = (
    "training.head={epochs: 6, learning_rate: 0.002, views: 2}",
    "training.top={blocks: 2, epochs: 2, learning_rate: 0.0002, views: 1}",
    "training.all={epochs: 3, learning_rate: 0.0002}",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shape_folder(tmp_path_factory.mktemp("transfer") / "pictures", per_class=30, side=64)


@pytest.fixture(scope="module")
def train(cache: Path, pictures: Path) -> Any:
    """Trains yoga_edge on small pictures, with features cached over the tests of this file."""

    def run(out: Path, *sets: str, recipe: str = "yoga_edge", data: Path = pictures, **kw: Any):
        words = [word for each in (SMALL, *sets) for word in ("--set", each)]
        env = {"CNNEDGE_CACHE": str(cache), "KERAS_HOME": str(cache), **OFFLINE}
        return cnnedge("train", recipe, "--data", data, "--out", out, *words, env=env, **kw)

    return run


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open() as file:
        return list(csv.DictReader(file))


def arrays(run: Path) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in load_keras(run / "model.keras").layers}


@pytest.fixture(scope="module")
def head_run(train: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("head") / "run"
    done = train(run, STAGES[0], "training.all=null")
    assert done.returncode == 0, done.stderr
    return run


@pytest.fixture(scope="module")
def staged_run(train: Any, head_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("staged") / "run"
    done = train(run, *STAGES)
    assert done.returncode == 0, done.stderr
    assert ": 0 new" in done.stderr, "the same weights, pictures and views: cached"
    return run


@pytest.mark.heavy
def test_the_stages_train_what_they_say(head_run: Path, staged_run: Path) -> None:
    found = metrics(staged_run)
    stages = found["stages"]
    assert [s["stage"] for s in stages] == ["head", "top", "all"]
    assert [s["epochs"] for s in stages] == [6, 2, 3]
    trained = [s["trained_parameters"] for s in stages]
    assert trained[0] == 1280 * 3 + 3
    assert trained[0] < trained[1] < trained[2] < found["parameters"]
    rows = history(staged_run)
    assert [row["epoch"] for row in rows] == [str(n) for n in range(1, 12)]
    assert [row["stage"] for row in rows] == ["head"] * 6 + ["top"] * 2 + ["all"] * 3
    assert found["test"]["accuracy"] > 0.5
    before, after = arrays(head_run), arrays(staged_run)
    norms = [name for name in before if name.endswith("_bn")]
    assert len(norms) == 49
    for name in norms:
        for x, y in zip(before[name], after[name], strict=True):
            np.testing.assert_array_equal(x, y, err_msg=f"{name}: BatchNorm is frozen")
    assert not np.array_equal(before["stem_conv"][0], after["stem_conv"][0])


@pytest.mark.heavy
def test_a_stage_leaves_the_layers_below_it_as_they_were(
    train: Any, head_run: Path, tmp_path: Path
) -> None:
    assert train(tmp_path / "run", *STAGES[:2], "training.all=null").returncode == 0
    head, top = arrays(head_run), arrays(tmp_path / "run")
    changed = {
        name
        for name in head
        if any(not np.array_equal(x, y) for x, y in zip(head[name], top[name], strict=True))
    }
    convolutions = ("expand_conv", "dwconv", "project_conv")
    blocks = {f"{block}_{name}" for block in ("block6d", "block7a") for name in convolutions}
    assert changed == blocks | {"top_conv", "dense_2"}


@pytest.mark.heavy
def test_killed_in_the_last_stage_and_resumed_is_the_same_training(
    cache: Path, pictures: Path, staged_run: Path, tmp_path: Path
) -> None:
    words = [word for each in (SMALL, *STAGES) for word in ("--set", each)]
    command = ("train", "yoga_edge", "--data", pictures, "--out", tmp_path / "cut", *words)
    process = begun(*command, CNNEDGE_CACHE=str(cache))
    deadline = time.monotonic() + 200
    while not (tmp_path / "cut/history.csv").exists() or len(history(tmp_path / "cut")) < 10:
        assert time.monotonic() < deadline and process.running()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.end()
    again = cnnedge(*command, "--resume", env={"CNNEDGE_CACHE": str(cache)})
    assert again.returncode == 0, again.stderr
    assert "of stage all" in again.stderr
    learnt = ("epoch", "stage", "loss", "val_loss", "val_accuracy", "learning_rate")
    whole, cut = history(staged_run), history(tmp_path / "cut")
    assert [[r[k] for k in learnt] for r in cut] == [[r[k] for k in learnt] for r in whole]
    assert metrics(tmp_path / "cut")["test"] == metrics(staged_run)["test"]


@pytest.mark.heavy
@pytest.mark.parametrize("method", ["logistic", "svm"])
def test_a_linear_classifier_is_folded_in_and_converts(
    train: Any, tmp_path: Path, method: str
) -> None:
    run = tmp_path / "run"
    done = train(run, f"training.method={method}")
    assert done.returncode == 0, done.stderr
    assert "cross-validation" in done.stdout
    found = metrics(run)
    assert found["method"] == method
    assert found["test"]["accuracy"] > 0.5
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    sets = ("--set", "compress.control=false", "--set", "compress.qat.epochs=1")
    aware = ("--variant", "qat", *sets) if method == "svm" else ()
    converted = cnnedge("convert", run, "--variant", "float32", *aware)
    assert converted.returncode == 0, converted.stderr
    plain, *qat = json.loads((run / "export/report.json").read_text())["variants"]
    assert plain["flipped"] == 0
    assert plain["accuracy"] == found["test"]["accuracy"]
    # No gradient has trained it; this does, in all its layers, towards the labels.
    assert len(qat) == (method == "svm")
    for trained in qat:
        assert trained["epochs"] == 1
        assert trained["accuracy"] > found["test"]["accuracy"] - 0.15


@pytest.mark.heavy
def test_resnet50_from_a_weights_file_to_a_running_int8(train: Any, tmp_path: Path) -> None:
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    weights = tmp_path / "resnet50_notop.h5"
    with untraced():
        published = tf_keras.applications.ResNet50(weights=None, include_top=False)
    published.save_weights(weights)
    short = (
        "input={height: 32, width: 32, channels: 3}",
        "training.head={epochs: 1}",
        "training.top=null",
        "training.all={epochs: 1, learning_rate: 1e-5}",
    )
    run = tmp_path / "run"
    done = train(run, f"weights={weights}", *short, recipe="yoga")
    assert done.returncode == 0, done.stderr
    assert str(weights) in metrics(run)["weights"]["source"]
    converted = cnnedge("convert", run, "--variant", "int8")
    assert converted.returncode == 0, converted.stderr
    int8 = run / "export/int8.tflite"
    assert 23e6 < int8.stat().st_size < 25.5e6
    ran = cnnedge("run", int8, "--source", "sample", "--frames", 3, "--json", "-")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["frames"] == 3


@pytest.mark.heavy
def test_a_backbone_from_random_weights(train: Any, tmp_path: Path) -> None:
    # The smallest one: ResNet-50 is trained above.
    model = ("model=mobilenet_v3_small", "weights=none")
    short = ("training.head={epochs: 1}", "training.top=null", "training.all=null")
    done = train(tmp_path / "run", *model, *short, recipe="yoga")
    assert done.returncode == 0, done.stderr
    assert metrics(tmp_path / "run")["weights"] is None
    assert "random weights" in done.stderr


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of two real photographs, in folders that ImageNet has names for."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for name, picture in zip(("palace", "daisy"), load_sample_images().images, strict=True):
        (folder / name).mkdir()
        for i in range(6):
            top, left = rng.integers(0, 40, 2)
            crop = picture[top : top + 380, left : left + 560, ::-1]
            cv2.imwrite(str(folder / name / f"{i}.jpg"), crop)
    return folder


@pytest.mark.heavy
def test_a_published_network_keeps_its_labels(
    photographs: Path, pictures: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = cnnedge("train", "imagenet", "--data", photographs, "--out", run)
    assert done.returncode == 0, done.stderr
    assert len((run / "labels.txt").read_text().splitlines()) == 1000
    found = metrics(run)
    assert found["test"]["count"] > 0
    daisy = next(c for c in found["per_class"] if c["label"] == "daisy")
    assert daisy["recall"] == 1.0
    assert cnnedge("convert", run, "--variant", "int8").returncode == 0
    refused = cnnedge("convert", run, "--variant", "qat")
    assert_one_clear_line(refused, "qat", "published network", "train it on your pictures first")
    daisies = photographs / "daisy/0.jpg"
    ran = cnnedge("run", run / "export/int8.tflite", "--source", daisies)
    assert "daisy" in ran.stdout, ran.stdout

    words = ("--variant", "float32", "--data", pictures)
    other = cnnedge("convert", run, *words, "--max-drop", "1")
    assert other.returncode == 3
    assert "cannot be measured" in other.stderr
    report = json.loads((run / "export/report.json").read_text())
    assert report["variants"][0]["accuracy"] is None
    assert report["variants"][0]["flipped"] == 0
    assert "unknown" in other.stdout


@pytest.mark.heavy
def test_comparing_backbones(cache: Path, pictures: Path, tmp_path: Path) -> None:
    env = {"CNNEDGE_CACHE": str(cache), "KERAS_HOME": str(tmp_path), **OFFLINE}
    done = cnnedge(
        *("train", "yoga_edge", "--data", pictures, "--set", SMALL),
        *("--compare", "efficientnet_lite0,mobilenet_v2", "--json", "-"),
        cwd=tmp_path,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    (row,) = result["compared"]
    assert row["model"] == "efficientnet_lite0"
    assert row["ci95"][0] < row["accuracy"] <= row["ci95"][1]
    assert row["latency_ms"]["median"] > 0
    assert row["macs"] > 0
    assert [each["model"] for each in result["left_out"]] == ["mobilenet_v2"]
    assert "mobilenet_v2 is skipped" in done.stderr
    assert not (tmp_path / "runs").exists(), "a comparison trains nothing"
    without = cnnedge(
        *("train", "yoga_edge", "--data", pictures, "--compare", "mobilenet_v2"), env=env
    )
    assert_one_clear_line(without, "none of these models can be compared", "weights: none")


@pytest.mark.heavy
def test_few_pictures_are_called_few(cache: Path, train: Any, tmp_path: Path) -> None:
    few = shape_folder(tmp_path / "few", per_class=12, side=64)
    done = train(tmp_path / "run", "training.head={epochs: 1}", "training.all=null", data=few)
    assert done.returncode == 0, done.stderr
    assert "few pictures to learn from" in done.stderr
    assert "few pictures to test with" in done.stderr
    found = metrics(tmp_path / "run")
    low, high = found["test"]["ci95"]
    assert found["test"]["count"] < 12
    assert high - low > 0.25
    assert any("few pictures" in text for text in found["data"]["warnings"])


WRONG = {
    "no backbone": (("model=lenet", "training.method=transfer"), ["lenet", "scratch"]),
    "too many blocks": (("training.top={blocks: 40}",), ["training.top.blocks", "40"]),
    "epochs of scratch": (("training.epochs=3",), ["epochs", "training.head.epochs"]),
    "grey": (("input={height: 64, width: 64, channels: 1}",), ["efficientnet_lite0", "3"]),
    "no such weights": (("weights=./nothing.h5",), ["nothing.h5"]),
    "pretrained from nothing": (
        ("training.method=pretrained", "weights=none"),
        ["weights: none", "pretrained"],
    ),
    "not downloaded": (("model=mobilenet_v2",), ["mobilenet_v2", "KERAS", "weights: none"]),
}


@pytest.mark.parametrize(("sets", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_one_clear_line(
    train: Any, tmp_path: Path, sets: tuple[str, ...], said: list[str]
) -> None:
    done = train(tmp_path / "run", *sets, cwd=tmp_path)
    parts = [part for part in said if part != "KERAS"]
    assert_one_clear_line(done, *parts)
    assert not (tmp_path / "run").exists()


def test_comparing_wants_backbones(pictures: Path) -> None:
    done = cnnedge("train", "yoga_edge", "--data", pictures, "--compare", "lenet")
    assert_one_clear_line(done, "lenet", "backbone")
    empty = cnnedge("train", "yoga_edge", "--data", pictures, "--compare", " , ")
    assert empty.returncode == 2
    unknown = cnnedge("train", "yoga_edge", "--data", pictures, "--compare", "resnet5")
    assert_one_clear_line(unknown, "resnet5", "Did you mean 'resnet50'")
