"""OpenVINO: an engine for x86 boards and laptops that reads the same .tflite.

A ModelFile enters, an engine with a compiled graph leaves. OpenVINO takes bfloat16 by itself
where the CPU has it, and does not say so: the precision is read back from the compiled model.
"""

from __future__ import annotations

import importlib.metadata
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import ModelFile
from ..errors import MissingExtraError, ModelError
from ..model_trial import runtime_of
from ..native_stderr import captured
from .base import Engine, Values
from .failure import DelegateRefused, PrecisionRefused, not_run
from .report import DelegateReport, PassedOver
from .runtime import Runtime

# --delegate, and OpenVINO's name of the device.
_DEVICES = {"auto": "CPU", "cpu": "CPU", "gpu": "GPU", "npu": "NPU"}


def load(model: ModelFile, runtime: Runtime) -> OpenVinoEngine:
    """See `loading.load_engine`; the runtime's options are OpenVINO's own properties."""
    try:
        openvino: Any = runtime_of("openvino")
    except ModuleNotFoundError:
        raise MissingExtraError(
            "OpenVINO is not installed: pip install 'cnnedge[openvino]' (x86 and 64-bit Arm)"
        ) from None
    core = openvino.Core()
    return OpenVinoEngine(model, core, _device(core, runtime.delegate), runtime)


class OpenVinoEngine(Engine):
    """A model compiled by OpenVINO. One thread at a time may use it."""

    name = "openvino"

    def __init__(self, model: ModelFile, core: Any, device: str, runtime: Runtime) -> None:
        """core: OpenVINO's own; device: its name of what the runtime's delegate means."""
        requested = runtime.delegate
        self.version = importlib.metadata.version("openvino")
        self.threads = runtime.threads
        self._place = str(model.path)
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
        if device == "CPU":
            settings["INFERENCE_NUM_THREADS"] = runtime.threads
        if runtime.precision != "auto":
            settings["INFERENCE_PRECISION_HINT"] = runtime.precision
        started = time.perf_counter()
        compiled = _compiled(model, core, device, requested, settings | dict(runtime.options))
        self._request: Any = compiled.create_infer_request()
        self.init_ms = (time.perf_counter() - started) * 1000
        self._outputs = _output_order(model, compiled)
        self.precision = _precision(compiled, runtime.precision)
        name = str(core.get_property(device, "FULL_DEVICE_NAME"))
        total = len(model.graph.operators)
        self.delegate = DelegateReport(
            requested=requested,
            used=f"{device.lower()} (OpenVINO)",
            nodes_delegated=total,
            nodes_total=total,
            software=False if device == "GPU" else None,
            device=name,
            passed_over=_passed_over(core) if requested == "auto" else (),
        )

    def set_input(self, values: Values, at: int = 0) -> None:
        self._request.get_input_tensor(at).data[...] = values

    def fill_input(self, write: Callable[[Values], None]) -> None:
        write(self._request.get_input_tensor(0).data)

    def invoke(self) -> Values:
        try:
            self._request.infer()
            return self._read(self._outputs[0])
        except (RuntimeError, ValueError, IndexError) as error:
            raise not_run(self._place, self.name, RuntimeError(_reason(error))) from None

    def outputs(self) -> tuple[Values, ...]:
        return tuple(self._read(i) for i in self._outputs)

    def close(self) -> None:
        self._request = None

    def _read(self, index: int) -> Values:
        return np.array(self._request.get_output_tensor(index).data)


def _device(core: Any, delegate: str) -> str:
    if delegate not in _DEVICES:
        raise DelegateRefused(
            delegate,
            "OpenVINO has its own devices and takes no delegate library",
            "Use --engine litert with it, or --delegate cpu, gpu or npu with --engine openvino",
        )
    wanted = _DEVICES[delegate]
    found = [str(d) for d in core.available_devices]
    # Several of a kind are named GPU.0, GPU.1.
    match = [d for d in found if d.split(".")[0] == wanted]
    if not match:
        raise DelegateRefused(
            delegate,
            f"OpenVINO finds {', '.join(found)} on this machine, but no {wanted}",
            f"Its {wanted} needs Intel hardware with its driver; or use --delegate cpu",
        )
    return match[0]


def _passed_over(core: Any) -> tuple[PassedOver, ...]:
    """Why `auto` is the CPU: what the others gain depends on the model."""
    found = [str(d) for d in core.available_devices]
    return tuple(
        PassedOver(
            delegate=kind,
            reason="OpenVINO finds it, and uses it if you name it"
            if any(d.split(".")[0] == _DEVICES[kind] for d in found)
            else f"OpenVINO finds {', '.join(found)} alone",
        )
        for kind in ("npu", "gpu")
    )


def _compiled(
    model: ModelFile, core: Any, device: str, requested: str, settings: dict[str, Any]
) -> Any:
    # The reader of .tflite takes paths alone; the file is written anew, so that what runs are
    # the bytes that were read and checked.
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder, captured():
        path = Path(folder) / "model.tflite"
        path.write_bytes(model.data)
        try:
            graph = core.read_model(path, config={"ENABLE_MMAP": False})
            if any(i.partial_shape.is_dynamic for i in graph.inputs):
                shapes = [model.graph.tensors[i].shape for i in model.graph.inputs]
                fixed = {n: [max(1, d) for d in shape] for n, shape in enumerate(shapes)}
                graph.reshape(fixed)
        except RuntimeError as error:
            raise ModelError(
                f"{model.path}: openvino cannot read this model: {_reason(error)}"
            ) from None
        try:
            return core.compile_model(graph, device, settings)
        except RuntimeError as error:
            if device == "CPU":
                raise ModelError(
                    f"{model.path}: openvino cannot load this model: {_reason(error)}"
                ) from None
            raise DelegateRefused(requested, _reason(error), "Use --delegate cpu") from None


def _reason(error: Exception) -> str:
    """The message without the places in OpenVINO's source that it starts with."""
    lines = [x.strip() for x in str(error).splitlines()]
    said = [x for x in lines if x and not re.match(r"(?:Exception from|Check) ?", x)]
    return " ".join(said) or re.sub(r"\s+", " ", str(error)).strip()


def _output_order(model: ModelFile, compiled: Any) -> tuple[int, ...]:
    """Where each of the graph's outputs is among OpenVINO's."""
    places = {name: n for n, out in enumerate(compiled.outputs) for name in out.get_names()}
    names = [model.graph.tensors[i].name for i in model.graph.outputs]
    return tuple(places.get(name, n) for n, name in enumerate(names))


def _precision(compiled: Any, asked: str) -> str:
    """What the compiled model computes floats in; PrecisionRefused when it is not what was asked.

    OpenVINO takes a precision as a hint: on a CPU without f16 it computes in bf16 or f32 instead.
    """
    used = str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
    if asked not in ("auto", used):
        raise PrecisionRefused(
            asked,
            f"OpenVINO does not compute in it on this machine and would take {used} instead; "
            f"use --precision {used} or f32",
        )
    return used
