"""A model that labels frames: preprocess, engine and labels together.

A BGR frame enters, labelled probabilities leave. What neither a file nor a person says is assumed,
and every assumption is listed in `assumptions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .bundle import Guest, ModelFile, fitted, read_model
from .bundle.guest import NO_GUEST
from .bundle.labels import fitting
from .decoding import Decoder
from .encoding import Encoder
from .engines import AUTO, Engine, Runtime, load_engine
from .errors import DataError, ModelError
from .preprocess import Pixels, prepare
from .specs.pixels import InputSize, Preprocess

Scores = npt.NDArray[np.float32]
Raw = npt.NDArray[Any] | tuple[npt.NDArray[Any], ...]
_Self = TypeVar("_Self", bound="PictureModel")

# A class that is scored by itself is there from this probability on.
PRESENT_FROM = 0.5


@dataclass(frozen=True)
class Score:
    """One class with its probability 0..1."""

    label: str
    score: float
    index: int


@dataclass(frozen=True)
class Prediction:
    """The answer for one frame. scores: float32 [classes], in the order of the labels.

    independent: each class is scored by itself, so that several or none may be there. graded:
    whether the model says how sure it is; otherwise its one class has the score 1. listed: how many
    classes the model scores, None for all; the others have 0.
    """

    scores: Scores
    labels: tuple[str, ...]
    independent: bool = False
    graded: bool = True
    listed: int | None = None

    @property
    def finite(self) -> bool:
        """Whether the model answered numbers at all: neither NaN nor infinity."""
        return bool(np.isfinite(self.scores).all())

    @property
    def index(self) -> int:
        return int(np.argmax(self.scores))

    @property
    def label(self) -> str:
        return self.labels[self.index]

    @property
    def score(self) -> float:
        return float(self.scores[self.index])

    @property
    def present(self) -> list[Score]:
        """The classes of PRESENT_FROM and more, best first: what an independent answer says."""
        return [s for s in self.top(len(self.labels)) if s.score >= PRESENT_FROM]

    def top(self, count: int = 5) -> list[Score]:
        """The `count` best classes, best first; equal scores in the order of the classes."""
        count = count if self.listed is None else min(count, self.listed)
        order = np.argsort(-self.scores, kind="stable")[:count]
        return [Score(self.labels[i], float(self.scores[i]), int(i)) for i in order]


class PictureModel:
    """A loaded model that takes one picture: from a frame to raw outputs.

    Not thread-safe: give each thread its own. model: with its input fixed to one picture
    (`fitted`). assumptions: what neither the file nor the person said and was taken for granted.
    """

    def __init__(self, model: ModelFile, engine: Engine, *, guest: Guest = NO_GUEST) -> None:
        self.model = model
        self.engine = engine
        self.guest = guest
        self.assumptions: list[str] = list(model.assumptions)
        self.size: InputSize = model.picture_size()
        self.rule = self._resize_rule(guest)
        self._encode = Encoder(model, guest)
        self.assumptions += self._encode.assumptions

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the model's memory; it is of no use afterwards."""
        self.engine.close()

    def prepare(self, frame: Pixels, out: Pixels | None = None) -> Pixels:
        """The frame as input pixels, uint8 [height, width, channels]; in `out` when given.

        Raises DataError for what is no frame.
        """
        return prepare(checked_frame(frame), self.size, self.rule, out)

    def encode(self, pixels: Pixels) -> npt.NDArray[Any]:
        """Input pixels as the input tensor's values, of its shape: [1, height, width, channels] or
        as the model lays them out."""
        return self._encode(pixels)

    def feed(self, frame: Pixels) -> None:
        """Prepares a frame as the engine's input; one that takes pixels is written once, in place.

        Raises DataError for what is no frame.
        """
        if self._encode.in_place:
            checked_frame(frame)
            self.engine.fill_input(lambda memory: self._write(frame, memory))
        else:
            self.engine.set_input(self.encode(self.prepare(frame)))

    def _checked_pixels(self, pixels: Pixels) -> Pixels:
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
            raise DataError(
                f"expected input pixels as 'prepare' gives them, uint8 {list(self.size.shape)}; "
                f"found {_found(pixels)}"
            )
        if pixels.shape != self.size.shape:
            raise DataError(
                f"expected input pixels of shape {list(self.size.shape)}, found "
                f"{list(pixels.shape)}; 'prepare' makes them from a frame of any size"
            )
        return pixels

    def _write(self, frame: Pixels, memory: npt.NDArray[Any]) -> None:
        prepare(frame, self.size, self.rule, out=memory.reshape(self.size.shape))

    def _resize_rule(self, guest: Guest) -> Preprocess:
        rule = guest.rule(self.model.preprocess)
        if rule is not None:
            return rule
        self.assumptions.append(
            "the file has no resize rule: frames are stretched to the input (change this with "
            "--resize)"
        )
        return Preprocess()


class Classifier(PictureModel):
    """A loaded image classifier. Not thread-safe: give each thread its own.

    labels: one for each class, in the order of the scores.
    """

    def __init__(self, model: ModelFile, engine: Engine, *, guest: Guest = NO_GUEST) -> None:
        super().__init__(model, engine, guest=guest)
        self._decode = Decoder(model, guest)
        self.labels = self._labels()
        self.assumptions += self._decode.assumptions

    def __call__(self, frame: Pixels) -> Prediction:
        """Labels one frame: uint8, [h, w, 3] BGR as OpenCV delivers it, or grey.

        Raises DataError for what is no frame, ModelError where the model answers no number.
        """
        self.feed(frame)
        return self.numeric(self.decode(self.infer()))

    def predict(self, pixels: Pixels) -> Prediction:
        """Labels input pixels that `prepare` made. Raises as a call does."""
        self.engine.set_input(self.encode(self._checked_pixels(pixels)))
        return self.numeric(self.decode(self.infer()))

    def infer(self) -> Raw:
        """Runs the graph on what was fed; what `decode` takes, valid whatever runs next."""
        first = self.engine.invoke()
        return first if self._decode.outputs == 1 else self.engine.outputs()

    def decode(self, raw: Raw) -> Prediction:
        """The raw output tensor as probabilities with their labels; NaN where it holds such.

        Also takes what `in_a_row` makes of it.
        """
        return Prediction(
            scores=self._decode(raw),
            labels=self.labels,
            independent=self._decode.independent,
            graded=self._decode.graded,
            listed=self._decode.listed,
        )

    def in_a_row(self, raw: Raw) -> npt.NDArray[Any]:
        """All that `infer` gave as one row of numbers, to be kept and decoded elsewhere."""
        if isinstance(raw, tuple):
            return np.concatenate([part.reshape(-1).astype(np.float64) for part in raw])
        return raw.reshape(-1)

    def numeric(self, prediction: Prediction) -> Prediction:
        """The prediction. Raises ModelError where it holds no numbers."""
        if not prediction.finite:
            raise ModelError(f"{self.model.path}: {NO_NUMBERS}")
        return prediction

    def _labels(self) -> tuple[str, ...]:
        labels, count = self.model.labels, self._decode.classes
        if self.model.provenance is None and labels is not None and count == 2 == len(labels) + 1:
            # One output, and the name of what it finds.
            return (f"not {labels[0]}", labels[0])
        remedy = (
            "convert the model again"
            if self.model.provenance is not None and self.guest.names is None
            else "give the model's own list: --labels FILE, one class per line"
        )
        labels, said = fitting(labels, count, str(self.model.path), remedy=remedy)
        self.assumptions += said
        return labels


NO_NUMBERS = (
    "the model returned NaN or infinity instead of scores. Its weights are damaged, or its input "
    "does not match its training (--pixels, --mean and --std); --raw shows the outputs"
)


def checked_frame(frame: Any) -> Pixels:
    """The frame, where it is one as OpenCV delivers it. Raises DataError, which says what came."""
    if isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and 0 not in frame.shape:
        channels = frame.shape[2] if frame.ndim == 3 else 1
        if frame.ndim in (2, 3) and channels in (1, 3):
            return frame
    raise DataError(
        "expected a frame as OpenCV delivers it, uint8 [height, width, 3] BGR or [height, width] "
        f"grey; found {_found(frame)}"
    )


def _found(frame: Any) -> str:
    """What came in a frame's place, and what to do about it."""
    if frame is None:
        return "None. cv2.imread returns None if it cannot read a file: check the path"
    if isinstance(frame, (str, Path)):
        return f"the path {str(frame)!r}: read the picture first, cv2.imread({str(frame)!r})"
    if not isinstance(frame, np.ndarray):
        kind = type(frame)
        return (
            f"a {kind.__module__}.{kind.__name__}: convert a picture with numpy.asarray, and its "
            "order of colours with cv2.cvtColor(array, cv2.COLOR_RGB2BGR)"
        )
    said = f"{frame.dtype} {list(frame.shape)}"
    if 0 in frame.shape:
        return f"{said}, which has no pixels"
    if frame.dtype != np.uint8:
        return (
            f"{said}: pixels are whole numbers 0..255; convert fractions 0..1 with (255 * "
            "frame).round().astype('uint8')"
        )
    if frame.ndim == 3 and frame.shape[2] == 4:
        return f"{said}, with transparency: remove it with cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR)"
    if frame.ndim == 4:
        return f"{said}, several frames: give them one at a time"
    if frame.ndim == 3 and frame.shape[0] in (1, 3):
        return f"{said}, with the colours first: move them last with frame.transpose(1, 2, 0)"
    return said


def load(path: str | Path, runtime: Runtime = AUTO, *, known: bool = False) -> Classifier:
    """Loads a .tflite image classifier.

    known: as `engines.load_engine` takes it. What was taken is in `.engine` and
    `.engine.delegate`. Raises ModelError, MissingExtraError, GateError.
    """
    model = fitted(read_model(path), runtime.guest)
    # Refused before anything is loaded, where it is no classifier.
    Decoder(model, runtime.guest)
    return Classifier(model, load_engine(model, runtime, known=known), guest=runtime.guest)
