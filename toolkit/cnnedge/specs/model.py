"""Model definitions: a list of Keras layers by their Keras names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from .layers import read_arguments
from .pixels import InputSize
from .strict import build, compose, describe, pairs, problem


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
    """One network: its input and its layers in order, from raw pixels 0..255 to probabilities."""

    description: str = ""
    input: InputSize
    layers: tuple[LayerSpec, ...]

    def check(self) -> str | None:
        return None if self.layers else "layers is empty; list at least one Keras layer"


def parse_model(text: str, source: str) -> ModelSpec:
    """A ModelSpec from YAML text. Raises SpecError."""
    return build(ModelSpec, compose(text, source))
