"""Random changes to training pictures: all of them, exactly, and the same again by seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnnedge.specs import Augmentation
from cnnedge.training.augmentation import augment, mix

BATCH = np.random.default_rng(0).integers(0, 256, (64, 16, 20, 3)).astype(np.uint8)

OPTIONS = {
    "flip": "both",
    "shift": 0.2,
    "crop": 0.4,
    "rotate": 30.0,
    "zoom": 0.3,
    "shear": 20.0,
    "brightness": 0.2,
    "contrast": 0.4,
    "noise": 0.1,
    "cutout": 0.5,
}


def changed(spec: Augmentation, batch: np.ndarray = BATCH, seed: int = 1) -> np.ndarray:
    return augment(batch, spec, np.random.default_rng(seed))


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_option_changes_pictures_and_only_by_its_rng(option: str, channels: int) -> None:
    spec = replace(Augmentation(), **{option: OPTIONS[option]})
    batch = np.ascontiguousarray(BATCH[..., :channels])
    before = batch.copy()
    result = changed(spec, batch)
    assert result.shape == batch.shape
    assert result.dtype == np.uint8
    assert (result != batch).any()
    assert (batch == before).all(), "the cached pictures themselves must stay as they are"
    assert (changed(spec, batch) == result).all()
    assert (changed(spec, batch, seed=2) != result).any()


def test_nothing_asked_nothing_changed() -> None:
    assert (changed(Augmentation()) == BATCH).all()


@pytest.mark.parametrize(
    ("how", "versions"),
    [
        ("horizontal", [(1, 1), (1, -1)]),
        ("vertical", [(1, 1), (-1, 1)]),
        ("both", [(1, 1), (1, -1), (-1, 1), (-1, -1)]),
    ],
)
@pytest.mark.parametrize("sides", [(16, 20), (15, 19)])
def test_a_flip_is_exact(how: str, versions: list[tuple[int, int]], sides: tuple[int, int]) -> None:
    batch = np.ascontiguousarray(BATCH[:, : sides[0], : sides[1]])
    seen = set()
    for before, after in zip(batch, changed(Augmentation(flip=how), batch), strict=True):
        found = [v for v in versions if (before[:: v[0], :: v[1]] == after).all()]
        assert len(found) == 1
        seen.add(found[0])
    assert seen == set(versions)


def test_a_shift_alone_is_by_whole_pixels_and_does_not_blur() -> None:
    height, width = BATCH.shape[1:3]
    seen = set()
    spec = Augmentation(shift=0.2, fill="black")
    for before, after in zip(BATCH, changed(spec), strict=True):
        padded = np.zeros((height + 16, width + 16, 3), np.uint8)
        padded[8:-8, 8:-8] = before
        found = [
            (dy, dx)
            for dy in range(-4, 5)
            for dx in range(-4, 5)
            if (padded[8 + dy : 8 + dy + height, 8 + dx : 8 + dx + width] == after).all()
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) > 10


@pytest.mark.parametrize(("fill", "value"), [("black", 0), ("reflect", 128), ("edge", 128)])
def test_cutout_cuts_one_square_half_of_the_time(fill: str, value: int) -> None:
    white = np.full((200, 16, 16, 3), 255, np.uint8)
    result = changed(Augmentation(cutout=0.5, fill=fill), white)
    assert set(np.unique(result)) == {value, 255}
    holes = (result == value).all(axis=-1)
    cut = holes.any(axis=(1, 2))
    assert 60 < cut.sum() < 140
    for hole in holes[cut]:
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        assert len(rows) <= 9
        assert len(columns) <= 9
        assert hole.sum() == len(rows) * len(columns)


def test_brightness_never_wraps_around() -> None:
    extremes = np.zeros((50, 8, 8, 1), np.uint8)
    extremes[:, :, 4:] = 255
    result = changed(Augmentation(brightness=0.5, noise=0.1), extremes)
    assert (result[:, :, :4].mean(axis=(1, 2, 3)) < result[:, :, 4:].mean(axis=(1, 2, 3))).all()


def test_mixup_mixes_pictures_labels_and_weights_alike() -> None:
    count = 8
    pixels = np.arange(count, dtype=np.float32)[:, None, None, None] * np.ones((1, 4, 4, 3))
    targets = np.eye(count, dtype=np.float32)
    weights = np.arange(count, dtype=np.float32)
    x, y, w = mix(pixels.astype(np.float32), targets, weights, 0.5, np.random.default_rng(3))
    assert x.dtype == y.dtype == w.dtype == np.float32
    assert np.allclose(y.sum(axis=1), 1)
    values = y @ weights
    assert np.allclose(x, values[:, None, None, None], atol=1e-5)
    assert np.allclose(w, values, atol=1e-5)
    assert not np.allclose(y, targets)
