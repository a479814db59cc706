"""One trial of a model file in a process that may crash from it; run as a program, or by a fork.

The file's bytes enter on standard input, and as arguments an engine's name, the memory it may take
and its seconds; a word for each step that was reached leaves on standard output, and at the end
`error`, its kind and its text, or `done`. Nothing of cnnedge is imported: this must start fast.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
from typing import Any

import numpy as np
import numpy.typing as npt

# The steps, each reported once reached. What ends before READY says nothing about the model.
READY, LOADED, DONE, ERROR = "ready", "loaded", "done", "error"
MODULES = {
    "litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "openvino": "openvino",
}
# A model that takes longer is run only once.
_QUICK_SECONDS = 1.0


def main() -> None:
    """Tries the model from standard input."""
    engine, memory_bytes, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    runtime_of(engine)
    attempt(engine, sys.stdin.buffer.read(), memory_bytes, seconds)


def attempt(engine: str, data: bytes, memory_bytes: int, seconds: int) -> None:
    """Tries a model, and ends the process without cleaning up.

    memory_bytes: beside what the process holds. seconds: of the CPU.
    """
    module = runtime_of(engine)
    _limit(memory_bytes, seconds)
    _tell(READY)
    try:
        (_openvino if engine == "openvino" else _interpreter)(module, data)
    except Exception as error:
        # Of whatever kind: the other side distinguishes them.
        _tell(f"{ERROR} {type(error).__name__} {' '.join(str(error).split())}")
    else:
        _tell(DONE)
    os._exit(0)


def runtime_of(engine: str) -> Any:
    """Imports an engine's runtime. Raises ImportError."""
    if engine == "openvino":
        report_nothing()
    return importlib.import_module(MODULES[engine])


def report_nothing() -> None:
    """To be called before OpenVINO is imported. It reports each import to Intel and Google, from a
    fork that may wait for ever, unless the package that does so cannot be imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def _tell(word: str) -> None:
    os.write(1, f"{word}\n".encode("utf-8", "replace"))


def _limit(memory_bytes: int, seconds: int) -> None:
    """No core file, no endless computation, no more memory than is allowed beside what is held."""
    try:
        import resource
    except ImportError:
        return
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_CPU: seconds}
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            held = int(file.read().split()[0]) * resource.getpagesize()
        limits[resource.RLIMIT_AS] = held + memory_bytes
        # If memory runs out, this process is killed first.
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except (OSError, ValueError):
        pass
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        if hard == resource.RLIM_INFINITY or most <= hard:
            resource.setrlimit(kind, (most, hard))


def _interpreter(module: Any, data: bytes) -> None:
    """What an engine does with a model, in the same order."""
    interpreter = module.Interpreter(model_content=data, num_threads=1)
    interpreter._get_ops_details()
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter._get_ops_details()
    _tell(LOADED)
    if any(_no_numbers(entry["dtype"]) for entry in inputs):
        return
    for fill in (_zeros, _levels):
        started = time.monotonic()
        for entry in inputs:
            interpreter.set_tensor(entry["index"], fill(entry["shape"], entry["dtype"]))
        interpreter.invoke()
        for entry in outputs:
            interpreter.get_tensor(entry["index"])
        if time.monotonic() - started > _QUICK_SECONDS:
            break
    # What was written past its end shows when it is freed.
    del interpreter


def _openvino(module: Any, data: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder:
        path = os.path.join(folder, "model.tflite")
        with open(path, "wb") as file:
            file.write(data)
        core = module.Core()
        graph = core.read_model(path, config={"ENABLE_MMAP": False})
    if any(i.partial_shape.is_dynamic for i in graph.inputs):
        # As its engine has it: what is left open counts one.
        shapes = [i.partial_shape for i in graph.inputs]
        sizes = [[d.get_length() if d.is_static else 1 for d in shape] for shape in shapes]
        graph.reshape(dict(enumerate(sizes)))
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_NUM_THREADS": 1})
    _tell(LOADED)
    request = compiled.create_infer_request()
    for tensor in request.input_tensors:
        tensor.data[...] = 0
    request.infer()


def _no_numbers(dtype: npt.DTypeLike) -> bool:
    """Whether an input takes texts or handles, for which no value can be invented."""
    return np.dtype(dtype).kind not in "biufc"


def _zeros(shape: Any, dtype: Any) -> Any:
    return np.zeros(tuple(shape), dtype)


def _levels(shape: Any, dtype: Any) -> Any:
    """All levels of a pixel by turns."""
    levels = np.resize(np.arange(256, dtype=np.uint8), tuple(shape))
    if np.dtype(dtype) == np.int8:
        return levels.view(np.int8)
    return levels.astype(dtype)


if __name__ == "__main__":
    main()
