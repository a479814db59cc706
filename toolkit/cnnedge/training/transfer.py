"""Transfer in stages: the head on cached features, then the top blocks, then all layers.

A flat Keras model with pretrained weights, and the stages of a recipe, enter; the trained model
leaves. Each stage goes on from the weights that the one before kept. What a stage leaves frozen
below the layers it trains runs once per picture and view, not once per epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..architectures import block_names
from ..data import Dataset, pixels_of
from ..errors import SpecError
from ..specs import AllStage, Augmentation, HeadStage, ModelSpec, Recipe, TopStage, Training
from . import backend, fitting
from .features import Extractor, Features, Views
from .feed import FeatureSource, Feed, Source, source_of
from .metrics import StageDone
from .mirroring import mirror_classes, without_mirror
from .run_data import RunData

Stage = HeadStage | TopStage | AllStage
Answer = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]


class Reporter(fitting.Reporter, Protocol):
    """Who is told; extracting: pictures that went through the frozen part."""

    def extracting(self, done: int, total: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Materials:
    """What training needs. model: Keras, of `spec`, with the weights it begins with."""

    data: RunData[Reporter]
    model: Any
    spec: ModelSpec


def stages(training: Training) -> list[tuple[str, Stage]]:
    """The stages of a recipe in order; head and all where it names none."""
    named = [("head", training.head), ("top", training.top), ("all", training.all)]
    given: list[tuple[str, Stage]] = [(name, stage) for name, stage in named if stage is not None]
    return given or [("head", HeadStage()), ("all", AllStage())]


def train_stages(work: Materials) -> tuple[fitting.Fitted, tuple[StageDone, ...]]:
    """Goes through the stages; gives the whole history and one summary for each stage."""
    fitted = fitting.Fitted(history=[], kept_epoch=0, stopped_early=False)
    summaries = []
    for name, stage in stages(work.data.recipe.training):
        phase = fitting.Phase(
            stage=name,
            epochs=stage.epochs,
            learning_rate=stage.learning_rate,
            schedule=stage.schedule,
            before=fitted.history[-1].epoch if fitted.history else 0,
        )
        fitted, summary = _train_stage(work, stage, phase)
        summaries.append(summary)
    return fitted, tuple(summaries)


def feature_layer(model: Any, heads: int) -> str:
    """The last layer whose output no stage changes: before the first of the head with weights.

    heads: how many layers the head has.
    """
    import tf_keras

    name: str = model.layers[-heads - 1].name
    random = (tf_keras.layers.Dropout, tf_keras.layers.SpatialDropout2D)
    for layer in model.layers[-heads:]:
        if layer.weights or isinstance(layer, random):
            break
        name = layer.name
    return name


def cut(model: Any, layer: str) -> tuple[Any, Any]:
    """The model in two at a layer's output, sharing its layers: image to it, it to the answer."""
    import tf_keras

    middle = model.get_layer(layer).output
    with model.distribute_strategy.scope():
        return tf_keras.Model(model.input, middle), tf_keras.Model(middle, model.output)


def _train_stage(
    work: Materials, stage: Stage, phase: fitting.Phase
) -> tuple[fitting.Fitted, StageDone]:
    lowest = lowest_trained(work.model, work.spec, stage)
    names = [layer.name for layer in work.model.layers]
    frozen_norm = not isinstance(stage, AllStage) or stage.batch_norm == "frozen"
    for place, layer in enumerate(work.model.layers):
        kept = backend.is_norm(layer) and frozen_norm
        layer.trainable = place > names.index(lowest) and not kept
    trained, source, answer = _source(work, stage, lowest)
    parameters = int(sum(np.prod(w.shape) for w in trained.trainable_weights))
    work.data.reporter.note(_opening(phase, stage, parameters))
    fitted = fit_phase(work, phase, trained, source, answer)
    return fitted, _summary(fitted, phase, parameters)


def fit_phase(
    work: Materials, phase: fitting.Phase, model: Any, source: Source, answer: Answer
) -> fitting.Fitted:
    """Fits `model` on what `source` draws; `answer` gives its probabilities for validation."""
    indices = work.data.dataset.indices("val")
    training = work.data.recipe.training
    return fitting.fit(
        model,
        Feed(work.data.dataset, source, training, work.data.workers),
        fitting.validation(lambda: answer(indices), work.data.dataset.targets[indices]),
        fitting.Course(
            training=training, phase=phase, run=work.data.run, reporter=work.data.reporter
        ),
    )


def lowest_trained(model: Any, spec: ModelSpec, stage: Stage) -> str:
    """The layer after which a stage trains. Raises SpecError for more blocks than there are."""
    if isinstance(stage, HeadStage):
        return feature_layer(model, len(spec.layers))
    backbone = [layer.name for layer in model.layers[: -len(spec.layers)]]
    if isinstance(stage, AllStage):
        return str(backbone[0])
    blocks = block_names(str(spec.backbone), backbone)
    if stage.blocks >= len(blocks):
        raise SpecError(
            f"training.top.blocks is {stage.blocks}; {spec.backbone} has {len(blocks)} blocks; to "
            "train all of them, use the stage 'all'"
        )
    return blocks[-stage.blocks - 1][-1]


def _source(work: Materials, stage: Stage, lowest: str) -> tuple[Any, Source, Answer]:
    """The Keras model to fit, where its inputs come from, and its answer for pictures by index."""
    views = 0 if isinstance(stage, AllStage) else stage.views
    if not views:
        source = source_of(work.data.pixels, work.data.recipe.augmentation)
        return work.model, source, fitting.predictor(work.model, work.data.pixels.batch)
    below, above = cut(work.model, lowest)
    features = extract(work, below, views)
    return above, FeatureSource(features), fitting.predictor(above, features.rows)


def extract(work: Materials, network: Any, views: int) -> Features:
    """The rows of a frozen network for all pictures that training and validation need."""
    features = Features(
        Extractor(network),
        pixels_of(work.data.pixels),
        Views(
            count=views,
            augmentation=unmirrored(work.data.dataset, work.data.recipe),
            seed=work.data.recipe.training.seed,
        ),
    )
    train, judged = work.data.dataset.indices("train"), work.data.dataset.indices("val")
    made = features.extract(judged, 1, work.data.reporter.extracting)
    made += features.extract(train, views, work.data.reporter.extracting)
    total = len(judged) + views * len(train)
    work.data.reporter.note(
        f"features of {total:,} pictures and views: {made:,} new, the rest cached"
    )
    return features


def view_rows(
    dataset: Dataset, features: Features, views: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """All rows of the training pictures, [views * n, d] with one axis of values, and classes."""
    indices = dataset.indices("train")
    rows = np.concatenate([features.rows(indices, view) for view in range(views)])
    return rows.reshape(len(rows), -1), np.tile(dataset.targets[indices], views)


def tied_groups(dataset: Dataset, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """The groups of these pictures, int64 [n]; None where none belongs to another."""
    if dataset.ties is None or not dataset.ties.tied:
        return None
    return dataset.ties.groups[indices]


def unmirrored(dataset: Dataset, recipe: Recipe) -> Augmentation:
    """The augmentation of cached views: a view has one class, so sided classes are not mirrored."""
    augmentation = replace(recipe.augmentation, mixup=0.0)
    if mirror_classes(dataset.classes, augmentation.flip) is None:
        return augmentation
    return without_mirror(augmentation)


def _opening(phase: fitting.Phase, stage: Stage, parameters: int) -> str:
    what = {
        "head": "only the head",
        "top": f"the head and the last {getattr(stage, 'blocks', 0)} blocks",
        "all": "all layers",
    }[phase.stage]
    return f"stage {phase.stage}: {what}, {parameters:,} parameters, {phase.epochs} epochs"


def _summary(fitted: fitting.Fitted, phase: fitting.Phase, parameters: int) -> StageDone:
    rows = [row for row in fitted.history if row.epoch > phase.before]
    kept = [row for row in rows if row.epoch == fitted.kept_epoch]
    return StageDone(
        stage=phase.stage,
        epochs=len(rows),
        kept_epoch=fitted.kept_epoch,
        trained_parameters=parameters,
        seconds=sum(row.seconds for row in rows),
        val_accuracy=kept[0].val_accuracy if kept else None,
    )
