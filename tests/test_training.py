"""Training: what a run folder holds, that it repeats, and that nothing but time stops it."""

from __future__ import annotations

import csv
import inspect
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnedge.cli.train import resolve
from cnnedge.errors import CnnedgeError, RunFolderError
from cnnedge.specs import Schedule, plain
from cnnedge.training.schedule import rate
from support.command import SMALL_DPI, Running, assert_one_clear_line, begun, cnnedge
from support.pictures import shape_folder
from support.recipes import write_recipe
from support.reporters import Quiet

FILES = (
    "recipe.yaml",
    "model.yaml",
    "model.keras",
    "labels.txt",
    "metrics.json",
    "history.csv",
    "curves.png",
    "confusion.png",
    "augmentation.png",
    "data.json",
    "checkpoints",
)
# Everything in a row of history.csv but how long it took.
LEARNT = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, shapes: Path) -> Path:
    return write_recipe(tmp_path_factory.mktemp("training"), shapes, epochs=3)


@pytest.fixture(autouse=True)
def small_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of the trainings that `support.command` forks."""
    monkeypatch.setattr("cnnedge.training.canvas.DPI", SMALL_DPI)


def fit(recipe: Path, out: Path, *overrides: str, **options: Any) -> dict[str, Any]:
    """Trains in this process."""
    session = pytest.importorskip("cnnedge.training.session")
    metrics = session.train(resolve(str(recipe), None, overrides), out, Quiet(), **options)
    found: dict[str, Any] = plain(metrics)
    return found


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def learnt(run: Path) -> list[tuple[str, ...]]:
    return [tuple(row[k] for k in LEARNT) for row in history(run)]


def start(recipe: Path, run: Path, epochs: int, **env: str) -> Running:
    """A training in a process of its own, returned when two epochs are on disk."""
    process = begun("train", recipe, "--out", run, "--set", f"training.epochs={epochs}", **env)
    state = run / "checkpoints" / "checkpoint"
    while not (state.exists() and len(history(run)) >= 2):
        assert process.running(), process.end().stderr[-2000:]
        time.sleep(0.01)
    return process


def test_a_run_folder_is_complete(trained_run: Path, shapes: Path) -> None:
    for name in FILES:
        assert (trained_run / name).exists(), name
    for name in ("curves.png", "confusion.png", "augmentation.png"):
        assert (trained_run / name).read_bytes().startswith(b"\x89PNG")
    labels = sorted(p.name for p in shapes.iterdir())
    assert (trained_run / "labels.txt").read_text().splitlines() == labels
    metrics = json.loads((trained_run / "metrics.json").read_text())
    test, data = metrics["test"], metrics["data"]
    assert test["ci95"][0] <= test["accuracy"] <= test["ci95"][1]
    assert metrics["parameters"] == 3 * 9 * 8 + 4 * 8 + 8 * 9 * 16 + 16 + 6 * 6 * 16 * 3 + 3
    assert metrics["train_seconds"] > 0
    assert metrics["images_per_second"] > 0
    assert data["classes"] == labels
    assert len(data["fingerprint"]) == 64
    assert data["skipped"] == []
    assert test["count"] == sum(data["counts"]["test"].values())
    assert sum(sum(c.values()) for c in data["counts"].values()) == 120
    assert np.trace(metrics["confusion"]) == round(test["accuracy"] * test["count"])
    assert not list(trained_run.rglob(".part-*"))


def test_the_saved_model_holds_no_optimizer(trained_run: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with zipfile.ZipFile(trained_run / "model.keras") as archive:
        assert "compile_config" not in json.loads(archive.read("config.json"))
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            assert "layers" in weights
            assert "optimizer" not in weights


def test_history_has_a_row_for_each_epoch(trained_run: Path) -> None:
    rows = history(trained_run)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    for row in rows:
        assert 0 <= float(row["accuracy"]) <= 1
        assert 0 <= float(row["val_accuracy"]) <= 1
        assert float(row["seconds"]) > 0
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


def test_the_recipe_in_the_folder_trains_the_same_again(trained_run: Path, tmp_path: Path) -> None:
    metrics = fit(trained_run / "recipe.yaml", tmp_path / "again")
    assert learnt(tmp_path / "again") == learnt(trained_run)
    before = json.loads((trained_run / "metrics.json").read_text())
    assert metrics["test"] == before["test"]
    assert metrics["confusion"] == before["confusion"]


def test_another_seed_is_another_training(recipe: Path, tmp_path: Path) -> None:
    fit(recipe, tmp_path / "a")
    fit(recipe, tmp_path / "b", "training.seed=1")
    assert learnt(tmp_path / "a") != learnt(tmp_path / "b")


def test_a_step_is_traced_once(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace takes seconds for a backbone; one that makes variables is made twice."""
    model = pytest.importorskip("tf_keras").Model
    traced, step = [], model.train_step

    def counted(self: Any, data: Any) -> Any:
        traced.append(self.name)
        return step(self, data)

    monkeypatch.setattr(model, "train_step", counted)
    fit(recipe, tmp_path / "run")
    assert len(traced) == 1


def test_killed_and_resumed_ends_where_it_would_have_ended(recipe: Path, tmp_path: Path) -> None:
    epochs = 16
    # As many as most users have at least: which of them adds what must make no difference.
    threads = {"TF_NUM_INTRAOP_THREADS": "2"}
    words = ("train", recipe, "--set", f"training.epochs={epochs}")
    uncut = cnnedge(*words, "--out", tmp_path / "whole", env=threads)
    assert uncut.returncode == 0, uncut.stderr
    whole = json.loads((tmp_path / "whole" / "metrics.json").read_text())
    process = start(recipe, tmp_path / "cut", epochs, **threads)
    process.send_signal(signal.SIGKILL)
    process.end()
    assert not (tmp_path / "cut" / "metrics.json").exists()
    assert 2 <= len(history(tmp_path / "cut")) < epochs
    done = cnnedge(*words, "--out", tmp_path / "cut", "--resume", env=threads)
    assert done.returncode == 0, done.stderr
    assert "resuming after epoch" in done.stderr
    assert learnt(tmp_path / "cut") == learnt(tmp_path / "whole")
    metrics = json.loads((tmp_path / "cut" / "metrics.json").read_text())
    for key in ("test", "confusion", "kept_epoch", "epochs"):
        assert metrics[key] == whole[key], key


@pytest.mark.parametrize("keep", ["best", "last"])
def test_killed_behind_the_last_epoch(recipe: Path, tmp_path: Path, keep: str) -> None:
    before = fit(recipe, tmp_path / "run", f"training.keep={keep}")
    for name in ("metrics.json", "model.keras"):
        (tmp_path / "run" / name).unlink()
    after = fit(recipe, tmp_path / "run", f"training.keep={keep}", resume=True)
    assert (after["test"], after["kept_epoch"]) == (before["test"], before["kept_epoch"])


def test_ctrl_c_says_how_to_go_on_and_that_works(recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "a run"
    process = start(recipe, run, 300)
    process.send_signal(signal.SIGINT)
    done = process.end()
    assert_one_clear_line(done, "--resume")
    said = next(line for line in done.stderr.splitlines() if line.startswith("Error:"))
    words = shlex.split(said.partition("To continue: ")[2])
    assert words[0] == "cnnedge"
    # Fewer epochs than asked for would be another recipe; so the rest is let run to the next stop.
    resumed = begun(*words[1:])
    kept = len(history(run))
    while len(history(run)) <= kept + 2 and resumed.running():
        time.sleep(0.01)
    resumed.send_signal(signal.SIGINT)
    assert "resuming after epoch" in resumed.end().stderr
    assert [int(row["epoch"]) for row in history(run)] == list(range(1, len(history(run)) + 1))


def test_another_recipe_cannot_be_resumed(recipe: Path, trained_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained_run, tmp_path / "run")
    (run / "metrics.json").unlink()
    done = cnnedge(
        "train", run / "recipe.yaml", "--out", run, "--resume", "--set", "training.batch_size=8"
    )
    assert_one_clear_line(done, "training.batch_size", "16", "8", "--force")


def test_other_pictures_cannot_be_resumed(recipe: Path, tmp_path: Path) -> None:
    pictures = shape_folder(tmp_path / "pictures", per_class=10)
    source = f"data.source={pictures}"
    fit(recipe, tmp_path / "run", source)
    (tmp_path / "run" / "metrics.json").unlink()
    next(pictures.rglob("*.png")).unlink()
    with pytest.raises(RunFolderError, match=r"30 then, 29 now"):
        fit(recipe, tmp_path / "run", source, resume=True)


def test_a_damaged_checkpoint_is_named(recipe: Path, tmp_path: Path) -> None:
    fit(recipe, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()
    for file in (tmp_path / "run" / "checkpoints").glob("*.data-*"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RunFolderError, match="checkpoint is damaged"):
        fit(recipe, tmp_path / "run", resume=True)


def test_a_complete_run_has_nothing_to_resume(trained_run: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in trained_run.rglob("*")}
    done = cnnedge("train", trained_run / "recipe.yaml", "--out", trained_run, "--resume")
    assert done.returncode == 0, done.stderr
    assert "complete; nothing to resume" in done.stderr
    assert "test accuracy" in done.stdout
    assert {p: p.stat().st_mtime_ns for p in trained_run.rglob("*")} == before


def test_resume_where_nothing_is(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run to resume"):
        fit(recipe, tmp_path / "none", resume=True)
    assert not (tmp_path / "none").exists()


def test_an_existing_run_is_not_overwritten(trained_run: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in trained_run.rglob("*")}
    done = cnnedge("train", trained_run / "recipe.yaml", "--out", trained_run)
    assert_one_clear_line(done, str(trained_run), "--resume", "--force")
    assert {p: p.stat().st_mtime_ns for p in trained_run.rglob("*")} == before


def test_force_deletes_the_run_and_nothing_else(recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(recipe, run)
    (run / "my notes.txt").write_text("mine")
    (run / "pictures").mkdir()
    (run / "pictures" / "one.png").write_text("mine")
    fit(recipe, run, "training.epochs=1", force=True)
    assert len(history(run)) == 1
    assert (run / "my notes.txt").read_text() == "mine"
    assert (run / "pictures" / "one.png").read_text() == "mine"


def test_a_folder_that_is_no_run_is_never_taken(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(RunFolderError, match="not empty and is not a cnnedge run"):
            fit(recipe, tmp_path, force=force)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_resume_and_force_exclude_each_other(recipe: Path) -> None:
    assert cnnedge("train", recipe, "--resume", "--force").returncode == 2


def test_early_stopping_stops(recipe: Path, tmp_path: Path) -> None:
    # No gain is as large as 1, so the second validation is one too many without gain.
    metrics = fit(
        recipe,
        tmp_path / "run",
        "training.epochs=9",
        "training.early_stopping={patience: 2, min_delta: 1}",
    )
    assert metrics["stopped_early"]
    assert metrics["epochs"] == len(history(tmp_path / "run")) == 3
    assert metrics["kept_epoch"] == 1


def test_the_kept_weights_are_those_of_the_best_validation(recipe: Path, tmp_path: Path) -> None:
    best = fit(recipe, tmp_path / "best", "training.epochs=6")
    last = fit(recipe, tmp_path / "last", "training.epochs=6", "training.keep=last")
    validated = [float(row["val_accuracy"]) for row in history(tmp_path / "best")]
    assert learnt(tmp_path / "best") == learnt(tmp_path / "last")
    assert best["kept_epoch"] == 1 + int(np.argmax(validated))
    assert last["kept_epoch"] == 6
    for run, metrics in ((tmp_path / "best", best), (tmp_path / "last", last)):
        assert validation_accuracy(run) == validated[metrics["kept_epoch"] - 1]


def validation_accuracy(run: Path) -> float:
    from cnnedge.data import Pixels
    from cnnedge.specs import InputSize
    from cnnedge.training.backend import load_keras
    from cnnedge.training.fitting import predict
    from cnnedge.training.run_folder import RunFolder, read_recipe
    from cnnedge.training.session import load_recipe_data

    found = read_recipe(RunFolder(run))
    dataset = load_recipe_data(found)
    pixels = Pixels(dataset, InputSize(height=24, width=24, channels=3), found.preprocess)
    indices = dataset.indices("val")
    answers = predict(load_keras(run / "model.keras"), pixels, indices).argmax(axis=1)
    return float(np.mean(answers == dataset.targets[indices]))


def test_validation_only_when_due(recipe: Path, tmp_path: Path) -> None:
    fit(recipe, tmp_path / "run", "training.epochs=5", "training.validate_every=2")
    validated = [bool(row["val_loss"]) for row in history(tmp_path / "run")]
    assert validated == [False, True, False, True, True]


def test_without_validation_pictures_the_last_weights_are_kept(
    recipe: Path, tmp_path: Path
) -> None:
    metrics = fit(recipe, tmp_path / "run", "data.splits={train: 0.7, val: 0, test: 0.3}")
    assert metrics["kept_epoch"] == 3
    assert not any(row["val_loss"] for row in history(tmp_path / "run"))


def test_balanced_class_weights(tmp_path: Path) -> None:
    pictures = shape_folder(tmp_path / "pictures", per_class=12)
    shape_folder(tmp_path / "more", per_class=40, labels=("circle",))
    for i, picture in enumerate(sorted((tmp_path / "more" / "circle").iterdir())):
        picture.rename(pictures / "circle" / f"more{i}.png")
    recipe = write_recipe(tmp_path / "recipe", pictures, epochs=2)
    fit(recipe, tmp_path / "plain")
    fit(recipe, tmp_path / "balanced", "training.class_weights=balanced")
    assert learnt(tmp_path / "plain") != learnt(tmp_path / "balanced")

    from cnnedge.training.feed import class_weights
    from cnnedge.training.session import load_recipe_data

    dataset = load_recipe_data(resolve(str(recipe), None, ()))
    counts = np.bincount(dataset.targets[dataset.indices("train")])
    weights = class_weights(dataset, "balanced")
    # Every class weighs the same in sum, and a picture weighs 1 on average.
    assert np.allclose(weights * counts, counts.sum() / 3)


@pytest.mark.parametrize(
    "override",
    [
        "augmentation.mixup=0.2",
        "augmentation.cutout=0.3",
        "training.label_smoothing=0.1",
        "training.optimizer={name: sgd, learning_rate: 0.05, momentum: 0.9, nesterov: true}",
        "training.optimizer={name: adamw, learning_rate: 0.01, weight_decay: 0.01}",
        "training.batch_size=1000",
    ],
)
def test_every_option_trains(recipe: Path, tmp_path: Path, override: str) -> None:
    fit(recipe, tmp_path / "plain", "training.epochs=2")
    fit(recipe, tmp_path / "run", "training.epochs=2", override)
    assert learnt(tmp_path / "run") != learnt(tmp_path / "plain")


@pytest.mark.parametrize("channels", [1, 3])
def test_two_classes_grey_and_colour(tmp_path: Path, channels: int) -> None:
    pictures = shape_folder(tmp_path / "pictures", per_class=15, labels=("one", "two"))
    recipe = write_recipe(tmp_path / "recipe", pictures, epochs=1)
    size = f"input={{height: 20, width: 28, channels: {channels}}}"
    metrics = fit(recipe, tmp_path / "run", size)
    assert metrics["data"]["classes"] == ["one", "two"]
    from cnnedge.training.backend import load_keras

    model = load_keras(tmp_path / "run" / "model.keras")
    assert model.input_shape == (None, 20, 28, channels)
    assert model.output_shape == (None, 2)


def test_a_diverging_training_says_so(tmp_path: Path, shapes: Path) -> None:
    recipe = write_recipe(tmp_path, shapes, epochs=5)
    wide = "{Dense: {units: 64, activation: relu}}"
    model = tmp_path / "exploding.yaml"
    model.write_text(
        "input: {height: 24, width: 24, channels: 3}\n"
        f"layers: [Flatten, {wide}, {wide}, {wide}, "
        "{Dense: {units: classes, activation: softmax}}]\n"
    )
    with pytest.raises(CnnedgeError, match=r"diverged.*learning_rate=1$"):
        fit(
            recipe,
            tmp_path / "run",
            f"model={model}",
            "training.optimizer={name: sgd, learning_rate: 10}",
            "training.schedule={name: constant}",
        )


@pytest.mark.parametrize(
    ("schedule", "epoch", "expected"),
    [
        (Schedule(name="constant"), 7.5, 1.0),
        (Schedule(name="constant", warmup_epochs=2), 0.0, 0.001),
        (Schedule(name="constant", warmup_epochs=2), 1.0, 0.5),
        (Schedule(name="constant", warmup_epochs=2), 2.0, 1.0),
        (Schedule(name="step", step_epochs=3), 2.99, 1.0),
        (Schedule(name="step", step_epochs=3), 3.0, 0.1),
        (Schedule(name="step", step_epochs=3, step_factor=0.5), 9.5, 0.125),
        (Schedule(name="cosine"), 0.0, 1.0),
        (Schedule(name="cosine"), 2.5, 0.5 + 0.5 * 2**-0.5),
        (Schedule(name="cosine"), 5.0, 0.5),
        (Schedule(name="cosine"), 10.0, 0.0),
        (Schedule(name="cosine", warmup_epochs=2), 6.0, 0.5),
        (Schedule(name="cosine", final_fraction=0.1), 5.0, 0.55),
        (Schedule(name="cosine", final_fraction=0.1), 10.0, 0.1),
    ],
)
def test_learning_rate_by_hand(schedule: Schedule, epoch: float, expected: float) -> None:
    assert rate(schedule, 1.0, epoch, 10) == pytest.approx(expected)
    assert rate(schedule, 0.02, epoch, 10) == pytest.approx(0.02 * expected)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone gives memory back so eagerly")
@pytest.mark.parametrize(
    "own", [{}, {"MALLOC_ARENA_MAX": "4"}], ids=["unset", "set up by the user"]
)
def test_freed_memory_is_kept_for_the_next_tensor(own: dict[str, str]) -> None:
    script = """if True:
        import resource
        import numpy as np
        from cnnedge.training.backend import keep_freed

        def faults():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(20):
                np.ones(8_000_000)
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        before = faults()
        keep_freed()
        faults()
        print(before, faults())
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | own
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < before / 10 if not own else after > before / 10


@pytest.mark.parametrize("stacks", [False, True])
def test_where_operations_were_made_is_noted_for_those_who_ask(
    stacks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf
    from tensorflow.python.util import tf_stack

    from cnnedge.training.backend import require

    # As TensorFlow has it: the tests forget stacks too.
    monkeypatch.setattr(tf_stack, "extract_stack", inspect.unwrap(tf_stack.extract_stack))
    require("train", stacks=stacks)
    with tf.Graph().as_default():
        frames = tf.constant(1.0).op.traceback
    assert any(frame.filename == __file__ for frame in frames) == stacks
