"""What a person says of a model that cnnedge did not make.

Options of the command line or keywords in Python enter; one frozen Guest leaves, that everything
which loads a model takes. What it leaves open, the file says; what neither says is assumed aloud.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ..errors import ModelError
from ..specs.pixels import Preprocess
from .labels import Labels, read_labels

# What a model's input holds for pixels 0..255: (pixel - mean) / std.
PIXEL_RANGES = {"0..1": (0.0, 255.0), "-1..1": (127.5, 127.5), "0..255": (0.0, 1.0)}
ACTIVATIONS = ("softmax", "sigmoid", "log_softmax", "index", "none")
_RULE = get_type_hints(Preprocess)
RESIZES: tuple[str, ...] = get_args(_RULE["resize"])
INTERPOLATIONS: tuple[str, ...] = get_args(_RULE["interpolation"])
_SIDES = (1, 8192)


@dataclass(frozen=True, kw_only=True)
class Guest:
    """What is known of somebody else's model beside its file. All of it may be left out.

    labels: in the order of the outputs, or a file of them (`labels.read_labels`), read at once.
    pixel_range: what the input takes, one of PIXEL_RANGES. mean, std: (pixel - mean) / std, one
    value or one for each channel in the model's order; of pixels in pixel_range where that is
    given, otherwise of 0..255 (of 0..1 where all of them are 1 and less, as PyTorch writes them).
    bgr: the model takes blue first. resize, interpolation, crop_fraction: as in Preprocess; a
    crop_fraction alone means center_crop. activation: what the
    outputs are, one of ACTIVATIONS: `softmax` and `sigmoid` are applied where the graph does not;
    `none` says that they are probabilities as they are. size: height and width of the input, for a
    file that leaves them open. Raises ModelError.
    """

    labels: Labels | str | Path | None = None
    pixel_range: str | None = None
    mean: tuple[float, ...] | float | None = None
    std: tuple[float, ...] | float | None = None
    bgr: bool = False
    resize: str | None = None
    interpolation: str | None = None
    crop_fraction: float | None = None
    activation: str | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        labels = self.labels
        if isinstance(labels, (str, Path)):
            labels = read_labels(labels)
        self._set("labels", None if labels is None else tuple(str(x) for x in labels))
        self._set("mean", _numbers("mean", self.mean))
        self._set("std", _numbers("std", self.std))
        if self.std is not None and 0.0 in self.numbers("std"):
            raise ModelError("std: found 0, which cannot be divided by; give another number")
        for name, allowed in (
            ("pixel_range", tuple(PIXEL_RANGES)),
            ("resize", RESIZES),
            ("interpolation", INTERPOLATIONS),
            ("activation", ACTIVATIONS),
        ):
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise ModelError(f"{name}: found {value!r}; allowed: {', '.join(allowed)}")
        if self.size is not None:
            self._set("size", _size(self.size))
        if self.crop_fraction is not None:
            self._set("crop_fraction", _fraction(self.crop_fraction, self.resize))

    def numbers(self, name: str) -> tuple[float, ...]:
        """mean or std, empty where it is not given."""
        value = getattr(self, name)
        return value if isinstance(value, tuple) else ()

    @property
    def names(self) -> Labels | None:
        """The labels, once read."""
        return self.labels if isinstance(self.labels, tuple) else None

    @property
    def scales(self) -> bool:
        """Whether it says how pixels are scaled."""
        return self.pixel_range is not None or bool(self.numbers("mean") + self.numbers("std"))

    def rule(self, stated: Preprocess | None) -> Preprocess | None:
        """The resize rule of a file that states one or none; None where nobody says."""
        given = {
            name: value
            for name in ("resize", "interpolation", "crop_fraction")
            if (value := getattr(self, name)) is not None
        }
        if not given:
            return stated
        if self.crop_fraction is not None:
            given["resize"] = "center_crop"
        elif self.resize not in (None, "center_crop"):
            # The file's own fraction goes with its own crop.
            given["crop_fraction"] = 1.0
        return dataclasses.replace(stated or Preprocess(), **given)

    def and_pixel_range(self, pixel_range: str | None) -> Guest:
        """The same with a range of pixels, where one is given."""
        return self if pixel_range is None else dataclasses.replace(self, pixel_range=pixel_range)

    def as_json(self) -> dict[str, Any]:
        """What is given of it, for a process elsewhere."""
        said = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in said.items() if v}

    @classmethod
    def from_plain(cls, said: Any, name: str, _reader: Any) -> Guest:
        """What `as_json` gave. Raises ModelError."""
        try:
            given: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in said.items()
            }
            return cls(**given)
        except (TypeError, AttributeError) as error:
            raise ModelError(
                f"{name}: cannot read what is stated about the model: {error}"
            ) from None

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


def _numbers(name: str, value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    values = value if isinstance(value, (tuple, list)) else (value,)
    try:
        found = tuple(float(v) for v in values)
    except (TypeError, ValueError):
        found = ()
    if len(found) not in (1, 3) or not all(map(math.isfinite, found)):
        raise ModelError(
            f"{name}: found {value!r}; expected one number, or three for the model's channels"
        )
    return found


def _fraction(value: Any, resize: str | None) -> float:
    if not isinstance(value, (int, float)) or not 0.1 <= value <= 1:
        raise ModelError(f"crop_fraction: found {value!r}; expected a number from 0.1 to 1")
    if resize not in (None, "center_crop"):
        raise ModelError(f"crop_fraction goes with resize center_crop, not with {resize}")
    return float(value)


def _size(value: Any) -> tuple[int, int]:
    try:
        height, width = (int(v) for v in value)
    except (TypeError, ValueError):
        raise ModelError(f"size: found {value!r}; expected height and width in pixels") from None
    low, high = _SIDES
    if not (low <= height <= high and low <= width <= high):
        raise ModelError(f"size: found {height}x{width}; sides must be from {low} to {high}")
    return height, width


NO_GUEST = Guest()
