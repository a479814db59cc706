"""A function of TensorFlow with its variables, as one float32 flatbuffer of raw pixels.

A function of pictures as a source takes them enters; a FrozenNetwork leaves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ModelError
from ..frozen import FrozenNetwork, check_constant
from ..native_stderr import captured
from ..specs.pixels import InputSize
from . import heads, tflite_edit
from .convention import Convention


def frozen(
    answer: Callable[[Any], Any], size: InputSize, convention: Convention, head: str, place: str
) -> FrozenNetwork:
    """The network of `answer`, TensorFlow's [1, h, w, c] to [1, k]. Raises ModelError."""
    import tensorflow as tf

    def whole(image: Any) -> Any:
        return _headed(tf, answer(_scaled(tf, image, convention)), head)

    picture = tf.TensorSpec((1, *size.shape), tf.float32, name="image")
    problem = ""
    with captured() as native, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            traced = tf.function(whole, input_signature=[picture], autograph=False)
            converter = tf.lite.TFLiteConverter.from_concrete_functions(
                [traced.get_concrete_function()], tf.Module()
            )
            # Variables of Keras 3 are no variables of TensorFlow: they are frozen, or lost.
            converter.experimental_lower_to_saved_model = False
            made = converter.convert()
        except Exception as error:  # TensorFlow raises many kinds, some of them its own
            problem = str(error) or type(error).__name__
    if problem:
        lines = [*problem.splitlines(), *native.text.splitlines()]
        said = next((line for line in lines if "error" in line.lower()), lines[0])
        raise ModelError(f"{place}: TensorFlow cannot convert this model: {said[:300]}")
    made = tflite_edit.with_signature(made)
    check_constant(made, "float32")
    return FrozenNetwork(made, place)


def _scaled(tf: Any, image: Any, convention: Convention) -> Any:
    if convention.raw:
        return image
    if not convention.bgr:
        scale, offset = (np.array(v, np.float32) for v in (convention.scale, convention.offset))
        return image * scale + offset
    kernel, bias = tflite_edit.pixel_kernel(convention, 3)
    return tf.nn.conv2d(image, kernel.transpose(1, 2, 3, 0), 1, "VALID") + bias


def _headed(tf: Any, y: Any, head: str) -> Any:
    if head == heads.SHARES:
        return y
    if head == heads.LOGITS:
        return tf.nn.softmax(y)
    second = y if head == heads.ONE else tf.sigmoid(y)
    return tf.concat([1.0 - second, second], 1)
