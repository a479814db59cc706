"""What teaching says of a model: by bursts, and not by the neighbours of what it learnt."""

from __future__ import annotations

import numpy as np
import pytest

from cnnedge.errors import SpecError
from cnnedge.teaching.judging import Lesson, answers, measure
from cnnedge.teaching.recipe import linear_recipe
from support.things import THINGS, film_of


def lesson(bursts: int, side: float) -> Lesson:
    """Things on a ground of its own in each burst; features are the pixels of small pictures."""
    import cv2

    rows, classes, groups = [], [], []
    for target, name in enumerate(THINGS):
        for b in range(bursts):
            for frame in film_of(name, [100 * target + b], frames=8, side=side):
                small = cv2.resize(frame, (16, 12), interpolation=cv2.INTER_AREA)
                rows.append(small.reshape(-1).astype(np.float32) / 255)
                classes.append(target)
                groups.append(100 * target + b)
    return Lesson(
        rows=np.stack(rows),
        classes=np.array(classes),
        groups=np.array(groups),
        names=THINGS,
    )


def test_by_bursts_it_is_worth_less_than_by_frames() -> None:
    """The things are small and each burst has its ground: who knows the ground knows the answer."""
    shot = lesson(bursts=4, side=0.25)
    by_bursts = measure(shot)
    frames = np.arange(len(shot.rows)) % 4
    by_frames = float(np.mean(answers(shot, frames) == shot.classes))
    assert by_frames > 0.95
    assert by_bursts.accuracy is not None and by_bursts.accuracy < by_frames - 0.25
    assert (by_bursts.bursts, by_bursts.pictures, by_bursts.once) == (12, 96, ())
    low, high = by_bursts.ci95 or (0, 0)
    # Twelve bursts say much less than ninety-six pictures would.
    assert low <= by_bursts.accuracy <= high and high - low > 0.3


def test_with_one_burst_of_a_class_nothing_is_measured() -> None:
    shot = lesson(bursts=2, side=0.5)
    once = Lesson(
        rows=shot.rows,
        classes=shot.classes,
        groups=np.where(shot.classes == 1, 100, shot.groups),
        names=THINGS,
    )
    found = measure(once)
    assert found.accuracy is None and found.ci95 is None and found.once == ("leaf",)


def test_recipes_to_teach_by() -> None:
    recipe = linear_recipe("yoga_edge")
    assert recipe.training.method == "logistic" and recipe.name == "yoga_edge"
    assert recipe.preprocess.resize == "letterbox" and recipe.weights == "imagenet"
    with pytest.raises(SpecError, match=r"fashion_cnn.*backbone.*yoga_edge"):
        linear_recipe("fashion_cnn")
    with pytest.raises(SpecError):
        linear_recipe("nothing_such")
