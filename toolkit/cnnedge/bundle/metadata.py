"""Standard TFLite metadata, and where it goes in the file.

`describe` builds the metadata flatbuffer that MediaPipe Tasks, ML Kit, Android Studio and Netron
read (schema: tflite_support/metadata/metadata_schema.fbs, identifier M001); `embed` puts it into
a model without moving a byte of the weights; `normalization` reads other people's.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import flatbuffers
from flatbuffers.table import Table

from ..specs.pixels import InputSize
from ..specs.signals import Sample, SignalSize
from . import tables
from .graph import IDENTIFIER

METADATA_NAME = "TFLITE_METADATA"
METADATA_IDENTIFIER = b"M001"
# The oldest metadata parser that knows every field used here.
MIN_PARSER_VERSION = "1.0.0"

_IMAGE_PROPERTIES = 2
_FEATURE_PROPERTIES = 1
_NORMALIZATION_OPTIONS = 1
_RGB, _GRAYSCALE = 1, 2
_DESCRIPTIONS, _TENSOR_AXIS_LABELS = 1, 2


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """What a float model wants: (pixel - mean) / std, per channel or one value for all."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def describe(
    *,
    name: str,
    description: str,
    size: Sample,
    labels_file: str | None,
    other_files: tuple[str, ...],
) -> bytes:
    """The metadata of an image classifier that takes raw pixels: mean 0, scale 1; of a signal's, an
    input of plain features, for the standard knows no signals but audio.

    labels_file: the associated file with one label a line, None of a model that answers a picture
    of its input's size; other_files: further ones.
    """
    b = flatbuffers.Builder(1024)
    taken = _signal(b) if isinstance(size, SignalSize) else _image(b, size)
    if labels_file is None:
        assert isinstance(size, InputSize)
        given = _picture(b, size)
    else:
        given = _scores(b, labels_file)
    inputs, outputs = _offsets(b, [taken]), _offsets(b, [given])
    b.StartObject(9)
    b.PrependUOffsetTRelativeSlot(2, inputs, 0)
    b.PrependUOffsetTRelativeSlot(3, outputs, 0)
    subgraphs = _offsets(b, [b.EndObject()])
    files = _offsets(b, [_file(b, f, "Provenance.", _DESCRIPTIONS) for f in other_files])
    texts = [b.CreateString(t) for t in (name, description, MIN_PARSER_VERSION)]
    b.StartObject(8)
    b.PrependUOffsetTRelativeSlot(0, texts[0], 0)
    b.PrependUOffsetTRelativeSlot(1, texts[1], 0)
    b.PrependUOffsetTRelativeSlot(3, subgraphs, 0)
    b.PrependUOffsetTRelativeSlot(6, files, 0)
    b.PrependUOffsetTRelativeSlot(7, texts[2], 0)
    b.Finish(b.EndObject(), file_identifier=METADATA_IDENTIFIER)
    return bytes(b.Output())


def _scores(b: flatbuffers.Builder, labels_file: str) -> int:
    labels = _file(b, labels_file, "One label per class.", _TENSOR_AXIS_LABELS)
    return _table(
        b,
        name=b.CreateString("probability"),
        description=b.CreateString("Probability of each class."),
        content=_feature_content(b),
        units=None,
        stats=_stats(b, 1.0),
        files=_offsets(b, [labels]),
    )


def _picture(b: flatbuffers.Builder, size: InputSize) -> int:
    return _table(
        b,
        name=b.CreateString("picture"),
        description=b.CreateString("The picture that the model draws, pixels from 0 to 255."),
        content=_image_content(b, size),
        units=None,
        stats=_stats(b, 255.0),
        files=None,
    )


def _image(b: flatbuffers.Builder, size: InputSize) -> int:
    return _table(
        b,
        name=b.CreateString("image"),
        description=b.CreateString(
            "Pixels as they are, from 0 to 255; the model itself scales them."
        ),
        content=_image_content(b, size),
        units=_offsets(b, [_normalization(b)]),
        stats=_stats(b, 255.0),
        files=None,
    )


def _signal(b: flatbuffers.Builder) -> int:
    return _table(
        b,
        name=b.CreateString("signal"),
        description=b.CreateString("Values as they were measured; the model itself scales them."),
        content=_feature_content(b),
        units=None,
        stats=None,
        files=None,
    )


def embed(model: bytes, metadata: bytes) -> bytes:
    """The model with one more metadata entry, its weights bit for bit where they were aligned.

    A flatbuffer's offsets point forward only. So the new root table, buffer list and metadata
    list go in front of the old bytes and point into them; the old root is left unused. Repacking
    the whole file with the Python library instead would lose the 16-byte alignment of weights.
    An entry of the same name is replaced.
    """
    old = tables.root(model)
    buffers = [t.Pos for t in tables.children(old, 4)]
    entries = [t.Pos for t in tables.children(old, 6) if tables.text(t, 0) != METADATA_NAME]
    slots = {i: tables.field(old, i) for i in range(1, _Prefix.SLOTS)}
    prefix = _Prefix(metadata, len(buffers), len(entries))
    shift = prefix.size
    out = bytearray(prefix.size) + model
    struct.pack_into("<I4s", out, 0, prefix.table, IDENTIFIER)
    version = (
        struct.unpack_from("<I", model, tables.field(old, 0))[0] if tables.field(old, 0) else 3
    )
    prefix.write_root(out, version)
    for slot, position in slots.items():
        if slot in (4, 6) or not position:
            continue
        target = position + struct.unpack_from("<I", model, position)[0] + shift
        prefix.point(out, slot, target)
    prefix.write_lists(out, [p + shift for p in buffers], [p + shift for p in entries], metadata)
    return bytes(out)


def normalization(metadata: bytes) -> Normalization | None:
    """The input's mean and std in a metadata flatbuffer, if it states them."""
    tensor = _first_input(metadata)
    for unit in tables.children(tensor, 4) if tensor else ():
        options = tables.child(unit, 1)
        kind = tables.scalar(unit, 0, flatbuffers.number_types.Uint8Flags)
        if kind == _NORMALIZATION_OPTIONS and options:
            mean, std = tables.numbers(options, 0, "f"), tables.numbers(options, 1, "f")
            if mean and len(mean) == len(std):
                return Normalization(mean=mean, std=std)
    return None


def image_size(metadata: bytes) -> tuple[int, int] | None:
    """Height and width that the metadata names for the input, if it states them."""
    tensor = _first_input(metadata)
    content = tables.child(tensor, 3) if tensor else None
    properties = tables.child(content, 1) if content else None
    if content is None or properties is None:
        return None
    if tables.scalar(content, 0, flatbuffers.number_types.Uint8Flags) != _IMAGE_PROPERTIES:
        return None
    size = tables.child(properties, 1)
    flags = flatbuffers.number_types.Uint32Flags
    width, height = (tables.scalar(size, slot, flags) if size else 0 for slot in (0, 1))
    return (height, width) if min(height, width) > 0 and max(height, width) <= 8192 else None


def label_file(metadata: bytes) -> str | None:
    """The name of the associated file with the first output's labels."""
    for subgraph in tables.children(tables.root(metadata), 3):
        for tensor in tables.children(subgraph, 3):
            for file in tables.children(tensor, 6):
                kind = tables.scalar(file, 2, flatbuffers.number_types.Int8Flags)
                if kind == _TENSOR_AXIS_LABELS:
                    return tables.text(file, 0)
    return None


def _first_input(metadata: bytes) -> Table | None:
    for subgraph in tables.children(tables.root(metadata), 3):
        return next(tables.children(subgraph, 2), None)
    return None


class _Prefix:
    """The layout of the bytes put in front of a model: every position fixed beforehand."""

    SLOTS = 16

    def __init__(self, metadata: bytes, buffers: int, entries: int) -> None:
        self.vtable = 8
        self.table = _up(self.vtable + 4 + 2 * self.SLOTS, 4)
        self.buffers = self.table + 4 + 4 * self.SLOTS
        self.entries = self.buffers + 4 + 4 * (buffers + 1)
        self.entry_vtable = self.entries + 4 + 4 * (entries + 1)
        self.entry = self.entry_vtable + 8
        self.name = self.entry + 12
        self.buffer_vtable = _up(self.name + 4 + len(METADATA_NAME) + 1, 4)
        self.buffer = self.buffer_vtable + 8
        # The data of a buffer begins on a multiple of 16, its length just before it.
        self.data = _up(self.buffer + 8 + 4, 16) - 4
        self.size = _up(self.data + 4 + len(metadata), 16)
        self.new_buffer_index = buffers

    def write_root(self, out: bytearray, version: int) -> None:
        struct.pack_into("<HH", out, self.vtable, 4 + 2 * self.SLOTS, 4 + 4 * self.SLOTS)
        struct.pack_into("<i", out, self.table, self.table - self.vtable)
        struct.pack_into("<H", out, self.vtable + 4, 4)
        struct.pack_into("<I", out, self.table + 4, version)

    def point(self, out: bytearray, slot: int, target: int) -> None:
        position = self.table + 4 + 4 * slot
        struct.pack_into("<H", out, self.vtable + 4 + 2 * slot, position - self.table)
        struct.pack_into("<I", out, position, target - position)

    def write_lists(
        self, out: bytearray, buffers: list[int], entries: list[int], metadata: bytes
    ) -> None:
        self.point(out, 4, self.buffers)
        self.point(out, 6, self.entries)
        _write_list(out, self.buffers, [*buffers, self.buffer])
        _write_list(out, self.entries, [*entries, self.entry])
        struct.pack_into("<HHHH", out, self.entry_vtable, 8, 12, 4, 8)
        struct.pack_into("<i", out, self.entry, self.entry - self.entry_vtable)
        struct.pack_into(
            "<II", out, self.entry + 4, self.name - self.entry - 4, self.new_buffer_index
        )
        name = METADATA_NAME.encode() + b"\0"
        struct.pack_into(f"<I{len(name)}s", out, self.name, len(METADATA_NAME), name)
        struct.pack_into("<HHH", out, self.buffer_vtable, 6, 8, 4)
        struct.pack_into(
            "<iI", out, self.buffer, self.buffer - self.buffer_vtable, self.data - self.buffer - 4
        )
        struct.pack_into("<I", out, self.data, len(metadata))
        out[self.data + 4 : self.data + 4 + len(metadata)] = metadata


def _up(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment


def _write_list(out: bytearray, start: int, targets: list[int]) -> None:
    struct.pack_into("<I", out, start, len(targets))
    for i, target in enumerate(targets):
        position = start + 4 + 4 * i
        struct.pack_into("<I", out, position, target - position)


def _table(
    b: flatbuffers.Builder,
    *,
    name: int,
    description: int,
    content: int,
    units: int | None,
    stats: int | None,
    files: int | None,
) -> int:
    b.StartObject(7)
    slots = {0: name, 1: description, 3: content, 4: units, 5: stats, 6: files}
    for slot, offset in slots.items():
        if offset is not None:
            b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return int(b.EndObject())


def _image_content(b: flatbuffers.Builder, size: InputSize) -> int:
    b.StartObject(2)
    b.PrependUint32Slot(0, size.width, 0)
    b.PrependUint32Slot(1, size.height, 0)
    default_size = b.EndObject()
    b.StartObject(2)
    b.PrependInt8Slot(0, _RGB if size.channels == 3 else _GRAYSCALE, 0)
    b.PrependUOffsetTRelativeSlot(1, default_size, 0)
    return _content(b, _IMAGE_PROPERTIES, int(b.EndObject()))


def _feature_content(b: flatbuffers.Builder) -> int:
    b.StartObject(0)
    return _content(b, _FEATURE_PROPERTIES, int(b.EndObject()))


def _content(b: flatbuffers.Builder, kind: int, properties: int) -> int:
    b.StartObject(3)
    b.PrependUint8Slot(0, kind, 0)
    b.PrependUOffsetTRelativeSlot(1, properties, 0)
    return int(b.EndObject())


def _normalization(b: flatbuffers.Builder) -> int:
    mean, std = _floats(b, [0.0]), _floats(b, [1.0])
    b.StartObject(2)
    b.PrependUOffsetTRelativeSlot(0, mean, 0)
    b.PrependUOffsetTRelativeSlot(1, std, 0)
    options = b.EndObject()
    b.StartObject(2)
    b.PrependUint8Slot(0, _NORMALIZATION_OPTIONS, 0)
    b.PrependUOffsetTRelativeSlot(1, options, 0)
    return int(b.EndObject())


def _stats(b: flatbuffers.Builder, high: float) -> int:
    most, least = _floats(b, [high]), _floats(b, [0.0])
    b.StartObject(2)
    b.PrependUOffsetTRelativeSlot(0, most, 0)
    b.PrependUOffsetTRelativeSlot(1, least, 0)
    return int(b.EndObject())


def _file(b: flatbuffers.Builder, name: str, description: str, kind: int) -> int:
    texts = [b.CreateString(name), b.CreateString(description)]
    b.StartObject(5)
    b.PrependUOffsetTRelativeSlot(0, texts[0], 0)
    b.PrependUOffsetTRelativeSlot(1, texts[1], 0)
    b.PrependInt8Slot(2, kind, 0)
    return int(b.EndObject())


def _floats(b: flatbuffers.Builder, values: list[float]) -> int:
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependFloat32(value)
    return int(b.EndVector())


def _offsets(b: flatbuffers.Builder, offsets: list[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())
