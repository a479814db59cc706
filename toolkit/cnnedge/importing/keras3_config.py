"""The configuration of a Keras 3 model, with nothing left in it that Keras would execute.

What `config.json` or HDF5 holds enters; the same leaves, where every class is one of a closed table
that says itself where the class is. Keras imports and calls what a file names: a Lambda, a class of
any module, a function. None of these comes through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..architectures.keras_file import (
    INITIALIZERS,
    MAX_DEPTH,
    OTHER_LAYERS,
    Family,
    UnknownClass,
    field,
    plain_values,
    shown,
    words_for,
)
from ..errors import ModelError
from ..specs.layers import LAYERS

_OPERATIONS = "keras.src.ops."
_MODELS = {
    "Functional": "keras.src.models.functional",
    "Sequential": "keras",
    # As Keras 2 names a functional model.
    "Model": "keras.src.models.functional",
}
_MORE_LAYERS = (
    *("GroupNormalization", "Identity", "RandomErasing", "RandomSharpness", "RandomHue"),
    *("RandomSaturation", "RandomColorJitter", "RandomGrayscale", "RandomInvert", "RandomShear"),
    *("RandomPosterization", "RandomColorDegeneration", "RandomElasticTransform", "Solarization"),
    *("RandomGaussianBlur", "RandomPerspective", "AutoContrast", "Equalization", "MixUp", "CutMix"),
)
_CLASSES: Mapping[str, str] = {
    **dict.fromkeys((*LAYERS, *OTHER_LAYERS, *_MORE_LAYERS), "keras.layers"),
    **dict.fromkeys(INITIALIZERS, "keras.initializers"),
    **dict.fromkeys(("L1", "L2", "L1L2", "OrthogonalRegularizer"), "keras.regularizers"),
    **dict.fromkeys(("MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"), "keras.constraints"),
    **_MODELS,
}
# Arithmetic between tensors; each computes and does nothing else.
_OPS: Mapping[str, str] = {
    **dict.fromkeys(
        ("Add", "Subtract", "Multiply", "TrueDivide", "Divide", "Negative", "Mean", "Concatenate"),
        "keras.src.ops.numpy",
    ),
    **dict.fromkeys(
        ("Relu", "Relu6", "Silu", "Sigmoid", "Softmax", "HardSigmoid"), "keras.src.ops.nn"
    ),
}
_WORDS = frozenset(
    "hard_silu hard_swish hard_sigmoid silu swish leaky_relu relu6 gelu mish elu selu celu glu "
    "softplus softsign softmax log_softmax sigmoid tanh relu linear exponential".split()
)
# What newer versions write and no network of pictures needs.
_DROPPED = frozenset(("quantization_config", "compile_config", "shared_object_id", "lora_rank"))


def checked(node: Any, where: str = "the model", depth: int = 0) -> dict[str, Any]:
    """A serialised object, its class where the table says. Raises ModelError."""
    name = node.get("class_name") if isinstance(node, dict) else None
    of = _OPS if str(node.get("module") if name else "").startswith(_OPERATIONS) else _CLASSES
    if not isinstance(name, str) or name not in of:
        raise UnknownClass(
            f"{where} is {shown(name)}, a class that cnnedge does not know; none of its code was "
            "executed. A model may contain only Keras' own layers: no Lambda, no wrappers, no "
            "custom classes"
        )
    module = of[name]
    config = node.get("config")
    if isinstance(config, list) and name == "Sequential":
        config = {"name": "sequential", "layers": config}
    rebuilt: dict[str, Any] = {
        "module": module,
        "class_name": "Functional" if name == "Model" else name,
        "registered_name": name if of is _OPS else None,
        "config": {
            key: _field(key, value, name, depth + 1)
            for key, value in (config if isinstance(config, dict) else {}).items()
            if key not in _DROPPED
        },
    }
    for key in ("name", "build_config"):
        if key in node:
            rebuilt[key] = plain_values(node[key], f"{key} of {name}", depth + 1)
    if "inbound_nodes" in node:
        rebuilt["inbound_nodes"] = _calls(node["inbound_nodes"], f"a call of {name}", depth + 1)
    return rebuilt


def _field(key: str, value: Any, owner: str, depth: int) -> Any:
    if depth <= MAX_DEPTH and key == "dtype":
        # A policy says a type, and networks are read in float32 whatever they were trained in.
        return "float32"
    if depth <= MAX_DEPTH and key == "axis" and isinstance(value, dict):
        return value
    return field(key, value, owner, depth, _FAMILY)


def _words(key: str) -> frozenset[str] | None:
    words = words_for(key)
    return words | _WORDS if words is not None and key.endswith("activation") else words


_FAMILY = Family(holders=_MODELS, read=checked, words=_words)


def _calls(value: Any, where: str, depth: int) -> Any:
    """Arguments of calls: plain values, and tensors by the name of who made them."""
    if depth > MAX_DEPTH:
        raise ModelError("its configuration is nested too deeply")
    if isinstance(value, list):
        return [_calls(each, where, depth + 1) for each in value]
    if isinstance(value, dict):
        if "class_name" in value:
            if value["class_name"] != "__keras_tensor__" or set(value) - {"class_name", "config"}:
                raise ModelError(f"{where} holds {shown(value['class_name'])}")
            return {
                "class_name": "__keras_tensor__",
                "config": plain_values(value.get("config"), where, depth + 1),
            }
        return {key: _calls(each, where, depth + 1) for key, each in value.items()}
    return value
