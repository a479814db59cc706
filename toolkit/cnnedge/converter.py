"""Keras to TFLite flatbuffers, one function per variant.

A Keras model and calibration pictures enter; the bytes of a flatbuffer leave: batch fixed at 1,
raw pixels in (uint8 for int8, float32 for the others), probabilities out.
"""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import hard_swish, ranges, spreads
from .bundle import Graph, read_graph
from .bundle.layer_names import holds_layer
from .errors import CnnedgeError, MissingExtraError, ModelError
from .frozen import REWRITTEN, FrozenNetwork, check_constant, int4
from .native_stderr import captured
from .packing import dense_where_it_must_be, pack, repack, sign, unpack
from .preprocess import Pixels
from .specs.limits import closest


def convert(
    model: Any,
    variant: str,
    calibration: Pixels,
    *,
    sparse: bool = False,
    float_layers: Sequence[str] = (),
) -> bytes:
    """The flatbuffer of one variant.

    model: tf_keras model, float32 [None, h, w, c] pixels 0..255 to probabilities, or a
    FrozenNetwork. variant: one of SETTINGS. calibration: uint8 [n, h, w, c] prepared training
    pictures, or float32 [n, length, channels] signals, whose int8 has float32 in and its scaling
    in float (`scaling_layers`). sparse: store kernels of many zeros without them; smaller, not
    faster, and not for every variant (SPARSE). float_layers: layers of an int8 model that stay in
    float, by their names in `model`. Raises ModelError for a variant, a combination or a layer that
    is not possible, or if TensorFlow cannot convert the model; MissingExtraError if a variant needs
    a package that is not installed.
    """
    _check(model, variant, sparse, float_layers)
    with captured() as native, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            flatbuffer = _flatbuffer(model, variant, calibration, sparse, float_layers)
        except CnnedgeError:
            raise
        except Exception as error:  # TensorFlow raises many kinds, some of them its own
            problem: Exception | None = error
        else:
            problem = None
    if problem is not None:
        lines = [*str(problem).splitlines(), *native.text.splitlines()]
        said = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "")
        raise ModelError(f"TensorFlow cannot convert this model to {variant}: {said[:300]}")
    check_constant(flatbuffer, variant)
    if variant == "int8" and not takes_signals(model):
        _check_pixels_in(flatbuffer)
    return flatbuffer


def _check(model: Any, variant: str, sparse: bool, float_layers: Sequence[str]) -> None:
    """Refuses what cannot be made before spending minutes on it."""
    if variant not in SETTINGS:
        raise ModelError(
            f"unknown variant '{variant}'.{closest(variant, SETTINGS)} "
            f"Allowed: {', '.join(SETTINGS)}"
        )
    if sparse and variant not in SPARSE:
        raise ModelError(f"{variant} cannot be stored sparse: {_NOT_SPARSE[variant]}")
    if float_layers and variant not in SELECTIVE:
        raise ModelError(
            f"layers can stay in float only in {' and '.join(SELECTIVE)}, not in {variant}"
        )
    known = layer_names(model) if float_layers else ()
    for name in float_layers:
        if name not in known:
            raise ModelError(f"the model has no layer '{name}'.{closest(name, known)}")
    if sparse and isinstance(model, FrozenNetwork):
        raise ModelError("a model without layers of Keras cannot be stored sparse")
    by_quantizer = ("int4", "float16", "dynamic") if isinstance(model, FrozenNetwork) else ("int4",)
    if variant in by_quantizer and importlib.util.find_spec("litert_quantizer") is None:
        raise MissingExtraError(
            f"the {variant} variant needs litert-quantizer. Run: pip install 'cnnedge[int4]'"
        )


def _flatbuffer(
    model: Any,
    variant: str,
    calibration: Pixels,
    sparse: bool,
    float_layers: Sequence[str],
) -> bytes:
    if isinstance(model, FrozenNetwork) and variant in REWRITTEN:
        return repack(REWRITTEN[variant](model, calibration))
    if variant in SELECTIVE and takes_signals(model):
        float_layers = tuple(dict.fromkeys((*scaling_layers(model), *float_layers)))
    if variant in SELECTIVE:
        flatbuffer = _integers(model, variant, calibration, float_layers)
        if sparse:
            from tensorflow.lite.python import convert as passes

            flatbuffer = dense_where_it_must_be(passes.mlir_sparsify(flatbuffer))
        return _finished(flatbuffer, model)
    plain = None if sparse or variant not in ("float32", "int4") else _float32_of(model)
    flatbuffer = plain or _by_tensorflow(model, variant, calibration, sparse)
    return _finished(int4(flatbuffer) if variant == "int4" else flatbuffer, model)


def _finished(flatbuffer: bytes, model: Any) -> bytes:
    """Packed, with the signature that other runtimes call it by; a FrozenNetwork has its own."""
    packed = unpack(flatbuffer)
    if not isinstance(model, FrozenNetwork):
        main = packed.subgraphs[0]
        # As TensorFlow calls them by way of a SavedModel.
        main.tensors[main.inputs[0]].name = b"serving_default_image:0"
        main.tensors[main.outputs[0]].name = b"StatefulPartitionedCall:0"
        sign(packed, "image", model.output_names[0])
    return pack(packed)


def _by_tensorflow(model: Any, variant: str, calibration: Pixels, sparse: bool) -> bytes:
    """All of the way by TensorFlow's converter."""
    import tensorflow as tf

    converter = _converter(_traced(model))
    SETTINGS[variant](converter, calibration)
    if sparse:
        sparsity = tf.lite.Optimize.EXPERIMENTAL_SPARSITY
        converter.optimizations = [*converter.optimizations, sparsity]
    flatbuffer: bytes = converter.convert()
    return flatbuffer


def _float32_of(model: Any) -> bytes | None:
    """The model as float32 flatbuffer; None for one that says its own ranges, after aware training.

    Variants are not made of such a one, but each by TensorFlow itself.
    """
    if isinstance(model, FrozenNetwork):
        return model.flatbuffer
    key = _identity(model)
    if key not in _last_float32:
        function = _traced(model)
        made = None if _rounds(function) else _converter(function).convert()
        _last_float32.clear()
        _last_float32[key] = made
    return _last_float32[key]


# Of the last model: the variants of one are made one after the other.
_last_float32: dict[str, bytes | None] = {}


def _identity(model: Any) -> str:
    """Of its layers and weights, hex; which layers are to be trained makes no difference."""
    found = hashlib.sha256(repr(_without_training(model.get_config())).encode())
    for weight in model.get_weights():
        found.update(np.ascontiguousarray(weight).data)
    return found.hexdigest()


def _without_training(config: Any) -> Any:
    """A Keras configuration without `trainable`, which no converted network depends on."""
    if isinstance(config, dict):
        kept = config.items()
        return {key: _without_training(value) for key, value in kept if key != "trainable"}
    if isinstance(config, (list, tuple)):
        return [_without_training(value) for value in config]
    return config


def _rounds(function: Any) -> bool:
    graph = function.graph.as_graph_def()
    nodes = (node for part in (graph, *graph.library.function) for node in _nodes_of(part))
    return any(node.op.startswith("FakeQuant") for node in nodes)


def _nodes_of(part: Any) -> Any:
    return part.node_def if hasattr(part, "node_def") else part.node


def _integers(model: Any, variant: str, calibration: Pixels, float_layers: Sequence[str]) -> bytes:
    """All int8, or all but some layers, with the ranges of `ranges.calibrated`."""
    from tensorflow.lite.python import convert as passes

    plain = _float32_of(model)
    if plain is not None:
        calibrated = ranges.calibrated(hard_swish.replaced(plain), calibration)
    elif not float_layers:
        return _by_tensorflow(model, variant, calibration, False)
    else:
        converter = _converter(_traced(model))
        SETTINGS[variant](converter, calibration)
        converter._experimental_calibrate_only = True
        calibrated = converter.convert()
    inside, outside = _types(variant, model)
    graph = read_graph(calibrated, "calibrated")
    flatbuffer: bytes = passes.mlir_quantize(
        calibrated,
        input_data_type=inside,
        output_data_type=outside,
        denylisted_nodes=[*_nodes(graph, model, float_layers), *spreads.names(graph)] or None,
    )
    return flatbuffer


def _types(variant: str, model: Any) -> tuple[Any, Any]:
    """What goes in and comes out."""
    import tensorflow as tf

    if variant != "int8":
        return tf.float32, tf.float32
    return tf.float32 if takes_signals(model) else tf.uint8, tf.uint8


def takes_signals(model: Any) -> bool:
    """Whether a Keras model takes signals, [batch, length, channels]."""
    return not isinstance(model, FrozenNetwork) and len(model.input_shape) == 3


def scaling_layers(model: Any) -> tuple[str, ...]:
    """The layers before a signal model's first weights, which scale the signal.

    They stay in float in int8 files: 8 bits over the range from the baseline to the tallest peak
    would round small peaks away, but what these layers make of it spends its bits where signals
    mostly are. docs/signals.md has what that is worth.
    """
    names = []
    for layer in model.layers:
        if layer.weights:
            break
        if type(layer).__name__ in ("Rescaling", "Activation"):
            names.append(layer.name)
    return tuple(names)


def layer_names(model: Any) -> tuple[str, ...]:
    """The names of a Keras model's layers, those of models within it included."""
    return tuple(
        name
        for layer in model.layers
        for name in (layer_names(layer) if hasattr(layer, "layers") else (layer.name,))
    )


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

    _int8_float_io(converter, calibration)
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8


def _int8_float_io(converter: Any, calibration: Pixels) -> None:
    """All int8 inside, float32 pixels in and float32 probabilities out."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _representative(calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def _int16x8(converter: Any, calibration: Pixels) -> None:
    """Weights int8, activations int16, float32 pixels in and float32 probabilities out."""
    import tensorflow as tf

    operators = tf.lite.OpsSet
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _representative(calibration)
    converter.target_spec.supported_ops = [
        operators.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    ]


SETTINGS: dict[str, Callable[[Any, Pixels], None]] = {
    "float32": _float32,
    "float16": _float16,
    "dynamic": _dynamic,
    "int8": _int8,
    "int8-float-io": _int8_float_io,
    "int16x8": _int16x8,
    # Made of the float32 flatbuffer: TensorFlow's own converter has no 4 bits.
    "int4": _float32,
}
SELECTIVE = ("int8", "int8-float-io")
SPARSE = ("float32", "float16", *SELECTIVE)
_NOT_SPARSE = {
    "dynamic": "LiteRT refuses to load sparse int8 kernels beside float32 values",
    "int16x8": "TensorFlow's sparse encoding breaks its additions; no runtime loads it",
    "int4": "there is no sparse encoding for 4 bits",
}


def _representative(calibration: Pixels) -> Iterator[list[Any]]:
    """Calibration pictures as TensorFlow's converter wants them."""
    return ([values] for values in ranges.representative(calibration))


def _traced(model: Any) -> Any:
    """The network as one function of a batch of exactly 1.

    Other runtimes refuse a dynamic batch, and no device needs one.
    """
    import tensorflow as tf

    name = model.output_names[0]
    image = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")
    serve = tf.function(
        lambda image: {name: model(image, training=False)}, input_signature=[image], autograph=False
    )
    return serve.get_concrete_function()


def _converter(function: Any) -> Any:
    """A converter of the traced function.

    Not TFLiteConverter.from_keras_model, and no SavedModel on the way, which TensorFlow would save
    and load again for the sake of a signature: that takes several times as long as all the rest,
    for the same numbers in the same operators.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    # The variables are frozen into the function.
    converter.experimental_lower_to_saved_model = False
    converter._freeze_concrete_function = lambda: _frozen(function)
    return converter


def _frozen(function: Any) -> tuple[Any, ...]:
    """The function's graph with its variables as constants, its inputs, its outputs, and itself.

    As the converter does it, which then makes a function of that graph, for the sake of the names
    of its inputs and outputs; they are those of the first. That is up to a third of a conversion.
    """
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants

    data = convert_to_constants._FunctionConverterDataInEager(
        func=function, lower_control_flow=False, aggressive_inlining=False
    )
    graph, places = convert_to_constants._replace_variables_by_constants(converter_data=data)
    captures = function.graph.internal_captures
    # A tensor that was captured is a constant now, as a variable is.
    constants = {id(captures[place]) for place in places}
    inputs = [t for t in function.inputs if t.dtype != tf.resource and id(t) not in constants]
    return graph, inputs, function.outputs, function


def _nodes(graph: Graph, model: Any, float_layers: Sequence[str]) -> list[str]:
    """The operators of the layers, by what TensorFlow calls them: their output tensor's name."""
    nodes = []
    for layer in float_layers:
        found = [
            name
            for name in (graph.tensors[op.outputs[0]].name for op in graph.operators)
            if holds_layer(name, layer)
        ]
        if layer == model.output_names[0]:
            # The output's tensor has the signature's name, not a layer's.
            found.append(graph.tensors[graph.outputs[0]].name)
        if not found:
            raise ModelError(
                f"the layer '{layer}' has no operator of its own in the converted model: it is the "
                "input, has no effect after training, or is folded into the layer before it"
            )
        nodes += found
    return nodes


def _check_pixels_in(flatbuffer: bytes) -> None:
    graph = read_graph(flatbuffer, "int8")
    tensor = graph.tensors[graph.inputs[0]]
    exact = bool(tensor.scales) and abs(tensor.scales[0] - 1) < 1e-6 and tensor.zero_points == (0,)
    if tensor.dtype != "uint8" or not exact:
        raise ModelError(
            f"the int8 input is {tensor.dtype} with scale {tensor.scales} and zero point "
            f"{tensor.zero_points}; expected uint8, scale 1, zero point 0 for raw pixels. Please "
            "report this with the recipe"
        )
