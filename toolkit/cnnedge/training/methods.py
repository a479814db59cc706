"""The ways to train a recipe: from scratch, transfer in stages, or a linear classifier.

A model definition, a data set and a recipe enter; the trained Keras model and what is worth
telling about its training leave.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..architectures import build_model
from ..data import Dataset
from ..errors import SpecError
from ..specs import InputSize, ModelSpec, Recipe, Sample
from ..specs.backbones import LoadedWeights
from . import backend, fitting, transfer
from .feed import source_of
from .linear import fit_linear
from .metrics import Details, LinearFit

Progress = Callable[[int, int], None]
Outcome = tuple[fitting.Fitted, Details]
# Of PyTorch's networks, which are trained from scratch with it.
_MOMENTUM = 0.9


def labels(recipe: Recipe, dataset: Dataset) -> tuple[str, ...]:
    """The names of what the model tells apart: the data's classes, the model's own, or ImageNet's.

    The model's own are of an imported one: those of its recipe.
    """
    if recipe.training.method == "imported" and recipe.data.labels:
        return recipe.data.labels
    if recipe.training.method != "pretrained":
        return dataset.classes
    from ..architectures.weights import imagenet_labels

    return imagenet_labels()


def build(
    spec: ModelSpec, size: Sample, classes: int, recipe: Recipe, place: str, progress: Progress
) -> tuple[Any, LoadedWeights | None]:
    """The model with the weights that training begins with, and where those came from.

    place: names the definition in messages. progress: of a download, bytes done and in all.
    Raises SpecError, WeightsError, MissingExtraError.
    """
    method = recipe.training.method
    if method == "imported":
        raise SpecError(
            "training.method imported is of runs that 'cnnedge import' writes; to train a model, "
            "use scratch, transfer, logistic, svm or pretrained"
        )
    if method != "scratch" and spec.backbone is None:
        raise SpecError(
            f"{place}: training.method {method} needs a model with a backbone, but {recipe.model} "
            "is a list of layers. Train it with method scratch, or use another model: 'cnnedge "
            "models' lists them"
        )
    if method == "pretrained" and isinstance(size, InputSize):
        return _published(spec, size, recipe.weights, progress)
    weights = "none" if method == "scratch" else recipe.weights
    built = build_pretrained(spec, size, classes, weights, place, progress)
    if method == "transfer":
        # Said now, and not when hours of earlier stages are done.
        for _, stage in transfer.stages(recipe.training):
            transfer.lowest_trained(built[0], spec, stage)
    return built


def build_pretrained(
    spec: ModelSpec, size: Sample, classes: int, weights: str, place: str, progress: Progress
) -> tuple[Any, LoadedWeights | None]:
    """The model, its backbone with the weights of that name or path, and where they came from."""
    try:
        model = build_model(spec, size, classes)
    except SpecError as error:
        raise SpecError(f"{place}: {error}") from None
    if spec.backbone is None:
        return model, None
    if weights == "none":
        follow_training(model)
        return model, None
    from ..architectures.weights import load_weights

    return model, load_weights(model, spec.backbone, weights, progress=progress)


def follow_training(model: Any) -> None:
    """Batch normalisation averages over tens of batches, in place; for random weights.

    Some of Keras' networks average over thousands (momentum 0.999), which suits the weeks that
    their authors trained. After a few thousand steps, part of such an average is still its initial
    value, and the network answers by chance.
    """
    for layer in model.layers:
        if backend.is_norm(layer):
            layer.momentum = min(layer.momentum, _MOMENTUM)


def _published(
    spec: ModelSpec, size: InputSize, weights: str, progress: Progress
) -> tuple[Any, LoadedWeights | None]:
    """The whole network as its authors trained it."""
    from ..architectures import classifier
    from ..architectures.weights import load_classifier_weights

    if weights == "none":
        raise SpecError(
            "training.method pretrained uses the published network unchanged, so weights: none "
            "leaves nothing to use. Set weights: imagenet, or use another method"
        )
    model = classifier(str(spec.backbone), size)
    return model, load_classifier_weights(model, str(spec.backbone), weights, progress=progress)


def fit(work: transfer.Materials) -> Outcome:
    """Trains by the recipe's method, or goes on with it."""
    return _METHODS[work.data.recipe.training.method](work)


def _scratch(work: transfer.Materials) -> Outcome:
    training = work.data.recipe.training
    phase = fitting.Phase(
        epochs=training.epochs,
        learning_rate=training.optimizer.learning_rate,
        schedule=training.schedule,
    )
    source = source_of(work.data.pixels, work.data.recipe.augmentation)
    answer = fitting.predictor(work.model, work.data.pixels.batch)
    fitted = transfer.fit_phase(work, phase, work.model, source, answer)
    if fitted.stopped_early:
        work.data.reporter.note(f"stopped early, after epoch {fitted.history[-1].epoch}")
    return fitted, Details()


def _transfer(work: transfer.Materials) -> Outcome:
    fitted, summaries = transfer.train_stages(work)
    return fitted, Details(stages=summaries)


def _linear(work: transfer.Materials) -> Outcome:
    training = work.data.recipe.training
    below, above = transfer.cut(
        work.model, transfer.feature_layer(work.model, len(work.spec.layers))
    )
    dense = work.model.layers[-1]
    weighted = [layer for layer in above.layers if layer.weights]
    if weighted != [dense] or type(dense).__name__ != "Dense":
        raise SpecError(
            f"training.method {training.method} fits one Dense layer with softmax at the end of "
            f"{work.data.recipe.model}, but its head has other layers with weights"
        )
    features = transfer.extract(work, below, training.views)
    train, classes = transfer.view_rows(work.data.dataset, features, training.views)
    started = time.perf_counter()
    work.data.reporter.note(f"fitting {training.method} on {len(train):,} feature rows")
    method: Any = training.method
    linear = fit_linear(
        method,
        train,
        classes,
        balanced=training.class_weights == "balanced",
        seed=training.seed,
        views=training.views,
        groups=transfer.tied_groups(work.data.dataset, work.data.dataset.indices("train")),
    )
    dense.set_weights([linear.kernel, linear.bias][: len(dense.weights)])
    details = LinearFit(
        method=method,
        strength=linear.strength,
        cross_validation={f"{c:g}": score for c, score in linear.scores.items()},
        floor=linear.floor,
        int8_agreement=linear.agreement,
        seconds=time.perf_counter() - started,
    )
    fitted = fitting.Fitted(history=[], kept_epoch=0, stopped_early=False)
    return fitted, Details(linear=details)


def _pretrained(work: transfer.Materials) -> Outcome:
    return fitting.Fitted(history=[], kept_epoch=0, stopped_early=False), Details()


_METHODS: dict[str, Callable[[transfer.Materials], Outcome]] = {
    "scratch": _scratch,
    "transfer": _transfer,
    "logistic": _linear,
    "svm": _linear,
    "pretrained": _pretrained,
}
