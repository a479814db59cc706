"""Grad-CAM: evidence for a class, by the gradients of a trained Keras model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ...errors import ModelError
from ...training import backend
from ...training.run_folder import open_finished

Floats = npt.NDArray[np.float32]


def grad_cam(run: Path, pixels: npt.NDArray[np.uint8], index: int) -> Floats:
    """The gradient-weighted class activation map of the last feature maps (Selvaraju et al.,
    "Grad-CAM", ICCV 2017), float32 [height, width], without its negative part.

    run: a finished training run. pixels: uint8 [height, width, channels], its input. index: of the
    class. Raises ModelError for a network without feature maps.
    """
    model = backend.load_keras(open_finished(run).model)
    last = _last_maps(model)
    if last is None:
        raise ModelError(
            f"{run}: this network has no layer with feature maps, and Grad-CAM needs one"
        )
    both = tf_keras.Model(model.inputs, [last.output, model.outputs[0]])
    with tf.GradientTape() as tape:
        maps, scores = both(tf.constant(pixels[None], tf.float32), training=False)
        # Of the logarithm: softmax itself is flat where the model is sure.
        score = tf.math.log(tf.maximum(scores[0, index], 1e-12))
    gradients = tape.gradient(score, maps)
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))[0]
    return np.asarray(heat, np.float32)


def _last_maps(model: Any) -> Any:
    """The last layer whose output has more than one place."""
    for layer in reversed(model.layers):
        shape = layer.output_shape if not isinstance(layer.output_shape, list) else ()
        if len(shape) == 4 and all(n is not None and n > 1 for n in shape[1:3]):
            return layer
    return None
