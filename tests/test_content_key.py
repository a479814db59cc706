"""Keys of kept results: what decides a result decides its key, in one place."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import cnnedge
from cnnedge.data import Dataset, Pixels, load_dataset
from cnnedge.specs import InputSize, Preprocess
from cnnedge.training.content_key import content_key, dataset_decides

SIZE = InputSize(height=24, width=24)
LETTERBOX = Preprocess(resize="letterbox")


@pytest.fixture(scope="module")
def dataset(shapes: Path) -> Dataset:
    return load_dataset(str(shapes))


def key(dataset: Dataset, size: InputSize = SIZE, rule: Preprocess = LETTERBOX) -> str:
    return content_key(Pixels(dataset, size, rule), data=dataset_decides(dataset))


def test_equal_work_has_an_equal_key(dataset: Dataset, shapes: Path) -> None:
    assert key(dataset) == key(load_dataset(str(shapes)))


def test_every_part_of_the_resize_rule_decides(dataset: Dataset) -> None:
    changed = {
        key(dataset, rule=replace(LETTERBOX, resize="stretch")),
        key(dataset, rule=replace(LETTERBOX, pad_value=9)),
        key(dataset, rule=replace(LETTERBOX, interpolation="nearest")),
        key(dataset, size=replace(SIZE, width=32)),
        key(dataset, size=replace(SIZE, channels=1)),
    }
    assert len(changed) == 5
    assert key(dataset) not in changed


def test_which_pictures_judge_decides_though_all_pictures_are_the_same(
    dataset: Dataset, shapes: Path
) -> None:
    other = load_dataset(str(shapes), seed=7)
    assert other.fingerprint == dataset.fingerprint
    assert key(other) != key(dataset)


def test_what_else_decides_is_told_apart(dataset: Dataset) -> None:
    pixels = Pixels(dataset, SIZE, LETTERBOX)
    assert content_key(pixels, seed=1) != content_key(pixels, seed=2)
    assert content_key(pixels, seed=1) != content_key(pixels, count=1)


def test_no_room_makes_keys_of_its_own() -> None:
    """A hash of several decisions is made by content_key, which asks for all that always decide."""
    for room in ("training", "compression", "conversion"):
        for path in (Path(cnnedge.__file__).parent / room).glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            hashed = [
                ast.unparse(node)
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "hashlib.sha256"
            ]
            # The layers of a network are hashed beside their weights, which is no decision.
            made = [text for text in hashed if "json.dumps" in text and path.stem != "features"]
            assert not made or path.stem == "content_key", (path, made)
