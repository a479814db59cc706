"""The classical detectors as networks, so that each is one .tflite from pixels to the answer.

A fitted classifier enters; a tf_keras model leaves: pixels 0..255, float32 [None, 98, 98, 3], to
the probabilities of two classes. Every layer is an ordinary one, so every runtime has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras

from .classical import CELL, LST, SIDE, RbfSvm, Scaling, SmallNetwork

layers = tf_keras.layers


def svm_network(svm: RbfSvm) -> tf_keras.Model:
    """The logistic function of the SVM's decision is the probability of class 1; not calibrated.

    |x - v|^2 is written as |x|^2 - 2 x v + |v|^2: two products instead of a difference for each
    support vector.
    """
    image, scaled = _scaled_moments(svm.scaling)
    count, width = svm.vectors.shape
    lengths = (svm.vectors**2).sum(axis=1)
    towards = layers.Dense(count, name="towards_vectors")
    length = layers.Dense(1, use_bias=False, name="own_length")
    decide = layers.Dense(2, activation="softmax", name="decision")
    exponent = layers.Add(name="exponent")(
        [towards(scaled), length(layers.Multiply(name="squares")([scaled, scaled]))]
    )
    likeness = layers.Activation("exponential", name="likeness")(exponent)
    model = tf_keras.Model(image, decide(likeness), name="moments_svm")
    towards.set_weights([2 * svm.gamma * svm.vectors.T, -svm.gamma * lengths])
    length.set_weights([np.full((width, 1), -svm.gamma)])
    # softmax of (0, d) is (1 - s, s) with the logistic function s of d.
    zeros = np.zeros_like(svm.weights)
    decide.set_weights([np.stack([zeros, svm.weights], axis=1), np.array([0.0, svm.bias])])
    return model


def dense_network(fitted: SmallNetwork) -> tf_keras.Model:
    image, values = _scaled_moments(fitted.scaling)
    built: list[Any] = []
    for size in fitted.hidden:
        built.append(layers.Dense(size, activation="relu"))
        values = built[-1](values)
    decide = layers.Dense(2, activation="softmax", name="decision")
    model = tf_keras.Model(image, decide(values), name="moments_dense")
    for layer, kernel, bias in zip(built, fitted.kernels, fitted.biases, strict=False):
        layer.set_weights([kernel, bias])
    last = fitted.kernels[-1]
    both = np.concatenate([np.zeros_like(last), last], axis=1)
    decide.set_weights([both, np.array([0.0, float(fitted.biases[-1][0])])])
    return model


def _scaled_moments(scaling: Scaling) -> tuple[Any, Any]:
    """(the input, its scaled moments): colour by a 1 x 1 convolution, cells by average pooling."""
    image = layers.Input((SIDE, SIDE, 3), name="pixels")
    # Round the middle of its range, the square of a value keeps more of its digits.
    middle = LST.sum(axis=0) * 127.5
    colour = layers.Conv2D(3, 1, name="lst")
    values = colour(image)
    pooled = layers.AveragePooling2D(CELL, name="means")(values)
    squares = layers.AveragePooling2D(CELL, name="mean_squares")(
        layers.Multiply()([values, values])
    )
    variances = layers.Subtract(name="variances")([squares, layers.Multiply()([pooled, pooled])])
    flat = layers.Flatten()(layers.Concatenate()([pooled, variances]))
    scale = layers.BatchNormalization(epsilon=0.0, center=True, scale=False, name="scaling")
    scaled = scale(flat)
    colour.set_weights([LST[None, None], -middle])
    centred = scaling.mean - np.tile(np.concatenate([middle, np.zeros(3)]), len(scaling.mean) // 6)
    scale.set_weights([np.zeros_like(centred), centred, scaling.deviation**2])
    return image, scaled
