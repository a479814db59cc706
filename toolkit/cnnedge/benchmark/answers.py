"""What a measured process answered, held against what an answer is.

Parsed JSON from another process, maybe of another machine, enters; a checked answer leaves. What
comes from elsewhere is data: a wrong type or a number out of reason is an error, never a result.
"""

from __future__ import annotations

import math
from typing import Any

from ..errors import CnnedgeError, DeviceError, GateError

_TEXTS = ("engine", "engine_version", "precision", "sha256")
_NUMBERS = ("init_ms", "first_ms", "peak_memory_bytes")
_MOST_TEXT = 20_000


def checked(answer: Any, model: str) -> dict[str, Any]:
    """The answer as it is, when it is one. Raises what it reports, or DeviceError."""
    if not isinstance(answer, dict):
        raise DeviceError(f"{model}: the benchmark process answered {_shown(answer)}, no object")
    if "error" in answer:
        said = str(answer["error"])[:_MOST_TEXT]
        raise (GateError if answer.get("exit_code") == 3 else CnnedgeError)(said)
    for name in _TEXTS:
        _need(isinstance(answer.get(name), str), answer, name, "a text", model)
    for name in _NUMBERS:
        _need(_is_time(answer.get(name)), answer, name, "a number, not negative", model)
    for name in ("threads", "warmup_count"):
        _need(_is_count(answer.get(name)), answer, name, "a count", model)
    samples = answer.get("samples_ms")
    fine = isinstance(samples, list) and bool(samples) and all(map(_is_time, samples))
    _need(fine, answer, "samples_ms", "numbers, not negative, at least one", model)
    growth = answer.get("memory_growth_bytes")
    _need(growth is None or _is_time(growth), answer, "memory_growth_bytes", "a number", model)
    for name in ("delegate", "conditions"):
        _need(isinstance(answer.get(name), dict), answer, name, "an object", model)
    for name in ("machine", "before", "after"):
        inner = answer["conditions"]
        _need(isinstance(inner.get(name), dict), inner, name, "an object", model)
    return answer


def _is_time(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and value >= 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _need(holds: bool, answer: dict[str, Any], name: str, wanted: str, model: str) -> None:
    if not holds:
        raise DeviceError(
            f"{model}: the benchmark process answered {name}: {_shown(answer.get(name))}; wanted: "
            f"{wanted}. The device may run another version of cnnedge"
        )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
