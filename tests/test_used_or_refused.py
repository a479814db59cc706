"""Every key of a recipe, with every method: training reads it, or it is refused.

Each method trains for real, on a few small pictures, while the reading of every field of the recipe
is written down; what only prints or compares a recipe does not count as reading.
"""

from __future__ import annotations

import ast
import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from cnnedge.cli.train import resolve
from cnnedge.specs import (
    AllStage,
    Augmentation,
    Compression,
    DataSpec,
    EarlyStopping,
    HeadStage,
    Optimizer,
    Preprocess,
    Recipe,
    Schedule,
    Splits,
    TopStage,
    Training,
    parse_variant,
    plain,
)
from cnnedge.specs.recipe import Calibration, Conversion
from cnnedge.specs.usage import Idle, in_conversion, in_training
from support.pictures import shape_folder
from support.recipes import write_recipe

# What is told of a run and its files, and decides nothing.
TOLD = ("name", "description")
# Read by whoever converts the run.
OF_CONVERSION = ("convert", "compress")
# The places where a recipe is printed, compared or looked through as a whole.
LOOKING_ON = ("dataclasses.py", "specs/recipe.py", "specs/usage.py", "specs/strict.py")
PREFIXES: dict[type, str] = {
    Recipe: "",
    DataSpec: "data.",
    Splits: "data.splits.",
    Preprocess: "preprocess.",
    Training: "training.",
    Optimizer: "training.optimizer.",
    EarlyStopping: "training.early_stopping.",
    HeadStage: "training.head.",
    TopStage: "training.top.",
    AllStage: "training.all.",
    Augmentation: "augmentation.",
}
STAGES = ("head", "top", "all")


def every_key() -> list[str]:
    """The leaves of a recipe in which all parts are there."""
    stages = {"head": HeadStage(), "top": TopStage(), "all": AllStage()}
    training = Training(**stages, early_stopping=EarlyStopping())
    return list(leaves(plain(Recipe(data=DataSpec(source=""), model="", training=training))))


def leaves(values: Any, key: str = "") -> Iterator[str]:
    if not isinstance(values, dict):
        yield key
        return
    for name, value in values.items():
        yield from leaves(value, f"{key}.{name}" if key else name)


def covers(idle: list[Idle], key: str) -> bool:
    return any(key == i.key or key.startswith(i.key + ".") for i in idle)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Callable[[Recipe], set[str]]:
    """Begins to write down what is read of a recipe, from this thread or another."""
    seen: set[str] = set()
    schedules: dict[int, str] = {}

    def watch(kind: type, prefix_of: Callable[[Any], str | None]) -> None:
        names = {field.name for field in dataclasses.fields(kind)}

        def reading(self: Any, name: str) -> Any:
            if name in names and not _looking_on():
                prefix = prefix_of(self)
                if prefix is not None:
                    seen.add(f"{prefix}{name}")
            return object.__getattribute__(self, name)

        monkeypatch.setattr(kind, "__getattribute__", reading, raising=False)

    def begin(recipe: Recipe) -> set[str]:
        training = recipe.training
        schedules[id(training.schedule)] = "training.schedule."
        for name in STAGES:
            if stage := getattr(training, name):
                schedules[id(stage.schedule)] = f"training.{name}.schedule."
        for kind, prefix in PREFIXES.items():
            watch(kind, lambda self, prefix=prefix: prefix)
        watch(Schedule, lambda self: schedules.get(id(self)))
        return seen

    return begin


def _looking_on() -> bool:
    frames = (sys._getframe(2), sys._getframe(3))
    return any(f.f_code.co_filename.endswith(LOOKING_ON) for f in frames)


class Silent:
    """A reporter that keeps to itself."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


SCRATCH = (
    "training.epochs=2",
    "training.early_stopping={patience: 5}",
    "augmentation={flip: horizontal, cutout: 0.2, mixup: 0.1}",
)
BACKBONE = ("model=mobilenet_v3_small", "weights=none", "input={height: 32, width: 32}")
# Recipes in which as much as possible does something.
METHODS = {
    "scratch, by AdamW and a cosine": SCRATCH,
    "scratch, by SGD and steps": (
        *SCRATCH,
        "training.optimizer={name: sgd, nesterov: true}",
        "training.schedule={name: step}",
        "preprocess.resize=stretch",
    ),
    "transfer in stages": (
        *BACKBONE,
        "training={method: transfer, head: {epochs: 1}, top: {epochs: 1, blocks: 1},"
        " all: {epochs: 1, schedule: {warmup_epochs: 0}}, early_stopping: {patience: 5}}",
        "augmentation={flip: horizontal, cutout: 0.2, mixup: 0.1}",
    ),
    "logistic": (*BACKBONE, "training={method: logistic, views: 2}", "augmentation.cutout=0.2"),
    "svm": (*BACKBONE, "training={method: svm}"),
    "pretrained": ("model=efficientnet_lite0", "training={method: pretrained}"),
}


@pytest.mark.parametrize(
    "kind",
    [
        kind if "scratch" in kind else pytest.param(kind, marks=pytest.mark.heavy)
        for kind in METHODS
    ],
)
def test_every_key_is_read_or_refused(
    kind: str, tmp_path: Path, reads: Callable[[Recipe], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNEDGE_CACHE", str(tmp_path / "cache"))
    pytest.importorskip("tf_keras")
    from cnnedge.training import backend
    from cnnedge.training.session import train

    path = write_recipe(tmp_path / "recipe", wide_pictures(tmp_path / "pictures"))
    path.write_text(path.read_text().split("training:")[0])
    recipe = resolve(str(path), None, METHODS[kind])
    backbone = "scratch" not in kind
    idle = in_training(recipe, backbone=backbone)
    backend.require("train")
    seen = reads(recipe)
    train(recipe, tmp_path / "run", Silent())
    keys = [k for k in every_key() if k not in TOLD and k.split(".")[0] not in OF_CONVERSION]
    assert len(keys) > 60
    # A part that the recipe has not is read as one: that it is not there.
    absent = [k for k in keys if any(k.startswith(part) for part in parts_left_out(recipe))]
    neither = [k for k in keys if k not in seen and not covers(idle, k) and k not in absent]
    assert neither == [], f"{kind}: these do nothing, and nobody says so: {neither}"


def wide_pictures(folder: Path) -> Path:
    """Of another shape than any model's input, so that the resize rule has work to do."""
    for path in shape_folder(folder, 12).rglob("*.png"):
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (40, 30)))
    return folder


def parts_left_out(recipe: Recipe) -> list[str]:
    training = recipe.training
    names = [n for n in (*STAGES, "early_stopping") if getattr(training, n) is None]
    return [f"training.{name}." for name in names]


VARIANTS = (
    "float32",
    "int8",
    "channels50",
    "prune80",
    "cluster16",
    "distil",
    "distil_lenet",
    "qat",
)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_key_of_a_conversion_is_used_or_refused(name: str) -> None:
    """Refused by the rules, or read by the code that makes such a variant."""
    recipe = Recipe(data=DataSpec(source=""), model="lenet", convert=Conversion(max_drop=1.0))
    variant = parse_variant(name, "--variant")
    idle = in_conversion(recipe, [variant], named=False, budget=False, gate_told=False)
    read = fields_read()
    words = {technique.word for technique in variant.techniques}
    for key in (k for k in every_key() if k.split(".")[0] in OF_CONVERSION):
        part = key.split(".")[1]
        assert key.split(".")[-1] in read, f"{key} is read nowhere"
        if key.startswith("compress.") and part != "control":
            kept = part in words and not _of_another_distil(key, name)
            assert covers(idle, key) != kept, key
    assert covers(idle, "compress.control") == (not words)


def _of_another_distil(key: str, name: str) -> bool:
    if name == "distil":
        return key == "compress.distil.student_epochs"
    return name == "distil_lenet" and key in ("compress.distil.epochs", "compress.distil.rate")


def fields_read() -> set[str]:
    """Names of all attributes that compression and conversion read."""
    import cnnedge

    found = set()
    for room in ("compression", "conversion"):
        for path in (Path(cnnedge.__file__).parent / room).glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    return found


def test_the_walk_would_find_a_key_that_does_nothing() -> None:
    """Of the rules themselves: a key that they forget is neither read nor refused."""
    fields = {f.name for f in dataclasses.fields(Compression)}
    assert fields <= {k.split(".")[1] for k in every_key() if k.startswith("compress.")}
    assert {f"convert.calibration.{f.name}" for f in dataclasses.fields(Calibration)} <= set(
        every_key()
    )
