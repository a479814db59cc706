"""A Keras model with layers of its own: asked as it is, and converted to a float32 .tflite.

`python -m aside.keras_side MEMORY`, with the verbs open, answer, trace and convert (`loop`). The
code of the layers runs here, and whatever else the model file names.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from . import flatten
from .loop import Refusal, Verb, serve
from .written import Written

_held: dict[str, Any] = {}
_BATCH = 16


def opened(model: str, code: str, family: str) -> str:
    """Reads the model and says of it, as JSON, the shape of its input and its version of Keras.

    code: a file of Python, run first. family: `keras` or `tf_keras`.
    """
    # Both are read when Keras is imported.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    keras = importlib.import_module(family)
    own = _classes(code, keras)
    found = keras.models.load_model(model, custom_objects=own, compile=False)
    shape = found.input_shape
    if isinstance(shape, list) or len(shape) != 4 or shape[-1] not in (1, 3):
        raise Refusal(f"its input is {shape}; expected one picture, [None, height, width, 1 or 3]")
    _held["model"] = found
    return json.dumps({"shape": list(shape), "version": keras.__version__})


def _classes(code: str, keras: Any) -> dict[str, Any]:
    """What a file of Python defines: its classes and functions, by name."""
    sys.path.insert(0, str(Path(code).parent))
    spec = importlib.util.spec_from_file_location("layers_of_" + Path(code).stem, code)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    own = {
        name: each
        for name, each in vars(module).items()
        if callable(each) and getattr(each, "__module__", "") == spec.name
    }
    registered = keras.saving.get_custom_objects()
    if not own and not registered:
        raise Refusal(f"{Path(code).name} defines no layer")
    return own


def answer(given: str, made: str) -> str:
    """Writes float32 [n, k] to the file `made` for the pictures [n, h, w, c] in `given`."""
    values = np.load(given, allow_pickle=False)
    model = _held["model"]
    parts = [
        np.asarray(model(values[i : i + _BATCH], training=False))
        for i in range(0, len(values), _BATCH)
    ]
    np.save(made, np.concatenate(parts).astype(np.float32))
    return ""


def trace(given: str, folder: str) -> str:
    """What leaves each layer for the pictures in `given`, written to `folder` (`written`)."""
    import tensorflow as tf

    model, written = _held["model"], Written(folder)

    def seen(layer: Any, entering: list[Any], made: Any) -> None:
        named = (layer.name, type(layer).__name__)
        written.add(named, np.asarray(made), [id(each) for each in entering], id(made))

    for picture in np.load(given, allow_pickle=False):
        image = tf.constant(picture[np.newaxis])
        written.begin({id(image)})
        flatten.watch(model, image, seen)
    return written.end()


def convert(shape: str, made: str) -> str:
    """Writes the network of [1, h, w, c] to the file `made`. shape: h, w and c with commas."""
    import tensorflow as tf

    model = _held["model"]
    sizes = tuple(int(n) for n in shape.split(","))
    picture = tf.TensorSpec((1, *sizes), tf.float32, name="image")
    traced = tf.function(
        lambda image: model(image, training=False), input_signature=[picture], autograph=False
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [traced.get_concrete_function()], tf.Module()
    )
    # Variables of Keras 3 are no variables of TensorFlow: they are frozen, or lost.
    converter.experimental_lower_to_saved_model = False
    Path(made).write_bytes(converter.convert())
    return ""


if __name__ == "__main__":
    verbs: dict[str, Verb] = {
        "open": opened,
        "answer": answer,
        "trace": trace,
        "convert": convert,
    }
    serve(verbs, int(sys.argv[1]))
