"""What every engine offers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..bundle import ModelFile, TensorInfo
from ..bundle.inputs import PICTURE_DTYPES
from ..errors import ModelError
from .report import DelegateReport, Ran

Values = npt.NDArray[Any]

# How float operators compute; integer ones do not change.
PRECISIONS = ("f32", "f16", "bf16")
# Beside these, the path of a library.
DELEGATES = ("auto", "cpu", "gpu", "nnapi", "npu")
# The types that numpy has, and values of a pixel.
_MADE_UP = frozenset({"bool", *PICTURE_DTYPES, "uint32", "uint64"})
_MANY = 2**24


class Engine(Protocol):
    """A loaded model with its memory: one thread at a time may use it.

    init_ms: from the bytes of the model to a graph that is ready to run. precision: of float
    arithmetic, one of PRECISIONS, or `unknown` on a library that does not say. delegate is
    replaced when an agreement was measured.
    """

    name: str
    version: str
    threads: int
    precision: str
    delegate: DelegateReport
    init_ms: float

    def described(self) -> Ran:
        """What computes, as results say it."""
        return Ran(
            engine=self.name,
            engine_version=self.version,
            threads=self.threads,
            precision=self.precision,
            delegate=self.delegate,
        )

    def set_input(self, values: Values, at: int = 0) -> None:
        """Copies values, of the shape and dtype of the graph's input `at`, into it."""

    def fill_input(self, write: Callable[[Values], None]) -> None:
        """Calls `write` with an array of the first input's shape and dtype to be filled.

        It is the input tensor's own memory where the engine lets it be seen; `write` must not
        keep it.
        """

    def invoke(self) -> Values:
        """Runs the graph; returns the first output, raw, when it can be read: a copy."""

    def outputs(self) -> tuple[Values, ...]:
        """All outputs of the last `invoke`, raw, in the order of the graph: copies."""

    def close(self) -> None:
        """Frees the model's memory; the engine is of no use afterwards."""


def random_input(model: ModelFile, seed: int = 0) -> Values:
    """Input values for timing: random pixels 0..255, in the first input's shape and dtype."""
    return _random(model.input, np.random.default_rng(seed))


def random_inputs(model: ModelFile, seed: int = 0) -> list[Values]:
    """The same for every input of the graph, in its order; unknown dimensions are 1."""
    rng = np.random.default_rng(seed)
    return [_random(model.graph.tensors[i], rng) for i in model.graph.inputs]


def _random(tensor: TensorInfo, rng: np.random.Generator) -> Values:
    shape = tuple(max(1, d) for d in tensor.shape)
    if tensor.dtype not in _MADE_UP:
        raise ModelError(
            f"input '{tensor.name}' takes {tensor.dtype} values, and cnnedge cannot make any up"
        )
    if tensor.dtype == "bool":
        return np.asarray(rng.integers(0, 2, shape), np.bool_)
    # The largest inputs would take eight times their memory.
    width = np.int64 if math.prod(shape) < _MANY else np.int16
    pixels = np.asarray(rng.integers(0, 256, shape, dtype=width))
    if tensor.dtype == "int8":
        pixels -= 128
    return pixels.astype(tensor.dtype)
