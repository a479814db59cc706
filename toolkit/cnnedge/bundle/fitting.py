"""A model file set to one picture of one size, with what a person states about it.

A ModelFile and a Guest enter; a ModelFile leaves whose input has the shape of exactly one picture.
The shape is written into the bytes that engines load: what the interpreter's own resizing would
change, and all engines, here and on a device, read it alike.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

from flatbuffers.table import Table

from ..errors import ModelError
from . import tables
from .files import ModelFile
from .graph import read_graph
from .guest import Guest
from .inputs import FLAT, SIGNAL, InputMeaning


def fitted(model: ModelFile, guest: Guest) -> ModelFile:
    """The model with its input fixed to one picture, and with the person's labels.

    Raises ModelError if the input is not a picture, or if nobody says its size.
    """
    if guest.names is not None:
        model = replace(model, labels=guest.names)
    if model.signal_size is not None:
        _refuse_for_signals(model, guest)
        return model
    size = model.picture_size(guest.size)
    meaning = model.inputs[0]
    said = _said(meaning, (size.height, size.width), guest)
    shape = meaning.shape(size)
    if shape != tuple(meaning.tensor.shape):
        model = replace(_with_input_shape(model, shape), size=(size.height, size.width))
    closed = replace(
        meaning,
        tensor=model.input,
        batch=1,
        height=size.height,
        width=size.width,
        channels=size.channels,
    )
    return replace(model, inputs=(closed,), assumptions=(*model.assumptions, *said))


def _refuse_for_signals(model: ModelFile, guest: Guest) -> None:
    """Raises ModelError for what a person says of pixels."""
    given = [name for name in guest.as_json() if name not in ("labels", "activation")]
    if given:
        raise ModelError(
            f"{model.path}: this model takes signals, and {', '.join(given)} is for pictures; "
            "remove it"
        )


def sized(model: ModelFile, size: tuple[int, int] | None) -> ModelFile:
    """The same for a model that need not take a picture: one that does not stays as it is.

    Raises ModelError for a picture whose size is open and not stated, and for a size given to what
    is not a picture or leaves none open.
    """
    first = model.inputs[0]
    picture = len(model.inputs) == 1 and first.layout not in ("", FLAT, SIGNAL)
    if size is None and not (picture and (first.open or first.batch != 1)):
        return model
    return fitted(model, Guest(size=size))


def _with_input_shape(model: ModelFile, shape: Sequence[int]) -> ModelFile:
    """The model with another shape of its first input. Raises ModelError if none is written."""
    place, batch = str(model.path), model.inputs[0].batch
    data = bytearray(model.data)
    with tables.refusing_damage(place):
        subgraph = next(tables.children(tables.root(data), 2))
        tensors = list(tables.children(subgraph, 0))
        at, length = _shape_at(tensors[model.graph.inputs[0]])
        if length != len(shape):
            raise ModelError(f"{place}: the file states no input shape that could be set")
        struct.pack_into(f"<{length}i", data, at, *shape)
        # Of the outputs, what an engine may ask the file for: a row for each picture.
        for index in model.graph.outputs if batch is not None and batch > 1 else ():
            at, length = _shape_at(tensors[index])
            if length and struct.unpack_from("<i", data, at)[0] == batch:
                struct.pack_into("<i", data, at, 1)
    # The meaning of the outputs comes from the original file.
    return replace(model, data=bytes(data), graph=read_graph(bytes(data), place))


def _shape_at(tensor: Table) -> tuple[int, int]:
    """Where a tensor's shape begins in the file, and how many dimensions it has; (0, 0): none."""
    offset = tensor.Offset(4)
    return (int(tensor.Vector(offset)), tables.length(tensor, offset, 4)) if offset else (0, 0)


def _said(meaning: InputMeaning, size: tuple[int, int], guest: Guest) -> list[str]:
    found = []
    if meaning.batch is not None and meaning.batch > 1:
        found.append(
            f"the model takes {meaning.batch} pictures at once; cnnedge gives it one at a time"
        )
    if meaning.open and guest.size is None:
        who = "in its metadata" if meaning.default else "in its shape"
        found.append(
            f"the file leaves height and width open: using {size[0]}x{size[1]}, the size {who} "
            "(set another size with --input HxW)"
        )
    return found
