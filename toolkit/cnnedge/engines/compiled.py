"""LiteRT's CompiledModel: the way to its GPU, and to XNNPACK's half precision.

A ModelFile and an accelerator enter; an engine leaves, with all that the library wrote. Loading
it loads LiteRT's WebGPU library, which kills the process on CPUs that it was not built for: see
`probe`.
"""

from __future__ import annotations

import atexit
import functools
import importlib.metadata
import os
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..bundle import ModelFile, TensorInfo
from ..native_stderr import captured, complaints
from .base import Engine, Values
from .failure import not_run
from .report import DelegateReport
from .runtime import Runtime

# TFLITE_XNNPACK_DELEGATE_FLAG_FORCE_FP16 beside the two that are on by default (signed and
# unsigned 8-bit operators); tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h.
_HALF_PRECISION = 0x4 | 0x1 | 0x2
# What may be said of the GPU beside its precision, by LiteRT's own names (gpu_options.py).
GPU_OPTIONS = (
    "constant_tensor_sharing",
    "infinite_float_capping",
    "allow_src_quantized_fc_conv_ops",
    "hint_waiting_for_completion",
)


class CompileError(Exception):
    """CompiledModel does not load the model: the library's own words."""


class CompiledEngine(Engine):
    """A model in LiteRT's CompiledModel. One thread at a time may use it.

    native: what the library wrote while it loaded. fully_accelerated: no operator is left to
    the CPU; of meaning for a GPU alone. Raises CompileError.
    """

    name = "litert"

    def __init__(
        self,
        model: ModelFile,
        accelerator: str,
        runtime: Runtime,
        report: DelegateReport,
    ) -> None:
        """accelerator: `cpu` or `gpu`; the runtime's precision: f32 or f16."""
        self.version = importlib.metadata.version("ai-edge-litert")
        self.threads = runtime.threads
        self.precision = runtime.precision
        self.delegate = report
        self._place = str(model.path)
        self._inputs = [_zeros(model.graph.tensors[i]) for i in model.graph.inputs]
        self._results = [_zeros(model.graph.tensors[i]) for i in model.graph.outputs]
        started = time.perf_counter()
        problem = ""
        with captured(stdout=True) as native:
            # The library keeps pointers into these bytes.
            self._data = model.data
            try:
                held = _compile(self._data, accelerator, runtime)
                self.init_ms = (time.perf_counter() - started) * 1000
                self.fully_accelerated: bool = held["model"].is_fully_accelerated()
                self._to = _order(held["model"], "inputs", model.graph.inputs)
                self._from = _order(held["model"], "outputs", model.graph.outputs)
                # The first write makes the library speak once more.
                for place, values in zip(self._to, self._inputs, strict=True):
                    held["in"][place].write(values)
            except (RuntimeError, ValueError, TypeError) as error:
                problem = str(error)
        self.native = native.text
        if problem:
            raise CompileError("; ".join(_relevant(native.text)) or " ".join(problem.split()))
        self._held = held
        # What it says when it goes would stand below the results; this also runs at exit.
        self._release = weakref.finalize(self, _release, held)
        _mute_the_end()

    def set_input(self, values: Values, at: int = 0) -> None:
        self._inputs[at][...] = values

    def fill_input(self, write: Callable[[Values], None]) -> None:
        write(self._inputs[0])

    def invoke(self) -> Values:
        """Uploads the input, runs, and reads the first output back: it is the synchronisation."""
        held = self._held
        try:
            for place, values in zip(self._to, self._inputs, strict=True):
                held["in"][place].write(values)
            held["model"].run_by_index(0, held["in"], held["out"])
            return self._read(0)
        except (RuntimeError, ValueError, TypeError) as error:
            raise not_run(self._place, self.name, error) from None

    def outputs(self) -> tuple[Values, ...]:
        return tuple(self._read(n) for n in range(len(self._from)))

    def close(self) -> None:
        self._release()

    def _read(self, n: int) -> Values:
        like = self._results[n]
        flat: Values = self._held["out"][self._from[n]].read(like.size, like.dtype.type)
        return flat.reshape(like.shape)


def _compile(data: bytes, accelerator: str, runtime: Runtime) -> dict[str, Any]:
    from ai_edge_litert import compiled_model as litert

    precision = runtime.precision
    half = _HALF_PRECISION if precision == "f16" and accelerator == "cpu" else None
    cpu = litert.CpuOptions(num_threads=runtime.threads, xnnpack_flags=half)
    flags = {
        key: value.lower() in ("1", "true", "yes", "on") for key, value in runtime.options.items()
    }
    gpu = litert.GpuOptions(enforce_f32=precision == "f32", **flags)
    hardware = litert.HardwareAccelerator.CPU
    if accelerator == "gpu":
        # What the GPU does not take is left to the CPU; without this the model is refused whole.
        hardware |= litert.HardwareAccelerator.GPU
    model = litert.CompiledModel.from_buffer(
        data,
        options=litert.Options(hardware_accelerators=hardware, cpu_options=cpu, gpu_options=gpu),
    )
    return {
        "model": model,
        "in": model.create_input_buffers(0),
        "out": model.create_output_buffers(0),
    }


def _order(model: Any, side: str, indices: tuple[int, ...]) -> list[int]:
    """Where each input or output of the graph is among the buffers of the signature."""
    (key, names) = next(iter(model.get_signature_list().items()))
    get = model.get_input_tensor_details if side == "inputs" else model.get_output_tensor_details
    details = get(key)
    places = {int(details[name]["index"]): n for n, name in enumerate(names[side])}
    return [places.get(index, n) for n, index in enumerate(indices)]


def _zeros(tensor: TensorInfo) -> Values:
    shape = tuple(max(1, d) for d in tensor.shape)
    try:
        return np.zeros(shape, tensor.dtype)
    except TypeError:
        raise CompileError(
            f"'{tensor.name}' is of {tensor.dtype}, which it does not accept"
        ) from None


def _relevant(text: str) -> list[str]:
    """The complaints, without those on vendors' compilers that were not asked for."""
    asides = ("npu_registry", "compiler_plugin", "Could not load shared library", "kLiteRt")
    return complaints("\n".join(x for x in text.splitlines() if not any(a in x for a in asides)))


@functools.cache
def _mute_the_end() -> None:
    """LiteRT logs the end of its registry from a static destructor: after Python's own end."""
    atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))


def _release(held: dict[str, Any]) -> None:
    with captured(stdout=True):
        for side in ("in", "out"):
            held.pop(side, None)
        held.pop("model", None)
