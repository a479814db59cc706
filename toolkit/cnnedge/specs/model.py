"""Model definitions: a list of Keras layers by their Keras names, with or without a backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from .backbones import BACKBONES, MINIMUM_SIDE, BackboneName
from .composing import compose, describe
from .layers import DATA, MAP_LAYERS, ROW_LAYERS, read_arguments
from .signals import Sample, SignalSize
from .strict import build, pairs, problem

# Keras builds a network by recursion, layer upon layer.
MOST_LAYERS = 500


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """One Keras layer: its Keras name and arguments. `units: classes` stands for their number."""

    type: str
    arguments: Mapping[str, Any]

    @classmethod
    def from_node(cls, node: yaml.Node, key: str) -> LayerSpec:
        """Reads `Flatten` or `{Conv2D: {filters: 8, kernel_size: 3}}`. Raises SpecError."""
        if isinstance(node, yaml.ScalarNode):
            return cls(type=node.value, arguments=read_arguments(node, None, key))
        if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
            raise problem(
                node,
                key,
                "expected one layer, like 'Flatten' or "
                f"'Dense: {{units: 10}}', found {describe(node)}",
            )
        name, arguments = pairs(node, key)[0]
        return cls(type=name.value, arguments=read_arguments(name, arguments, key))


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One network: its input and its layers in order, from raw values to probabilities.

    Raw values are pixels 0..255, or those of a signal as it was measured.

    backbone: a network with published weights that comes before the layers, which are its head.
    """

    description: str = ""
    input: Sample
    backbone: BackboneName | None = None
    layers: tuple[LayerSpec, ...]

    def check(self) -> str | None:
        if not self.layers:
            return "layers is empty; list at least one Keras layer"
        if len(self.layers) > MOST_LAYERS:
            return f"layers lists {len(self.layers):,} layers; the limit is {MOST_LAYERS}"
        return self.check_input(self.input)

    @property
    def learns_scale(self) -> bool:
        """Whether a layer's scale is learnt from the training signals."""
        return any(layer.arguments.get("scale") == DATA for layer in self.layers)

    def scaled(self, scale: tuple[float, ...], offset: tuple[float, ...]) -> ModelSpec:
        """The same with what was learnt: value * scale + offset, one number for each channel."""
        learnt = {"scale": _one_or_all(scale), "offset": _one_or_all(offset)}
        layers = tuple(
            LayerSpec(type=layer.type, arguments={**layer.arguments, **learnt})
            if layer.arguments.get("scale") == DATA
            else layer
            for layer in self.layers
        )
        return replace(self, layers=layers)

    def check_input(self, size: Sample) -> str | None:
        """What is wrong with such samples, whatever the sizes; None when nothing is."""
        if isinstance(size, SignalSize):
            return self._check_signal()
        if self.learns_scale:
            return "scale: data is for signals; pixels go from 0 to 255: use scale: 1/255"
        row = next((layer.type for layer in self.layers if layer.type in ROW_LAYERS), None)
        if row:
            return f"{row} is for signals, but the input is a picture; use {ROW_LAYERS[row]}"
        if self.backbone is None:
            return None
        if size.channels != 3:
            return (
                f"input.channels is {size.channels}; the backbone {self.backbone} was trained on "
                "RGB and needs 3. Grey pictures are copied to all three"
            )
        if min(size.height, size.width) < MINIMUM_SIDE:
            trained = BACKBONES[self.backbone].side
            return (
                f"input is {size.height}x{size.width}; the backbone {self.backbone} needs pictures "
                f"of at least {MINIMUM_SIDE}x{MINIMUM_SIDE}, and was trained at {trained}x{trained}"
            )
        return None

    def _check_signal(self) -> str | None:
        if self.backbone is not None:
            return f"the input is a signal, but the backbone {self.backbone} takes RGB pictures"
        flat = next((layer.type for layer in self.layers if layer.type in MAP_LAYERS), None)
        if flat is None:
            return None
        near = f"{flat[:-2]}1D"
        instead = f"use {near}" if near in ROW_LAYERS else f"allowed: {', '.join(ROW_LAYERS)}"
        return f"{flat} is for pictures, but the input is a signal; {instead}"


def _one_or_all(values: tuple[float, ...]) -> float | list[float]:
    return values[0] if len(values) == 1 else list(values)


def parse_model(text: str, source: str) -> ModelSpec:
    """A ModelSpec from YAML text. Raises SpecError."""
    return build(ModelSpec, compose(text, source))
