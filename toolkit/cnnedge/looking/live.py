"""A classifier that also says where it looked, fast enough for every frame of a camera.

A model file enters; a classifier leaves whose predictions carry a heat map, for the cost of one
more output and one small product.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..bundle import Guest, ModelFile, TensorInfo, fitted, read_model
from ..bundle.guest import NO_GUEST
from ..classifier import Classifier, Prediction, Raw
from ..decoding import Decoder
from ..engines import AUTO, Engine, Runtime, load_engine
from ..errors import ModelError
from ..preprocess import crop_box, letterbox_box
from ..preprocess.boxes import scaled_then_cropped
from ..specs.pixels import InputSize, Preprocess
from .evidence import LinearHead, class_map, linear_head
from .inside import Floats, map_layers, map_of, with_outputs


@dataclass(frozen=True)
class SeenPrediction(Prediction):
    """A prediction with what it was drawn from.

    heat: float32 [height, width], 0..1 of the largest place, of the model's input. input: that
    input's size and the rule that it is made by.
    """

    heat: Floats | None = None
    input: tuple[InputSize, Preprocess] | None = None


class LookingClassifier(Classifier):
    """A classifier whose predictions carry a heat map. Not thread-safe.

    shows: `class` for the evidence for the class it answers (a class activation map), `activity`
    for where the last feature map has values at all, of a network whose end is not one linear
    layer.
    """

    def __init__(
        self,
        model: ModelFile,
        engine: Engine,
        *,
        opened: ModelFile,
        seen: TensorInfo,
        head: LinearHead | None,
        guest: Guest = NO_GUEST,
    ) -> None:
        """opened: `with_outputs(model, [seen.index])`, which the engine runs."""
        super().__init__(model, engine, guest=guest)
        self._own = len(model.graph.outputs)
        self._seen, self._head = seen, head
        # What runs, for who compares a delegate with the CPU.
        self.model = opened
        self.shows = "activity" if head is None else "class"

    def infer(self) -> tuple[Any, ...]:
        self.engine.invoke()
        return self.engine.outputs()

    def decode(self, raw: Raw) -> SeenPrediction:
        parts = raw if isinstance(raw, tuple) else (raw,)
        said = super().decode(parts[0] if self._decode.outputs == 1 else parts[: self._own])
        heat = self._heat(parts[self._own], said.index) if len(parts) > self._own else None
        return SeenPrediction(**vars(said), heat=heat, input=(self.size, self.rule))

    def _heat(self, raw: Any, index: int) -> Floats:
        values = map_of(raw, self._seen)
        if self._head is None:
            found = np.abs(values).mean(axis=2)
        else:
            # A model of one output scores two classes by it.
            found = class_map(self._head, values, min(index, len(self._head.weights) - 1))
        return shares(found)


def shares(values: Floats) -> Floats:
    """A map's positive part as shares of its largest value, 0..1; NaN becomes 0."""
    positive = np.maximum(np.nan_to_num(values, posinf=0.0), 0)
    return np.asarray(positive / max(float(positive.max()), 1e-9), np.float32)


def load_looking(
    path: str | Path, runtime: Runtime = AUTO, *, known: bool = False
) -> LookingClassifier:
    """Loads a classifier that says where it looked; arguments and errors as `classifier.load`.

    Raises ModelError, too, for a network without feature maps.
    """
    model = fitted(read_model(path), runtime.guest)
    Decoder(model, runtime.guest)
    head = linear_head(model)
    maps = map_layers(model)
    if head is None and not maps:
        raise ModelError(
            f"{path}: this network has no feature maps to look into (no layer's output has a "
            "height and a width). 'cnnedge inspect' lists its layers"
        )
    seen = maps[-1] if head is None else head.features
    opened = with_outputs(model, [seen.index])
    engine = load_engine(opened, runtime, known=known)
    return LookingClassifier(
        model, engine, opened=opened, seen=seen, head=head, guest=runtime.guest
    )


def placed(heat: Floats, frame: tuple[int, int], size: InputSize, rule: Preprocess) -> Floats:
    """A map of the model's input, laid over the frame that the input was made of.

    heat: float32 [h, w] of any size. frame: its (height, width). Returns float32 of that size; 0
    where the resize rule cut the frame off.
    """
    high, wide = frame
    whole = np.asarray(cv2.resize(heat, (size.width, size.height)), np.float32)
    if rule.resize == "stretch":
        return _resized(whole, frame)
    if rule.resize == "letterbox":
        top, left, h, w = letterbox_box(high, wide, size)
        return _resized(whole[top : top + h, left : left + w], frame)
    top, left, h, w = _cut(frame, size, rule)
    result = np.zeros(frame, np.float32)
    result[top : top + h, left : left + w] = _resized(whole, (h, w))
    return result


def _cut(frame: tuple[int, int], size: InputSize, rule: Preprocess) -> tuple[int, int, int, int]:
    """The part of a frame that a centred crop leaves, in the frame's pixels."""
    high, wide = frame
    if not rule.interpolation.startswith("pillow_"):
        return crop_box(high, wide, size, rule.crop_fraction)
    (all_high, all_wide), (top, left, h, w) = scaled_then_cropped(
        high, wide, size, rule.crop_fraction
    )
    top, h = top * high // all_high, max(1, h * high // all_high)
    left, w = left * wide // all_wide, max(1, w * wide // all_wide)
    return top, left, h, w


def _resized(values: Floats, size: tuple[int, int]) -> Floats:
    resized = cv2.resize(values, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)
