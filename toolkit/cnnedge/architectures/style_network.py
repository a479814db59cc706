"""A small network from a picture to the same picture in one style.

An input size enters; an untrained, flat Keras model leaves: float32 [n, h, w, 3], pixels 0..255, to
float32 [n, h, w, 3], pixels 0..255. Only layers that Keras has itself, so that its file is read
like any other.

The network of Johnson, Alahi and Fei-Fei 2016 ("Perceptual losses for real-time style transfer and
super-resolution"), narrower and of four residual blocks, with instance normalisation (Ulyanov,
Vedaldi and Lempitsky 2016) and with enlarged maps in place of transposed convolutions, which leave
a chequered pattern (Odena, Dumoulin and Olah 2016).
"""

from __future__ import annotations

from typing import Any

import tf_keras

from ..specs.pixels import InputSize

layers = tf_keras.layers

# Maps at half, a quarter, a quarter again in the residual blocks, half and full size.
_WIDE, _DEEP, _BLOCKS, _LAST = 24, 36, 4, 16


def style_network(size: InputSize) -> tf_keras.Model:
    """The network of one input size, whose sides are multiples of 4, with random weights."""
    image = tf_keras.Input(shape=size.shape, name="image", dtype="float32")
    x = layers.Rescaling(1 / 127.5, -1.0, name="pixel_scaling")(image)
    x = _step(x, _WIDE, 5, "down1", strides=2)
    x = _step(x, _DEEP, 3, "down2", strides=2)
    for number in range(1, _BLOCKS + 1):
        x = _residual(x, f"block{number}")
    x = _step(_enlarged(x, "up1"), _WIDE, 3, "up1")
    x = _step(_enlarged(x, "up2"), _LAST, 3, "up2")
    x = layers.Conv2D(3, 5, padding="same", activation="sigmoid", name="colours")(x)
    return tf_keras.Model(image, layers.Rescaling(255.0, name="picture")(x), name="style")


def _step(x: Any, channels: int, kernel: int, name: str, *, strides: int = 1) -> Any:
    """A convolution, normalised and rectified."""
    x = layers.Conv2D(
        channels, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)
    return layers.ReLU(name=f"{name}_relu")(_normalised(x, name))


def _residual(x: Any, name: str) -> Any:
    y = _step(x, _DEEP, 3, f"{name}a")
    y = layers.Conv2D(_DEEP, 3, padding="same", use_bias=False, name=f"{name}b_conv")(y)
    return layers.Add(name=f"{name}_add")([x, _normalised(y, f"{name}b")])


def _normalised(x: Any, name: str) -> Any:
    """Instance normalisation: each map of each picture to mean 0 and variance 1, and from there to
    a mean and variance that are learnt."""
    x = layers.LayerNormalization(
        axis=[1, 2], epsilon=1e-3, center=False, scale=False, name=f"{name}_norm"
    )(x)
    return layers.DepthwiseConv2D(1, depthwise_initializer="ones", name=f"{name}_scale")(x)


def _enlarged(x: Any, name: str) -> Any:
    return layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_enlarge")(x)
