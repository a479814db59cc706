"""What a model takes for pixels: the scaling, the order of colours, the resize rule.

What a person or a file says enters; a frozen Convention leaves, that turns uint8 pixels into the
numbers a model was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..bundle import Guest
from ..encoding import told_scaling
from ..errors import ModelError
from ..preprocess import Pixels
from ..specs.pixels import Preprocess

Reals = npt.NDArray[np.float32]
_BGR_MEAN = (103.939, 116.779, 123.68)
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@dataclass(frozen=True, kw_only=True)
class Convention:
    """(pixel - mean) / std of pixels 0..255, one value or one for each channel in the model's
    order. bgr: the model takes blue first. rule: how a frame is resized. name: for people.
    """

    name: str = "0..255"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    bgr: bool = False
    rule: Preprocess = field(default_factory=Preprocess)

    @property
    def scale(self) -> tuple[float, ...]:
        """The value is pixel * scale + offset."""
        return tuple(1 / s for s in self.std)

    @property
    def offset(self) -> tuple[float, ...]:
        """As in scale."""
        return tuple(
            -m / s
            for m, s in zip(_wide(self.mean, self.std), _wide(self.std, self.mean), strict=True)
        )

    @property
    def raw(self) -> bool:
        """Whether the model takes raw pixels, red first."""
        return not self.bgr and not any(self.mean) and set(self.std) == {1.0}

    @property
    def shown(self) -> str:
        """In a table."""
        return f"{self.name}, {'BGR' if self.bgr else 'RGB'}"

    def encode(self, pixels: Pixels) -> Reals:
        """float32 [n, h, w, c] for uint8 pixels of that shape, RGB or grey."""
        ordered = pixels[..., ::-1] if self.bgr and pixels.shape[-1] == 3 else pixels
        scale, offset = np.array(self.scale, np.float32), np.array(self.offset, np.float32)
        found: Reals = ordered.astype(np.float32) * scale + offset
        return found

    def check(self, channels: int, place: str) -> None:
        """Raises ModelError where it has a value for each of three channels and the model one."""
        if channels == 1 and (self.bgr or max(len(self.mean), len(self.std)) > 1):
            raise ModelError(
                f"{place}: the model takes grey pictures, so --mean and --std are one number each, "
                "and --bgr says nothing"
            )


def _wide(values: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    return values * len(other) if len(values) == 1 else values


def told(guest: Guest) -> Convention | None:
    """What a person says of the scaling and the order of colours; None where they say neither."""
    if not guest.scales and not guest.bgr:
        return None
    scaling = told_scaling(guest)
    name = guest.pixel_range if guest.pixel_range and not guest.numbers("mean") else "as given"
    return Convention(name=name or "0..255", mean=scaling.mean, std=scaling.std, bgr=guest.bgr)


def with_rule(convention: Convention, rule: Preprocess) -> Convention:
    """The same pixels, resized by another rule."""
    return replace(convention, rule=rule)


# Those that networks for pictures are published with. Torchvision and timm; Keras' 'caffe' mode.
SCALINGS = (
    Convention(name="0..1", std=(255.0,)),
    Convention(name="-1..1", mean=(127.5,), std=(127.5,)),
    Convention(name="0..255"),
    Convention(name="ImageNet mean and std", mean=_MEAN, std=_STD),
    Convention(name="caffe mean", mean=_BGR_MEAN[::-1], std=(1.0,)),
    Convention(name="ImageNet mean", mean=_MEAN, std=(255.0,)),
)


def candidates(channels: int) -> tuple[Convention, ...]:
    """Every scaling, red and blue first; of one channel those with one value."""
    if channels == 1:
        return tuple(c for c in SCALINGS if len(c.mean) == len(c.std) == 1)
    swapped = (replace(c, bgr=True, mean=c.mean[::-1], std=c.std[::-1]) for c in SCALINGS)
    return (*SCALINGS, *swapped)


# Resize rules that published networks are evaluated with.
RULES = (
    Preprocess(),
    Preprocess(interpolation="bilinear"),
    Preprocess(interpolation="pillow_bilinear"),
    Preprocess(resize="letterbox"),
    Preprocess(resize="center_crop"),
    Preprocess(resize="center_crop", crop_fraction=0.875),
    Preprocess(resize="center_crop", interpolation="pillow_bilinear", crop_fraction=0.875),
    Preprocess(resize="center_crop", interpolation="pillow_bicubic", crop_fraction=0.875),
)

_SIGNED, _TORCH, _CAFFE = SCALINGS[1], SCALINGS[3], SCALINGS[4]
_BLUE_FIRST = replace(_CAFFE, bgr=True, mean=_CAFFE.mean[::-1])
# The longer name first, where one begins another.
_FAMILIES = (
    ("mobilenetv2", _SIGNED),
    ("mobilenet_", _SIGNED),
    ("inception_resnet_v2", _SIGNED),
    ("inception_v3", _SIGNED),
    ("xception", _SIGNED),
    ("nasnet", _SIGNED),
    ("resnet50v2", _SIGNED),
    ("resnet101v2", _SIGNED),
    ("resnet152v2", _SIGNED),
    ("resnet50", _BLUE_FIRST),
    ("resnet101", _BLUE_FIRST),
    ("resnet152", _BLUE_FIRST),
    ("vgg16", _BLUE_FIRST),
    ("vgg19", _BLUE_FIRST),
    ("densenet", _TORCH),
)


def family(name: str) -> tuple[str, Convention] | None:
    """The family of keras.applications whose name begins this one, and the pixels that its
    `preprocess_input` makes; None for a name of none. Networks and their parts keep such names, but
    whoever trained one on may have fed it other pixels: labelled pictures know better."""
    found = next(((f, c) for f, c in _FAMILIES if name.lower().startswith(f)), None)
    return None if found is None else (found[0].rstrip("_"), found[1])
