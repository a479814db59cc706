"""What of a Runtime a browser can do: everything else is refused before anything is served.

A runtime enters; nothing leaves, or CnnedgeError.
"""

from __future__ import annotations

from ...engines import Runtime
from ...errors import CnnedgeError, GateError

_DELEGATES = ("auto", "cpu", "gpu")


def require(runtime: Runtime, name: str) -> None:
    """name: of the device. Raises CnnedgeError; GateError for a delegate."""
    if runtime.delegate not in _DELEGATES:
        raise GateError(
            f"{name}: --delegate {runtime.delegate}: a browser has cpu (WebAssembly) and gpu "
            "(WebGPU); auto takes the GPU where it is one"
        )
    if runtime.engine not in ("auto", "litert"):
        raise CnnedgeError(
            f"{name}: --engine {runtime.engine}: a browser runs models with LiteRT.js alone; leave "
            "--engine out"
        )
    if runtime.precision not in ("auto", "f32"):
        raise CnnedgeError(
            f"{name}: --precision {runtime.precision}: a browser computes in f32; leave "
            "--precision out"
        )
    if runtime.options:
        option = next(iter(runtime.options))
        raise CnnedgeError(
            f"{name}: --delegate-option {option}: LiteRT.js takes no options; leave it out"
        )
