"""The Keras layers that a model definition may use, and the strict reading of their arguments.

A layer's name and its YAML arguments enter; a plain dict of checked Keras arguments leaves.
Only what is written is kept: what is left out has Keras' own default. One table says which
layers and arguments there are, of what type and range.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import yaml

from ..errors import SpecError, one_line
from .composing import SHOWN, describe
from .limits import Range, closest
from .strict import convert, pairs, problem

CLASSES = "classes"
# A scale that is learnt from the training signals: docs/signals.md.
DATA = "data"

Activation = Literal[
    "elu",
    "gelu",
    "hard_sigmoid",
    "linear",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]


@dataclass(frozen=True)
class Factor:
    """A float; also a fraction such as 1/255, as people write it.

    learnt: the word `data` stands for what is learnt from the training signals.
    """

    learnt: bool = False

    def from_node(self, node: yaml.Node, key: str) -> float | str:
        if self.learnt and isinstance(node, yaml.ScalarNode) and node.value == DATA:
            return DATA
        fraction = isinstance(node, yaml.ScalarNode) and re.fullmatch(
            r"\s*([-+]?[\d.]+)\s*/\s*([\d.]+)\s*", node.value
        )
        if not fraction:
            return float(convert(float, node, key))
        try:
            number = float(fraction[1]) / float(fraction[2])
        except (ValueError, ZeroDivisionError):
            number = math.nan
        if not math.isfinite(number):
            raise problem(
                node, key, f"expected a number or a fraction like 1/255, found {describe(node)}"
            )
        return number


@dataclass(frozen=True)
class Width:
    """A layer's number of outputs: a whole number, or `classes` for the number of classes."""

    allowed: Range

    def from_node(self, node: yaml.Node, key: str) -> int | str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._wrong(node, key)
        if node.value == CLASSES:
            return CLASSES
        try:
            number = int(convert(int, node, key))
        except SpecError:
            raise self._wrong(node, key) from None
        if not self.allowed.holds(number):
            raise problem(node, key, f"{number} is out of range; allowed: {self.allowed}")
        return number

    def _wrong(self, node: yaml.Node, key: str) -> SpecError:
        near = closest(node.value, [CLASSES]) if isinstance(node, yaml.ScalarNode) else ""
        return problem(
            node, key, f"expected a whole number or '{CLASSES}', found {describe(node)}.{near}"
        )


@dataclass(frozen=True)
class Pair:
    """One whole number for both directions, or [height, width]; always kept as a pair."""

    allowed: Range

    def from_node(self, node: yaml.Node, key: str) -> tuple[int, int]:
        if not isinstance(node, yaml.SequenceNode):
            number: int = convert(Annotated[int, self.allowed], node, key)
            return (number, number)
        height, width = convert(Annotated[tuple[int, int], self.allowed], node, key)
        return (height, width)


@dataclass(frozen=True)
class Along:
    """One whole number along a signal; kept as the pair (1, number): a signal is one row."""

    allowed: Range

    def from_node(self, node: yaml.Node, key: str) -> tuple[int, int]:
        number: int = convert(Annotated[int, self.allowed], node, key)
        return (1, number)


@dataclass(frozen=True)
class Margins:
    """One number, [height, width] or [[top, bottom], [left, right]]; always kept as the last."""

    allowed: Range

    def from_node(self, node: yaml.Node, key: str) -> tuple[tuple[int, int], tuple[int, int]]:
        side = Pair(self.allowed)
        nested = isinstance(node, yaml.SequenceNode) and any(
            isinstance(child, yaml.SequenceNode) for child in node.value
        )
        if nested:
            rows, columns = convert(tuple[side, side], node, key)  # type: ignore[valid-type]
            return (rows, columns)
        height, width = side.from_node(node, key)
        return ((height, height), (width, width))


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """A weight penalty that training adds to the loss: l1 * sum|w| + l2 * sum w^2."""

    l1: Annotated[float, Range(0, 1)] = 0.0
    l2: Annotated[float, Range(0, 1)] = 0.0


@dataclass(frozen=True)
class Signature:
    """One layer's arguments, each with the type that `strict.convert` reads."""

    required: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)


_UNITS = Width(Range(1, 65_536))
_STEP = Pair(Range(1, 64))
_WINDOW = Pair(Range(1, 255))
_FRACTION = Annotated[float, Range(0, 0.99)]
_WINDOWED = {"strides": _STEP, "padding": Literal["same", "valid"]}
_CONVOLUTION = {
    **_WINDOWED,
    "dilation_rate": _STEP,
    "activation": Activation,
    "use_bias": bool,
}
_MULTIPLIER = {"depth_multiplier": Annotated[int, Range(1, 64)]}
_POOLING = Signature(optional={"pool_size": _WINDOW, **_WINDOWED})
_ALONG_WINDOW, _ALONG_STEP = Along(Range(2, 255)), Along(Range(1, 64))
_ALONG_WINDOWED = {"strides": _ALONG_STEP, "padding": Literal["same", "valid"]}
_ALONG_POOLING = Signature({"pool_size": _ALONG_WINDOW}, _ALONG_WINDOWED)

LAYERS: Mapping[str, Signature] = {
    "Rescaling": Signature({"scale": Factor(learnt=True)}, {"offset": Factor()}),
    "Conv2D": Signature(
        {"filters": _UNITS, "kernel_size": _WINDOW},
        {**_CONVOLUTION, "kernel_regularizer": Penalty},
    ),
    "DepthwiseConv2D": Signature(
        {"kernel_size": _WINDOW},
        {**_CONVOLUTION, **_MULTIPLIER, "depthwise_regularizer": Penalty},
    ),
    "SeparableConv2D": Signature(
        {"filters": _UNITS, "kernel_size": _WINDOW},
        {
            **_CONVOLUTION,
            **_MULTIPLIER,
            "depthwise_regularizer": Penalty,
            "pointwise_regularizer": Penalty,
        },
    ),
    "Conv1D": Signature(
        {"filters": _UNITS, "kernel_size": Along(Range(1, 255))},
        {
            **_ALONG_WINDOWED,
            "dilation_rate": _ALONG_STEP,
            "activation": Activation,
            "use_bias": bool,
            "kernel_regularizer": Penalty,
        },
    ),
    "MaxPooling1D": _ALONG_POOLING,
    "AveragePooling1D": _ALONG_POOLING,
    "GlobalAveragePooling1D": Signature(),
    "GlobalMaxPooling1D": Signature(),
    "MaxPooling2D": _POOLING,
    "AveragePooling2D": _POOLING,
    "GlobalAveragePooling2D": Signature(),
    "GlobalMaxPooling2D": Signature(),
    "ZeroPadding2D": Signature(optional={"padding": Margins(Range(0, 255))}),
    "Flatten": Signature(),
    "Dense": Signature(
        {"units": _UNITS},
        {"activation": Activation, "use_bias": bool, "kernel_regularizer": Penalty},
    ),
    "Dropout": Signature({"rate": _FRACTION}),
    "SpatialDropout2D": Signature({"rate": _FRACTION}),
    "BatchNormalization": Signature(
        optional={
            "momentum": Annotated[float, Range(0, 0.99999)],
            "epsilon": Annotated[float, Range(1e-8, 1)],
            "center": bool,
            "scale": bool,
        }
    ),
    "Activation": Signature({"activation": Activation}),
    "ReLU": Signature(
        optional={
            "max_value": Annotated[float, Range(0.01, 1000)],
            "negative_slope": Annotated[float, Range(0, 1)],
        }
    ),
    "LeakyReLU": Signature(optional={"alpha": Annotated[float, Range(0, 1)]}),
}


def read_arguments(name: yaml.ScalarNode, arguments: yaml.Node | None, key: str) -> dict[str, Any]:
    """One layer's checked Keras arguments, in the order written.

    name: the node of the layer's Keras name; arguments: its mapping, None or null for none; key:
    the layer's place in the file, for messages. Pairs are kept as (height, width), penalties as
    Penalty, the word `classes` as itself. Raises SpecError.
    """
    layer = name.value
    if layer not in LAYERS:
        raise problem(
            name,
            key,
            f"unknown layer '{one_line(layer, SHOWN)}'.{_near(layer, LAYERS)} Allowed: "
            f"{', '.join(LAYERS)}",
        )
    where = f"{key}.{layer}"
    found = _converted(LAYERS[layer], arguments, where)
    missing = [a for a in LAYERS[layer].required if a not in found]
    if missing:
        listed = " and ".join(f"'{a}'" for a in missing)
        raise problem(name, where, f"{listed} must be given. {_example(layer)}")
    complaint = _disagreement(layer, found)
    if complaint:
        raise problem(name, where, complaint)
    return found


# Layers of signals, with the layer that computes them: a signal is a map of one row.
ROW_LAYERS: Mapping[str, str] = {name: f"{name[:-2]}2D" for name in LAYERS if name.endswith("1D")}
MAP_LAYERS = tuple(name for name in LAYERS if name.endswith("2D"))


def resolve(arguments: Mapping[str, Any], classes: int) -> dict[str, Any]:
    """The arguments with the word `classes` replaced by the number of classes."""
    return {k: classes if v == CLASSES else v for k, v in arguments.items()}


def _converted(signature: Signature, arguments: yaml.Node | None, where: str) -> dict[str, Any]:
    hints = {**signature.required, **signature.optional}
    if arguments is None or arguments.tag == "tag:yaml.org,2002:null":
        return {}
    if not isinstance(arguments, yaml.MappingNode):
        raise problem(
            arguments, where, f"expected arguments and values, found {describe(arguments)}"
        )
    found = {}
    for key_node, value in pairs(arguments, where):
        argument = key_node.value
        at = f"{where}.{argument}"
        if argument not in hints:
            allowed = f"Allowed: {', '.join(hints)}" if hints else "This layer takes no arguments"
            near = _near(argument, hints)
            said = f"unknown argument '{one_line(argument, SHOWN)}'"
            raise problem(key_node, at, f"{said}.{near} {allowed}")
        found[argument] = convert(hints[argument], value, at)
    return found


def _near(name: str, allowed: Mapping[str, Any]) -> str:
    # difflib counts letters of another case as different, so 'relu' would miss 'ReLU'.
    folded = {a.lower(): a for a in allowed}
    return closest(folded.get(name.lower(), name), allowed)


def _example(layer: str) -> str:
    values = {
        "scale": "1/255",
        "filters": "16",
        "kernel_size": "3",
        "units": CLASSES,
        "pool_size": "2",
        "rate": "0.2",
        "activation": "relu",
    }
    written = ", ".join(f"{a}: {values[a]}" for a in LAYERS[layer].required)
    return f"For example: {layer}: {{{written}}}"


def _disagreement(layer: str, arguments: Mapping[str, Any]) -> str | None:
    """What TensorFlow's kernels refuse although each argument is valid on its own."""
    if arguments.get("scale") == DATA and "offset" in arguments:
        return "scale: data learns the offset too; remove offset"
    strides = arguments.get("strides", (1, 1))
    if max(arguments.get("dilation_rate", (1, 1))) > 1 and max(strides) > 1:
        return "strides and dilation_rate cannot both be above 1; set one of them to 1"
    if layer in ("DepthwiseConv2D", "SeparableConv2D") and strides[0] != strides[1]:
        return f"strides must be equal in both directions here, found {list(strides)}"
    return None
