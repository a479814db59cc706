"""The result for one frame, and what the pipeline needs from a model.

Nothing enters and nothing leaves: only shared types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ..bundle import ModelFile
from ..camera import Frame
from ..engines import Engine
from ..preprocess import Pixels

STAGES = ("capture", "preprocess", "inference", "postprocess")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One labelled frame.

    prediction: what the model's `decode` returns (a Prediction), smoothed over time if that was
    requested. measured: the same without smoothing. inference_ms: of the engine only. age_ms:
    from captured pixels to label. stages_ms: of this frame, by the names in STAGES, waiting not
    counted.
    """

    frame: Frame
    prediction: Any
    measured: Any
    inference_ms: float
    age_ms: float
    stages_ms: dict[str, float]


class Labelled(NamedTuple):
    """A frame and its answer. stages_s: by STAGES, in seconds. at: the moment of the label."""

    frame: Frame
    answer: Any
    stages_s: tuple[float, float, float, float]
    at: float


class FrameModel(Protocol):
    """A model that takes one picture: a Classifier, or a RawModel."""

    model: ModelFile
    engine: Engine
    assumptions: list[str]

    def prepare(self, frame: Pixels, out: Pixels | None = None) -> Pixels: ...

    def encode(self, pixels: Pixels) -> Any: ...

    def feed(self, frame: Pixels) -> None: ...

    def infer(self) -> Any: ...

    def decode(self, raw: Any) -> Any: ...
