"""How a picture becomes a model's input pixels, as data: the rule that travels in the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from .strict import Range


@dataclass(frozen=True, kw_only=True)
class InputSize:
    """A model's input picture: height and width in pixels, 1 (grey) or 3 (RGB) channels."""

    height: Annotated[int, Range(4, 4096)]
    width: Annotated[int, Range(4, 4096)]
    channels: int = 3

    def check(self) -> str | None:
        if self.channels not in (1, 3):
            return f"channels is {self.channels}; allowed: 1 (grey) or 3 (RGB)"
        return None

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.height, self.width, self.channels)


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """The resize rule.

    resize: `stretch` changes the aspect ratio; `letterbox` keeps it and pads with `pad_value`;
    `center_crop` keeps it and cuts the longer side.
    interpolation: `area` averages when shrinking (no aliasing) and is linear when enlarging;
    `bilinear` and `nearest` are OpenCV's.
    """

    resize: Literal["stretch", "letterbox", "center_crop"] = "stretch"
    interpolation: Literal["area", "bilinear", "nearest"] = "area"
    pad_value: Annotated[int, Range(0, 255)] = 0
