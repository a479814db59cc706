"""A network without layers of Keras: a float32 flatbuffer that stands in for a Keras model.

The bytes of a .tflite enter, raw pixels to probabilities; what conversion and verification ask of a
model leaves. It can change its format and cannot be trained: nothing in it is a variable.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import conditions, ranges
from .bundle import read_graph, read_model
from .engines import CPU, load_engine
from .errors import ModelError
from .preprocess import Pixels

Values = npt.NDArray[Any]
Scores = npt.NDArray[np.float32]
SUFFIX = ".tflite"


class FrozenNetwork:
    """float32 [1, h, w, c] pixels 0..255 to float32 [1, classes]. Raises ModelError for another.

    layers is empty and input_shape, output_shape, output_names are as tf_keras has them.
    """

    layers: tuple[Any, ...] = ()

    def __init__(self, flatbuffer: bytes, place: str) -> None:
        graph = read_graph(flatbuffer, place)
        given, made = (graph.tensors[t] for t in (graph.inputs[0], graph.outputs[0]))
        one = len(graph.inputs) == len(graph.outputs) == 1
        floats = given.dtype == made.dtype == "float32"
        if not one or not floats or len(given.shape) != 4 or given.shape[0] != 1:
            raise ModelError(
                f"{place}: expected one float32 picture in and float32 probabilities out; found "
                f"{given.dtype} {list(given.shape)} and {made.dtype} {list(made.shape)}"
            )
        self.flatbuffer = flatbuffer
        self.input_shape = (None, *given.shape[1:])
        self.output_shape = (None, made.shape[-1])
        self.output_names = (made.name,)
        self._engine: Any = None

    @property
    def key(self) -> str:
        """sha256 of the flatbuffer, hex."""
        return hashlib.sha256(self.flatbuffer).hexdigest()

    def predict(self, values: Values) -> Scores:
        """float32 [n, classes] for pixels [n, h, w, c]."""
        engine = self._engine = self._engine or _engine(self.flatbuffer)
        place = engine.get_input_details()[0]["index"]
        answer = engine.get_output_details()[0]["index"]
        rows = []
        for row in values:
            engine.set_tensor(place, np.ascontiguousarray(row[np.newaxis], np.float32))
            engine.invoke()
            rows.append(engine.get_tensor(answer)[0])
        return np.stack(rows) if rows else np.empty((0, self.output_shape[1] or 0), np.float32)


def read_frozen(path: Path) -> FrozenNetwork:
    """The network of a .tflite file. Raises ModelError."""
    model = read_model(path)
    # In a process of its own first: a run folder may be a stranger's.
    load_engine(model, CPU)
    return FrozenNetwork(model.data, str(path))


def float16(flatbuffer: bytes) -> bytes:
    """A float32 flatbuffer with its constants stored as float16. Needs litert-quantizer."""
    from litert_quantizer import qtyping, recipe_manager

    rules = recipe_manager.RecipeManager()
    every = qtyping.TFLOperationName.ALL_SUPPORTED
    rules.add_weight_only_config(".*", every, 16, algorithm_key="float_casting")
    recipe = rules.get_quantization_recipe()
    for rule in recipe:
        rule["op_config"]["weight_tensor_config"]["dtype"] = "FLOAT"
    return _quantised(flatbuffer, recipe)


def dynamic(flatbuffer: bytes) -> bytes:
    """A float32 flatbuffer with int8 kernels, activations quantised on the fly."""
    return _with_kernels(flatbuffer, ALL_SUPPORTED=8)


def int4(flatbuffer: bytes) -> bytes:
    """A float32 flatbuffer with kernels of 4 bits, one scale for each channel.

    Arithmetic as in dynamic. Depthwise kernels get 8 bits: no runtime has a 4-bit one.
    """
    return _with_kernels(flatbuffer, ALL_SUPPORTED=4, DEPTHWISE_CONV_2D=8)


def _with_kernels(flatbuffer: bytes, **bits: int) -> bytes:
    """With integer kernels of so many bits, by operator; a later one has its way."""
    from litert_quantizer import qtyping, recipe_manager

    rules = recipe_manager.RecipeManager()
    for name, count in bits.items():
        operation = qtyping.TFLOperationName[name]
        rules.add_dynamic_config(regex=".*", operation_name=operation, num_bits=count)
    return _quantised(flatbuffer, rules.get_quantization_recipe())


def _quantised(flatbuffer: bytes, recipe: Any) -> bytes:
    from litert_quantizer import quantizer

    # It prints its progress.
    with contextlib.redirect_stdout(io.StringIO()):
        made = quantizer.Quantizer(flatbuffer, recipe).quantize()
    return bytes(made.quantized_model)


def _int16_of_frozen(model: FrozenNetwork, calibration: Pixels) -> bytes:
    """By TensorFlow's other quantiser: the one of int8 gives int16 a zero point, and none runs."""
    import tensorflow as tf
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    quantiser = Calibrator(model.flatbuffer)
    made: bytes = quantiser.calibrate_and_quantize(
        lambda: ([values] for values in ranges.representative(calibration)),
        tf.float32,
        tf.float32,
        False,
        tf.int16,
        tf.int64,
    )
    return made


# A network without layers is not converted but rewritten; int8 is made of all alike.
REWRITTEN: dict[str, Callable[[FrozenNetwork, Pixels], bytes]] = {
    "float32": lambda model, _: model.flatbuffer,
    "float16": lambda model, _: float16(model.flatbuffer),
    "dynamic": lambda model, _: dynamic(model.flatbuffer),
    "int4": lambda model, _: int4(model.flatbuffer),
    "int16x8": _int16_of_frozen,
}


def check_constant(flatbuffer: bytes, variant: str) -> None:
    """Raises ModelError for weights that were left out.

    What TensorFlow does not know as a model's own stays a variable, which nobody fills.
    """
    held = {op.name for op in read_graph(flatbuffer, variant).operators}.intersection(_VARIABLES)
    if held:
        raise ModelError(
            f"the model came out of the conversion to {variant} without its weights (found "
            f"{', '.join(sorted(held))}): they are not variables of tf_keras. Import the model: "
            "cnnedge import"
        )


_VARIABLES = frozenset(("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"))


def _engine(flatbuffer: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    engine = Interpreter(model_content=flatbuffer, num_threads=conditions.usable_cores())
    engine.allocate_tensors()
    return engine
