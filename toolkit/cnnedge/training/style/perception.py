"""How far two pictures are apart, by the features of a network that was trained on ImageNet.

A style picture enters; a PerceptualLoss leaves, which compares batches of pictures. Gatys, Ecker
and Bethge 2016 ("Image style transfer using convolutional neural networks"): the style of a picture
is which features occur together anywhere in it, the Gram matrices of its feature maps; its content
is which features are where, here whatever their strength.

The maps are the linear bottlenecks of EfficientNet-Lite0. Its rectified maps, the usual choice in
VGG, hardly carry a style; docs/style.md shows both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ...architectures.backbones import features
from ...specs.backbones import LoadedWeights

BACKBONE = "efficientnet_lite0"
# At a half, a half, a quarter, an eighth and a sixteenth of the picture's size.
STYLE_LAYERS = (
    *("stem_activation", "block1a_project_bn", "block2b_add", "block3b_add", "block5b_add"),
)
CONTENT_LAYERS = ("block2b_add", "block3b_add")


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Of a batch, without their weights. content, style: 0 for equals, and about 1 for pictures
    that have nothing in common."""

    content: Any
    style: Any
    smoothness: Any


class PerceptualLoss:
    """Compares pictures with one style picture and with their own content pictures.

    weights: where the backbone's came from.
    """

    def __init__(
        self,
        style: npt.NDArray[Any],
        weights: str,
        progress: Any,
        layers: tuple[str, ...] = STYLE_LAYERS,
    ) -> None:
        """style: uint8 [h, w, 3] RGB. weights: as a recipe names them. Raises WeightsError."""
        from ...architectures.weights import load_weights

        image = tf_keras.Input(shape=(None, None, 3), name="image")
        network = tf_keras.Model(image, features(BACKBONE, image))
        self.weights: LoadedWeights = load_weights(network, BACKBONE, weights, progress=progress)
        taps = [network.get_layer(name).output for name in (*layers, *CONTENT_LAYERS)]
        self._network = tf_keras.Model(image, taps)
        self._network.trainable = False
        self._style = len(layers)
        maps = self._network(tf.constant(style[None], tf.float32), training=False)
        self._grams = [gram(each) for each in maps[: self._style]]

    def __call__(self, pictures: Any, contents: Any) -> Losses:
        """pictures, contents: float32 [n, h, w, 3], pixels 0..255."""
        maps = self._network(pictures, training=False)
        wanted = self._network(contents, training=False)[self._style :]
        style = [
            _share(gram(found), target) for found, target in zip(maps, self._grams, strict=False)
        ]
        content = [
            _unlike(found, target)
            for found, target in zip(maps[self._style :], wanted, strict=True)
        ]
        return Losses(
            content=tf.add_n(content) / len(content),
            style=tf.add_n(style) / len(style),
            smoothness=_roughness(pictures),
        )


def gram(maps: Any) -> Any:
    """float32 [n, h, w, c] to [n, c, c]: the mean product of each two features over all places."""
    shape = tf.shape(maps)
    rows = tf.reshape(maps, (shape[0], -1, shape[3]))
    return tf.matmul(rows, rows, transpose_a=True) / tf.cast(shape[1] * shape[2], tf.float32)


def _share(found: Any, target: Any) -> Any:
    return tf.reduce_mean(tf.square(found - target)) / tf.reduce_mean(tf.square(target))


def _unlike(found: Any, wanted: Any) -> Any:
    """1 minus the correlation of each feature's map with the content's: what is where, whatever its
    brightness and contrast, which belong to the style."""
    return tf.reduce_mean(tf.square(_standard(found) - _standard(wanted))) / 2


def _standard(maps: Any) -> Any:
    mean, variance = tf.nn.moments(maps, axes=(1, 2), keepdims=True)
    return (maps - mean) * tf.math.rsqrt(variance + 1e-3)


def _roughness(pictures: Any) -> Any:
    """Mean squared difference of neighbours (total variation), as a share of 64 steps of 255."""
    down = pictures[:, 1:] - pictures[:, :-1]
    right = pictures[:, :, 1:] - pictures[:, :, :-1]
    return (tf.reduce_mean(tf.square(down)) + tf.reduce_mean(tf.square(right))) / 64**2
