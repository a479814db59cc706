"""A .tflite as a source: a float one is wrapped, a quantised one adopted as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import ModelFile, fitted, read_model
from ..decoding import real
from ..encoding import Encoder
from ..engines import CPU, load_engine
from ..errors import ModelError
from ..frozen import FrozenNetwork
from ..packing import repack
from . import heads, tflite_edit, trace
from .convention import Convention
from .opened import ImportWishes, Opened, Reals

_STEP = 0.51


def open_tflite(path: Path, wishes: ImportWishes) -> Opened:
    """Reads the model and says how to ask it. Raises ModelError."""
    model = fitted(read_model(path), wishes.guest)
    if model.provenance is not None and model.provenance.cnnedge:
        raise ModelError(
            f"{path}: cnnedge made this file, so nothing is to be imported: cnnedge run {path}"
        )
    if len(model.graph.outputs) != 1:
        raise ModelError(
            f"{path}: it has {len(model.graph.outputs)} outputs; a run's model has one row of "
            f"scores. 'cnnedge run {path} --raw' shows all of them"
        )
    size = model.picture_size()
    first = model.inputs[0].layout in ("NCHW", "CHW")
    quantised = model.input.dtype != "float32"
    if quantised and model.input.dtype not in ("uint8", "int8"):
        raise ModelError(
            f"{path}: its input is {model.input.dtype}; import takes float32, uint8, int8"
        )
    stated, because = _stated(model, wishes)

    def build(convention: Convention, head: str) -> tuple[Any, tuple[str, ...]]:
        heads.require_several(head, str(path), f"Use it as it is: cnnedge run {path}")
        made = tflite_edit.wrapped(model.data, size, convention, head, channels_first=first)
        return FrozenNetwork(made, str(path)), (_FROZEN,)

    return Opened(
        kind="quantised .tflite" if quantised else "float32 .tflite",
        size=size,
        answer=_answers(model, first),
        build=build,
        stated=stated,
        because=because,
        labels=model.labels,
        adopted=_adopted(model) if quantised else None,
        trace=lambda values: trace.of_flatbuffer(
            model.data, values.transpose(0, 3, 1, 2) if first else values
        ),
    )


_FROZEN = (
    "the model is imported frozen, as a .tflite has no layers of Keras: it can change its format, "
    "but not be pruned or trained"
)


def _stated(model: ModelFile, wishes: ImportWishes) -> tuple[Convention | None, str]:
    """What the file says of its pixels: by its metadata, or by its quantisation."""
    encoder = Encoder(model, wishes.guest)
    meaning = model.inputs[0]
    if meaning.normalization is not None and not encoder.assumptions:
        normal = meaning.normalization
        return Convention(name="metadata", mean=normal.mean, std=normal.std), "its metadata"
    found = meaning.real_range
    if found is None or encoder.assumptions:
        return None, ""
    low, high = found
    # One step of the quantisation is one level of a pixel.
    std = 255 / (high - low)
    mean = -low * std
    return Convention(name="quantisation", mean=(mean,), std=(std,)), "its quantisation"


def _adopted(model: ModelFile) -> bytes:
    return repack(model.data)


def _answers(model: ModelFile, channels_first: bool) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    # In a process of its own first: a file that LiteRT has not seen may make it crash.
    load_engine(model, CPU)
    engine = Interpreter(model_content=model.data)
    engine.allocate_tensors()
    given, made = engine.get_input_details()[0], engine.get_output_details()[0]

    def answer(values: Reals) -> Reals:
        rows = []
        for row in values:
            picture = row.transpose(2, 0, 1) if channels_first else row
            engine.set_tensor(given["index"], _stored(picture, model).reshape(given["shape"]))
            engine.invoke()
            rows.append(real(engine.get_tensor(made["index"])[0], model.output))
        return np.stack(rows)

    return answer


def _stored(values: Reals, model: ModelFile) -> Any:
    """Real numbers as the input holds them."""
    tensor = model.input
    if tensor.dtype == "float32":
        return values
    limits = np.iinfo(tensor.dtype)
    scale = tensor.scales[0] if tensor.scales else 1.0
    zero = tensor.zero_points[0] if tensor.zero_points else 0
    return np.clip(np.rint(values / scale + zero), limits.min, limits.max).astype(tensor.dtype)


def raw_pixels(model_bytes: bytes, convention: Convention, place: str) -> bytes:
    """A quantised model that takes raw pixels as its own values, or the reason why it cannot.

    Raises ModelError.
    """
    from ..bundle import read_graph

    graph = read_graph(model_bytes, place)
    tensor = graph.tensors[graph.inputs[0]]
    levels = np.arange(256, dtype=np.float64)
    low = -128 if tensor.dtype == "int8" else 0
    scale = tensor.scales[0] if tensor.scales else 1.0
    zero = tensor.zero_points[0] if tensor.zero_points else 0
    for mean, std in zip(*_alike(convention), strict=True):
        wanted = np.clip((levels - mean) / std / scale + zero, low, low + 255)
        if np.abs(wanted - (levels + low)).max() > 2 * _STEP or convention.bgr:
            raise ModelError(
                f"{place}: its quantised input cannot take raw pixels as they are in this "
                f"convention ({convention.shown}). Import the float model it came from; or use the "
                "file as it is, with the same options: cnnedge run"
            )
    return model_bytes


def _alike(convention: Convention) -> tuple[tuple[float, ...], tuple[float, ...]]:
    count = max(len(convention.mean), len(convention.std))
    return tuple(v * count if len(v) == 1 else v for v in (convention.mean, convention.std))  # type: ignore[return-value]
