"""Values as JSON has them into frozen dataclasses, strictly; and back.

What `json.loads` gave enters, a dataclass leaves: every field of its type and within its range,
or a SpecError that names the field. Types and ranges are read from the dataclass itself, as
`strict` reads them for YAML. A JSON key is the field's name.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from ..errors import SpecError, one_line
from .limits import MOST_WHOLE, Range, closest

T = TypeVar("T")
# A value and what it is called in messages: the same, as its type.
Reader = Callable[[Any, str], Any]

_LARGEST = 1.7976931348623157e308
_SHOWN = 80
_OMITTED = "omitted"
# A camera's frames are written as they come.
_PLAIN = frozenset({str, int, float, bool, type(None)})


@dataclass(frozen=True)
class Length:
    """Bounds of a list, inclusive."""

    low: int = 0
    high: int = 1_000_000


def omitted() -> Any:
    """A field that may be None, and is then not written at all."""
    return dataclasses.field(default=None, metadata={_OMITTED: True})


def plain(value: Any) -> Any:
    """Dataclasses and tuples as dicts and lists, for YAML and JSON."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, type):
        return value
    if hasattr(value, "as_json"):
        return value.as_json()
    return plain_fields(value) if dataclasses.is_dataclass(value) else value


def plain_fields(value: Any) -> dict[str, Any]:
    """A dataclass' fields by name; without those that are omitted."""
    found = {}
    for name, may_be_omitted in _fields(typing.cast(Any, type(value))):
        held = getattr(value, name)
        if held is not None or not may_be_omitted:
            found[name] = plain(held)
    return found


@functools.cache
def _fields(cls: Any) -> tuple[tuple[str, bool], ...]:
    return tuple((f.name, bool(f.metadata.get(_OMITTED))) for f in dataclasses.fields(cls))


def read(cls: type[T], value: Any, name: str, *, others: bool = False) -> T:
    """A value as the dataclass `cls`. name: for messages. others: keys that it does not have are
    passed over, as other versions write them, and not refused.

    A dataclass may define `check(self) -> str | None` for rules over several fields, and
    `from_plain(value)` for what is written otherwise than it is held. Raises SpecError.
    """
    try:
        found: T = _reader_of(typing.cast(Any, cls), others)(value, name)
    except RecursionError:
        raise SpecError(f"{one_line(name, _SHOWN)}: it is nested too deeply") from None
    return found


@functools.cache
def _reader_of(hint: Any, others: bool) -> Reader:
    """Made once for each type: an answer may hold a hundred thousand samples."""
    if dataclasses.is_dataclass(hint):
        return _of_dataclass(hint, others)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _bounded(_reader_of(arguments[0], others), arguments[1:])
    if origin in (Union, types.UnionType):
        return _of_union(arguments, others)
    if origin is tuple:
        return _of_tuple(arguments, others)
    if origin in (Mapping, dict):
        return _of_mapping(_reader_of(arguments[1], others))
    if origin is Literal:
        return _of_literal(arguments)
    if hint is Any:
        return lambda value, _name: value
    return _SCALARS[hint]


def _of_dataclass(cls: Any, others: bool) -> Reader:
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    hints = typing.get_type_hints(cls, include_extras=True)
    required = [
        name
        for name, f in fields.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    readers: dict[str, Reader] = {}

    def reader(value: Any, name: str) -> Any:
        if not readers:
            # Not before: a type may hold itself.
            readers.update({key: _reader_of(hints[key], others) for key in fields})
        if not isinstance(value, Mapping):
            raise _wrong(value, name, "an object")
        unknown = next((key for key in value if key not in fields), None)
        if unknown is not None and not others:
            raise SpecError(
                f"{name or 'it'}: unknown key '{one_line(str(unknown), _SHOWN)}'."
                f"{closest(str(unknown), fields)} Allowed: {', '.join(fields)}"
            )
        missing = next((key for key in required if key not in value), None)
        if missing is not None:
            raise SpecError(f"{_under(name, missing)}: this key is missing")
        given = {k: readers[k](v, _under(name, k)) for k, v in value.items() if k in fields}
        built = cls(**given)
        complaint = getattr(built, "check", lambda: None)()
        if complaint:
            raise SpecError(f"{name}: {complaint}" if name else complaint)
        return built

    if not hasattr(cls, "from_plain"):
        return reader
    return lambda value, name: cls.from_plain(value, name, reader)


def _bounded(inner: Reader, bounds: Sequence[Any]) -> Reader:
    def reader(value: Any, name: str) -> Any:
        found = inner(value, name)
        several = found if isinstance(found, tuple) else (found,)
        for bound in bounds:
            if isinstance(bound, Length) and not bound.low <= len(several) <= bound.high:
                raise SpecError(
                    f"{name}: {len(several):,} values; allowed: {bound.low:,} to {bound.high:,}"
                )
            if isinstance(bound, Range):
                wrong = next((v for v in several if v is not None and not bound.holds(v)), None)
                if wrong is not None:
                    raise SpecError(f"{name}: {wrong} is out of range; allowed: {bound}")
        return found

    return reader


def _of_union(options: Sequence[Any], others: bool) -> Reader:
    kinds = [o for o in options if o is not type(None)]
    readers = [_reader_of(kind, others) for kind in kinds]
    nullable = type(None) in options

    def reader(value: Any, name: str) -> Any:
        if value is None and nullable:
            return None
        # The one that it is most like comes last: its complaint is the one to read.
        likely = len(kinds) - 1
        if isinstance(value, Mapping):
            likely = max(range(len(kinds)), key=lambda i: (_shared(kinds[i], value), i))
        for attempt in (r for i, r in enumerate(readers) if i != likely):
            try:
                return attempt(value, name)
            except SpecError:
                continue
        return readers[likely](value, name)

    return reader


def _shared(kind: Any, value: Mapping[Any, Any]) -> int:
    """How many of a dataclass' fields an object has."""
    if not dataclasses.is_dataclass(kind):
        return 0
    return sum(f.name in value for f in dataclasses.fields(kind))


def _of_tuple(arguments: Sequence[Any], others: bool) -> Reader:
    readers = [_reader_of(a, others) for a in arguments if a is not Ellipsis]
    endless = Ellipsis in arguments
    span = _span(arguments[0])

    def reader(value: Any, name: str) -> Any:
        if not isinstance(value, (list, tuple)):
            raise _wrong(value, name, "a list")
        if endless:
            inner = readers[0]
            # Of samples there are a hundred thousand, and all as they should be.
            if span and all(type(v) is float and span[0] <= v <= span[1] for v in value):
                return tuple(value)
            return tuple([inner(v, name) for v in value])
        if len(value) != len(readers):
            raise SpecError(f"{name}: expected {len(readers)} values, found {len(value)}")
        return tuple(inner(v, name) for inner, v in zip(readers, value, strict=True))

    return reader


def _span(hint: Any) -> tuple[float, float] | None:
    """The bounds of a float that has both."""
    kind, *bounds = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    if kind is not float or len(bounds) != 1 or not isinstance(bounds[0], Range):
        return None
    low, high = bounds[0].low, bounds[0].high
    return None if low is None or high is None else (low, high)


def _of_mapping(inner: Reader) -> Reader:
    def reader(value: Any, name: str) -> Any:
        if not isinstance(value, Mapping) or not all(isinstance(k, str) for k in value):
            raise _wrong(value, name, "an object")
        return {k: inner(v, _under(name, one_line(k, _SHOWN))) for k, v in value.items()}

    return reader


def _of_literal(allowed: Sequence[Any]) -> Reader:
    def reader(value: Any, name: str) -> Any:
        if value not in allowed or isinstance(value, bool):
            shown = ", ".join(map(str, allowed))
            near = closest(value, map(str, allowed)) if isinstance(value, str) else ""
            raise SpecError(f"{name}: {_shown(value)} is not allowed.{near} Allowed: {shown}")
        return value

    return reader


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _wrong(value, name, "text")
    return value


def _truth(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(value, name, "true or false")
    return value


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MOST_WHOLE:
        raise _wrong(value, name, "a whole number of 64 bits")
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, float):
        if -_LARGEST <= value <= _LARGEST:
            return value
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST:
        return float(value)
    raise _wrong(value, name, "a number")


_SCALARS: dict[Any, Reader] = {str: _text, bool: _truth, int: _whole, float: _number}


def _under(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _wrong(value: Any, name: str, wanted: str) -> SpecError:
    return SpecError(f"{name or 'it'}: expected {wanted}, found {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    try:
        return one_line(repr(value), _SHOWN)
    except ValueError:
        # Python writes no whole number of thousands of digits.
        return "a number of thousands of digits"
