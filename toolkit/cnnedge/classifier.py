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
from .engines import AUTO, Engine, Runtime, load_engine
from .errors import ModelError
from .intake import checked_frame, intake

Scores = npt.NDArray[np.float32]
Values = npt.NDArray[Any]
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
    """A loaded model that takes one picture, or one signal: from a frame to raw outputs.

    Not thread-safe: give each thread its own. model: with its input fixed to one picture
    (`fitted`). assumptions: what neither the file nor the person said and was taken for granted.
    """

    def __init__(self, model: ModelFile, engine: Engine, *, guest: Guest = NO_GUEST) -> None:
        self.model = model
        self.engine = engine
        self.guest = guest
        self.assumptions: list[str] = list(model.assumptions)
        self._intake = intake(model, guest)
        self.size: Any = self._intake.size
        self.rule = self._intake.rule
        self.assumptions += self._intake.assumptions

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the model's memory; it is of no use afterwards."""
        self.engine.close()

    def prepare(self, frame: Values, out: Values | None = None) -> Values:
        """The frame as input pixels, uint8 [height, width, channels]; in `out` when given. A
        signal as float32 [length, channels].

        Raises DataError for what is no frame, or no signal of the model's size.
        """
        return self._intake.prepare(frame, out)

    def encode(self, pixels: Values) -> Values:
        """Input pixels as the input tensor's values, of its shape: [1, height, width, channels] or
        as the model lays them out; of a signal [1, length, channels]."""
        return self._intake.encode(pixels)

    def feed(self, frame: Values) -> None:
        """Prepares a frame as the engine's input; one that takes pixels is written once, in place.

        Raises DataError for what is no frame.
        """
        if self._intake.in_place:
            checked_frame(frame)
            self.engine.fill_input(lambda memory: self._write(frame, memory))
        else:
            self.engine.set_input(self.encode(self.prepare(frame)))

    def in_a_row(self, raw: Raw) -> npt.NDArray[Any]:
        """All that the graph gave as one row of numbers, to be kept and decoded elsewhere."""
        if isinstance(raw, tuple):
            return np.concatenate([part.reshape(-1).astype(np.float64) for part in raw])
        return raw.reshape(-1)

    def _write(self, frame: Values, memory: Values) -> None:
        self._intake.prepare(frame, memory.reshape(self.size.shape))


class Classifier(PictureModel):
    """A loaded image classifier. Not thread-safe: give each thread its own.

    labels: one for each class, in the order of the scores.
    """

    def __init__(self, model: ModelFile, engine: Engine, *, guest: Guest = NO_GUEST) -> None:
        super().__init__(model, engine, guest=guest)
        self._decode = Decoder(model, guest)
        self.labels = self._labels()
        self.assumptions += self._decode.assumptions

    def __call__(self, frame: Values) -> Prediction:
        """Labels one frame: uint8, [h, w, 3] BGR as OpenCV delivers it, or grey. Of a model that
        takes signals, one signal: numbers [length, channels], or [length] of one channel.

        Raises DataError for what is no frame, ModelError where the model answers no number.
        """
        self.feed(frame)
        return self.numeric(self.decode(self.infer()))

    def predict(self, pixels: Values) -> Prediction:
        """Labels input pixels that `prepare` made. Raises as a call does."""
        self.engine.set_input(self.encode(self._intake.checked(pixels)))
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


def load(path: str | Path, runtime: Runtime = AUTO, *, known: bool = False) -> Classifier:
    """Loads a .tflite image classifier.

    known: as `engines.load_engine` takes it. What was taken is in `.engine` and
    `.engine.delegate`. Raises ModelError, MissingExtraError, GateError.
    """
    return opened(fitted(read_model(path), runtime.guest), runtime, known=known)


def opened(model: ModelFile, runtime: Runtime, *, known: bool = False) -> Classifier:
    """The same of a file that is read and `fitted`."""
    # Refused before anything is loaded, where it is no classifier.
    Decoder(model, runtime.guest)
    return Classifier(model, load_engine(model, runtime, known=known), guest=runtime.guest)
