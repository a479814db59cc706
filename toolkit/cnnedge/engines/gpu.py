"""A GPU through LiteRT's WebGPU accelerator: Vulkan on Linux, Direct3D on Windows, Metal on macOS.

A ModelFile enters, an engine leaves whose `invoke` returns when the output was read back; or the
reason why there is none, in the words of the driver.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import sys
from pathlib import Path

from ..bundle import ModelFile
from .base import Engine
from .compiled import GPU_OPTIONS, CompiledEngine, CompileError
from .failure import DelegateRefused, PrecisionRefused
from .half import computes_in_floats, same_answers
from .probe import Probe, probe, read_report
from .report import DelegateReport, rest_on_the_cpu
from .runtime import Runtime

_REMEDY = (
    "It needs a GPU with its Vulkan driver (Linux: libvulkan1 and the maker's or Mesa's driver), "
    "Direct3D 12 or Metal; or use --delegate cpu"
)
_NO_LOADER = "no Vulkan loader is installed (libvulkan.so.1)"
_NO_DRIVER_SIGNS = (
    *("Found no drivers", "VK_ERROR_INCOMPATIBLE_DRIVER"),
    *("loader_get_json: Failed", "loader_icd_scan"),
)
_NAME_IT = "To use it anyway, name it"
# Where Vulkan's loader looks for drivers.
_DRIVERS = ("/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")


def load(model: ModelFile, runtime: Runtime, *, chosen: bool = True) -> Engine:
    """The model on the GPU, in f32 unless f16 is asked for.

    chosen: the user named it; `auto` takes no software GPU, and none for an integer model. Raises
    DelegateRefused and PrecisionRefused.
    """
    if runtime.precision == "bf16":
        raise PrecisionRefused(runtime.precision, "LiteRT's GPU computes in f32 or f16")
    for name in runtime.options:
        if name not in GPU_OPTIONS:
            raise DelegateRefused(
                "gpu", f"it has no option '{name}'", f"Allowed, as KEY=1: {', '.join(GPU_OPTIONS)}"
            )
    precision = "f16" if runtime.precision == "f16" else "f32"
    wanted = dataclasses.replace(runtime, precision=precision)
    if not chosen:
        _refuse_unseen(model)
    answer = probe(model, "gpu", wanted)
    _refuse(answer)
    if answer.software and not chosen:
        raise DelegateRefused(
            "gpu",
            f"its only adapter, {answer.adapter}, is the CPU itself, emulating a GPU",
            _NAME_IT,
        )
    engine = _engine(model, wanted)
    if precision == "f16" and computes_in_floats(model):
        _refuse_full_precision(model, engine, wanted)
    return engine


def _refuse_unseen(model: ModelFile) -> None:
    """What keeps `auto` from a GPU, as far as it is known without starting a process."""
    reason = _no_driver()
    if not reason and not computes_in_floats(model):
        reason = "a GPU computes an integer model in floats, and is seldom faster"
    if reason:
        raise DelegateRefused("gpu", reason, _NAME_IT)


def _refuse(answer: Probe) -> None:
    if answer.error:
        raise DelegateRefused("gpu", _in_words(answer.error), _REMEDY)
    if answer.delegated == 0:
        raise DelegateRefused(
            "gpu",
            f"it took none of the model's operators ({', '.join(answer.left_behind)})",
            "Use --delegate cpu",
        )


def _engine(model: ModelFile, runtime: Runtime) -> CompiledEngine:
    total = len(model.graph.operators)
    report = DelegateReport(
        requested="gpu", used="gpu (WebGPU)", nodes_delegated=0, nodes_total=total
    )
    try:
        engine = CompiledEngine(model, "gpu", runtime, report)
    except CompileError as error:
        raise DelegateRefused("gpu", _in_words(str(error)), _REMEDY) from None
    seen = read_report(engine.native, model, fully=engine.fully_accelerated)
    engine.delegate = dataclasses.replace(
        report,
        nodes_delegated=seen.delegated,
        left_behind=seen.left_behind,
        software=seen.software,
        device=seen.adapter,
        notes=_notes(seen, total),
    )
    return engine


def _notes(seen: Probe, total: int) -> tuple[str, ...]:
    notes = []
    if seen.software:
        notes.append("a software GPU: the CPU emulates it, which is useful only for tests")
    left = total - seen.delegated if seen.delegated else 0
    return (*notes, *rest_on_the_cpu(left, seen.left_behind, total, cut=left > 1))


def _refuse_full_precision(model: ModelFile, engine: CompiledEngine, runtime: Runtime) -> None:
    """f16 is a permission to a GPU, and one without it computes in f32 and does not say so."""
    full = _engine(model, dataclasses.replace(runtime, precision="f32"))
    equal = same_answers(model, full, engine)
    full.close()
    if equal:
        engine.close()
        raise PrecisionRefused(
            "f16", f"{engine.delegate.device or 'this GPU'} computes in f32 regardless"
        )


def _in_words(error: str) -> str:
    """Why there is no GPU, once: of a missing driver each of Vulkan's layers has its own words."""
    if "Couldn't load Vulkan" in error or "libvulkan.so.1: " in error:
        return _NO_LOADER
    if any(sign in error for sign in _NO_DRIVER_SIGNS):
        gone = [path for path in _named_drivers() if not Path(path).exists()]
        where = f": the environment names {', '.join(gone)}, which is not there" if gone else ""
        return f"no Vulkan driver is installed{where}"
    if "No adapters found" in error:
        return "the Vulkan driver offers no GPU"
    return error


def _named_drivers() -> list[str]:
    """The drivers that the environment names in place of those that are installed."""
    told = (os.environ.get(name, "") for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"))
    first = next((paths for paths in told if paths), "")
    return [path for path in first.split(os.pathsep) if path]


def _no_driver() -> str:
    """Why no GPU can be here, as far as that is known without starting a process."""
    if not sys.platform.startswith("linux"):
        return ""
    try:
        ctypes.CDLL("libvulkan.so.1")
    except OSError:
        return _NO_LOADER
    if named := _named_drivers():
        # The loader takes those that are there; a driver that does not start, a trial shows.
        gone = not any(Path(path).exists() for path in named)
        return _in_words(_NO_DRIVER_SIGNS[0]) if gone else ""
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    for folder in (*_DRIVERS, home / "vulkan" / "icd.d"):
        with contextlib.suppress(OSError):
            if any(Path(folder).glob("*.json")):
                return ""
    return "no Vulkan driver is installed"
