"""Strict YAML: what is wrong is named with file, line, key, what is allowed, the nearest name."""

from __future__ import annotations

import pytest

from cnnedge.errors import SpecError
from cnnedge.specs import dump, parse_device, parse_model, parse_recipe, plain, shipped

GOOD = """\
data:
  source: pictures
model: lenet
training:
  epochs: 3
"""


def test_defaults_and_values() -> None:
    recipe = parse_recipe(GOOD, "good.yaml")
    assert recipe.training.epochs == 3
    assert recipe.training.optimizer.name == "adamw"
    assert [v.name for v in recipe.convert.variants] == ["float32", "float16", "dynamic", "int8"]


def test_scientific_notation_without_a_point_is_a_number() -> None:
    recipe = parse_recipe(GOOD + "  optimizer: {learning_rate: 1e-3}\n", "good.yaml")
    assert recipe.training.optimizer.learning_rate == 1e-3


WRONG = {
    "unknown key": (GOOD + "  epoch: 3\n", ["wrong.yaml:6", "training.epoch", "'epochs'"]),
    "unknown top key": (GOOD + "colour: 1\n", ["wrong.yaml:6", "colour", "Allowed", "model"]),
    "duplicate key": (GOOD + "  epochs: 4\n", ["wrong.yaml:6", "training.epochs", "twice"]),
    "text for number": (GOOD.replace("3", "three"), ["wrong.yaml:5", "whole number", "'three'"]),
    "fraction for whole": (GOOD.replace("3", "2.5"), ["wrong.yaml:5", "whole number"]),
    "out of range": (GOOD.replace("3", "0"), ["wrong.yaml:5", "0", "from 1 to 10000"]),
    "bad choice": (
        GOOD + "  optimizer: {name: adm}\n",
        ["wrong.yaml:6", "training.optimizer.name", "Did you mean 'adam", "sgd"],
    ),
    "missing key": ("model: lenet\n", ["wrong.yaml:1", "data", "missing"]),
    "no mapping": ("- a\n- b\n", ["wrong.yaml:1", "list"]),
    "no yaml": ("data: {source: [\n", ["wrong.yaml:", "not valid YAML"]),
    "empty": ("", ["wrong.yaml", "empty"]),
    "value for mapping": ("data: here\nmodel: lenet\n", ["wrong.yaml:1", "data", "expected keys"]),
    "splits": (
        GOOD.replace("  source: pictures", "  source: p\n  splits: {train: 0.9, val: 0.9}"),
        ["wrong.yaml:3", "data.splits", "add up to 1"],
    ),
    "null": (GOOD.replace("3", ""), ["wrong.yaml:5", "training.epochs", "nothing"]),
    "quoted number": (
        GOOD.replace("3", '"3"'),
        ["wrong.yaml:5", "training.epochs", "found '3' in quotes", "write 3 without the quotes"],
    ),
    "quoted fraction": (
        GOOD + "  label_smoothing: '0.1'\n",
        ["wrong.yaml:6", "in quotes", "write 0.1 without the quotes"],
    ),
    "quoted choice of true or false": (
        GOOD + "compress: {control: 'no'}\n",
        ["wrong.yaml:6", "in quotes", "write no without the quotes"],
    ),
    "quoted number in a variant": (
        GOOD + "convert: {variants: [{channels: '0.5'}]}\n",
        ["wrong.yaml:6", "in quotes", "write 0.5 without the quotes"],
    ),
    "quoted word for a number": (GOOD.replace("3", "'many'"), ["found 'many' in quotes"]),
    "a number beyond all numbers": (GOOD.replace("3", "9" * 400), ["wrong.yaml:5", "whole number"]),
    "a rate beyond all numbers": (
        GOOD + f"  label_smoothing: {'9' * 400}\n",
        ["wrong.yaml:6", "expected a number"],
    ),
    "list for text": (GOOD.replace("lenet", "[a]"), ["wrong.yaml:3", "model", "a list"]),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_yaml_is_explained(kind: str) -> None:
    text, parts = WRONG[kind]
    with pytest.raises(SpecError) as caught:
        parse_recipe(text, "wrong.yaml")
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_set_overrides_with_the_same_checks() -> None:
    recipe = parse_recipe(
        GOOD, "good.yaml", ["training.epochs=7", "training.early_stopping.patience=2"]
    )
    assert recipe.training.epochs == 7
    assert recipe.training.early_stopping is not None
    assert recipe.training.early_stopping.patience == 2


@pytest.mark.parametrize(
    ("assignment", "parts"),
    [
        ("training.epohs=3", ["--set training.epohs=3", "'epochs'"]),
        ("training.epochs=many", ["--set training.epochs=many", "whole number"]),
        ("training.epochs", ["KEY=VALUE"]),
        ("model.x.y=3", ["'model' holds a value"]),
        ("training.epochs=[", ["not valid YAML"]),
    ],
)
def test_wrong_set_is_explained(assignment: str, parts: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        parse_recipe(GOOD, "good.yaml", [assignment])
    for part in parts:
        assert part in str(caught.value)


def test_dump_parses_back() -> None:
    recipe = parse_recipe(GOOD, "good.yaml", ["input={height: 8, width: 9, channels: 1}"])
    assert parse_recipe(dump(recipe), "again.yaml") == recipe
    assert plain(recipe)["input"] == {"height": 8, "width": 9, "channels": 1}


def test_every_shipped_definition_loads() -> None:
    parsers = {"recipes": parse_recipe, "models": parse_model, "devices": parse_device}
    for kind, parse in parsers.items():
        names = shipped.names(kind)  # type: ignore[arg-type]
        assert names
        for name in names:
            parse(*shipped.read(kind, name))  # type: ignore[arg-type]


def test_every_recipe_names_a_model_that_is_there() -> None:
    for name in shipped.names("recipes"):
        recipe = parse_recipe(*shipped.read("recipes", name))
        if recipe.answers_pictures:
            # Its network is written in code: a list of layers has no residual blocks.
            continue
        parse_model(*shipped.read("models", recipe.model))


def test_a_name_is_shipped_and_a_path_is_a_path(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lenet").write_text("never read")
    assert shipped.read("models", "lenet")[1] == "models/lenet.yaml"
    with pytest.raises(SpecError, match="Did you mean 'lenet'"):
        shipped.read("models", "lennet")
    with pytest.raises(SpecError, match="no such model file"):
        shipped.read("models", "./lenet.yaml")
