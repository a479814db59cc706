"""A Keras model as a source: rebuilt in tf_keras where all its layers can be, else frozen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.labels import Labels, read_labels
from ..errors import CnnedgeError, ModelError
from ..specs.pixels import InputSize, Preprocess
from . import keras_source, trace
from .convention import Convention, family
from .freezing import frozen
from .opened import ImportWishes, Opened, Reals, picture_size
from .rebuild import rebuilt

_SCALING = ("Rescaling", "Normalization")
# Teachable Machine's own code: ImageOps.fit, LANCZOS, (pixel / 127.5) - 1.
_TEACHABLE = Convention(name="-1..1", mean=(127.5,), std=(127.5,))
_TEACHABLE_RULE = Preprocess(resize="center_crop", interpolation="pillow_lanczos")
_BATCH = 16


def open_keras(path: Path, kind: str, wishes: ImportWishes) -> Opened:
    """Reads the model and says how to ask it. Raises ModelError."""
    model, name = keras_source.read_model(path, kind)
    size, resized = _size(model, wishes.guest.size, path)
    live = _Live(model=model, size=size, place=str(path))
    teachable = _is_teachable(model)
    stated, because, rule = None, "", resized
    if teachable:
        stated, because, rule = _TEACHABLE, "Teachable Machine's own code", _TEACHABLE_RULE
    elif _scales_itself(model):
        stated, because = Convention(), "the model's own scaling layer"
    elif hint := _hint(model):
        stated, because = hint[1], f"preprocess_input of {hint[0]} in keras.applications"

    def answer(values: Reals) -> Reals:
        parts = [
            np.asarray(model(values[i : i + _BATCH], training=False))
            for i in range(0, len(values), _BATCH)
        ]
        return np.concatenate(parts)

    return Opened(
        kind=name,
        size=size,
        answer=answer,
        build=live.built,
        refrozen=live.frozen,
        trace=lambda values: trace.of_keras(model, values),
        stated=stated,
        because=because,
        weak="preprocess_input" in because,
        rule=rule,
        labels=_labels_beside(path) if teachable else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Live:
    """A model that was read. place: names it in messages."""

    model: Any
    size: InputSize
    place: str

    def built(self, convention: Convention, head: str) -> tuple[Any, tuple[str, ...]]:
        """Rebuilt, or frozen where it cannot be."""
        try:
            return rebuilt(self.model, self.size, convention, head), ()
        except CnnedgeError as error:
            return self.frozen(convention, head, str(error))

    def frozen(self, convention: Convention, head: str, why: str) -> tuple[Any, tuple[str, ...]]:
        """Without layers, and the reason."""
        said = (
            f"the model is imported frozen, not in layers of tf_keras ({why}): it can change its "
            "format, but not be pruned or trained"
        )
        ask = self.answer
        return frozen(ask, self.size, convention, head, self.place), (said,)

    def answer(self, image: Any) -> Any:
        """The model's outputs."""
        return self.model(image, training=False)


def _size(
    model: Any, given: tuple[int, int] | None, path: Path
) -> tuple[InputSize, Preprocess | None]:
    """The input, and the resize rule of a layer that resizes whatever comes in."""
    shape = model.input_shape
    if isinstance(shape, list) or len(shape) != 4 or shape[-1] not in (1, 3):
        raise ModelError(
            f"{path}: its input is {shape}; expected one picture, [None, height, width, 1 or 3]"
        )
    height, width, channels = shape[1:]
    rule = None
    resizing = _first(model)
    if height is None and type(resizing).__name__ == "Resizing" and given is None:
        height, width = int(resizing.height), int(resizing.width)
        rule = _rule_of(resizing)
    return picture_size((None, height, width, channels), given, path), rule


def _rule_of(resizing: Any) -> Preprocess:
    """A Resizing layer in front takes any picture: the device does that, in integers."""
    config = resizing.get_config()
    nearest = config.get("interpolation") == "nearest"
    area = config.get("interpolation") == "area"
    return Preprocess(
        resize="center_crop" if config.get("crop_to_aspect_ratio") else "stretch",
        interpolation="nearest" if nearest else "area" if area else "bilinear",
    )


def _first(model: Any) -> Any:
    """The first layer that does something, in models within models, too."""
    for layer in model.layers:
        if type(layer).__name__ == "InputLayer":
            continue
        return _first(layer) if hasattr(layer, "layers") else layer
    return None


def _scales_itself(model: Any, depth: int = 0) -> bool:
    """Whether a layer that scales pixels comes before the first with a kernel.

    ReLU and the like are no scaling: the first of a model may be any of them.
    """
    for layer in _flat(model):
        kind = type(layer).__name__
        if kind == "Rescaling":
            return not math.isclose(float(np.min(layer.scale)), 1.0) or bool(np.any(layer.offset))
        if kind == "Normalization":
            return True
        if getattr(layer, "kernel", None) is not None or kind == "DepthwiseConv2D":
            return False
    return False


def _flat(model: Any) -> Any:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _flat(layer)
        else:
            yield layer


def _hint(model: Any) -> tuple[str, Convention] | None:
    """By the name of the model, or of the first model within it."""
    inner = (layer for layer in model.layers if hasattr(layer, "layers"))
    named = (model, *inner)
    return next((found for part in named if (found := family(part.name))), None)


def _is_teachable(model: Any) -> bool:
    """The layout of Teachable Machine's keras_model.h5: features and a head, each Sequential."""
    parts = getattr(model, "layers", [])
    if type(model).__name__ != "Sequential" or len(parts) != 2:
        return False
    if any(type(part).__name__ != "Sequential" for part in parts):
        return False
    body, head = ([type(layer).__name__ for layer in part.layers] for part in parts)
    return (
        body[-1:] == ["GlobalAveragePooling2D"]
        and set(head) <= {"Dense", "InputLayer", "Dropout"}
        and hasattr(parts[0].layers[0], "layers")
        and not getattr(parts[1].layers[-1], "use_bias", True)
    )


def _labels_beside(path: Path) -> Labels | None:
    """Teachable Machine puts labels.txt into the same archive."""
    beside = path.parent / "labels.txt"
    return read_labels(beside) if beside.is_file() else None
