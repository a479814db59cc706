"""Strict YAML into frozen dataclasses.

Text enters, a dataclass leaves. An unknown or duplicate key, a wrong type or a value out of
range raises SpecError with file, line, key, what is allowed and the nearest valid name. A YAML
key is the field's name; types and ranges are read from the dataclass itself:

    epochs: Annotated[int, Range(1, 10_000)] = 30
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml

from ..errors import SpecError

T = TypeVar("T")

# The place of a value that came from no text of lines.
_NO_LINE = -2
_TRUE = {"true", "yes", "on"}
_FALSE = {"false", "no", "off"}
_MOST_COMPARED, _LONGEST_COMPARED = 5_000, 100


@dataclass(frozen=True)
class Range:
    """Bounds of a number, inclusive; None leaves a side open."""

    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is not None and self.high is not None:
            return f"from {self.low:g} to {self.high:g}"
        return f"at least {self.low:g}" if self.low is not None else f"at most {self.high:g}"

    def holds(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def closest(name: str, allowed: Iterable[str]) -> str:
    """' Did you mean X?' for the nearest allowed name, or nothing."""
    # Long names, and long lists of them, take minutes to compare.
    near = [text for text in list(allowed)[:_MOST_COMPARED] if len(text) <= _LONGEST_COMPARED]
    name = str(name)[:_LONGEST_COMPARED]
    matches = difflib.get_close_matches(name, near, n=1, cutoff=0.5)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def compose(text: str, source: str) -> yaml.MappingNode:
    """Parses YAML text to its node tree, whose nodes know file and line.

    Raises SpecError when the text is no YAML, or its top level no mapping.
    """
    try:
        loader = yaml.SafeLoader(text)
        loader.name = source
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(f"{source}:{line}: this is not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise SpecError(f"{source}: this is not valid YAML: {error}") from None
    if root is None:
        raise SpecError(f"{source}: the file is empty; expected keys and values")
    if not isinstance(root, yaml.MappingNode):
        raise SpecError(f"{source}:1: expected keys and values at the top, found a {_kind(root)}")
    return root


def override(root: yaml.MappingNode, assignments: Sequence[str]) -> None:
    """Applies KEY=VALUE assignments (dotted keys, YAML values) to a node tree, in place.

    The values are checked later like any others, as standing at "--set KEY=VALUE".
    """
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        source = f"--set {assignment}"
        if not equals or not key.strip():
            raise SpecError(f"{source}: expected KEY=VALUE, for example --set training.epochs=3")
        value = compose_value(text, source)
        node = root
        parts = key.strip().split(".")
        for depth, part in enumerate(parts):
            index = next((i for i, (k, _) in enumerate(node.value) if k.value == part), None)
            last = depth == len(parts) - 1
            if index is None:
                child = value if last else _empty_mapping(value)
                node.value.append((_scalar(part, value), child))
            elif last:
                child = value
                node.value[index] = (_scalar(part, value), child)
            else:
                child = node.value[index][1]
                if not isinstance(child, yaml.MappingNode):
                    if _is_null(child):
                        child = _empty_mapping(value)
                        node.value[index] = (node.value[index][0], child)
                    else:
                        dotted = ".".join(parts[: depth + 1])
                        raise SpecError(f"{source}: '{dotted}' holds a value, not further keys")
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
    return [] if _is_null(node) else [(key, node)]


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
    return typing.cast(yaml.Node, wrapped.value[0][1])


def build_plain(cls: type[T], value: Any, name: str) -> T:
    """As `build`, of a value as JSON holds it: dicts, lists and scalars. name: for messages.

    Raises SpecError.
    """
    try:
        return build(cls, _plain_node(value, yaml.Mark(name, 0, _NO_LINE, 0, None, 0)))
    except RecursionError:
        raise SpecError(f"{name}: it is nested too deeply") from None


def build(cls: type[T], node: yaml.Node, key: str = "") -> T:
    """Makes one frozen dataclass from a node, strictly.

    A dataclass may define `check(self) -> str | None` for rules over several fields; the text it
    returns becomes the error. Raises SpecError.
    """
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, cls)) if f.init}
    if not isinstance(node, yaml.MappingNode):
        allowed = f". Allowed: {', '.join(fields)}" if fields else ""
        raise problem(node, key, f"expected keys and values, found a {_kind(node)}{allowed}")
    hints = typing.get_type_hints(cls, include_extras=True)
    values: dict[str, Any] = {}
    for key_node, value_node in pairs(node, key):
        name = key_node.value
        where = f"{key}.{name}" if key else name
        if name not in fields:
            raise problem(
                key_node,
                where,
                f"unknown key '{name}'.{closest(name, fields)} Allowed: {', '.join(fields)}",
            )
        values[name] = convert(hints[name], value_node, where)
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in values:
            where = f"{key}.{name}" if key else name
            raise problem(node, where, "this key is missing")
    built = cls(**values)
    complaint = getattr(built, "check", lambda: None)()
    if complaint:
        raise problem(node, key, complaint)
    return built


def pairs(node: yaml.MappingNode, key: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """The (key, value) nodes of a mapping; a duplicate or non-text key raises SpecError."""
    seen: dict[str, int] = {}
    found = []
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise problem(key_node, key, f"a key must be text, found a {_kind(key_node)}")
        if key_node.value in seen:
            where = f"{key}.{key_node.value}" if key else key_node.value
            first = seen[key_node.value]
            raise problem(key_node, where, f"this key is given twice (first on line {first})")
        seen[key_node.value] = key_node.start_mark.line + 1
        found.append((key_node, value_node))
    return found


def convert(hint: Any, node: yaml.Node, key: str) -> Any:
    """A node's value as the type `hint`; SpecError when it is another."""
    if hasattr(hint, "from_node"):
        return hint.from_node(node, key)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), node, key)
    origin = get_origin(hint)
    if origin is Annotated:
        return _convert_annotated(hint, node, key)
    if origin in (Union, types.UnionType):
        return _convert_union(hint, node, key)
    if origin is tuple:
        return _convert_tuple(hint, node, key)
    if origin is Literal:
        allowed = [str(a) for a in get_args(hint)]
        if not isinstance(node, yaml.ScalarNode) or node.value not in allowed:
            found = node.value if isinstance(node, yaml.ScalarNode) else f"a {_kind(node)}"
            hint_text = closest(found, allowed)
            raise problem(
                node, key, f"'{found}' is not allowed.{hint_text} Allowed: {', '.join(allowed)}"
            )
        return node.value
    return _convert_scalar(hint, node, key)


def problem(node: yaml.Node, key: str, text: str) -> SpecError:
    """A SpecError that says file, line and key."""
    mark = node.start_mark
    name = getattr(mark, "name", "")
    lineless = name.startswith("--set ") or mark.line == _NO_LINE
    place = name if lineless else f"{name}:{mark.line + 1}"
    return SpecError(f"{place}: {key}: {text}" if key else f"{place}: {text}")


def _convert_annotated(hint: Any, node: yaml.Node, key: str) -> Any:
    base, *extras = get_args(hint)
    value = convert(base, node, key)
    for extra in extras:
        if not isinstance(extra, Range):
            continue
        for number in value if isinstance(value, tuple) else (value,):
            if number is not None and not extra.holds(number):
                raise problem(node, key, f"{number} is out of range; allowed: {extra}")
    return value


def _convert_union(hint: Any, node: yaml.Node, key: str) -> Any:
    options = get_args(hint)
    if type(None) in options and _is_null(node):
        return None
    rest = [o for o in options if o is not type(None)]
    if len(rest) == 1:
        return convert(rest[0], node, key)
    failures = []
    for option in rest:
        try:
            return convert(option, node, key)
        except SpecError as error:
            failures.append(error)
    raise failures[0]


def _convert_tuple(hint: Any, node: yaml.Node, key: str) -> tuple[Any, ...]:
    args = get_args(hint)
    if not isinstance(node, yaml.SequenceNode):
        raise problem(node, key, f"expected a list, found {describe(node)}")
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(convert(args[0], child, f"{key}[{i}]") for i, child in enumerate(node.value))
    if len(node.value) != len(args):
        raise problem(node, key, f"expected {len(args)} values, found {len(node.value)}")
    return tuple(
        convert(a, child, f"{key}[{i}]")
        for i, (a, child) in enumerate(zip(args, node.value, strict=True))
    )


def _convert_scalar(hint: Any, node: yaml.Node, key: str) -> Any:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if hint not in names:
        raise TypeError(f"cannot read a {hint!r} from YAML")
    wanted = f"expected {names[hint]}, found {describe(node)}"
    if not isinstance(node, yaml.ScalarNode) or (_is_null(node) and hint is not str):
        raise problem(node, key, wanted)
    if hint is str:
        if _is_null(node) and node.style is None:
            raise problem(node, key, wanted)
        return node.value
    if node.style in ("'", '"'):
        raise problem(node, key, f"{wanted} in quotes, which is text{_unquoted(hint, node)}")
    if hint is bool:
        lowered = node.value.lower()
        if lowered not in _TRUE | _FALSE:
            raise problem(node, key, wanted)
        return lowered in _TRUE
    try:
        # PyYAML's own resolver takes 1e-3 for text; a person means a number.
        number = hint(node.value.replace("_", ""))
        # A whole number of hundreds of digits is none that a computer counts with.
        finite = math.isfinite(number)
    except (ValueError, OverflowError):
        finite = False
    if not finite:
        raise problem(node, key, wanted)
    return number


def _unquoted(hint: Any, node: yaml.ScalarNode) -> str:
    """The remedy for a quoted value that would be right without its quotes."""
    bare = yaml.ScalarNode(node.tag, node.value, node.start_mark, node.end_mark)
    try:
        _convert_scalar(hint, bare, "")
    except SpecError:
        return ""
    return f": write {node.value} without the quotes"


def describe(node: yaml.Node) -> str:
    """A found value in words, for messages."""
    if isinstance(node, yaml.ScalarNode):
        return "nothing" if _is_null(node) else f"'{node.value}'"
    return f"a {_kind(node)}"


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "list"
    return "mapping" if isinstance(node, yaml.MappingNode) else "single value"


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _plain_node(value: Any, mark: yaml.Mark) -> yaml.Node:
    if isinstance(value, dict):
        items = [(_plain_node(str(k), mark), _plain_node(v, mark)) for k, v in value.items()]
        return yaml.MappingNode("tag:yaml.org,2002:map", items, mark, mark)
    if isinstance(value, (list, tuple)):
        nodes = [_plain_node(v, mark) for v in value]
        return yaml.SequenceNode("tag:yaml.org,2002:seq", nodes, mark, mark)
    if value is None:
        return yaml.ScalarNode("tag:yaml.org,2002:null", "null", mark, mark)
    if isinstance(value, bool):
        return yaml.ScalarNode("tag:yaml.org,2002:bool", str(value).lower(), mark, mark)
    if isinstance(value, (int, float)):
        return yaml.ScalarNode("tag:yaml.org,2002:float", str(value), mark, mark)
    return yaml.ScalarNode("tag:yaml.org,2002:str", str(value), mark, mark, style='"')


def _scalar(text: str, like: yaml.Node) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, like.start_mark, like.end_mark)


def _empty_mapping(like: yaml.Node) -> yaml.MappingNode:
    return yaml.MappingNode("tag:yaml.org,2002:map", [], like.start_mark, like.end_mark)
