"""A model that takes a picture and is not a classifier: its outputs, unchanged, by name.

A BGR frame enters; named arrays leave, of detectors, landmark and segmentation models alike. What
the numbers mean is the caller's to know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .bundle import Guest, ModelFile, TensorInfo, fitted, read_model
from .bundle.guest import NO_GUEST
from .classifier import PictureModel
from .engines import AUTO, Engine, Runtime, load_engine
from .preprocess import Pixels

Values = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class RawOutput:
    """One output tensor of one inference.

    dtype: of the tensor in the model. values: of the tensor's shape, as float32, the quantisation
    undone; int64, string and such that float32 does not hold stay as they are. raw: the tensor
    itself.
    """

    name: str
    dtype: str
    values: Values
    raw: Values

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.raw.shape)

    def as_json(self) -> Mapping[str, Any]:
        """name, dtype, shape, and the values as nested lists; NaN is null."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "values": _lists(self.values),
        }


@dataclass(frozen=True)
class RawOutputs:
    """The answer for one frame: its outputs in the order of the graph."""

    outputs: tuple[RawOutput, ...]

    def __iter__(self) -> Iterator[RawOutput]:
        return iter(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)

    def __getitem__(self, name: str) -> Values:
        """The values of one output, as float32; the KeyError lists the names."""
        for output in self.outputs:
            if output.name == name:
                return output.values
        names = ", ".join(o.name for o in self.outputs)
        raise KeyError(f"there is no output '{name}'; the model has {names}")

    def as_json(self) -> list[Mapping[str, Any]]:
        return [output.as_json() for output in self.outputs]


class RawModel(PictureModel):
    """A loaded model with one picture in and any outputs. Not thread-safe: one for each thread.

    names: of the outputs, as the file's signature calls them, or as its tensors are called. Frames
    are stretched to the input if the file has no resize rule, and `assumptions` says so.
    """

    def __init__(self, model: ModelFile, engine: Engine, *, guest: Guest = NO_GUEST) -> None:
        super().__init__(model, engine, guest=guest)
        self._tensors = tuple(model.graph.tensors[i] for i in model.graph.outputs)
        self.names = output_names(model)

    def __call__(self, frame: Pixels) -> RawOutputs:
        """Runs one frame: uint8, [h, w, 3] BGR as OpenCV delivers it, or grey."""
        self.feed(frame)
        return self.decode(self.infer())

    def predict(self, pixels: Pixels) -> RawOutputs:
        """Runs input pixels that `prepare` made."""
        self.engine.set_input(self.encode(self._intake.checked(pixels)))
        return self.decode(self.infer())

    def infer(self) -> tuple[Values, ...]:
        """Runs the graph on the fed input; what `decode` takes, still valid after later runs."""
        self.engine.invoke()
        return self.engine.outputs()

    def decode(self, raw: Sequence[Values]) -> RawOutputs:
        """The raw output tensors, in the order of the graph, with their names."""
        return RawOutputs(
            tuple(
                RawOutput(
                    name=name, dtype=tensor.dtype, values=dequantized(values, tensor), raw=values
                )
                for name, tensor, values in zip(self.names, self._tensors, raw, strict=True)
            )
        )


def load_raw(path: str | Path, runtime: Runtime = AUTO, *, known: bool = False) -> RawModel:
    """Loads any .tflite that takes one picture. known: as `engines.load_engine` takes it.

    Raises ModelError, MissingExtraError, GateError.
    """
    model = fitted(read_model(path), runtime.guest)
    return RawModel(model, load_engine(model, runtime, known=known), guest=runtime.guest)


def output_names(model: ModelFile) -> tuple[str, ...]:
    """A name for each output of the graph, no two alike.

    The signature's, where one signature names them all; otherwise the tensors' own.
    """
    graph = model.graph
    given: dict[int, str] = {}
    for signature in graph.signatures:
        if signature.subgraph == 0 and set(signature.outputs.values()) == set(graph.outputs):
            given = {index: name for name, index in signature.outputs.items()}
    # In order, and quick to ask for one: a file may have a hundred thousand.
    names: dict[str, None] = {}
    for place, index in enumerate(graph.outputs):
        name = given.get(index) or graph.tensors[index].name or f"output {place}"
        while name in names:
            name = f"{name}#{place}"
        names[name] = None
    return tuple(names)


def dequantized(values: Values, tensor: TensorInfo) -> Values:
    """A tensor's values as real numbers: (value - zero point) * scale, float32.

    Numbers that no scale goes with come as float32 where it holds them all, and as they are
    otherwise.
    """
    if values.dtype.kind in "iu" and tensor.scales:
        zero_points = np.asarray(tensor.zero_points or (0,), np.float32)
        scales = np.asarray(tensor.scales, np.float32)
        real: Values = (values.astype(np.float32) - zero_points[0]) * scales[0]
        return real
    if values.dtype.kind in "fb" or values.dtype.itemsize <= 2:
        return values.astype(np.float32)
    return values


def _lists(values: Values) -> Any:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        held = values.astype(object)
        held[~np.isfinite(values)] = None
        return held.tolist()
    return (values if values.dtype.kind in "fiub" else values.astype(str)).tolist()
