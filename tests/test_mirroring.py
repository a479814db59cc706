"""Mirrored pictures of sided classes."""

from __future__ import annotations

import numpy as np
import pytest

from cnnedge.training.mirroring import NEVER, mirror, mirror_classes, said


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (("warrior_left", "warrior_right", "tree"), [1, 0, 2]),
        (("Left Hand", "Right Hand"), [1, 0]),
        (("TURN-LEFT", "TURN-RIGHT"), [1, 0]),
        (("left", "straight"), [NEVER, 1]),
        (("leftover", "bright", "copyright"), None),
        (("tree", "plank"), None),
    ],
)
def test_which_class_a_mirrored_picture_is_of(
    classes: tuple[str, ...], expected: list[int] | None
) -> None:
    found = mirror_classes(classes, "horizontal")
    assert (found if found is None else found.tolist()) == expected


def test_what_is_not_mirrored_changes_no_class() -> None:
    assert mirror_classes(("left", "right"), "vertical") is None
    assert mirror_classes(("left", "right"), "none") is None
    assert mirror_classes(("left", "right"), "both") is not None


def test_a_mirrored_picture_takes_the_class_of_the_other_side() -> None:
    rng = np.random.default_rng(0)
    pictures = np.zeros((400, 4, 6, 3), np.uint8)
    pictures[:, :, 0] = 255  # bright at the left: of class 0
    classes = np.zeros(400, np.int64)
    changed, after = mirror(pictures, classes, np.array([1, 0]), rng)
    at_left = changed[:, 0, 0, 0] == 255
    assert (after == np.where(at_left, 0, 1)).all()
    assert 140 < at_left.sum() < 260
    assert (pictures[:, :, 0] == 255).all(), "the pictures given are not changed"


def test_a_side_without_its_other_side_is_never_mirrored() -> None:
    pictures = np.random.default_rng(1).integers(0, 255, (50, 4, 4, 3), np.uint8)
    classes = np.zeros(50, np.int64)
    changed, after = mirror(pictures, classes, np.array([NEVER, 1]), np.random.default_rng(2))
    assert (changed == pictures).all()
    assert (after == 0).all()


def test_the_person_is_told() -> None:
    assert said(("tree", "plank"), "horizontal") == ""
    text = said(("arm_left", "arm_right", "left"), "horizontal")
    assert "arm_left as arm_right" in text and "left: never mirrored" in text
