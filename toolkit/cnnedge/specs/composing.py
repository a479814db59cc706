"""YAML text to its tree of nodes, which know file and line; changes to such a tree.

Text enters, a node leaves: of a bounded size and depth, whatever somebody wrote. Raises SpecError
with file and line.
"""

from __future__ import annotations

import typing
from collections.abc import Sequence
from itertools import chain
from typing import Any

import yaml

from ..errors import SpecError, one_line

# The names of ImageNet's 21,841 classes fit; PyYAML takes a few seconds for so much.
MOST_CHARACTERS = 1_000_000
_MOST_VALUES = 30_000
_MOST_DEPTH = 50
SHOWN = 80


class _Loader(yaml.SafeLoader):
    """Composes no more than recipes hold; an alias counts as all that it stands for."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0
        # Of each finished node, by its identity: how many values it holds, and how deep.
        self._measures: dict[int, tuple[int, int]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self._depth == _MOST_DEPTH:
            raise self._refusal(mark, f"it has more than {_MOST_DEPTH} nested levels")
        self._nodes += 1
        if self._nodes > _MOST_VALUES:
            raise self._refusal(mark, f"it contains more than {_MOST_VALUES:,} values")
        alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if alias and id(node) not in self._measures:
            raise self._refusal(mark, "an alias refers to something that contains it")
        if not alias and node is not None:
            self._measures[id(node)] = self._measured(node, mark)
        return node

    def _measured(self, node: yaml.Node, mark: yaml.Mark) -> tuple[int, int]:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        inner = node.value if isinstance(node, yaml.SequenceNode) else chain.from_iterable(pairs)
        below = [self._measures[id(child)] for child in inner]
        values = 1 + sum(values for values, _ in below)
        depth = 1 + max((depth for _, depth in below), default=0)
        if values > _MOST_VALUES:
            raise self._refusal(mark, f"it contains more than {_MOST_VALUES:,} values")
        if depth > _MOST_DEPTH:
            raise self._refusal(mark, f"it has more than {_MOST_DEPTH} nested levels")
        return values, depth

    def _refusal(self, mark: yaml.Mark, why: str) -> yaml.composer.ComposerError:
        return yaml.composer.ComposerError(None, None, why, mark)


def compose(text: str, source: str) -> yaml.MappingNode:
    """Parses YAML text to its node tree, whose nodes know file and line.

    Raises SpecError if the text is not YAML, or its top level no mapping.
    """
    if len(text) > MOST_CHARACTERS:
        raise SpecError(
            f"{source}: the text has {len(text):,} characters; the limit is {MOST_CHARACTERS:,}. "
            "Is this the right file?"
        )
    try:
        loader = _Loader(text)
        loader.name = source
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SpecError(
            f"{source}:{line}: this is not valid YAML: the character {error.character:#06x} is not "
            "allowed; remove it, or write it as an escape in double quotes"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = one_line(error.problem or error.context or "it cannot be parsed", 2 * SHOWN)
        raise SpecError(f"{source}:{line}: this is not valid YAML: {said}") from None
    except (ValueError, OverflowError):
        # PyYAML makes characters of escapes, and numbers of directives, without a look at them.
        said = "it contains an escape or a version that is out of range"
        raise SpecError(f"{source}: this is not valid YAML: {said}") from None
    if root is None:
        raise SpecError(f"{source}: the file is empty; expected keys and values")
    if not isinstance(root, yaml.MappingNode):
        raise SpecError(
            f"{source}:1: expected keys and values at the top level, found a {kind_of(root)}"
        )
    return root


def override(root: yaml.MappingNode, assignments: Sequence[str]) -> None:
    """Applies KEY=VALUE assignments (dotted keys, YAML values) to a node tree, in place.

    The values are checked later like any others, as standing at "--set KEY=VALUE".
    """
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        source = f"--set {one_line(assignment, SHOWN)}"
        if not equals or not key.strip():
            raise SpecError(f"{source}: expected KEY=VALUE, for example --set training.epochs=3")
        value = compose_value(text, source)
        node = root
        parts = key.strip().split(".")
        for depth, part in enumerate(parts):
            index = next((i for i, (k, _) in enumerate(node.value) if k.value == part), None)
            last = depth == len(parts) - 1
            if index is None:
                child = value if last else _mapping(value, [])
                node.value.append((_scalar(part, value), child))
            elif last:
                child = value
                node.value[index] = (_scalar(part, value), child)
            else:
                name, child = node.value[index]
                if not isinstance(child, yaml.MappingNode) and not is_null(child):
                    dotted = one_line(".".join(parts[: depth + 1]), SHOWN)
                    raise SpecError(f"{source}: '{dotted}' holds a value, not further keys")
                # A new one: an alias elsewhere keeps what it stands for.
                child = _mapping(value, [] if is_null(child) else list(child.value))
                node.value[index] = (name, child)
            if not last:
                node = typing.cast(yaml.MappingNode, child)


def located(root: yaml.Node, key: str) -> list[tuple[str, yaml.Node]]:
    """The values at a dotted key and below it, each with its own key; a null is none."""
    node = root
    for part in key.split("."):
        items = node.value if isinstance(node, yaml.MappingNode) else []
        found = [value for name, value in items if name.value == part]
        if not found:
            return []
        node = found[0]
    return _leaves(node, key)


def _leaves(node: yaml.Node, key: str) -> list[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode) and node.value:
        below = (_leaves(value, f"{key}.{name.value}") for name, value in node.value)
        return [leaf for leaves in below for leaf in leaves]
    return [] if is_null(node) else [(key, node)]


def without(root: yaml.MappingNode, key: str) -> yaml.MappingNode:
    """The tree without the value at a dotted key."""
    first, _, rest = key.partition(".")
    items = [
        (name, without(value, rest) if rest and name.value == first else value)
        for name, value in root.value
        if rest or name.value != first
    ]
    return yaml.MappingNode(root.tag, items, root.start_mark, root.end_mark)


def compose_value(text: str, source: str) -> yaml.Node:
    """One YAML value (scalar, list or mapping) as a node; empty text is null."""
    wrapped = compose(f"value: {text}", source)
    if len(wrapped.value) != 1:
        raise SpecError(f"{source}: expected one value; write a list as [a, b], on one line")
    return typing.cast(yaml.Node, wrapped.value[0][1])


def describe(node: yaml.Node) -> str:
    """A found value in words, for messages."""
    if isinstance(node, yaml.ScalarNode):
        return "nothing" if is_null(node) else f"'{one_line(node.value, SHOWN)}'"
    return f"a {kind_of(node)}"


def kind_of(node: yaml.Node) -> str:
    """A node's kind in words."""
    if isinstance(node, yaml.SequenceNode):
        return "list"
    return "mapping" if isinstance(node, yaml.MappingNode) else "single value"


def is_null(node: yaml.Node) -> bool:
    """Whether it is null, or nothing."""
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _scalar(text: str, like: yaml.Node) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, like.start_mark, like.end_mark)


def _mapping(like: yaml.Node, items: list[Any]) -> yaml.MappingNode:
    return yaml.MappingNode("tag:yaml.org,2002:map", items, like.start_mark, like.end_mark)
