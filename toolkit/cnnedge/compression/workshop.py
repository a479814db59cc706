"""What all techniques work with, and one call that fits a model on a run's own data.

A finished run, its recipe and its pictures enter; `fit` trains any model with the run's
augmentation, batches and optimizer, on the labels or on a teacher's answers as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..specs import AllStage, Schedule
from ..training import fitting
from ..training.backend import is_norm
from ..training.features import Extractor
from ..training.feed import Feed, one_hot, source_of
from ..training.metrics import Epoch
from ..training.run_data import RunData
from ..training.run_folder import RunFolder
from .distillation import distilled

# Pictures to train on: fewer say less than the statistics that an imported network came with.
_MANY = 2000


class Reporter(fitting.Reporter, Protocol):
    """Who is told; training: what is being trained, before its epochs."""

    def training(self, what: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """One run to compress.

    model: gives the run's own Keras model anew, float32 [None, h, w, c] pixels to probabilities;
    a loaded one belongs to who asked. own: the same model, for reading alone. model_key: hex, of
    its file. sample: int64 indices of training pictures, stratified, for statistics and ranges.
    latency_ms: measures a Keras model as int8 on the device that is aimed at. aimed_at: its name,
    "" for this machine. last: the model that was made last, by its stage's key.
    """

    data: RunData[Reporter]
    model: Callable[[], Any]
    own: Any
    model_key: str
    sample: npt.NDArray[np.int64]
    latency_ms: Callable[[Any], float]
    aimed_at: str = ""
    last: dict[str, Any] = field(default_factory=dict)

    @property
    def keeps_statistics(self) -> bool:
        """Whether batch normalisation stays as it is while the network trains.

        It does where the recipe's last stage keeps it. How an imported network was trained nobody
        knows: with many pictures of its own, it trains as one that began with random weights.
        """
        training = self.data.recipe.training
        if training.method == "imported":
            return len(self.data.dataset.indices("train")) < _MANY
        return training.method != "scratch" and (training.all or AllStage()).batch_norm == "frozen"

    @property
    def full_rate(self) -> float:
        """The learning rate that the recipe trained all layers with."""
        training = self.data.recipe.training
        imported = training.method == "imported" and not self.keeps_statistics
        if training.method == "scratch" or imported:
            return training.optimizer.learning_rate
        return (training.all or AllStage()).learning_rate

    @property
    def steps(self) -> int:
        """Training steps of one epoch."""
        return -(-len(self.data.dataset.indices("train")) // self.data.recipe.training.batch_size)

    def sample_pixels(self) -> npt.NDArray[Any]:
        """uint8 [n, h, w, c] of the sample."""
        return self.data.pixels.batch(self.sample)

    def sample_targets(self) -> npt.NDArray[np.float32]:
        """float32 one-hot [n, classes] of the sample."""
        return one_hot(self.data.dataset.targets[self.sample], len(self.data.dataset.classes))


@dataclass(frozen=True, kw_only=True)
class Session:
    """One stretch of training. learning_rate at its beginning; a cosine takes it to zero.

    word: the technique, whose `rate` in the recipe this comes from. warmup_epochs: only a model
    with random weights needs them.
    """

    word: str
    epochs: int
    learning_rate: float
    warmup_epochs: float = 0.0

    def plain(self) -> dict[str, float]:
        """What a control must repeat."""
        return {
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "warmup_epochs": self.warmup_epochs,
        }


def fit(
    shop: Workshop,
    model: Any,
    session: Session,
    folder: Path,
    *,
    teacher: Extractor | None = None,
    callbacks: tuple[Any, ...] = (),
) -> list[Epoch]:
    """Trains `model` in place, with checkpoints in `folder`; returns the history's rows.

    Goes on where a killed one stopped, given a model that was made in the same way. teacher: as
    float32 .tflite; it answers for the very pictures, augmented, that the model sees.
    """
    training = replace(
        shop.data.recipe.training,
        keep="last",
        early_stopping=None,
        validate_every=session.epochs,
    )
    settings = shop.data.recipe.compress.distil
    word = "distil" if session.word == "student" else session.word
    objective = fitting.Objective(callbacks=callbacks)
    if teacher is not None:
        objective = replace(
            distilled(len(shop.data.dataset.classes), settings.temperature, settings.weight),
            callbacks=callbacks,
        )
    source = source_of(shop.data.pixels, shop.data.recipe.augmentation)
    indices = shop.data.dataset.indices("val")
    answer = fitting.predictor(model, shop.data.pixels.batch)
    rate = getattr(shop.data.recipe.compress, word).rate
    fitted = fitting.fit(
        model,
        Feed(
            shop.data.dataset, source, training, shop.data.workers, teacher.run if teacher else None
        ),
        fitting.validation(lambda: answer(indices), shop.data.dataset.targets[indices]),
        fitting.Course(
            training=training,
            phase=fitting.Phase(
                epochs=session.epochs,
                learning_rate=session.learning_rate,
                schedule=Schedule(warmup_epochs=session.warmup_epochs),
                remedy=f"--set compress.{word}.rate={rate / 10:g}",
            ),
            run=RunFolder(folder),
            reporter=shop.data.reporter,
            objective=objective,
        ),
    )
    return fitted.history


def make_trainable(shop: Workshop, model: Any) -> Any:
    """Lets every layer train, but for batch normalisation where it keeps its statistics.

    Returns the model.
    """
    for layer in model.layers:
        layer.trainable = not (is_norm(layer) and shop.keeps_statistics)
    return model


def frozen_norms(model: Any) -> bool:
    """Whether the model keeps its statistics of batch normalisation while it trains."""
    return any(is_norm(layer) and not layer.trainable for layer in model.layers)
