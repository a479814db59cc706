"""Bursts and near duplicates lie on one side of a split; all others are split as ever."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from cnnedge.data import Dataset, load_dataset
from cnnedge.data.likeness import look, near_duplicates
from cnnedge.data.store import Looks
from cnnedge.data.ties import burst_name, burst_of
from cnnedge.errors import DataError, RunFolderError
from cnnedge.specs import Splits, dump, parse_recipe
from cnnedge.training.folds import fewest_groups, grouped
from cnnedge.training.run_folder import RunFolder, as_begun, read_recipe

HALF = Splits(train=0.5, val=0.2, test=0.3)


def photograph(seed: int, side: int = 96) -> np.ndarray:
    """Smooth random colours, as different from each other as photographs are."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), np.uint8)
    return cv2.resize(small, (side * 4 // 3, side), interpolation=cv2.INTER_CUBIC)


def write(path: Path, pixels: np.ndarray, quality: int = 95) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    coded = cv2.imencode(path.suffix, pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    path.write_bytes(coded.tobytes())
    return path


def photographs(root: Path, classes: int = 2, count: int = 12) -> Path:
    for target in range(classes):
        for number in range(count):
            write(root / f"c{target}" / f"{number}.jpg", photograph(100 * target + number))
    return root


def sides(dataset: Dataset, *files: Path) -> set[int]:
    places = {dataset.name(i): i for i in range(len(dataset))}
    return {int(dataset.split[places[str(file)]]) for file in files}


def test_what_is_not_tied_is_split_as_ever(tmp_path: Path) -> None:
    root = photographs(tmp_path)
    now, before = load_dataset(str(root)), load_dataset(str(root), together=False)
    assert now.ties is not None and now.ties.tied == 0 and now.ties.said() == ""
    assert before.ties is None
    assert now.split.tolist() == before.split.tolist()
    embedded = load_dataset("embedded:fashion_mnist")
    assert embedded.ties is None


def test_a_burst_lies_on_one_side_for_every_seed(tmp_path: Path) -> None:
    root = photographs(tmp_path)
    bursts = {
        name: [
            write(root / name / burst_name(f"{name}{b}abcdefgh", i), photograph(1000 + 50 * b + i))
            for i in range(7)
        ]
        for b, name in enumerate(("c0", "c1", "c1"))
    }
    for seed in range(12):
        dataset = load_dataset(str(root), splits=HALF, seed=seed)
        assert all(len(sides(dataset, *files)) == 1 for files in bursts.values())
    assert dataset.ties is not None and dataset.ties.by_burst == 21
    assert "21 pictures are tied together in 3 groups (21 by burst" in dataset.ties.said()
    # A picture more or less moves no burst.
    before = sides(dataset, bursts["c0"][0])
    bursts["c0"].pop().unlink()
    again = load_dataset(str(root), splits=HALF, seed=seed)
    assert sides(again, *bursts["c0"]) == before


def test_near_duplicates_lie_on_one_side(tmp_path: Path) -> None:
    root = photographs(tmp_path)
    first = photograph(3, 240)
    same = [root / "c0" / "3.jpg"]
    same.append(write(root / "c0" / "worse.jpg", first, quality=40))
    same.append(write(root / "c0" / "darker.jpg", (first * 0.8).astype(np.uint8)))
    marked = first.copy()
    cv2.putText(marked, "(c) somebody", (20, 220), 0, 0.7, (255, 255, 255), 2)
    same.append(write(root / "c0" / "marked.png", marked))
    same.append(write(root / "c0" / "cut.jpg", first[4:-4, 6:-6]))
    for seed in range(12):
        dataset = load_dataset(str(root), splits=HALF, seed=seed)
        assert len(sides(dataset, *same)) == 1
    assert dataset.ties is not None
    assert dataset.ties.as_json() == {"pictures": 5, "groups": 1, "by_burst": 0, "by_look": 5}
    assert "5 as near duplicates" in dataset.ties.said()


def test_one_look_in_two_classes_ties_nothing() -> None:
    pixels = np.stack([look(photograph(s)) for s in (1, 1, 2)])
    looks = Looks(pixels=pixels, there=np.ones(3, bool))
    assert list(near_duplicates(looks, np.array([0, 1, 0]))) == []
    assert list(near_duplicates(looks, np.array([0, 0, 0]))) == [(0, 1)]


def test_a_fixed_camera_and_alike_things_are_not_tied() -> None:
    """One background, and in each picture a small thing elsewhere on it."""
    rng = np.random.default_rng(0)
    scene = photograph(9, 128)
    pixels = []
    for _ in range(600):
        frame = scene.copy()
        x, y = rng.integers(10, 150), rng.integers(10, 110)
        cv2.circle(frame, (int(x), int(y)), 9, rng.integers(0, 256, 3).tolist(), -1)
        pixels.append(look(frame))
    looks = Looks(pixels=np.stack(pixels), there=np.ones(600, bool))
    pairs = list(near_duplicates(looks, np.zeros(600, np.int64)))
    assert len({i for pair in pairs for i in pair}) < 60


def test_near_duplicates_are_found_among_many() -> None:
    """More than are compared all with all."""
    pixels = [look(photograph(s)) for s in range(700)]
    pixels += [look(cv2.convertScaleAbs(photograph(s), alpha=0.9, beta=5)) for s in range(40)]
    looks = Looks(pixels=np.stack(pixels), there=np.ones(len(pixels), bool))
    pairs = set(near_duplicates(looks, np.zeros(len(pixels), np.int64)))
    assert pairs == {(s, 700 + s) for s in range(40)}


def test_tiny_pictures_have_no_look() -> None:
    assert look(np.zeros((63, 200, 3), np.uint8)) is None
    assert look(np.zeros((64, 64), np.uint8)).shape == (16, 16, 3)  # type: ignore[union-attr]


def test_what_belongs_to_the_own_test_pictures_is_not_learnt(tmp_path: Path) -> None:
    photographs(tmp_path / "train")
    for target in range(2):
        for number in range(4):
            pixels = photograph(5000 + 100 * target + number)
            write(tmp_path / "test" / f"c{target}" / f"{number}.jpg", pixels)
    write(tmp_path / "train" / "c0" / "again.jpg", photograph(5001), quality=60)
    dataset = load_dataset(str(tmp_path))
    assert len(dataset) == 32 and dataset.counts()["test"] == {"c0": 4, "c1": 4}
    assert any("1 picture of one burst with, or nearly" in text for text in dataset.warnings)
    assert len(load_dataset(str(tmp_path), together=False)) == 33


@pytest.mark.parametrize(("bursts", "parts"), [(1, {0}), (2, {0, 2}), (3, {0, 1, 2})])
def test_a_class_of_few_bursts_is_learnt_first(
    bursts: int, parts: set[int], tmp_path: Path
) -> None:
    root = photographs(tmp_path)
    for b in range(bursts):
        for i in range(6):
            write(root / "few" / burst_name(f"abcdefgh{b}", i), photograph(7000 + 30 * b + i))
    dataset = load_dataset(str(root))
    target = dataset.classes.index("few")
    assert set(dataset.split[dataset.targets == target].tolist()) == parts
    said = [text for text in dataset.warnings if "'few'" in text]
    assert len(said) == 1 and ("not judged" in said[0]) == (bursts == 1)


def test_where_nothing_can_be_measured_it_says_so(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for i in range(6):
            write(tmp_path / name / burst_name(f"{name}0000000", i), photograph(i + 50 * ord(name)))
    with pytest.raises(DataError, match=r"nothing could be measured.*near_duplicates=apart"):
        load_dataset(str(tmp_path))
    assert len(load_dataset(str(tmp_path), together=False)) > 8
    unsplit = load_dataset(str(tmp_path), splits=None)
    assert unsplit.ties is not None and unsplit.ties.several == 2


def test_names_of_bursts() -> None:
    assert burst_of("x/y/burst-abcd1234-0007.jpg") == "abcd1234"
    assert burst_of(burst_name("m3abcdefgh", 12)) == "m3abcdefgh"
    for other in ("burst-1.jpg", "burst.jpg", "IMG_0001.jpg", "burst-ABCD1234-1.jpg", ""):
        assert burst_of(other) is None


def test_a_run_that_was_begun_before_keeps_its_split(tmp_path: Path) -> None:
    recipe = parse_recipe("data: {source: pictures}\nmodel: fashion_cnn\n", "x")
    assert recipe.data.near_duplicates == "together"
    text = dump(recipe)
    (tmp_path / "recipe.yaml").write_text(text)
    run = RunFolder(tmp_path)
    assert read_recipe(run) == recipe == as_begun(run, recipe)
    old = "\n".join(line for line in text.splitlines() if "near_duplicates" not in line)
    (tmp_path / "recipe.yaml").write_text(old)
    assert read_recipe(run).data.near_duplicates == "apart"
    assert as_begun(run, recipe) == read_recipe(run)
    assert read_recipe(run, ("data.seed=3",)).data.near_duplicates == "apart"
    shutil.rmtree(tmp_path)
    assert as_begun(run, recipe) == recipe
    with pytest.raises(RunFolderError):
        from cnnedge.training.run_folder import open_finished

        open_finished(tmp_path)


def test_folds_keep_groups_whole_and_every_class_in_training() -> None:
    rng = np.random.default_rng(1)
    for seed in range(20):
        classes = np.repeat(np.arange(4), 30)
        groups = 100 * classes + rng.integers(0, 2 + seed % 5, 120)
        several = fewest_groups(groups, classes)
        if several < 2:
            continue
        folds = grouped(groups, classes, min(5, several), seed)
        assert set(folds.tolist()) == set(range(min(5, several)))
        for group in np.unique(groups):
            assert len(set(folds[groups == group].tolist())) == 1
        for fold in np.unique(folds):
            assert set(classes[folds != fold].tolist()) == {0, 1, 2, 3}
