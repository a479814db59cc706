"""Model definitions: a list of Keras layers by their Keras names, with or without a backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from .backbones import BACKBONES, MINIMUM_SIDE, BackboneName
from .composing import compose, describe
from .layers import read_arguments
from .pixels import InputSize
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
    """One network: its input and its layers in order, from raw pixels 0..255 to probabilities.

    backbone: a network with published weights that comes before the layers, which are its head.
    """

    description: str = ""
    input: InputSize
    backbone: BackboneName | None = None
    layers: tuple[LayerSpec, ...]

    def check(self) -> str | None:
        if not self.layers:
            return "layers is empty; list at least one Keras layer"
        if len(self.layers) > MOST_LAYERS:
            return f"layers lists {len(self.layers):,} layers; the limit is {MOST_LAYERS}"
        return self.check_input(self.input)

    def check_input(self, size: InputSize) -> str | None:
        """What is wrong with pictures of this size, whatever the layers; None when nothing is."""
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


def parse_model(text: str, source: str) -> ModelSpec:
    """A ModelSpec from YAML text. Raises SpecError."""
    return build(ModelSpec, compose(text, source))
