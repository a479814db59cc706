"""ONNX in the environment of onnx2tf: asked as it is, and converted to a float32 .tflite.

`python -m aside.onnx_side MEMORY`, with the verbs check, answer, trace and
convert (`loop`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from .loop import Refusal, Verb, serve
from .written import Written

_held: dict[str, Any] = {}


def check() -> str:
    """The versions of what is needed here."""
    import onnx
    import onnx2tf
    import onnxruntime

    versions = (onnx2tf.__version__, onnx.__version__, onnxruntime.__version__)
    return " ".join(versions)


def answer(model: str, given: str, made: str) -> str:
    """Writes float32 [n, k] to the file `made` for the pictures in `given`, by onnxruntime."""
    session = _session(model)
    (entry,) = session.get_inputs()
    values = np.load(given, allow_pickle=False)
    step = 1 if isinstance(entry.shape[0], int) else 8
    parts = [
        session.run(None, {entry.name: values[i : i + step]})[0]
        for i in range(0, len(values), step)
    ]
    np.save(made, np.concatenate(parts).astype(np.float32))
    return ""


def _session(model: str) -> Any:
    import onnxruntime

    if model not in _held:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        _held[model] = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
    return _held[model]


def trace(model: str, given: str, folder: str) -> str:
    """What leaves each node for the pictures in `given`, written to `folder` (`written`)."""
    import onnx
    import onnxruntime

    whole = onnx.load(model)
    nodes = list(whole.graph.node)
    names = [name for node in nodes for name in node.output if name]
    already = {output.name for output in whole.graph.output}
    whole.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in already)
    traced = str(Path(model).with_name("traced.onnx"))
    onnx.save(whole, traced)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Nothing is fused: each node stays.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(traced, options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    written = Written(folder)
    for picture in np.load(given, allow_pickle=False):
        made = dict(zip(names, session.run(names, {entry.name: picture[np.newaxis]}), strict=True))
        written.begin({entry.name})
        for node in nodes:
            for name in node.output:
                if name:
                    written.add((node.name or name, node.op_type), made[name], node.input, name)
    return written.end()


def convert(model: str, shape: str, folder: str) -> str:
    """The path of the float32 .tflite. shape: of the input, numbers with commas."""
    import onnx
    import onnx2tf

    # All of it in one file, with every size fixed: a size left open would stay open.
    whole = onnx.load(model)
    (entry,) = (
        i for i in whole.graph.input if i.name not in {t.name for t in whole.graph.initializer}
    )
    sizes = [int(n) for n in shape.split(",")]
    for dimension, size in zip(entry.type.tensor_type.shape.dim, sizes, strict=True):
        dimension.ClearField("dim_param")
        dimension.dim_value = size
    del whole.graph.value_info[:]
    for output in whole.graph.output:
        output.type.tensor_type.ClearField("shape")
    whole = onnx.shape_inference.infer_shapes(whole)
    fixed = Path(folder) / "fixed.onnx"
    onnx.save(whole, str(fixed))
    last = sizes[1] not in (1, 3)
    onnx2tf.convert(
        input_onnx_file_path=str(fixed),
        output_folder_path=folder,
        keep_shape_absolutely_input_names=[entry.name] if last else None,
        non_verbose=True,
        verbosity="error",
    )
    found = sorted(Path(folder).glob("*_float32.tflite"))
    if len(found) != 1:
        raise Refusal(f"onnx2tf left {len(found)} float32 files")
    return str(found[0])


if __name__ == "__main__":
    verbs: dict[str, Verb] = {"check": check, "answer": answer, "trace": trace, "convert": convert}
    serve(verbs, int(sys.argv[1]))
