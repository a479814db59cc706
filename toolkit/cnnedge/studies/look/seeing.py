"""One picture through one model, with all that can be seen on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...classifier import Classifier, Prediction
from ...errors import CnnedgeError, DataError
from ...looking import (
    FeatureMaps,
    InsideView,
    class_map,
    first_filters,
    linear_head,
    map_layers,
    occlusion,
)
from ...specs.limits import closest

Floats = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
# Rows of the figure of layers.
_LAYERS = 7


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """A map of what speaks for a class.

    way: `class activation`, `occlusion` or `Grad-CAM`. means: one line for people. heat: float32
    [height, width], positive where the place speaks for the class, in the unit that `means` names.
    """

    way: str
    means: str
    heat: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """pixels: the model's input, uint8 [height, width, channels]. index: the class asked about.

    filters: of the first convolution, float32 [filters, height, width, channels]; None where there
    is none. first: what they make of the picture. layers: feature maps from the first to the last.
    evidence: in the order of the figures.
    """

    pixels: npt.NDArray[np.uint8]
    answer: Prediction
    index: int
    filters: Floats | None
    first: FeatureMaps | None
    layers: tuple[FeatureMaps, ...]
    evidence: tuple[Evidence, ...]

    @property
    def label(self) -> str:
        return self.answer.labels[self.index]

    @property
    def score(self) -> float:
        return float(self.answer.scores[self.index])


def see(
    classifier: Classifier,
    frame: npt.NDArray[np.uint8],
    *,
    label: str | None = None,
    run: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Seen:
    """Looks into a classifier while it labels a frame (uint8, BGR or grey).

    label: the class to look for; None for the one that the model answers. run: the folder of the
    training run, for Grad-CAM. Raises DataError for a label that the model does not have, and
    what the classifier and the run raise.
    """
    pixels = classifier.prepare(frame)
    answer = classifier.predict(pixels)
    index = answer.index if label is None else _index(classifier, label)
    tensors = map_layers(classifier.model)
    head = linear_head(classifier.model)
    evidence: list[Evidence] = []
    layers: list[FeatureMaps] = []
    if tensors:
        wanted = [*tensors, *([head.features] if head else [])]
        with InsideView(classifier, wanted) as view:
            layers = view.maps(pixels)
        if head is not None:
            values = layers.pop().values
            place = min(index, len(head.weights) - 1)
            evidence.append(
                Evidence(
                    way="class activation",
                    means="what each place adds to the class's logit",
                    heat=class_map(head, values, place),
                )
            )
    if run is not None:
        from ...training import backend

        backend.require("look")
        from .gradients import grad_cam

        evidence.append(
            Evidence(
                way="Grad-CAM",
                means="last feature maps, weighted by their gradients",
                heat=grad_cam(run, pixels, index),
            )
        )
    evidence.append(
        Evidence(
            way="occlusion",
            means="how much the score falls where a grey square hides the place",
            heat=occlusion(classifier, pixels, index, progress),
        )
    )
    return Seen(
        pixels=pixels,
        answer=answer,
        index=index,
        filters=first_filters(classifier.model),
        first=next((m for m in layers if m.operator == "CONV_2D"), None),
        layers=tuple(_spread(_from_the_first_convolution(layers))),
        evidence=tuple(evidence),
    )


def model_of(path: Path) -> tuple[Path, Path | None]:
    """(the .tflite to look into, the run's folder): of a file, or of a run that was converted.

    Raises CnnedgeError for a run without a converted model.
    """
    if not path.is_dir():
        return path, None
    from ...training.run_folder import open_finished

    run = open_finished(path)
    for variant in ("float32", "float16", "dynamic", "int8"):
        file = run.export / f"{variant}.tflite"
        if file.exists():
            return file, (path if run.model.suffix == ".keras" else None)
    raise CnnedgeError(
        f"{path}: this run has no converted model to look into. Make one: cnnedge convert {path}"
    )


def _index(classifier: Classifier, label: str) -> int:
    if label in classifier.labels:
        return classifier.labels.index(label)
    raise DataError(
        f"--class '{label}': the model has no such class.{closest(label, classifier.labels)}"
    )


def _from_the_first_convolution(layers: list[FeatureMaps]) -> list[FeatureMaps]:
    """Without the scaling of the pixels, which some graphs do by additions."""
    begin = next((i for i, m in enumerate(layers) if m.operator == "CONV_2D"), 0)
    return layers[begin:]


def _spread(layers: list[FeatureMaps]) -> list[FeatureMaps]:
    """At most _LAYERS of them, from the first to the last at even distances."""
    if len(layers) <= _LAYERS:
        return layers
    return [layers[round(i * (len(layers) - 1) / (_LAYERS - 1))] for i in range(_LAYERS)]
