"""Which backbone for these pictures: a linear classifier on each one's features.

A recipe and the names of models enter; for each a cross-validated accuracy, its costs and its
latency leave. Features are cached, so a second comparison, or training the one that was chosen,
begins where this one ended. The test part is not touched: it judges the model that is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from ..benchmark import Case, get_protocol, run_cases
from ..benchmark.answer import Latency
from ..data import Dataset, pixels_of, samples_of
from ..errors import CnnedgeError, MissingExtraError, SpecError, WeightsError
from ..results import Accuracy, accuracy
from ..specs import Recipe, parse_model, shipped
from ..specs.arithmetic import trace
from . import backend, methods
from .features import Extractor, Features, Views
from .linear import fit_linear
from .session import load_recipe_data
from .transfer import cut, feature_layer, tied_groups


class Reporter(Protocol):
    """Receives the progress of the comparison."""

    def scanning(self, done: int, total: int) -> None: ...

    def dataset(self, dataset: Dataset) -> None: ...

    def downloading(self, done: int, total: int) -> None: ...

    def extracting(self, done: int, total: int) -> None: ...

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class BackboneRow(Accuracy):
    """One model. accuracy: of logistic regression on its frozen features, in cross-validation on
    the training and validation pictures. weights: where the backbone's came from."""

    model: str
    parameters: int
    macs: int
    weights: str
    latency_ms: Latency = field(default_factory=lambda: Latency(count=1))


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A model that could not be tried, and why."""

    model: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class BackbonesCompared:
    """What `cnnedge train --compare` found, on so many pictures."""

    pictures: int
    compared: tuple[BackboneRow, ...]
    left_out: tuple[LeftOut, ...]


def compare(recipe: Recipe, models: Sequence[str], reporter: Reporter) -> BackbonesCompared:
    """One row for each model that could be tried, and why the others could not.

    Raises CnnedgeError if none can be tried.
    """
    dataset = load_recipe_data(recipe, reporter.scanning)
    reporter.dataset(dataset)
    rows, left_out, files = [], [], []
    for name in dict.fromkeys(models):
        try:
            row, extractor = _one(recipe, name, dataset, reporter)
        except (WeightsError, MissingExtraError) as error:
            left_out.append(LeftOut(model=name, reason=str(error)))
            reporter.warn(f"{name} is skipped: {error}")
            continue
        rows.append(row)
        files.append(Case(model=extractor.path))
    if not rows:
        reasons = "; ".join(f"{each.model}: {each.reason}" for each in left_out)
        raise CnnedgeError(f"none of these models can be compared. {reasons}")
    reporter.note("timing, interleaved")
    timed = run_cases(files, get_protocol("quick"))
    compared = tuple(
        replace(row, latency_ms=result.latency_ms) for row, result in zip(rows, timed, strict=True)
    )
    return BackbonesCompared(pictures=rows[0].count, compared=compared, left_out=tuple(left_out))


def _one(
    recipe: Recipe, name: str, dataset: Dataset, reporter: Reporter
) -> tuple[BackboneRow, Extractor]:
    text, place = shipped.read("models", name)
    spec = parse_model(text, place)
    if spec.backbone is None:
        raise SpecError(f"{place}: --compare needs a model with a backbone; this one has none")
    size = recipe.input or spec.input
    backend.make_repeatable(recipe.training.seed)
    reporter.note(f"{name}: building, loading weights ({recipe.weights})")
    model, weights = methods.build_pretrained(
        spec, size, len(dataset.classes), recipe.weights, place, reporter.downloading
    )
    below, _ = cut(model, feature_layer(model, len(spec.layers)))
    extractor = Extractor(below)
    pixels = pixels_of(samples_of(dataset, size, recipe.preprocess))
    features = Features(extractor, pixels, Views())
    indices = np.concatenate([dataset.indices("train"), dataset.indices("val")])
    features.extract(indices, 1, reporter.extracting)
    rows = features.rows(indices)
    linear = fit_linear(
        "logistic",
        rows.reshape(len(rows), -1),
        dataset.targets[indices],
        balanced=recipe.training.class_weights == "balanced",
        seed=recipe.training.seed,
        groups=tied_groups(dataset, indices),
    )
    right = round(linear.scores[linear.strength] * len(indices))
    costs = trace(spec, size, len(dataset.classes))
    row = BackboneRow(
        model=name,
        **vars(accuracy(np.arange(len(indices)) < right)),
        parameters=sum(row.parameters for row in costs),
        macs=sum(row.macs for row in costs),
        weights=weights.source if weights else "none: random, so the accuracy says little",
    )
    return row, extractor
