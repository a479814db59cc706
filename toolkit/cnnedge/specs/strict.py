"""Strict YAML into frozen dataclasses.

Text enters, a dataclass leaves. An unknown or duplicate key, a wrong type or a value out of
range raises SpecError with file, line, key, what is allowed and the nearest valid name. A YAML
key is the field's name; types and ranges are read from the dataclass itself:

    epochs: Annotated[int, Range(1, 10_000)] = 30
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
import unicodedata
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml

from ..errors import SpecError, one_line
from .composing import SHOWN, describe, is_null, kind_of
from .limits import MOST_WHOLE, Range, closest

T = TypeVar("T")

_TRUE = {"true", "yes", "on"}
_FALSE = {"false", "no", "off"}


def build(cls: type[T], node: yaml.Node, key: str = "") -> T:
    """Makes one frozen dataclass from a node, strictly.

    A dataclass may define `check(self) -> str | None` for rules over several fields; the text it
    returns becomes the error. Raises SpecError.
    """
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, cls)) if f.init}
    if not isinstance(node, yaml.MappingNode):
        allowed = f". Allowed: {', '.join(fields)}" if fields else ""
        raise problem(node, key, f"expected keys and values, found a {kind_of(node)}{allowed}")
    hints = typing.get_type_hints(cls, include_extras=True)
    values: dict[str, Any] = {}
    for key_node, value_node in pairs(node, key):
        name = key_node.value
        where = f"{key}.{name}" if key else name
        if name not in fields:
            raise problem(
                key_node,
                where,
                f"unknown key '{one_line(name, SHOWN)}'.{closest(name, fields)} Allowed: "
                f"{', '.join(fields)}",
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
            raise problem(key_node, key, f"a key must be text, found a {kind_of(key_node)}")
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
            found = node.value if isinstance(node, yaml.ScalarNode) else f"a {kind_of(node)}"
            said = f"'{one_line(found, SHOWN)}' is not allowed.{closest(found, allowed)}"
            raise problem(node, key, f"{said} Allowed: {', '.join(allowed)}")
        return node.value
    return _convert_scalar(hint, node, key)


def problem(node: yaml.Node, key: str, text: str) -> SpecError:
    """A SpecError that says file, line and key."""
    mark = node.start_mark
    name = getattr(mark, "name", "")
    lineless = name.startswith("--set ")
    place = name if lineless else f"{name}:{mark.line + 1}"
    key = one_line(key, 2 * SHOWN)
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
    if type(None) in options and is_null(node):
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
    # Of several kinds, the one that was meant: it has most of the keys.
    meant = max(range(len(rest)), key=lambda i: (_known_keys(rest[i], node), -i))
    raise failures[meant]


def _known_keys(option: Any, node: yaml.Node) -> int:
    """How many of a mapping's keys a dataclass has."""
    if not dataclasses.is_dataclass(option) or not isinstance(node, yaml.MappingNode):
        return 0
    fields = {f.name for f in dataclasses.fields(option)}
    return sum(getattr(key, "value", None) in fields for key, _ in node.value)


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


# One branch for each type that a field may have.
def _convert_scalar(hint: Any, node: yaml.Node, key: str) -> Any:  # noqa: C901
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if hint not in names:
        raise TypeError(f"cannot read a {hint!r} from YAML")
    wanted = f"expected {names[hint]}, found {describe(node)}"
    if not isinstance(node, yaml.ScalarNode) or (is_null(node) and hint is not str):
        raise problem(node, key, wanted)
    if hint is str:
        if is_null(node) and node.style is None:
            raise problem(node, key, wanted)
        return _text(node, key)
    if node.style in ("'", '"'):
        raise problem(node, key, f"{wanted} in quotes, which makes it text{_unquoted(hint, node)}")
    if hint is bool:
        lowered = node.value.lower()
        if lowered not in _TRUE | _FALSE:
            raise problem(node, key, wanted)
        return lowered in _TRUE
    try:
        # PyYAML's own resolver takes 1e-3 for text; a person means a number.
        number = hint(node.value.replace("_", ""))
    except ValueError:
        number = math.nan
    if isinstance(number, int):
        if abs(number) > MOST_WHOLE:
            digits = len(node.value.lstrip("+-"))
            raise problem(
                node, key, f"{wanted}: {digits} digits; whole numbers must fit in 64 bits"
            )
    elif not math.isfinite(number):
        raise problem(node, key, wanted)
    return number


def _text(node: yaml.ScalarNode, key: str) -> str:
    """The text of a node, without characters that steer terminals or end file names."""
    text: str = node.value
    odd = next((c for c in text if unicodedata.category(c) == "Cc" and c not in "\n\t"), None)
    if odd is not None:
        raise problem(node, key, f"the control character {odd!a} is not allowed in text")
    return text


def _unquoted(hint: Any, node: yaml.ScalarNode) -> str:
    """The remedy for a quoted value that would be right without its quotes."""
    bare = yaml.ScalarNode(node.tag, node.value, node.start_mark, node.end_mark)
    try:
        _convert_scalar(hint, bare, "")
    except SpecError:
        return ""
    return f": write {node.value} without the quotes"
