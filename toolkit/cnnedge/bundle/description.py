"""What the standard metadata of a model says, for people.

The bytes of a metadata flatbuffer enter (tflite_support/metadata/metadata_schema.fbs); names,
descriptions, normalisation and associated files leave. Broken bytes raise what
`tables.refusing_damage` knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flatbuffers import number_types as N
from flatbuffers.table import Table

from .tables import Allowance, child, children, numbers, root, scalar, text

_CONTENT = ("", "feature", "image", "bounding boxes", "audio")
_COLOUR = ("", "RGB", "grey")
_UNITS = ("", "normalisation", "score calibration", "score threshold", "tokenizer")
_FILES = (
    "",
    "description",
    "labels of an axis",
    "labels of values",
    "score calibration",
    "vocabulary",
    "search index",
)
# A damaged file may refer to one long list many times.
_TABLE_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class TensorDescription:
    """What is said about one input or output.

    content: `image RGB`, `feature` and such; "" if nothing is said. mean, std: of the
    normalisation, empty if there is none. units: other processing steps by name. low, high:
    the range of its values. files: associated files with what they are for.
    """

    name: str
    description: str
    content: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    units: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    files: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, Any]:
        said = {
            "name": self.name,
            "description": self.description,
            "content": self.content,
            "normalization": {"mean": list(self.mean), "std": list(self.std)}
            if self.mean
            else None,
            "processing": list(self.units),
            "min": list(self.low),
            "max": list(self.high),
            "files": [{"name": name, "kind": kind} for name, kind in self.files],
        }
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """What is said about the model; inputs and outputs in the order of the first subgraph's."""

    name: str
    description: str
    version: str
    author: str
    license: str
    files: tuple[tuple[str, str], ...]
    inputs: tuple[TensorDescription, ...]
    outputs: tuple[TensorDescription, ...]

    def as_json(self) -> dict[str, Any]:
        said = {
            "name": self.name,
            "description": self.description,
            "version": self.version,
            "author": self.author,
            "license": self.license,
            "files": [{"name": name, "kind": kind} for name, kind in self.files],
            "inputs": [t.as_json() for t in self.inputs],
            "outputs": [t.as_json() for t in self.outputs],
        }
        return {key: value for key, value in said.items() if value}


def describe_metadata(metadata: bytes) -> ModelDescription:
    """The metadata entry TFLITE_METADATA, read."""
    table = root(metadata)
    allowance = Allowance(metadata)
    first = next(children(table, 3), None)
    return ModelDescription(
        name=text(table, 0),
        description=text(table, 1),
        version=text(table, 2),
        author=text(table, 4),
        license=text(table, 5),
        files=_files(table, 6, allowance),
        inputs=_tensors(first, 2, allowance),
        outputs=_tensors(first, 3, allowance),
    )


def _tensors(
    subgraph: Table | None, slot: int, allowance: Allowance
) -> tuple[TensorDescription, ...]:
    return tuple(_tensor(t, allowance) for t in children(subgraph, slot)) if subgraph else ()


def _tensor(table: Table, allowance: Allowance) -> TensorDescription:
    stats = child(table, 5)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    units = []
    allowance.take(_TABLE_BYTES)
    for unit in children(table, 4):
        allowance.take(_TABLE_BYTES)
        kind, options = scalar(unit, 0, N.Uint8Flags), child(unit, 1)
        if kind == 1 and options:
            mean, std = numbers(options, 0, "f"), numbers(options, 1, "f")
        else:
            units.append(_name(_UNITS, kind))
    said = TensorDescription(
        name=text(table, 0),
        description=text(table, 1),
        content=_content(child(table, 3)),
        mean=mean,
        std=std,
        units=tuple(units),
        low=numbers(stats, 1, "f") if stats else (),
        high=numbers(stats, 0, "f") if stats else (),
        files=_files(table, 6, allowance),
    )
    lists = (said.mean, said.std, said.low, said.high)
    allowance.take(len(said.name) + len(said.description) + 4 * sum(len(x) for x in lists))
    return said


def _content(table: Table | None) -> str:
    if table is None:
        return ""
    kind, properties = scalar(table, 0, N.Uint8Flags), child(table, 1)
    name = _name(_CONTENT, kind)
    if name == "image" and properties:
        size = child(properties, 1)
        colour = _name(_COLOUR, scalar(properties, 0, N.Int8Flags))
        width, height = (scalar(size, i, N.Uint32Flags) if size else 0 for i in (0, 1))
        return " ".join(x for x in (name, colour, f"{width}x{height}" if width else "") if x)
    return name


def _files(table: Table, slot: int, allowance: Allowance) -> tuple[tuple[str, str], ...]:
    found = []
    for file in children(table, slot):
        found.append((text(file, 0), _name(_FILES, scalar(file, 2, N.Int8Flags))))
        allowance.take(_TABLE_BYTES + len(found[-1][0]))
    return tuple(found)


def _name(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else f"kind {number}"
