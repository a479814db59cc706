"""Why a runtime does not load or run a model, or a delegate cannot be had, in one line.

What the runtime raised and what its native code wrote enter; a ModelError leaves, or a GateError.
"""

from __future__ import annotations

import re

from ..bundle import ModelFile
from ..bundle.special import special_needs
from ..errors import GateError, ModelError
from ..harmless import harmless

_MOST_SAID = 500


class DelegateRefused(GateError):
    """What was asked for does not run here. reason: without the remedy, for `auto` to report."""

    def __init__(self, delegate: str, reason: str, remedy: str) -> None:
        self.reason = reason
        super().__init__(f"--delegate {delegate}: {reason}. {remedy}")


class PrecisionRefused(GateError):
    """An engine that does not compute in the precision that was asked for."""

    def __init__(self, precision: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"--precision {precision}: {reason}")


def load_error(model: ModelFile, engine: str, error: Exception, native: str) -> ModelError:
    """Of a model that does not load. native: what was written to standard error meanwhile."""
    if isinstance(error, SystemError) and engine == "tflite-runtime":
        return ModelError(
            f"{model.path}: tflite-runtime 2.14 does not work with numpy 2. "
            "Run: pip install 'numpy<2'"
        )
    needs = special_needs(model.graph)
    if needs and "custom op" in f"{error} {native}".lower():
        return ModelError(f"{model.path}: {engine} cannot load this model: {'; '.join(needs)}")
    return ModelError(f"{model.path}: {engine} cannot load this model: {_reason(error, native)}")


def not_run(place: str, engine: str, error: Exception, native: str = "") -> ModelError:
    """Of a model that loads, and whose inference fails; `place` names its file."""
    return ModelError(
        f"{place}: {engine} cannot run this model: {_reason(error, native)}. The file is damaged, "
        "or needs a different runtime"
    )


def _reason(error: Exception, native: str) -> str:
    said = [line for line in native.splitlines() if line.strip() and "INFO" not in line]
    text = re.sub(r"\s+", " ", "; ".join([str(error), *said[:2]])).strip(" .;")
    return harmless(text or type(error).__name__, _MOST_SAID)
