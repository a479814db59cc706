"""Keras to TFLite flatbuffers, one function per variant.

A Keras model and calibration pictures enter; the bytes of a flatbuffer leave: batch fixed at 1,
raw pixels in (uint8 for int8, float32 for the others), probabilities out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .bundle import read_graph
from .errors import ModelError
from .native_stderr import captured
from .preprocess import Pixels


def convert(model: Any, variant: str, calibration: Pixels, *, signature: bool = True) -> bytes:
    """The flatbuffer of one variant.

    model: tf_keras model, float32 [None, h, w, c] pixels 0..255 to probabilities. calibration:
    uint8 [n, h, w, c] prepared training pictures. signature: keep the serving signature, which
    other runtimes call the model by. Raises ModelError when TensorFlow cannot convert the model.
    """
    with captured() as native, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            converter = _converter(model, signature)
            SETTINGS[variant](converter, calibration)
            flatbuffer: bytes = converter.convert()
        except Exception as error:  # TensorFlow raises many kinds, some of them its own
            problem: Exception | None = error
        else:
            problem = None
    if problem is not None:
        lines = [*str(problem).splitlines(), *native.text.splitlines()]
        said = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "")
        raise ModelError(f"TensorFlow cannot convert this model to {variant}: {said[:300]}")
    if variant == "int8":
        _check_pixels_in(flatbuffer)
    return flatbuffer


def _float32(converter: Any, calibration: Pixels) -> None:
    """Weights and arithmetic as trained."""


def _float16(converter: Any, calibration: Pixels) -> None:
    """Weights stored as float16."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _dynamic(converter: Any, calibration: Pixels) -> None:
    """Weights int8, activations quantised on the fly."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _int8(converter: Any, calibration: Pixels) -> None:
    """All int8, per channel, uint8 pixels in and uint8 probabilities out."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: representative(calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8


SETTINGS: dict[str, Callable[[Any, Pixels], None]] = {
    "float32": _float32,
    "float16": _float16,
    "dynamic": _dynamic,
    "int8": _int8,
}


def representative(calibration: Pixels) -> Iterator[list[Any]]:
    """Calibration pictures as the converter wants them, float32 [1, h, w, c].

    The first has one black and one white pixel in a corner: so the input's range is exactly
    0..255 and a uint8 pixel is its own quantised value, whatever the pictures hold.
    """
    for i, picture in enumerate(calibration):
        values = picture.astype(np.float32)
        if i == 0:
            values[0, 0], values[0, -1] = 0.0, 255.0
        yield [values[np.newaxis]]


def _converter(model: Any, signature: bool) -> Any:
    """A converter of the traced function.

    Not TFLiteConverter.from_keras_model: that saves and loads a SavedModel on the way, which for a
    network of 150 layers takes ten times as long as all the rest, for the same flatbuffer.
    """
    import tensorflow as tf

    name = model.output_names[0]
    # A batch of exactly 1: other runtimes refuse a dynamic batch, and no device needs one.
    image = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")
    serve = tf.function(
        lambda image: {name: model(image, training=False)}, input_signature=[image], autograph=False
    )
    holder = tf.Module()
    if signature:
        holder.variables_held = list(model.variables)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function()], holder
    )
    if not signature:
        # Faster still: the variables are frozen into the function, and no signature is kept.
        converter.experimental_lower_to_saved_model = False
    return converter


def _check_pixels_in(flatbuffer: bytes) -> None:
    graph = read_graph(flatbuffer, "int8")
    tensor = graph.tensors[graph.inputs[0]]
    exact = bool(tensor.scales) and abs(tensor.scales[0] - 1) < 1e-6 and tensor.zero_points == (0,)
    if tensor.dtype != "uint8" or not exact:
        raise ModelError(
            f"the int8 input came out as {tensor.dtype} with scale {tensor.scales} and zero point "
            f"{tensor.zero_points}; raw pixels need uint8, scale 1, zero point 0. Please report "
            "this with the recipe"
        )
