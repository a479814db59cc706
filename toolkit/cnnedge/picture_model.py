"""A model that answers a picture with a picture: a style, a super-resolution, a depth map.

A BGR frame enters, a BGR or grey picture leaves. What are black and white in the answer is what the
file states; where it does not, the input's range is taken, and `assumptions` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from . import classifier
from .bundle import Guest, ModelFile, fitted, read_model
from .bundle.guest import NO_GUEST
from .classifier import Classifier, PictureModel
from .encoding import Encoder
from .engines import AUTO, Engine, Runtime, load_engine
from .errors import ModelError
from .preprocess import Pixels, crop_box, letterbox_box
from .raw_model import dequantized
from .specs.pixels import InputSize, Preprocess

Values = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Picture:
    """The answer for one frame.

    pixels: uint8 [h, w, 3] BGR, or [h, w] grey, as large as the model draws it. finite: whether the
    model answered numbers at all; what is none is black. input: of the model, with the rule by
    which frames are brought to it.
    """

    pixels: Pixels
    finite: bool
    input: tuple[InputSize, Preprocess]

    def shaped(self, frame: tuple[int, ...]) -> Pixels:
        """The picture in the shape of a frame (height, width, ...), no side smaller than drawn.

        What the rule padded is cut off, what it stretched is stretched back; what it cut from the
        frame is not there.
        """
        size, rule = self.input
        high, wide = frame[:2]
        pixels = self.pixels
        if rule.resize == "letterbox":
            top, left, h, w = letterbox_box(high, wide, size)
            rows, columns = pixels.shape[0] / size.height, pixels.shape[1] / size.width
            pixels = pixels[
                round(top * rows) : max(round(top * rows) + 1, round((top + h) * rows)),
                round(left * columns) : max(round(left * columns) + 1, round((left + w) * columns)),
            ]
        elif rule.resize == "center_crop":
            _, _, high, wide = crop_box(high, wide, size, rule.crop_fraction)
        h, w = pixels.shape[:2]
        # A pixel of rounding is no other shape.
        if abs(h * wide - w * high) <= max(high, wide):
            return np.ascontiguousarray(pixels)
        scale = max(h / high, w / wide)
        target = (max(1, round(wide * scale)), max(1, round(high * scale)))
        resized = cv2.resize(pixels, target, interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized, np.uint8)


class Drawer(PictureModel):
    """A loaded model that draws pictures. Not thread-safe: give each thread its own."""

    def __init__(self, model: ModelFile, engine: Engine, *, guest: Guest = NO_GUEST) -> None:
        super().__init__(model, engine, guest=guest)
        answer = model.picture_answer
        if answer is None:
            raise ModelError(f"{model.path}: this model does not answer a picture")
        self.answer = answer
        self._tensor = model.output
        self._bgr = guest.bgr
        low, high = answer.low, answer.high
        if low is None or high is None or guest.scales:
            low, high = _input_range(model, guest)
            if not guest.scales:
                self.assumptions.append(
                    f"the file does not say what is black and white in its answer: as in its "
                    f"input, {low:g} and {high:g} (change both with --pixels)"
                )
        if not np.isfinite([low, high]).all() or low == high:
            raise ModelError(
                f"{model.path}: black is {low:g} and white is {high:g} in its answer, which shows "
                "nothing; say what the model takes with --pixels"
            )
        self.black, self.white = low, high

    def __call__(self, frame: Pixels) -> Pixels:
        """The picture for one frame, in its shape: uint8 [h, w, 3] BGR, or [h, w] grey.

        frame: uint8 [h, w, 3] BGR as OpenCV delivers it, or grey. Raises DataError for what is no
        frame, ModelError where the model answers no number.
        """
        self.feed(frame)
        return self.numeric(self.decode(self.infer())).shaped(frame.shape)

    def infer(self) -> Values:
        """Runs the graph on what was fed; what `decode` takes, valid whatever runs next."""
        return self.engine.invoke()

    def decode(self, raw: Values) -> Picture:
        """The raw output tensor as a picture."""
        values = self.real(raw)
        finite = bool(np.isfinite(values).all())
        levels = (values - np.float32(self.black)) * np.float32(255 / (self.white - self.black))
        levels = np.nan_to_num(levels, nan=0.0, posinf=255.0, neginf=0.0)
        pixels = np.clip(np.round(levels), 0, 255).astype(np.uint8)
        if self.answer.channels == 1:
            return Picture(pixels[:, :, 0], finite, (self.size, self.rule))
        ordered = pixels if self._bgr else pixels[:, :, ::-1]
        return Picture(np.ascontiguousarray(ordered), finite, (self.size, self.rule))

    def real(self, raw: Values) -> npt.NDArray[np.float32]:
        """The raw output tensor as real numbers, float32 [h, w, channels]."""
        values = np.asarray(dequantized(raw, self._tensor), np.float32)[0]
        placed: npt.NDArray[np.float32] = values
        return np.transpose(placed, (1, 2, 0)) if self.answer.channels_first else placed

    def numeric(self, picture: Picture) -> Picture:
        """The picture. Raises ModelError where it holds no numbers."""
        if not picture.finite:
            raise ModelError(f"{self.model.path}: {NO_NUMBERS}")
        return picture


NO_NUMBERS = (
    "the model returned NaN or infinity instead of a picture. Its weights are damaged, or its "
    "input does not match its training (--pixels, --mean and --std)"
)


def load_drawer(path: str | Path, runtime: Runtime = AUTO, *, known: bool = False) -> Drawer:
    """Loads a .tflite whose answer is a picture; arguments and errors as `classifier.load`."""
    return _drawer(fitted(read_model(path), runtime.guest), runtime, known)


def load_answering(
    path: str | Path, runtime: Runtime = AUTO, *, known: bool = False
) -> Classifier | Drawer:
    """Loads a .tflite by what it answers: labels, or a picture."""
    model = fitted(read_model(path), runtime.guest)
    if model.picture_answer is not None:
        return _drawer(model, runtime, known)
    return classifier.opened(model, runtime, known=known)


def _drawer(model: ModelFile, runtime: Runtime, known: bool) -> Drawer:
    if model.picture_answer is None:
        raise ModelError(
            f"{model.path}: this model does not answer a picture. 'cnnedge inspect' says what its "
            "outputs are"
        )
    return Drawer(model, load_engine(model, runtime, known=known), guest=runtime.guest)


def _input_range(model: ModelFile, guest: Guest) -> tuple[float, float]:
    """The real numbers that stand for black and white in the input, over its channels."""
    levels = dequantized(Encoder(model, guest).levels(), model.input).astype(np.float64)
    return float(levels[0].mean()), float(levels[255].mean())
