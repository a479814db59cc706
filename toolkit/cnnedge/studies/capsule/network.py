"""The two networks: capsules with routing by agreement, and a CNN of as many weights.

The number of classes enters; Keras models of pixels 0..255, float32 [n, 28, 28, 1], leave. The
capsules' output is the length of each class' capsule, 0..1: how probable it is that the class is
there, whatever else is.

Sabour, Frosst and Hinton 2017, "Dynamic routing between capsules", without the decoder that draws
the picture again, and far smaller.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

SIDE = 28
_FILTERS = 24
# Capsules at each place, and how many numbers a capsule holds.
_TYPES, _DIMENSION, _CLASS_DIMENSION = 8, 8, 8
ROUTINGS = 3
# Of the margin loss: a class that is there is to be longer than the first, others shorter than
# the second; those weigh half, so that early training does not shrink all (Sabour et al. 2017).
_LONG, _SHORT, _OTHERS = 0.9, 0.1, 0.5
_TINY = 1e-7


def squash(vectors: Any) -> Any:
    """Each vector along the last axis in its direction, of a length below 1: v |v| / (1 + v²)."""
    square = tf.reduce_sum(tf.square(vectors), axis=-1, keepdims=True)
    return vectors * tf.sqrt(square + _TINY) / (1 + square)


class Routing(tf_keras.layers.Layer):  # type: ignore[misc]
    """Capsules [n, i, k] to class capsules [n, classes, d], by agreement.

    Each capsule predicts every class' vector; in turns, a capsule sends more to the classes whose
    vector agrees with its prediction.
    """

    def __init__(self, classes: int, dimension: int, **options: Any) -> None:
        super().__init__(**options)
        self.classes, self.dimension = classes, dimension

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classes": self.classes, "dimension": self.dimension}

    def build(self, shape: Any) -> None:
        self.count, size = int(shape[1]), int(shape[2])
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.count, size, self.classes * self.dimension),
            initializer=tf_keras.initializers.RandomNormal(stddev=size**-0.5, seed=0),
        )

    def call(self, capsules: Any) -> Any:
        predicted = tf.matmul(capsules[:, :, None, :], self.kernel[None])
        predicted = tf.reshape(predicted, (-1, self.count, self.classes, self.dimension))
        agreement = tf.zeros_like(predicted[..., :1])
        for turn in range(ROUTINGS):
            sent = tf.nn.softmax(agreement, axis=2)
            vectors = squash(tf.reduce_sum(sent * predicted, axis=1, keepdims=True))
            if turn + 1 < ROUTINGS:
                agreement += tf.reduce_sum(predicted * vectors, axis=-1, keepdims=True)
        # A slice would do as well, and is one that GPUs do not take.
        return tf.reshape(vectors, (-1, self.classes, self.dimension))


class Squash(tf_keras.layers.Layer):  # type: ignore[misc]
    """`squash`, as a layer."""

    def call(self, vectors: Any) -> Any:
        return squash(vectors)


class Lengths(tf_keras.layers.Layer):  # type: ignore[misc]
    """The length of each vector along the last axis."""

    def call(self, vectors: Any) -> Any:
        return tf.sqrt(tf.reduce_sum(tf.square(vectors), axis=-1) + _TINY)


def _trunk(picture: Any) -> Any:
    """Both networks' convolutions: [n, 4, 4, 64]."""
    layers = tf_keras.layers
    x = layers.Rescaling(1 / 255)(picture)
    x = layers.Conv2D(_FILTERS, 5, strides=2, activation="relu")(x)
    return layers.Conv2D(_TYPES * _DIMENSION, 5, strides=2)(x)


def capsules(classes: int) -> Any:
    """The capsule network."""
    picture = tf_keras.Input((SIDE, SIDE, 1), name="image")
    x = _trunk(picture)
    places = int(x.shape[1]) * int(x.shape[2]) * _TYPES
    x = tf_keras.layers.Reshape((places, _DIMENSION))(x)
    vectors = Routing(classes, _CLASS_DIMENSION)(Squash()(x))
    return tf_keras.Model(picture, Lengths()(vectors))


def cnn(classes: int, weights: int) -> Any:
    """The same convolutions with two dense layers behind, of about so many weights in all."""
    layers = tf_keras.layers
    picture = tf_keras.Input((SIDE, SIDE, 1), name="image")
    x = layers.Flatten()(layers.ReLU()(_trunk(picture)))
    trunk = sum(int(tf.size(w)) for w in tf_keras.Model(picture, x).trainable_weights)
    units = round((weights - trunk - classes) / (int(x.shape[1]) + 1 + classes))
    x = layers.Dense(units, activation="relu")(x)
    return tf_keras.Model(picture, layers.Dense(classes, activation="softmax")(x))


def margin_loss(targets: Any, lengths: Any) -> Any:
    """float32 [n], of lengths [n, classes] and targets of 1 for each class that is there."""
    there = targets * tf.square(tf.maximum(0.0, _LONG - lengths))
    others = (1 - targets) * tf.square(tf.maximum(0.0, lengths - _SHORT))
    return tf.reduce_sum(there + _OTHERS * others, axis=-1)


def shared_cross_entropy(targets: Any, probabilities: Any) -> Any:
    """The same for probabilities, of which each class that is there is to have an equal share."""
    shares = targets / tf.reduce_sum(targets, axis=-1, keepdims=True)
    return tf_keras.losses.categorical_crossentropy(shares, probabilities)
