"""What a measured process answered, held against what an answer is.

Parsed JSON from another process, maybe of another machine, enters; a checked answer leaves. What
comes from elsewhere is data: a wrong type or a number out of reason is an error, never a result,
and no text in it holds anything that a terminal would obey.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..errors import CnnedgeError, DeviceError, GateError
from .protocols import MOST_SAMPLES

# The figures of a tool that keeps no samples; it may not know all of them.
STATISTICS = ("median", "mean", "p90", "p99", "min", "max", "std")

# Shares of the CPU that were not ours, in an answer's conditions.
SHARES = ("busy_fraction", "steal_fraction", "others_fraction")

_TEXTS = ("engine", "engine_version", "precision", "sha256")
_MOST_TEXT = 2_000
_MOST_ITEMS = 10 * MOST_SAMPLES
# No time, size or temperature of a benchmark is larger.
_LARGEST = 1e15


def checked(answer: Any, model: str) -> dict[str, Any]:
    """The answer, its texts made harmless. Raises what it reports, or DeviceError.

    An answer without samples (a device's own tool keeps none) has `statistics`: {"median", "mean",
    "p90", "p99", "min", "max", "std", "count", "source"}, null what is not known, but the median
    or the mean. Its `peak_memory_bytes` may be null, as any answer's `init_ms` and `first_ms`.
    """
    if not isinstance(answer, dict):
        raise DeviceError(f"{model}: the benchmark process answered {_shown(answer)}, no object")
    found: dict[str, Any] = _harmless(answer)
    if "error" in found:
        said = str(found["error"])
        raise (GateError if found.get("exit_code") == 3 else CnnedgeError)(said)
    _Checker(found, model).whole()
    return found


class _Checker:
    """One answer's parts, each against what it must be. Raises DeviceError."""

    def __init__(self, answer: dict[str, Any], model: str) -> None:
        self._answer, self._model = answer, model

    def whole(self) -> None:
        answer = self._answer
        for name in _TEXTS:
            self._need(answer, name, _is_text, "a text")
        for name in ("init_ms", "first_ms", "peak_memory_bytes", "memory_growth_bytes"):
            self._need(answer, name, _maybe(_is_amount), "a number, not negative, or null")
        for name in ("threads", "warmup_count"):
            self._need(answer, name, _is_count, "a count")
        self._need(
            answer, "input_shape", _maybe(_list_of(_is_whole)), "whole numbers", default=None
        )
        self._samples()
        self._delegate()
        self._conditions()
        self._windows()
        if answer.get("energy") is not None:
            self._need(answer, "energy", _is_object, "an object")
            for name in ("power_w", "mj_per_inference"):
                self._need(answer["energy"], name, _is_amount, "a number, not negative")

    def _samples(self) -> None:
        answer = self._answer
        if answer.get("samples_ms") == [] and "statistics" in answer:
            self._statistics()
            return
        wanted = "numbers above 0, at least one"
        self._need(answer, "samples_ms", _filled(_is_time), wanted)

    def _statistics(self) -> None:
        self._need(self._answer, "statistics", _is_object, "an object")
        told = self._answer["statistics"]
        for name in STATISTICS:
            may_be = _is_amount if name == "std" else _is_time
            self._need(told, name, _maybe(may_be), "a number above 0, or null")
        self._need(told, "count", lambda v: _is_count(v) and v > 0, "a count above 0")
        self._need(told, "source", _is_text, "a text")
        if told.get("median") is None:
            self._need(told, "mean", _is_time, "a number above 0, where the median is not known")

    def _delegate(self) -> None:
        self._need(self._answer, "delegate", _is_object, "an object")
        delegate = self._answer["delegate"]
        for name in ("requested", "used"):
            self._need(delegate, name, _is_text, "a text")
        for name in ("nodes_delegated", "nodes_total"):
            self._need(delegate, name, _is_count, "a count")
        for name in ("notes", "left_behind"):
            self._need(delegate, name, _list_of(_is_text), "texts", default=[])
        self._need(delegate, "device", _is_text, "a text", default="")
        self._need(delegate, "passed_over", _list_of(_is_passed), "objects", default=[])
        self._need(delegate, "software", _maybe(_is_bool), "true, false or null", default=None)
        self._need(delegate, "agreement", _maybe(_is_agreement), "an object", default=None)

    def _conditions(self) -> None:
        self._need(self._answer, "conditions", _is_object, "an object")
        around = self._answer["conditions"]
        for name in ("machine", "before", "after"):
            self._need(around, name, _is_object, "an object")
        for name in SHARES:
            self._need(around, name, _maybe(_is_number), "a number", default=None)
        self._need(
            {"emulated": around["machine"].get("emulated")}, "emulated", _maybe(_is_text), "a text"
        )
        for moment in (around["before"], around["after"]):
            for name in ("cpu_mhz", "temperature_c"):
                if name in moment:
                    self._need(moment, name, _maybe(_is_number), "a number")
        self._need(
            {"governor": around["before"].get("governor")}, "governor", _maybe(_is_text), "a text"
        )

    def _windows(self) -> None:
        answer = self._answer
        if "windows" not in answer:
            return
        self._need(answer, "windows", _filled(_is_window), "windows, at least one")
        for name in ("inferences", "samples_every"):
            self._need(answer, name, lambda v: _is_count(v) and v > 0, "a count above 0")

    def _need(
        self,
        inside: dict[str, Any],
        name: str,
        holds: Callable[[Any], bool],
        wanted: str,
        **default: Any,
    ) -> None:
        """default: what a part is that may be missing."""
        if name not in inside and "default" in default:
            inside[name] = default["default"]
        if not holds(inside.get(name)):
            raise DeviceError(
                f"{self._model}: the benchmark process answered {name}: "
                f"{_shown(inside.get(name))}; wanted: {wanted}. The device may run another "
                "version of cnnedge"
            )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    # An int may be too large for a float.
    return -_LARGEST <= value <= _LARGEST


def _is_amount(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_time(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_amount(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value)


def _is_passed(value: Any) -> bool:
    return _is_object(value) and all(_is_text(value.get(n)) for n in ("delegate", "reason"))


def _is_agreement(value: Any) -> bool:
    return (
        _is_object(value)
        and _is_bool(value.get("agrees"))
        and _maybe(_is_number)(value.get("largest_difference"))
        and _is_text(value.get("unit"))
        and _is_number(value.get("tolerance"))
        and all(_is_count(value.get(n)) for n in ("labels_equal", "frames"))
    )


def _is_window(value: Any) -> bool:
    return (
        _is_object(value)
        and all(_is_time(value.get(n)) for n in ("t_s", "median", "p90"))
        and _is_count(value.get("count"))
        and all(_maybe(_is_number)(value.get(n)) for n in ("cpu_mhz", "temperature_c", "power_w"))
    )


def _maybe(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or holds(value)


def _list_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _filled(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, list) and 0 < len(v) <= _MOST_ITEMS and all(map(holds, v))


def _harmless(value: Any, depth: int = 0) -> Any:
    """Texts in one line, not too long; numbers finite; nothing nested without end."""
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (dict, list)) and depth > 8:
        return None
    if isinstance(value, dict):
        return {_plain(k): _harmless(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_harmless(v, depth + 1) for v in value]
    return value


def _plain(text: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text[:_MOST_TEXT])
    return shown if len(text) <= _MOST_TEXT else f"{shown}..."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
