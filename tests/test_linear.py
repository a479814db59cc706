"""Linear classifiers on features: what scikit-learn fits, folded into one Dense layer."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from cnnedge.errors import DataError
from cnnedge.training.linear import FLOORS, STRENGTHS, Kind, Linear, fit_linear

linear_model = pytest.importorskip("sklearn.linear_model")
svm = pytest.importorskip("sklearn.svm")

KINDS = get_args(Kind)
both_kinds = pytest.mark.parametrize("kind", KINDS)


def clouds(
    counts: tuple[int, ...] = (20, 20, 20), apart: float = 10.0, width: int = 6, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Normal clouds of some rows each, about centres that are so far apart."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, apart, (len(counts), width))
    classes = np.repeat(np.arange(len(counts)), counts)
    rows = centres[classes] + rng.normal(0, 1, (len(classes), width))
    return rows.astype(np.float32), classes.astype(np.int64)


def probabilities(linear: Linear, rows: np.ndarray) -> np.ndarray:
    """What the Dense layer with softmax makes of rows."""
    scores = rows @ linear.kernel + linear.bias
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def accuracy(linear: Linear, rows: np.ndarray, classes: np.ndarray) -> float:
    return float(np.mean(probabilities(linear, rows).argmax(axis=1) == classes))


def centred(scores: np.ndarray) -> np.ndarray:
    result: np.ndarray = scores - scores.mean(axis=1, keepdims=True)
    return result


def margins(model: Any, rows: np.ndarray) -> np.ndarray:
    """scikit-learn's scores, one for each class, centred."""
    scores = model.decision_function(rows)
    return centred(np.stack([-scores / 2, scores / 2], axis=1) if scores.ndim == 1 else scores)


def surprise(answers: np.ndarray, classes: np.ndarray) -> float:
    """The mean negative log-likelihood."""
    return float(-np.log(answers[np.arange(len(classes)), classes] + 1e-30).mean())


@both_kinds
@pytest.mark.parametrize("count", [2, 3, 5])
def test_separable_classes_are_told_apart(kind: Kind, count: int) -> None:
    linear = fit_linear(kind, *clouds((20,) * count))
    assert accuracy(linear, *clouds((50,) * count, seed=1)) == 1.0
    assert linear.kernel.shape == (6, count)
    assert linear.bias.shape == (count,)
    assert linear.kernel.dtype == linear.bias.dtype == np.float32


@both_kinds
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("counts", [(40, 25), (40, 25, 15)])
def test_the_folded_layer_answers_as_scikit_learn_does(
    kind: Kind, counts: tuple[int, ...], balanced: bool
) -> None:
    rows, classes = clouds(counts, apart=0.8)
    # Features of very different offsets and sizes, as networks have them.
    rows = (rows * np.logspace(-3, 3, rows.shape[1]) + np.linspace(-50, 50, rows.shape[1])).astype(
        np.float32
    )
    linear = fit_linear(kind, rows, classes, balanced=balanced)
    mean, deviation = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    standard = (rows - mean) / np.maximum(deviation, linear.floor * np.median(deviation))
    weight = "balanced" if balanced else None
    model: Any = (
        linear_model.LogisticRegression(
            C=linear.strength, class_weight=weight, max_iter=500, tol=1e-3
        )
        if kind == "logistic"
        else svm.LinearSVC(C=linear.strength, class_weight=weight, random_state=0, tol=1e-3)
    )
    expected = margins(model.fit(standard, classes), standard)
    found = centred(np.log(probabilities(linear, rows.astype(np.float64))))
    # softmax leaves the scores but for a constant; an SVM's are scaled by one positive factor.
    factor = float((found * expected).sum() / (expected**2).sum())
    assert factor > 0
    assert kind == "svm" or abs(factor - 1) < 1e-3
    assert np.allclose(found, factor * expected, atol=1e-3 * np.abs(found).max())


@both_kinds
def test_the_head_quantises(kind: Kind) -> None:
    rng = np.random.default_rng(0)
    rows, classes = clouds((150, 150, 150), apart=0.5, width=200)
    # Features as ReLU6 leaves them: some hardly vary, and a giant weight on those is tempting.
    spread = np.where(rng.uniform(size=200) < 0.2, 1e-3, 1.0)
    rows = np.clip((rows + 3) * spread, 0, 6).astype(np.float32)
    linear = fit_linear(kind, rows, classes)
    assert linear.floor in FLOORS
    assert linear.agreement >= 0.985
    weights = np.abs(linear.kernel).max(axis=1)
    assert weights.max() < 20 * np.median(weights)


@both_kinds
def test_features_that_say_nothing_do_no_harm(kind: Kind) -> None:
    rows, classes = clouds(apart=1.5)
    ones = np.ones((len(rows), 1), np.float32)
    rounding = ones.copy()
    rounding[classes == 0] = np.nextafter(np.float32(1), np.float32(2))
    wider = np.hstack([rows, 0 * ones, -7.25 * ones, 3e8 * ones, rounding])
    alone, together = fit_linear(kind, rows, classes), fit_linear(kind, wider, classes)
    assert np.isfinite(together.kernel).all()
    # A weight on rounding noise would make another device's rounding decide.
    assert np.abs(together.kernel[-4:]).max() < 1e-3
    assert accuracy(together, wider, classes) == accuracy(alone, rows, classes)
    constant = fit_linear(kind, wider[:, -4:-1], classes)
    assert np.allclose(probabilities(constant, wider[:1, -4:-1]).sum(), 1)


@both_kinds
def test_balanced_weights_give_rare_classes_their_share(kind: Kind) -> None:
    rows, classes = clouds((190, 10), apart=0.45)
    judged, truth = clouds((300, 300), apart=0.45, seed=1)

    def found(balanced: bool) -> float:
        linear = fit_linear(kind, rows, classes, balanced=balanced)
        return accuracy(linear, judged[truth == 1], truth[truth == 1])

    assert found(balanced=True) > found(balanced=False) + 0.2


@both_kinds
def test_the_best_strength_is_taken_and_of_equals_the_strongest_penalty(kind: Kind) -> None:
    hard = fit_linear(kind, *clouds((30, 30, 30), apart=0.5, width=30))
    assert tuple(hard.scores) == STRENGTHS
    assert all(0 <= score <= 1 for score in hard.scores.values())
    best = max(hard.scores.values())
    assert hard.strength == min(c for c, score in hard.scores.items() if score == best)
    assert len(set(hard.scores.values())) > 1
    easy = fit_linear(kind, *clouds((21, 21, 21)))
    assert set(easy.scores.values()) == {1.0}
    assert easy.strength == min(STRENGTHS)


@both_kinds
def test_views_of_a_picture_do_not_judge_each_other(kind: Kind) -> None:
    rows, classes = clouds((30, 30, 30), apart=0.2, width=40)
    rng = np.random.default_rng(1)
    others = [rows + rng.normal(0, 0.3, rows.shape) for _ in range(4)]
    views, tiled = np.concatenate([rows, *others]).astype(np.float32), np.tile(classes, 5)
    linear = fit_linear(kind, views, tiled, views=5)
    truly = accuracy(linear, *clouds((300, 300, 300), apart=0.2, width=40, seed=2))
    assert abs(linear.scores[linear.strength] - truly) < 0.12
    # Whoever learnt from another view of a picture knows its class by heart.
    assert max(fit_linear(kind, views, tiled).scores.values()) > truly + 0.2


@pytest.mark.parametrize("apart", [0.2, 0.5, 1.0, 10.0])
@pytest.mark.parametrize("counts", [(200, 200), (200, 200, 200)])
def test_an_svms_probabilities_are_as_sure_as_it_is_right(
    apart: float, counts: tuple[int, ...]
) -> None:
    rows, classes = clouds(counts, apart=apart)
    judged, truth = clouds((300,) * len(counts), apart=apart, seed=1)
    linear = fit_linear("svm", rows, classes)
    answers = probabilities(linear, judged)
    right = answers.argmax(axis=1) == truth
    # Overconfidence is what misleads; few pictures leave it unsure of more than it gets right.
    assert answers.max(axis=1).mean() < right.mean() + 0.1
    assert surprise(answers, truth) < np.log(len(counts)) + 0.1
    # The same classifier without the factor.
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    deviation = np.maximum(deviation, linear.floor * np.median(deviation))
    model = svm.LinearSVC(C=linear.strength, random_state=0, tol=1e-3)
    model.fit((rows - mean) / deviation, classes)
    scores = margins(model, (judged - mean) / deviation)
    plain = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert (plain.argmax(axis=1) == answers.argmax(axis=1)).mean() > 0.99, "a negative factor"
    assert surprise(answers, truth) < surprise(plain, truth) + 0.02


@both_kinds
def test_the_same_seed_gives_the_same_classifier(kind: Kind) -> None:
    rows, classes = clouds(apart=0.5)
    once, again = (fit_linear(kind, rows, classes, seed=3) for _ in range(2))
    assert (once.kernel == again.kernel).all()
    assert (once.bias == again.bias).all()
    assert once.scores == again.scores
    other = fit_linear(kind, rows, classes, seed=4)
    assert other.scores != once.scores


@both_kinds
@pytest.mark.parametrize("views", [1, 3])
def test_a_class_of_one_picture_is_refused_and_of_two_is_not(kind: Kind, views: int) -> None:
    rows, classes = (np.concatenate([part] * views) for part in clouds((8, 1, 8)))
    with pytest.raises(DataError, match="fewer than 2"):
        fit_linear(kind, rows, classes, views=views)
    rows, classes = (np.concatenate([part] * views) for part in clouds((8, 2, 8)))
    assert accuracy(fit_linear(kind, rows, classes, views=views), rows, classes) == 1.0
