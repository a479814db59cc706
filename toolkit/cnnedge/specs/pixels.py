"""How a picture becomes a model's input pixels, as data: the rule that travels in the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from .limits import Range


@dataclass(frozen=True, kw_only=True)
class InputSize:
    """A model's input picture: height and width in pixels, 1 (grey) or 3 (RGB) channels."""

    height: Annotated[int, Range(4, 4096)]
    width: Annotated[int, Range(4, 4096)]
    channels: int = 3

    noun: ClassVar[str] = "picture"
    dtype: ClassVar[str] = "uint8"

    def check(self) -> str | None:
        if self.channels not in (1, 3):
            return f"channels is {self.channels}; allowed: 1 (grey) or 3 (RGB)"
        return None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: (height, width, channels)."""
        return self.map

    @property
    def map(self) -> tuple[int, int, int]:
        """As a feature map."""
        return (self.height, self.width, self.channels)


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """The resize rule.

    resize: `stretch` changes the aspect ratio; `letterbox` keeps it and pads with `pad_value`;
    `center_crop` keeps it and cuts the longer side, or leaves `crop_fraction` of what remains.
    interpolation: `area` averages exactly what a pixel covers; `bilinear` and `nearest` look at
    two pixels an axis and at one, however small the result; `opencv_bilinear` is OpenCV's own,
    whose pixels differ between processors; `pillow_*` are Pillow's filters, bit for bit, and with
    `center_crop` scale first and cut then, as torchvision and timm do. docs/pixels.md has all of
    them in formulas.
    """

    resize: Literal["stretch", "letterbox", "center_crop"] = "stretch"
    interpolation: Literal[
        "area",
        "bilinear",
        "nearest",
        "opencv_bilinear",
        "pillow_box",
        "pillow_bilinear",
        "pillow_bicubic",
        "pillow_lanczos",
    ] = "area"
    pad_value: Annotated[int, Range(0, 255)] = 0
    crop_fraction: Annotated[float, Range(0.1, 1)] = 1.0

    def check(self) -> str | None:
        if self.crop_fraction != 1 and self.resize != "center_crop":
            return (
                f"crop_fraction is {self.crop_fraction:g}, but resize is {self.resize}; "
                "crop_fraction works only with resize: center_crop"
            )
        return None
