"""A model that labels frames: preprocess, engine and labels together.

A BGR frame enters, labelled probabilities leave. What a file does not say is assumed, and every
assumption is listed in `assumptions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .bundle import ModelFile, Normalization, read_model
from .engines import Engine, load_engine
from .errors import ModelError
from .preprocess import Pixels, prepare
from .specs.pixels import InputSize, Preprocess

Scores = npt.NDArray[np.float32]
_Self = TypeVar("_Self", bound="PictureModel")

# What third-party float models without metadata expect is unknown; this is the commonest.
PIXEL_RANGES = {"0..1": (0.0, 255.0), "-1..1": (127.5, 127.5), "0..255": (0.0, 1.0)}


@dataclass(frozen=True)
class Score:
    """One class with its probability 0..1."""

    label: str
    score: float
    index: int


@dataclass(frozen=True)
class Prediction:
    """The answer for one frame. scores: float32 [classes], in the order of the labels."""

    scores: Scores
    labels: tuple[str, ...]

    @property
    def index(self) -> int:
        return int(np.argmax(self.scores))

    @property
    def label(self) -> str:
        return self.labels[self.index]

    @property
    def score(self) -> float:
        return float(self.scores[self.index])

    def top(self, count: int = 5) -> list[Score]:
        """The `count` best classes, best first; equal scores in the order of the classes."""
        order = np.argsort(-self.scores, kind="stable")[:count]
        return [Score(self.labels[i], float(self.scores[i]), int(i)) for i in order]


class PictureModel:
    """A loaded model that takes one picture: from a frame to raw outputs.

    Not thread-safe: give each thread its own. assumptions: what the file did not say and was taken
    for granted instead.
    """

    def __init__(self, model: ModelFile, engine: Engine, *, pixel_range: str | None = None) -> None:
        self.model = model
        self.engine = engine
        self.assumptions: list[str] = []
        self.size: InputSize = model.picture_size()
        self.rule = self._resize_rule()
        self._encode = self._encoder(pixel_range)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the model's memory; it is of no use afterwards."""
        self.engine.close()

    def prepare(self, frame: Pixels, out: Pixels | None = None) -> Pixels:
        """The frame as input pixels, uint8 [height, width, channels]; in `out` when given."""
        return prepare(frame, self.size, self.rule, out)

    def encode(self, pixels: Pixels) -> npt.NDArray[Any]:
        """Input pixels as the input tensor's values, [1, height, width, channels]."""
        return self._encode(pixels[np.newaxis])

    def feed(self, frame: Pixels) -> None:
        """Prepares a frame as the engine's input; a uint8 input is written once, in place."""
        if self.model.input.dtype == "uint8":
            self.engine.fill_input(lambda memory: self._write(frame, memory))
        else:
            self.engine.set_input(self.encode(self.prepare(frame)))

    def _write(self, frame: Pixels, memory: npt.NDArray[Any]) -> None:
        prepare(frame, self.size, self.rule, out=memory[0])

    def _resize_rule(self) -> Preprocess:
        if self.model.preprocess is not None:
            return self.model.preprocess
        self.assumptions.append("no resize rule in the file: frames are stretched to the input")
        return Preprocess()

    def _encoder(self, pixel_range: str | None) -> Callable[[Pixels], npt.NDArray[Any]]:
        dtype = self.model.input.dtype
        if dtype == "uint8":
            return lambda pixels: pixels
        if dtype == "int8":
            return lambda pixels: (pixels ^ np.uint8(128)).view(np.int8)
        if dtype != "float32":
            raise ModelError(
                f"{self.model.path}: the input is {dtype}; pictures can be given to uint8, int8 "
                "and float32 inputs"
            )
        scaling = self._float_scaling(pixel_range)
        mean = np.asarray(scaling.mean, np.float32)
        std = np.asarray(scaling.std, np.float32)
        if not mean.any() and (std == 1).all():
            return lambda pixels: pixels.astype(np.float32)
        return lambda pixels: (pixels.astype(np.float32) - mean) / std

    def _float_scaling(self, pixel_range: str | None) -> Normalization:
        if pixel_range is not None:
            mean, std = PIXEL_RANGES[pixel_range]
            return Normalization(mean=(mean,), std=(std,))
        if self.model.provenance is not None:
            return Normalization(mean=(0.0,), std=(1.0,))
        if self.model.normalization is not None:
            return self.model.normalization
        self.assumptions.append(
            "no normalisation in the file: pixels are scaled to 0..1 (--pixels -1..1 or 0..255 "
            "if the model was trained so)"
        )
        mean, std = PIXEL_RANGES["0..1"]
        return Normalization(mean=(mean,), std=(std,))


class Classifier(PictureModel):
    """A loaded image classifier. Not thread-safe: give each thread its own.

    labels: one for each class, in the order of the scores.
    """

    def __init__(self, model: ModelFile, engine: Engine, *, pixel_range: str | None = None) -> None:
        super().__init__(model, engine, pixel_range=pixel_range)
        self.labels = self._labels()

    def __call__(self, frame: Pixels) -> Prediction:
        """Labels one frame: uint8, [h, w, 3] BGR as OpenCV delivers it, or grey."""
        self.feed(frame)
        return self.decode(self.infer())

    def predict(self, pixels: Pixels) -> Prediction:
        """Labels input pixels that `prepare` made."""
        self.engine.set_input(self.encode(pixels))
        return self.decode(self.infer())

    def infer(self) -> npt.NDArray[Any]:
        """Runs the graph on what was fed; what `decode` takes, valid whatever runs next."""
        return self.engine.invoke()

    def decode(self, raw: npt.NDArray[Any]) -> Prediction:
        """The raw output tensor as probabilities with their labels."""
        output = self.model.output
        scores = raw.reshape(-1).astype(np.float32)
        if output.scales and raw.dtype.kind in "iu":
            scores = (scores - np.float32(output.zero_points[0])) * np.float32(output.scales[0])
        return Prediction(scores=scores, labels=self.labels)

    def _labels(self) -> tuple[str, ...]:
        output = self.model.output
        if len(self.model.graph.outputs) != 1 or output.values != max(output.shape, default=0):
            shapes = [list(self.model.graph.tensors[i].shape) for i in self.model.graph.outputs]
            raise ModelError(
                f"{self.model.path}: this is no classifier: expected one output with one score "
                f"per class, found {shapes}. 'cnnedge inspect' and 'cnnedge bench' work on it"
            )
        count = output.values
        labels = self.model.labels
        if labels is None:
            self.assumptions.append("no labels in the file: classes are numbered")
            return tuple(f"class {i}" for i in range(count))
        if len(labels) != count:
            raise ModelError(
                f"{self.model.path}: it carries {len(labels)} labels for {count} outputs; "
                "convert the model again"
            )
        return labels


def load(
    path: str | Path,
    *,
    delegate: str = "auto",
    threads: int = 1,
    engine: str = "auto",
    precision: str = "auto",
    delegate_options: Mapping[str, str] | None = None,
    pixel_range: str | None = None,
) -> Classifier:
    """Loads a .tflite image classifier.

    delegate: `auto`, `cpu`, `gpu`, `nnapi`, `npu`, or the path of a delegate library, with
    delegate_options for it; threads: of the CPU; engine: `auto`, `litert`, `tflite-runtime`,
    `openvino`; precision: of float arithmetic, `auto`, `f32`, `f16`, `bf16`; pixel_range: what a
    float model of a third party expects, `0..1`, `-1..1` or `0..255`. What was taken is in
    `.engine` and `.engine.delegate`. Raises ModelError, MissingExtraError, GateError.
    """
    model = read_model(path)
    loaded = load_engine(
        model,
        engine=engine,
        threads=threads,
        delegate=delegate,
        precision=precision,
        options=delegate_options or {},
    )
    return Classifier(model, loaded, pixel_range=pixel_range)
