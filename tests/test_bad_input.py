"""What users get wrong, by the command line: one clear line, exit 1, nothing half-written."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from support.command import assert_one_clear_line, cnnedge
from support.pictures import shape_folder, shape_picture
from support.recipes import write_recipe


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content; folders too."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b""
        for p in folder.rglob("*")
    }


def train(folder: Path, data: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    recipe = write_recipe(folder / "recipe", data, epochs=1)
    return cnnedge("train", recipe, "--out", folder / "run", *arguments)


def huge_png(side: int) -> bytes:
    """A PNG whose header says side x side, and whose pixels would take 2.7 GB at 30,000."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 10_000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def bad_data(folder: Path, kind: str) -> tuple[Path, list[str]]:
    data = folder / "pictures"
    data.mkdir()
    if kind == "missing":
        return folder / "nowhere", [str(folder / "nowhere")]
    if kind == "one class":
        shape_folder(data, per_class=5, labels=("only",))
        return data, ["'only'", "at least 2"]
    if kind == "one picture each":
        shape_folder(data, per_class=1, labels=("a", "b"))
        return data, [str(data), "1"]
    if kind == "text files":
        for label in ("a", "b"):
            (data / label).mkdir()
            for i in range(5):
                (data / label / f"{i}.txt").write_text("no picture")
        return data, [str(data)]
    if kind == "too many unreadable":
        shape_folder(data, per_class=20, labels=("a", "b"))
        for i in range(3):
            (data / "a" / f"{i:03d}.png").write_bytes(b"")
        return data, ["3 of 40", "max_unreadable", "000.png"]
    return data, [str(data)]  # empty


@pytest.mark.parametrize(
    "kind",
    ["empty", "missing", "one class", "one picture each", "text files", "too many unreadable"],
)
def test_data_that_cannot_be_learnt_from(tmp_path: Path, kind: str) -> None:
    data, said = bad_data(tmp_path, kind)
    done = train(tmp_path, data)
    assert_one_clear_line(done, *said)
    assert not (tmp_path / "run").exists()


def test_a_few_bad_pictures_are_left_out_and_listed(tmp_path: Path) -> None:
    data = shape_folder(tmp_path / "pictures", per_class=40)
    _, jpeg = cv2.imencode(".jpg", shape_picture("circle", 999, side=64))
    bad = {
        "circle/cut.jpg": jpeg.tobytes()[: len(jpeg) // 2],
        "circle/zero.png": b"",
        "cross/huge.png": huge_png(30_000),
        "cross/noise.jpg": np.random.default_rng(0).bytes(2000),
    }
    for name, content in bad.items():
        (data / name).write_bytes(content)
    done = train(tmp_path, data)
    assert done.returncode == 0, done.stderr
    assert "Warning: unreadable files skipped: 4; the first is" in done.stderr
    skipped = json.loads((tmp_path / "run" / "metrics.json").read_text())["data"]["skipped"]
    assert {Path(s["path"]).name for s in skipped} == {Path(n).name for n in bad}
    reasons = {Path(s["path"]).name: s["reason"] for s in skipped}
    assert "too large" in reasons["huge.png"]
    assert "0 bytes" in reasons["zero.png"]
    assert "cut off" in reasons["cut.jpg"]


def test_names_with_spaces_unicode_and_commas_to_the_end(tmp_path: Path) -> None:
    labels = ("red, ripe apple", "größer Baum ü", "木 'x' & <b>")
    data = shape_folder(tmp_path / "my pictures", per_class=12, labels=labels)
    done = train(tmp_path, data)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    assert set((run / "labels.txt").read_text(encoding="utf-8").splitlines()) == set(labels)
    done = cnnedge("convert", run, "--variant", "int8")
    assert done.returncode == 0, done.stderr
    model = run / "export" / "int8.tflite"
    done = cnnedge("run", model, "--source", data / labels[0], "--json", "-")
    assert done.returncode == 0, done.stderr
    for prediction in json.loads(done.stdout)["predictions"]:
        assert {t["label"] for t in prediction["top"]} == set(labels)
    found = json.loads(cnnedge("eval", model, "--split", "all", "--json", "-").stdout)
    assert set(found["labels"]) == set(labels)
    assert found["count"] == 36


WRONG_RECIPES = {
    "unknown key": ("training:", "trainning:", ["trainning", "training"]),
    "unknown inner key": ("epochs: 1", "epoch: 1", ["training.epoch", "'epochs'"]),
    "text for number": ("epochs: 1", "epochs: one", ["training.epochs", "'one'"]),
    "out of range": ("batch_size: 16", "batch_size: 0", ["training.batch_size", "65536"]),
    "bad choice": ("name: adam", "name: adamm", ["optimizer.name", "'adam"]),
    "bad splits": ("train: 0.6", "train: 0.9", ["data.splits", "add up to 1"]),
    "no yaml": ("augmentation: {", "augmentation: {{", ["not valid YAML"]),
    "tab": ("  epochs", "\tepochs", ["not valid YAML"]),
    "twice": ("training:", "model: lenet\ntraining:", ["model", "twice"]),
    "no such model": ("shapes_model.yaml", "other_model.yaml", ["other_model.yaml", "no such"]),
    "no value": ("epochs: 1", "epochs:", ["training.epochs", "nothing"]),
}


@pytest.mark.parametrize("kind", WRONG_RECIPES)
def test_a_wrong_recipe_is_named_with_file_and_line(tmp_path: Path, kind: str) -> None:
    old, new, said = WRONG_RECIPES[kind]
    recipe = write_recipe(tmp_path / "recipe", tmp_path, epochs=1)
    text = recipe.read_text()
    assert old in text
    recipe.write_text(text.replace(old, new, 1))
    done = cnnedge("train", recipe, "--out", tmp_path / "run")
    # That a model is not there is said of the model's file.
    assert_one_clear_line(done, *said, *([] if kind == "no such model" else ["shapes.yaml:"]))
    assert not (tmp_path / "run").exists()


def test_a_recipe_of_random_bytes(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    for content in (b"\xff\xfe\x00\x01" * 50, np.random.default_rng(1).bytes(500), b""):
        recipe.write_bytes(content)
        assert_one_clear_line(cnnedge("train", recipe), "recipe.yaml")


def test_wrong_model_definitions(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe", shape_folder(tmp_path / "p", per_class=5), 1)
    model = tmp_path / "recipe" / "shapes_model.yaml"
    text = model.read_text()
    for old, new, said in (
        ("Conv2D", "Conv2DD", ["Conv2DD", "Did you mean 'Conv2D'"]),
        ("pool_size: 2", "pool_size: 50", ["MaxPooling2D"]),
        ("units: classes", "units: 7", ["classes"]),
    ):
        model.write_text(text.replace(old, new, 1))
        done = cnnedge("train", recipe, "--out", tmp_path / "run")
        assert_one_clear_line(done, "shapes_model.yaml", *said)
        assert not (tmp_path / "run").exists()


def test_unknown_recipe(tmp_path: Path) -> None:
    assert_one_clear_line(cnnedge("train", "fashion_cn", cwd=tmp_path), "'fashion_cnn'")
    assert_one_clear_line(cnnedge("train", "./fashion_cnn.yaml", cwd=tmp_path), "no such recipe")
    assert_one_clear_line(cnnedge("train", tmp_path), str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_out_is_a_file(tmp_path: Path, shapes: Path) -> None:
    (tmp_path / "run").write_text("mine")
    for options in ((), ("--force",)):
        assert_one_clear_line(train(tmp_path, shapes, *options), "this is a file")
    assert (tmp_path / "run").read_text() == "mine"


def broken_models(int8_model: Path) -> dict[str, bytes]:
    data = int8_model.read_bytes()
    return {
        "empty": b"",
        "random": np.random.default_rng(0).bytes(4000),
        "random behind the name": b"\x1c\0\0\0TFL3" + np.random.default_rng(0).bytes(4000),
        "a quarter": data[: len(data) // 4],
        "cut": data[: len(data) // 2],
        "text": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    }


@pytest.mark.parametrize("command", ["run", "bench", "eval", "inspect"])
def test_broken_models(int8_model: Path, shapes: Path, tmp_path: Path, command: str) -> None:
    options = {"run": ("--source", "sample", "--frames", "1"), "eval": ("--data", shapes)}
    for name, content in broken_models(int8_model).items():
        model = tmp_path / "broken.tflite"
        model.write_bytes(content)
        done = cnnedge(command, model, *options.get(command, ()), "--json", tmp_path / "out.json")
        assert_one_clear_line(done, "broken.tflite"), name
        assert [p.name for p in tmp_path.iterdir()] == ["broken.tflite"], name
    for path, said in ((tmp_path / "none.tflite", "no such file"), (tmp_path, "a folder")):
        assert_one_clear_line(cnnedge(command, path, *options.get(command, ())), said)


@pytest.fixture(scope="module")
def no_picture_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .tflite that takes 10 numbers."""
    tf = pytest.importorskip("tensorflow")
    tf_keras = pytest.importorskip("tf_keras")
    numbers = tf_keras.Input(batch_shape=(1, 10))
    model = tf_keras.Model(numbers, tf_keras.layers.Dense(3, activation="softmax")(numbers))
    path = tmp_path_factory.mktemp("numbers") / "numbers.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    return path


def test_a_model_whose_input_is_no_picture(no_picture_model: Path, shapes: Path) -> None:
    for arguments in (
        ("run", no_picture_model, "--source", "sample"),
        ("eval", no_picture_model, "--data", shapes),
    ):
        assert_one_clear_line(cnnedge(*arguments), "numbers.tflite", "float32 [1, 10]", "inspect")
    # What needs no picture works.
    assert cnnedge("inspect", no_picture_model).returncode == 0
    assert cnnedge("bench", no_picture_model).returncode == 0


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A small memory file system of its own; skips where this user may not mount."""
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root on Linux")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", ",".join(options), "none", str(folder)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"this user may not mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


# From no room at all to enough for all but the last files.
@pytest.mark.parametrize("size", ["8k", "100k", "200k", "236k"])
def test_train_on_a_full_disk(tmp_path: Path, shapes: Path, size: str) -> None:
    with mounted(tmp_path / "small", f"size={size}") as small:
        recipe = write_recipe(tmp_path / "recipe", shapes, epochs=2)
        done = cnnedge("train", recipe, "--out", small / "run")
        assert_one_clear_line(done, str(small), "free some space")
        assert not list(small.rglob(".part-*"))
        assert not (small / "run" / "metrics.json").exists()


def test_train_goes_on_when_there_is_room_again(tmp_path: Path, shapes: Path) -> None:
    with mounted(tmp_path / "small", "size=180k") as small:
        recipe = write_recipe(tmp_path / "recipe", shapes, epochs=2)
        assert cnnedge("train", recipe, "--out", small / "run").returncode == 1
        grow = ["mount", "-o", "remount,size=10m", str(small)]
        subprocess.run(grow, check=True)
        done = cnnedge("train", recipe, "--out", small / "run", "--resume")
        assert done.returncode == 0, done.stderr


def test_convert_on_a_full_disk(tmp_path: Path, trained_run: Path) -> None:
    skip_export = shutil.ignore_patterns("export", "checkpoints", "*.png")
    run = shutil.copytree(trained_run, tmp_path / "run", ignore=skip_export)
    with mounted(run / "export", "size=16k"):
        done = cnnedge("convert", run, "--variant", "int8", "--variant", "float32")
        assert_one_clear_line(done, "export", "the disk is full")
        left = {p.name for p in (run / "export").iterdir()}
        assert left <= {"int8.tflite"}


@pytest.mark.parametrize("name", ["out.avi", "out.mp4", "out.jpg", "folder"])
def test_save_on_a_full_disk(tmp_path: Path, int8_model: Path, name: str) -> None:
    source: object = "sample"
    if name == "out.jpg":
        source = tmp_path / "noise.png"
        noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
        cv2.imwrite(str(source), noise)
    with mounted(tmp_path / "small", "size=20k") as small:
        done = cnnedge(
            "run", int8_model, "--source", source, "--frames", "60", "--save", small / name
        )
        said = "Is the disk full?" if name.startswith(("out.avi", "out.mp4")) else "disk is full"
        assert_one_clear_line(done, str(small / name), said)
        assert not list(small.rglob(".part-*"))
        assert name == "folder" or not (small / name).exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path, shapes: Path, int8_model: Path) -> None:
    with mounted(tmp_path / "fixed", "size=1m,ro") as fixed:
        recipe = write_recipe(tmp_path / "recipe", shapes, epochs=1)
        for arguments in (
            ("train", recipe, "--out", fixed / "run"),
            ("run", int8_model, "--source", "sample", "--frames", "1", "--save", fixed / "o.mp4"),
            ("run", int8_model, "--source", "sample", "--frames", "1", "--save", fixed / "o"),
            ("inspect", int8_model, "--json", fixed / "o.json"),
        ):
            assert_one_clear_line(cnnedge(*arguments), str(fixed), "read-only")


def test_a_folder_without_permission(tmp_path: Path, int8_model: Path) -> None:
    if os.name == "posix" and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "theirs").mkdir(mode=0o555)
    done = cnnedge("inspect", int8_model, "--json", tmp_path / "theirs" / "o.json")
    assert_one_clear_line(done, "permission denied")
