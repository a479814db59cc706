"""Small models as other people make them, and a bare interpreter to hold them against.

A function of one picture and the shape of its input enter; a .tflite leaves. What the files say is
put in by hand: metadata with a normalisation, other shapes, other operators' names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]


def tflite(
    function: Callable[[Any], Any],
    shape: Sequence[int | None],
    *,
    dtype: str = "float32",
    quantised: str = "",
    reach: tuple[float, float] = (0.0, 1.0),
    outputs: str = "",
) -> bytes:
    """A model file of a TensorFlow function.

    quantised: `int8`, `uint8` or `int16` input and outputs, calibrated on real numbers of `reach`.
    outputs: their type where it is not the input's.
    """
    import tensorflow as tf

    spec = tf.TensorSpec(tuple(shape), getattr(tf, dtype), name="image")
    traced = tf.function(function, autograph=False).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced])
    if quantised:
        random = np.random.default_rng(0)
        low, high = reach
        fixed = [s or 1 for s in shape]

        def samples() -> Any:
            for ends in (low, high):
                yield [np.full(fixed, ends, np.float32)]
            for _ in range(10):
                yield [random.uniform(low, high, fixed).astype(np.float32)]

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = samples
        if quantised == "int16":
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            ]
        converter.inference_input_type = getattr(tf, quantised)
        converter.inference_output_type = getattr(tf, outputs or quantised)
    made: bytes = converter.convert()
    return made


def bare(content: bytes, values: Values) -> tuple[Values, ...]:
    """Every output, in the order of the graph, of an interpreter that is given `values`."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    (entry,) = interpreter.get_input_details()
    if tuple(entry["shape"]) != values.shape:
        interpreter.resize_tensor_input(entry["index"], values.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], values.astype(entry["dtype"]))
    interpreter.invoke()
    return tuple(interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details())


def real(content: bytes, values: Values) -> Values:
    """The first output, its quantisation undone, in a row."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    scale, zero = interpreter.get_output_details()[0]["quantization"]
    row = bare(content, values)[0].reshape(-1).astype(np.float64)
    return (row - zero) * scale if scale else row


def quantisation(content: bytes) -> tuple[float, int]:
    """Scale and zero point of the input."""
    from ai_edge_litert.interpreter import Interpreter

    scale, zero = Interpreter(model_content=content).get_input_details()[0]["quantization"]
    return float(scale), int(zero)


def edited(content: bytes, change: Callable[[Any, Any], None]) -> bytes:
    """The file after `change(model, schema)` of its object tree."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    change(model, schema)
    builder = flatbuffers.Builder(len(content) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def with_metadata(
    content: bytes,
    *,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    size: tuple[int, int] | None = None,
    labels: str | None = None,
) -> bytes:
    """The file with standard metadata. size: height and width. labels: a text, one label a line."""
    import io
    import zipfile

    from cnnedge.bundle import metadata

    b = flatbuffers.Builder(512)
    units, files = 0, 0
    if len(mean):
        lists = [metadata._floats(b, [float(v) for v in each]) for each in (mean, std)]
        b.StartObject(2)
        for slot, offset in enumerate(lists):
            b.PrependUOffsetTRelativeSlot(slot, offset, 0)
        options = b.EndObject()
        b.StartObject(2)
        b.PrependUint8Slot(0, 1, 0)
        b.PrependUOffsetTRelativeSlot(1, options, 0)
        units = metadata._offsets(b, [b.EndObject()])
    image = 0
    if size:
        b.StartObject(2)
        b.PrependUint32Slot(0, size[1], 0)
        b.PrependUint32Slot(1, size[0], 0)
        default = b.EndObject()
        b.StartObject(2)
        b.PrependInt8Slot(0, 1, 0)
        b.PrependUOffsetTRelativeSlot(1, default, 0)
        image = metadata._content(b, 2, b.EndObject())
    if labels is not None:
        files = metadata._offsets(b, [metadata._file(b, "labels.txt", "", 2)])
    tensors = []
    for slots in ({3: image, 4: units}, {6: files}):
        b.StartObject(7)
        for slot, offset in slots.items():
            if offset:
                b.PrependUOffsetTRelativeSlot(slot, offset, 0)
        tensors.append(b.EndObject())
    sides = [metadata._offsets(b, [tensor]) for tensor in tensors]
    b.StartObject(9)
    for slot, offset in zip((2, 3), sides, strict=True):
        b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    subgraphs = metadata._offsets(b, [b.EndObject()])
    b.StartObject(8)
    b.PrependUOffsetTRelativeSlot(3, subgraphs, 0)
    b.Finish(b.EndObject(), file_identifier=metadata.METADATA_IDENTIFIER)
    held = io.BytesIO()
    held.write(metadata.embed(content, bytes(b.Output())))
    if labels is not None:
        with zipfile.ZipFile(held, "a") as archive:
            archive.writestr("labels.txt", labels)
    return held.getvalue()


def written(folder: Path, content: bytes, name: str = "guest.tflite") -> Path:
    """The file on disk."""
    path = folder / name
    path.write_bytes(content)
    return path
