"""A setting that does nothing is refused: by method, by model, by command, by its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cnnedge.cli.train import _stopped, resolve
from cnnedge.conversion.budget import Budget
from cnnedge.conversion.settings import Wishes, check_settings
from cnnedge.errors import SpecError
from cnnedge.specs import parse_recipe, parse_variant, shipped
from support.command import assert_one_clear_line, cnnedge
from support.recipes import write_recipe

TRANSFER = ("model=mobilenet_v2", "training.method=transfer")


def refused(recipe: str, *sets: str) -> str:
    with pytest.raises(SpecError) as caught:
        resolve(recipe, None, sets)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", shipped.names("recipes"))
def test_shipped_recipes_say_nothing_in_vain(name: str, capsys: pytest.CaptureFixture) -> None:
    resolve(name, None, ())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("recipe", "sets", "why"),
    [
        ("fashion_cnn", ("weights=imagenet",), "fashion_cnn has no backbone"),
        ("fashion_cnn", ("weights=/nonexistent.h5",), "fashion_cnn has no backbone"),
        ("mnist_mlp", ("weights=mine.npz",), "mlp has no backbone"),
        ("yoga", ("training.method=scratch", "weights=imagenet"), "method scratch begins with"),
        ("fashion_cnn", ("training.optimizer.momentum=0.5",), "momentum works only with sgd"),
        (
            "fashion_cnn",
            ("training.optimizer={name: adam, nesterov: true}",),
            "momentum works only with sgd",
        ),
        ("fashion_cnn", ("training.schedule.step_epochs=3",), "belongs to the schedule step"),
        ("yoga", ("training.all.schedule.step_factor=0.5",), "belongs to the schedule step"),
        ("fashion_cnn", ("training.schedule={name: step, final_fraction: 0.1}",), "cosine"),
        ("fashion_cnn", ("training.head.epochs=3",), "only method transfer has stages"),
        ("fashion_cnn", ("training.views=2",), "methods logistic and svm"),
        ("yoga", ("training.epochs=3",), "it belongs to method scratch; the method is transfer"),
        ("yoga", ("training.optimizer.learning_rate=0.1",), "its stages have their own"),
        ("yoga_edge", ("training.method=svm", "training.keep=last"), "svm trains no epochs"),
        ("yoga_edge", ("training.method=svm", "training.batch_size=8"), "svm trains no epochs"),
        ("yoga_edge", ("training.method=svm", "augmentation.rotate=8"), "training.views"),
        (
            "yoga_edge",
            ("training.method=svm", "training.views=3", "augmentation.mixup=0.2"),
            "mixup blends two",
        ),
        ("imagenet", ("training.seed=7",), "method pretrained trains nothing"),
        ("imagenet", ("compress.qat.epochs=7",), "method pretrained leaves it unchanged"),
        ("fashion_cnn", ("preprocess.pad_value=128",), "only letterbox pads"),
        (
            "cifar_cnn",
            ("augmentation={flip: horizontal, fill: edge}",),
            "none of them is set: shift",
        ),
    ],
)
def test_what_does_nothing_is_refused_with_the_reason(
    recipe: str, sets: tuple[str, ...], why: str
) -> None:
    said = refused(recipe, *sets)
    assert "this has no effect" in said
    assert why in said
    assert said.startswith("--set ")


def test_a_recipe_file_is_held_to_it_by_line(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "pictures")
    path.write_text(path.read_text().replace("augmentation:", "weights: mine.h5\naugmentation:"))
    line = path.read_text().splitlines().index("weights: mine.h5") + 1
    assert refused(str(path)).startswith(f"{path}:{line}: weights: this has no effect: ")
    # A default that is written out changes nothing, and a run's own recipe.yaml writes all out.
    path.write_text(path.read_text().replace("mine.h5", "imagenet"))
    resolve(str(path), None, ())


def test_what_a_change_makes_idle_is_left_out_and_said(capsys: pytest.CaptureFixture) -> None:
    recipe = resolve("yoga_edge", None, ("training.method=logistic",))
    said = capsys.readouterr().err
    assert "recipes/yoga_edge.yaml: ignored keys" in said
    assert recipe.training.head is None
    assert recipe.training.keep == "best"
    # What a technique would train with later stays as the recipe has it.
    assert recipe.training.batch_size == 32
    assert recipe.augmentation.rotate == 20
    assert recipe.training.all is not None


def test_a_variant_with_a_technique_uses_what_it_trains_with() -> None:
    sets = ("training.method=svm", "training.batch_size=8", "augmentation.rotate=8")
    recipe = resolve("yoga_edge", None, (*sets, "convert.variants=[qat]"))
    assert recipe.training.batch_size == 8


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--set", "training.epochs=3"), "--compare trains nothing"),
        (("--set", "augmentation.flip=none"), "--compare trains nothing"),
        (("--set", "convert.variants=[int8]"), "--compare trains nothing"),
        (("--set", "model=lenet"), "--compare trains nothing"),
    ],
)
def test_a_comparison_takes_what_it_uses(words: tuple[str, str], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        resolve("yoga", None, (words[1],), comparing=True)
    sets = ("weights=none", "training.class_weights=none", "training.seed=3", "data.seed=2")
    resolve("yoga", None, sets, comparing=True)


@pytest.mark.parametrize("words", [("--out", "x"), ("--force",), ("--resume",)])
def test_options_of_training_beside_a_comparison_are_wrong_usage(words: tuple[str, ...]) -> None:
    done = cnnedge("train", "yoga", "--compare", "mobilenet_v2", *words)
    assert done.returncode == 2
    assert f"{words[0]} is for training" in done.stderr


@pytest.mark.parametrize(
    ("change", "asked", "why"),
    [
        ("data.seed=7", {}, "can change only convert.* and compress.*"),
        ("training.seed=7", {}, "can change only convert.* and compress.*"),
        ("preprocess.resize=stretch", {}, "can change only convert.* and compress.*"),
        ("name=other", {}, "can change only convert.* and compress.*"),
        ("compress.qat.epochs=4", {}, "none of the variants has a technique"),
        ("compress.control=false", {}, "none of the variants has a technique"),
        ("compress.prune.epochs=4", {"variants": ["qat"]}, "has prune"),
        ("compress.distil.student_epochs=4", {"variants": ["distil"]}, "no student"),
        ("compress.distil.epochs=4", {"variants": ["distil_lenet"]}, "has a student"),
        ("compress.distil.rate=0.4", {"variants": ["distil_lenet"]}, "has a student"),
        ("convert.variants=[qat]", {"variants": ["int8"]}, "--variant names them instead"),
        ("convert.calibration.seed=3", {"variants": ["float32"]}, "is calibrated"),
        ("convert.remedies=[qat]", {}, "set one with --max-drop"),
        ("convert.remedies=[qat]", {"variants": ["float16"], "max_drop": 1.0}, "no int8 variant"),
        ("convert.max_drop=2", {"max_drop": 1.0}, "--max-drop sets it instead"),
        ("convert.variants=[qat]", {"budget": Budget(size_bytes=1e6)}, "searches on its own"),
        ("convert.remedies=[qat]", {"budget": Budget(size_bytes=1e6)}, "tries none"),
        ("compress.cluster.epochs=1", {"budget": Budget(size_bytes=1e6)}, "has cluster"),
    ],
)
def test_a_conversion_is_not_told_in_vain(change: str, asked: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError) as caught:
        check(change, **asked)
    assert str(caught.value).startswith(f"--set {change}: ")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ("compress.qat.epochs=4", {"variants": ["qat"]}),
        ("compress.control=false", {"variants": ["prune-qat"]}),
        ("compress.distil.student_epochs=4", {"variants": ["distil_lenet"]}),
        ("compress.distil.epochs=4", {"variants": ["distil", "distil_lenet"]}),
        ("compress.distil.temperature=4", {"variants": ["distil_lenet"]}),
        ("convert.remedies=[qat]", {"variants": ["int8"], "max_drop": 1.0}),
        ("convert.max_drop=2", {}),
        ("convert.variants=[qat]", {}),
        ("convert.calibration.count=20", {}),
        ("compress.channels.epochs=1", {"budget": Budget(size_bytes=1e6)}),
    ],
)
def test_a_conversion_is_told_what_it_uses(change: str, asked: dict[str, Any]) -> None:
    check(change, **asked)


def check(change: str, variants: Sequence[str] = (), **asked: Any) -> None:
    recipe = parse_recipe(*shipped.read("recipes", "fashion_cnn"), [change])
    named = [parse_variant(name, "--variant") for name in variants]
    check_settings(recipe, Wishes(overrides=(change,), variants=tuple(named), **asked))


def test_a_refused_conversion_leaves_what_was_there(trained_run: Path) -> None:
    before = (trained_run / "export" / "report.json").read_bytes()
    done = cnnedge("convert", trained_run, "--set", "data.seed=7")
    assert_one_clear_line(done, "--set data.seed=7", "cnnedge train ... --set data.seed=7")
    assert (trained_run / "export" / "report.json").read_bytes() == before


def test_the_line_that_resumes_keeps_every_option(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "checkpoint").touch()
    said = _stopped(tmp_path, "yoga", "my data", ("training.seed=3",), "mirrored")
    command = "cnnedge train yoga --data 'my data' --set training.seed=3 --strategy mirrored --out"
    assert f"{command} {tmp_path} --resume" in said
    assert "--strategy" not in _stopped(tmp_path, "yoga", None, (), "auto")
