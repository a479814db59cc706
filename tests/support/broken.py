"""Models that int8 breaks, and float does not."""

from __future__ import annotations

from typing import Any

import numpy as np

SCALE = 1e4


def broken_model(model: Any, layer: int = 0) -> Any:
    """A copy that computes the same in float, with one huge channel behind one convolution.

    model: tf_keras, with a chain convolution, BatchNormalization, ReLU, convolution in it. layer:
    which of its convolutions gets the channel. In int8 a tensor has one scale, and beside that
    channel all others round to nothing (Nagel et al. 2019, cross-layer equalisation, the other
    way round). The channel is the one whose values are largest for its scale, so that the next
    kernel's part that undoes it is not beneath notice.
    """
    import tf_keras

    copy = tf_keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    layers = tf_keras.layers
    convolutions = [x for x in copy.layers if type(x) is layers.Conv2D]
    first, second = convolutions[layer], convolutions[layer + 1]
    normal = next(
        x
        for x in copy.layers[copy.layers.index(first) :]
        if isinstance(x, layers.BatchNormalization)
    )
    gamma, beta, mean, variance = normal.get_weights()
    kernel, *bias = second.get_weights()
    channel = int(np.argmax(np.abs(gamma)))
    gamma[channel], beta[channel] = gamma[channel] * SCALE, beta[channel] * SCALE
    kernel[:, :, channel] /= SCALE
    normal.set_weights([gamma, beta, mean, variance])
    second.set_weights([kernel, *bias])
    return copy


def huge_layer(model: Any, layer: int = 0) -> tuple[str, str]:
    """The names of the convolution with the huge channel and of the one that undoes it."""
    import tf_keras

    names = [x.name for x in model.layers if type(x) is tf_keras.layers.Conv2D]
    return names[layer], names[layer + 1]
