"""Batches for training, drawn so that a resumed run sees what an uninterrupted one would.

Prepared pixels, targets and a recipe enter; for each epoch a tf.data.Dataset of
(float32 raw pixels, one-hot targets, weights) leaves. What an epoch holds depends on seed and
epoch number alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Dataset, Pixels
from ..specs import Recipe
from .augmentation import augment, mix

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]

# Parts of the random key, so that order and augmentation are drawn apart.
_ORDER, _PIXELS = 1, 2


class Feed:
    """The training pictures of one run. steps: batches per epoch, the last may be smaller."""

    def __init__(self, dataset: Dataset, pixels: Pixels, recipe: Recipe) -> None:
        self._recipe = recipe
        self._pixels = pixels
        self._indices = dataset.indices("train")
        self._targets = dataset.targets
        self._classes = len(dataset.classes)
        self._weights = class_weights(dataset, recipe.training.class_weights)
        self.count = len(self._indices)
        self.steps = -(-self.count // recipe.training.batch_size)

    def epoch(self, number: int) -> Any:
        """The tf.data.Dataset of one epoch."""
        import tensorflow as tf

        shape = self._pixels.size.shape
        signature = (
            tf.TensorSpec((None, *shape), tf.float32),
            tf.TensorSpec((None, self._classes), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        )
        dataset = tf.data.Dataset.from_generator(
            lambda: self.batches(number), output_signature=signature
        )
        return dataset.apply(tf.data.experimental.assert_cardinality(self.steps)).prefetch(4)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch as NumPy arrays."""
        training = self._recipe.training
        order = np.random.default_rng([training.seed, _ORDER, epoch]).permutation(self._indices)
        for step in range(self.steps):
            rng = np.random.default_rng([training.seed, _PIXELS, epoch, step])
            chosen = order[step * training.batch_size : (step + 1) * training.batch_size]
            changed = augment(self._pixels.batch(chosen), self._recipe.augmentation, rng)
            classes = self._targets[chosen]
            x = changed.astype(np.float32)
            y = one_hot(classes, self._classes, training.label_smoothing)
            w = self._weights[classes]
            if self._recipe.augmentation.mixup:
                x, y, w = mix(x, y, w, self._recipe.augmentation.mixup, rng)
            yield x, y, w


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
