"""A model as the page must know it: one description, made by cnnedge's own reader.

A path and what a person says of a third party's model enter; a WebModel leaves, whose JSON holds
all that lies between a frame and its labels. The page reads no metadata itself, so both sides
cannot understand a file differently.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import Guest, ModelFile, TensorInfo, fitted, read_model
from ..bundle.guest import NO_GUEST
from ..bundle.labels import fitting
from ..decoding import Decoder
from ..encoding import Encoder
from ..errors import ModelError
from ..specs.pixels import Preprocess

# What LiteRT.js takes and gives; it throws on all others.
DTYPES = ("float32", "int32", "uint8")
_OPENCV = "opencv_bilinear"


@dataclass(frozen=True, kw_only=True)
class WebModel:
    """One model for the page. name: as the page shows it; data: the file, its input fixed to one
    picture; described: what the page is told. assumptions: what neither file nor person said."""

    name: str
    data: bytes
    sha256: str
    described: dict[str, Any]
    assumptions: tuple[str, ...]

    @property
    def file(self) -> str:
        """Its name below the page's folder of models."""
        return f"{self.sha256[:32]}.tflite"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "file": self.file,
            "sha256": self.sha256,
            "size_bytes": len(self.data),
            **self.described,
            "assumptions": list(self.assumptions),
        }


def describe(paths: Sequence[str | Path], guest: Guest = NO_GUEST) -> list[WebModel]:
    """The models, in order, by names that tell them apart.

    Raises ModelError for a file that is no classifier of pictures, or that no browser can run.
    """
    names = _names([Path(path) for path in paths])
    return [_described(path, name, guest) for path, name in zip(paths, names, strict=True)]


def _described(path: str | Path, name: str, guest: Guest) -> WebModel:
    model = fitted(read_model(path), guest)
    decoder, encoder = Decoder(model, guest), Encoder(model, guest)
    rule, said = _rule(model, guest)
    for what, tensor in (("input", model.input), ("output", model.output)):
        if tensor.dtype not in DTYPES:
            raise ModelError(
                f"{path}: the {what} is {tensor.dtype}; LiteRT.js, which runs models in browsers, "
                f"takes {', '.join(DTYPES)}. 'cnnedge convert' writes uint8 and float32"
            )
    if decoder.steps is None:
        raise ModelError(
            f"{path}: the model gives its best classes and not one score for each; the page cannot "
            "show such answers. 'cnnedge run' can"
        )
    labels, more = _labels(model, decoder, str(path))
    size = model.picture_size()
    return WebModel(
        name=name,
        data=model.data,
        sha256=hashlib.sha256(model.data).hexdigest(),
        described={
            "input": {
                **dataclasses.asdict(size),
                "dtype": model.input.dtype,
                "shape": list(model.input.shape),
                "channels_first": encoder.channels_first,
                "bgr": encoder.bgr,
                "levels": _levels(encoder, model.input),
            },
            "rule": dataclasses.asdict(rule),
            "output": {**_quantisation(model.output), "steps": list(decoder.steps)},
            "labels": list(labels),
            "independent": decoder.independent,
        },
        assumptions=(*model.assumptions, *said, *encoder.assumptions, *more),
    )


def _rule(model: ModelFile, guest: Guest) -> tuple[Preprocess, tuple[str, ...]]:
    rule = guest.rule(model.preprocess)
    said: tuple[str, ...] = ()
    if rule is None:
        rule = Preprocess()
        said = ("no resize rule in the file: frames are stretched to the input",)
    if rule.interpolation == _OPENCV:
        raise ModelError(
            f"{model.path}: its rule is {_OPENCV}, whose pixels differ between processors, so a "
            "browser cannot compute the same. Train with area or bilinear, or say --interpolation "
            "bilinear, which differs by one level in some places (docs/pixels.md)"
        )
    return rule, said


def _labels(model: ModelFile, decoder: Decoder, place: str) -> tuple[Sequence[str], list[str]]:
    labels, count = model.labels, decoder.classes
    if model.provenance is None and labels is not None and count == 2 == len(labels) + 1:
        return (f"not {labels[0]}", labels[0]), decoder.assumptions
    remedy = "give the model's own list: --labels FILE, one class a line"
    found, said = fitting(labels, count, place, remedy=remedy)
    return found, [*decoder.assumptions, *said]


def _levels(encoder: Encoder, tensor: TensorInfo) -> list[list[float]] | None:
    """What becomes of each level, for each channel; None where levels stay what they are."""
    levels = encoder.levels()
    if (levels == np.arange(256)[:, np.newaxis]).all():
        return None
    return [[float(v) for v in column] for column in levels.T]


def _quantisation(tensor: TensorInfo) -> dict[str, Any]:
    quantised = bool(tensor.scales) and tensor.dtype != "float32"
    zero = tensor.zero_points[0] if tensor.zero_points else 0
    return {
        "dtype": tensor.dtype,
        "scale": float(np.float32(tensor.scales[0])) if quantised else None,
        "zero_point": int(zero) if quantised else 0,
    }


def _names(paths: Sequence[Path]) -> list[str]:
    """The files' stems; with folders before them where two are alike."""
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    longer = ["/".join((*path.absolute().parts[-3:-1], path.stem)) for path in paths]
    if len(set(longer)) == len(longer):
        return longer
    return [f"{name} ({i})" for i, name in enumerate(longer, 1)]
