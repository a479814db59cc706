"""The JSON Schema of what travels between cnnedge and a device, made of the types themselves.

    python scripts/protocol_schema.py [--check]

Writes docs/protocol.schema.json; --check only says whether it is current.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cnnedge.benchmark.answer import Answer
from cnnedge.benchmark.request import Request
from cnnedge.device_scoring import request as scoring
from cnnedge.specs.limits import Range
from cnnedge.specs.values import Length

PLACE = Path(__file__).resolve().parents[1] / "docs" / "protocol.schema.json"
_SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number"}
# Messages by the names that docs/protocol.md calls them.
MESSAGES = {
    "MeasureRequest": Request,
    "MeasureAnswer": Answer,
    "PredictRequest": scoring.Request,
    "PredictAnswer": scoring.Answer,
}
# Held as infinity, written as null: JSON has none.
_NULLABLE = {("Agreement", "largest_difference")}


class Schema:
    """Definitions, each once."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}

    def of(self, hint: Any) -> dict[str, Any]:
        """What a value of a type looks like."""
        if dataclasses.is_dataclass(hint):
            return self._reference(hint)
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Annotated:
            return self._bounded(self.of(arguments[0]), arguments[1:])
        if origin in (Union, types.UnionType):
            return self._any_of([self.of(a) for a in arguments if a is not Path])
        if origin is tuple:
            return self._list(arguments)
        if origin is Mapping:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if origin is Literal:
            return {"enum": list(arguments)}
        return {"type": "null" if hint is type(None) else _SCALARS[hint]}

    def _reference(self, cls: Any) -> dict[str, Any]:
        name = next((n for n, c in MESSAGES.items() if c is cls), cls.__name__)
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] |= self._object(cls)
        return {"$ref": f"#/$defs/{name}"}

    def _object(self, cls: Any) -> dict[str, Any]:
        hints = typing.get_type_hints(cls, include_extras=True)
        fields = [f for f in dataclasses.fields(cls) if f.init]
        required = [
            f.name
            for f in fields
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        ]
        properties = {f.name: self.of(hints[f.name]) for f in fields}
        for owner, name in _NULLABLE:
            if owner == cls.__name__:
                properties[name] = self._any_of([properties[name], {"type": "null"}])
        found: dict[str, Any] = {"type": "object", "properties": properties}
        return found | ({"required": required} if required else {})

    def _bounded(self, found: dict[str, Any], bounds: tuple[Any, ...]) -> dict[str, Any]:
        for bound in bounds:
            if isinstance(bound, Length):
                found = found | {"minItems": bound.low, "maxItems": bound.high}
            if isinstance(bound, Range):
                limits = {"minimum": bound.low, "maximum": bound.high}
                told = {key: value for key, value in limits.items() if value is not None}
                if "anyOf" in found:
                    parts = [p if p == {"type": "null"} else p | told for p in found["anyOf"]]
                    found = {"anyOf": parts}
                else:
                    found = found | told
        return found

    def _list(self, arguments: tuple[Any, ...]) -> dict[str, Any]:
        if Ellipsis in arguments:
            return {"type": "array", "items": self.of(arguments[0])}
        count = len(arguments)
        items = [self.of(a) for a in arguments]
        return {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}

    def _any_of(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        flat = [q for p in parts for q in p.get("anyOf", [p])]
        return flat[0] if len(flat) == 1 else {"anyOf": flat}


def text() -> str:
    """The file's content."""
    schema = Schema()
    for cls in MESSAGES.values():
        schema.of(cls)
    schema.definitions |= {
        "Failure": {
            "type": "object",
            "properties": {"error": {"type": "string"}, "exit_code": {"enum": [1, 3]}},
            "required": ["error"],
        },
        "Progress": {
            "type": "object",
            "properties": {"done": {"type": "integer", "minimum": 0}},
            "required": ["done"],
        },
    }
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What cnnedge and a device say to each other; docs/protocol.md describes it",
        "$defs": dict(sorted(schema.definitions.items())),
    }
    return json.dumps(whole, indent=1) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        return 0 if PLACE.exists() and PLACE.read_text(encoding="utf-8") == text() else 1
    PLACE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
