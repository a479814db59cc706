"""Batches for training, drawn so that a resumed run sees what an uninterrupted one would.

A data set, a source of values (pixels, or cached features) and a recipe enter; for each epoch a
tf.data.Dataset of (float32 values, one-hot targets, weights) leaves. What an epoch holds depends
only on seed and epoch number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..data import Dataset, Pixels, Samples
from ..specs import Augmentation, Training
from .augmentation import augment, mix
from .features import Features
from .mirroring import mirror, mirror_classes, without_mirror
from .strategy import Workers

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]
Indices = npt.NDArray[np.int64]
Teacher = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]

# Parts of the random key, so that order and augmentation are drawn apart.
_ORDER, _PIXELS = 1, 2


class Source(Protocol):
    """Where values come from. shape: of one row; mixup: alpha, 0 for none.

    seconds_at_stake: how much training may be lost to a kill; 0 for no more than an epoch.
    """

    shape: tuple[int, ...]
    mixup: float
    seconds_at_stake: float

    def draw(
        self, indices: Indices, classes: Indices, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], Indices]:
        """float32 [n, *shape], and the classes, which a change of the picture may change."""


class PixelSource:
    """Prepared pixels, augmented again each time."""

    seconds_at_stake = 0.0

    def __init__(self, pixels: Pixels, augmentation: Augmentation) -> None:
        self.shape: tuple[int, ...] = pixels.size.shape
        self.mixup = augmentation.mixup
        self._pixels = pixels
        self._augmentation = augmentation
        self._mirrored = mirror_classes(pixels.dataset.classes, augmentation.flip)
        if self._mirrored is not None:
            self._augmentation = without_mirror(augmentation)

    def draw(
        self, indices: Indices, classes: Indices, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], Indices]:
        pictures = self._pixels.batch(indices)
        if self._mirrored is not None:
            pictures, classes = mirror(pictures, classes, self._mirrored, rng)
        return augment(pictures, self._augmentation, rng).astype(np.float32), classes


class SignalSource:
    """Signals as they were measured."""

    seconds_at_stake = 0.0
    mixup = 0.0

    def __init__(self, signals: Samples) -> None:
        self.shape: tuple[int, ...] = signals.size.shape
        self._signals = signals

    def draw(
        self, indices: Indices, classes: Indices, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], Indices]:
        return self._signals.batch(indices), classes


def source_of(samples: Samples, augmentation: Augmentation) -> Source:
    """Of a data set's own values. augmentation: of pictures."""
    if isinstance(samples, Pixels):
        return PixelSource(samples, augmentation)
    return SignalSource(samples)


class FeatureSource:
    """Cached features: one of a picture's views, drawn again each time."""

    mixup = 0.0
    # An epoch takes less than the checkpoint behind it would.
    seconds_at_stake = 5.0

    def __init__(self, features: Features) -> None:
        self.shape = features.shape
        self._features = features

    def draw(
        self, indices: Indices, classes: Indices, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], Indices]:
        views = rng.integers(0, self._features.views.count, len(indices))
        values = np.empty((len(indices), *self.shape), np.float32)
        for view in np.unique(views):
            chosen = views == view
            values[chosen] = self._features.rows(indices[chosen], int(view))
        return values, classes


class Feed:
    """The training part of a data set. steps: batches per epoch, the last may be smaller.

    teacher: gives probabilities [n, classes] for the very values that are trained on; they follow
    the targets, [n, 2 * classes].

    Of several workers each takes its own rows of every batch.
    """

    def __init__(
        self,
        dataset: Dataset,
        source: Source,
        training: Training,
        workers: Workers,
        teacher: Teacher | None = None,
    ) -> None:
        self._source = source
        self._teacher = teacher
        self._training = training
        self._workers = workers
        self._indices = dataset.indices("train")
        self._targets = dataset.targets
        self._classes = len(dataset.classes)
        self._weights = class_weights(dataset, training.class_weights)
        self.seconds_at_stake = source.seconds_at_stake
        self._epoch = 0
        self._made: Any = None
        self.count = len(self._indices)
        self.steps = -(-self.count // training.batch_size)

    def epoch(self, number: int) -> Any:
        """The tf.data.Dataset of one epoch, to be gone through before the next one is asked for.

        Of several workers, a distributed one.
        """
        # One data set whose generator looks the number up: making another costs time.
        self._epoch = number
        if self._made is None:
            self._made = self._dataset()
            if self._workers.count > 1:
                self._made = self._workers.strategy.distribute_datasets_from_function(
                    lambda context: self._dataset()
                )
        return self._made

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch as NumPy arrays."""
        training = self._training
        order = np.random.default_rng([training.seed, _ORDER, epoch]).permutation(self._indices)
        for step in range(self.steps):
            # Each worker changes only its own rows; a single worker draws as before.
            who = [self._workers.index] if self._workers.count > 1 else []
            rng = np.random.default_rng([training.seed, _PIXELS, epoch, step, *who])
            batch = order[step * training.batch_size : (step + 1) * training.batch_size]
            chosen, share = self._share(batch)
            x, classes = self._source.draw(chosen, self._targets[chosen], rng)
            y = one_hot(classes, self._classes, training.label_smoothing)
            w = self._weights[classes] * share
            if self._source.mixup:
                x, y, w = mix(x, y, w, self._source.mixup, rng)
            if self._teacher:
                y = np.concatenate([y, self._teacher(x)], axis=1)
            yield x, y, w

    def _dataset(self) -> Any:
        import tensorflow as tf

        signature = (
            tf.TensorSpec((None, *self._source.shape), tf.float32),
            tf.TensorSpec((None, self._classes * (2 if self._teacher else 1)), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        )
        dataset = tf.data.Dataset.from_generator(
            lambda: self.batches(self._epoch), output_signature=signature
        )
        return dataset.apply(tf.data.experimental.assert_cardinality(self.steps)).prefetch(4)

    def _share(self, batch: Indices) -> tuple[Indices, npt.NDArray[np.float32]]:
        """This worker's pictures of a batch, and a weight for each.

        All workers must get as many: pictures of no weight fill the last ones up, and the others
        weigh more by as much, for Keras takes the mean over rows and workers.
        """
        count, rows = self._workers.count, len(batch)
        padded = np.arange(-(-rows // count) * count)
        mine = np.array_split(padded, count)[self._workers.index]
        weights = np.where(mine < rows, len(padded) / rows, 0).astype(np.float32)
        return batch[mine % rows], weights


def one_hot(
    targets: npt.NDArray[np.int64], classes: int, smoothing: float = 0.0
) -> npt.NDArray[np.float32]:
    """Targets [n] as probabilities [n, classes], smoothed (Szegedy et al. 2016)."""
    plain = np.eye(classes, dtype=np.float32)[targets]
    smooth: npt.NDArray[np.float32] = plain * np.float32(1 - smoothing)
    smooth += np.float32(smoothing / classes)
    return smooth


def class_weights(dataset: Dataset, how: str) -> npt.NDArray[np.float32]:
    """The weight of each class: all 1, or so that every class weighs the same in sum."""
    classes = len(dataset.classes)
    if how == "none":
        return np.ones(classes, np.float32)
    counts = np.bincount(dataset.targets[dataset.indices("train")], minlength=classes)
    weights: npt.NDArray[np.float32] = counts.sum() / (classes * np.maximum(counts, 1))
    return weights.astype(np.float32)
