"""What every engine offers, and the choice of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..bundle import ModelFile

Values = npt.NDArray[Any]

# How float operators compute; integer ones do not change.
PRECISIONS = ("f32", "f16", "bf16")


@dataclass(frozen=True, kw_only=True)
class DelegateReport:
    """What was asked for and what ran where; left_behind: the operators not delegated."""

    requested: str
    used: str
    nodes_delegated: int
    nodes_total: int
    left_behind: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "requested": self.requested,
            "used": self.used,
            "nodes_delegated": self.nodes_delegated,
            "nodes_total": self.nodes_total,
            "left_behind": list(self.left_behind),
        }


class Engine(Protocol):
    """A loaded model with its memory: one thread at a time may use it.

    init_ms: from the bytes of the model to a graph that is ready to run. precision: of float
    arithmetic, one of PRECISIONS.
    """

    name: str
    version: str
    threads: int
    precision: str
    delegate: DelegateReport
    init_ms: float

    def set_input(self, values: Values) -> None:
        """Copies values, of the input tensor's shape and dtype, into the input."""

    def fill_input(self, write: Callable[[Values], None]) -> None:
        """Calls `write` with an array of the input's shape and dtype to be filled.

        It is the input tensor's own memory where the engine lets it be seen; `write` must not
        keep it.
        """

    def invoke(self) -> Values:
        """Runs the graph; returns the first output, raw, when it can be read: a copy."""

    def outputs(self) -> tuple[Values, ...]:
        """All outputs of the last `invoke`, raw, in the order of the graph: copies."""

    def close(self) -> None:
        """Frees the model's memory; the engine is of no use afterwards."""


def load_engine(
    model: ModelFile, *, engine: str = "auto", threads: int = 1, delegate: str = "auto"
) -> Engine:
    """Loads a model into an engine.

    engine: `litert`, `tflite-runtime`, or `auto` (LiteRT where it is installed). threads: of the
    CPU. delegate: `cpu` or `auto`. Raises ModelError when the model does not load,
    MissingExtraError when the engine is not installed, GateError for a delegate that cannot be
    had here.
    """
    from . import interpreter

    return interpreter.load(model, engine=engine, threads=threads, delegate=delegate)


def random_input(model: ModelFile, seed: int = 0) -> Values:
    """Input values for timing: random pixels 0..255, in the input's shape and dtype."""
    tensor = model.input
    shape = tuple(max(1, d) for d in tensor.shape)
    pixels = np.random.default_rng(seed).integers(0, 256, shape)
    if tensor.dtype == "int8":
        pixels -= 128
    return pixels.astype(tensor.dtype)
