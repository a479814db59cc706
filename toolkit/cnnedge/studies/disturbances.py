"""What may happen to a picture before a model sees it, in steps from mild to strong.

A frame as OpenCV delivers it and a strength enter; a frame of the same size leaves. Lengths are
shares of the shorter side and levels are shares of the range 0..255, so that pictures of any size
are disturbed alike. What a move uncovers takes the nearest pixels of the edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from ..data.store import Frame

# Of a picture: as many random numbers 0..1 as any disturbance takes. They stay the same for all
# strengths, so that a stronger disturbance goes on in the direction of the weaker one.
Draws = npt.NDArray[np.float64]
DRAWS = 2
# Of the square that hides a part of a picture.
_GREY = 128


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """strengths: in the order of an axis, without `neutral`, which leaves the picture as it is.

    unit: behind a strength, such as ° or %. factor: strengths are ratios, drawn on a log axis.
    apply: called with a frame, a strength and the picture's Draws.
    """

    name: str
    unit: str
    neutral: float
    strengths: tuple[float, ...]
    apply: Callable[[Frame, float, Draws], Frame]
    factor: bool = False

    def __call__(self, frame: Frame, strength: float, draws: Draws) -> Frame:
        """The frame disturbed, of the same shape; as it is at the neutral strength."""
        if strength == self.neutral:
            return frame
        disturbed: Frame = self.apply(frame, strength, draws).reshape(frame.shape)
        return disturbed

    def as_json(self) -> dict[str, object]:
        """Without the strengths, which the points have."""
        return {
            "name": self.name,
            "unit": self.unit.strip(),
            "neutral": self.neutral,
            "factor": self.factor,
        }

    def sparse(self) -> Disturbance:
        """The same with two of its strengths: the mildest and a strong one."""
        return replace(self, strengths=(self.strengths[0], self.strengths[-2]))

    def said(self, strength: float) -> str:
        """A strength as people read it, such as +20 % or 30°."""
        signed = min(self.strengths) < 0
        number = f"{strength:+g}" if signed else f"{strength:g}"
        return f"×{number}" if self.factor else f"{number}{self.unit}"


def _moved(frame: Frame, matrix: npt.NDArray[np.float64]) -> Frame:
    """The frame through an affine map [2, 3] of input to output positions."""
    height, width = frame.shape[:2]
    moved: Frame = cv2.warpAffine(
        frame, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return moved


def _about_centre(frame: Frame, degrees: float, scale: float) -> Frame:
    height, width = frame.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    return _moved(frame, cv2.getRotationMatrix2D(centre, degrees, scale))


def translate(frame: Frame, percent: float, draws: Draws) -> Frame:
    """Moves by this share of the shorter side in a random direction, in whole pixels."""
    length = percent / 100 * min(frame.shape[:2])
    angle = 2 * np.pi * draws[0]
    x, y = np.rint(length * np.cos(angle)), np.rint(length * np.sin(angle))
    return _moved(frame, np.array([[1.0, 0.0, x], [0.0, 1.0, y]]))


def rotate(frame: Frame, degrees: float, draws: Draws) -> Frame:
    """Turns about the centre, either way."""
    return _about_centre(frame, degrees if draws[0] < 0.5 else -degrees, 1.0)


def rescale(frame: Frame, factor: float, _: Draws) -> Frame:
    """Shows everything larger (above 1, the edges are lost) or smaller (below 1)."""
    return _about_centre(frame, 0.0, factor)


def _levels(values: npt.NDArray[np.float64]) -> Frame:
    levels: Frame = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return levels


def brighten(frame: Frame, percent: float, _: Draws) -> Frame:
    """Adds this share of the range to every pixel."""
    return _levels(frame.astype(np.float64) + 2.55 * percent)


def contrast(frame: Frame, factor: float, _: Draws) -> Frame:
    """Multiplies the distance of every pixel from the picture's mean."""
    values = frame.astype(np.float64)
    mean = values.mean()
    return _levels((values - mean) * factor + mean)


def blur(frame: Frame, percent: float, _: Draws) -> Frame:
    """A Gaussian whose standard deviation is this share of the shorter side."""
    sigma = percent / 100 * min(frame.shape[:2])
    blurred: Frame = cv2.GaussianBlur(frame, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return blurred


def add_noise(frame: Frame, percent: float, draws: Draws) -> Frame:
    """Gaussian noise whose standard deviation is this share of the range, in each channel."""
    rng = np.random.default_rng((draws * 2**32).astype(np.uint64))
    return _levels(frame + 2.55 * percent * rng.standard_normal(frame.shape))


def compress(frame: Frame, quality: float, _: Draws) -> Frame:
    """Encodes and decodes as JPEG of this quality."""
    encoded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    how = cv2.IMREAD_COLOR if frame.ndim == 3 and frame.shape[2] == 3 else cv2.IMREAD_GRAYSCALE
    decoded: Frame = np.asarray(cv2.imdecode(encoded, how)).astype(np.uint8).reshape(frame.shape)
    return decoded


def occlude(frame: Frame, percent: float, draws: Draws) -> Frame:
    """Hides a grey square whose side is this share of the shorter side, somewhere inside."""
    height, width = frame.shape[:2]
    side = max(1, round(percent / 100 * min(height, width)))
    top = int(draws[0] * (height - side + 1))
    left = int(draws[1] * (width - side + 1))
    hidden: Frame = frame.copy()
    hidden[top : top + side, left : left + side] = _GREY
    return hidden


DISTURBANCES: tuple[Disturbance, ...] = (
    Disturbance(
        name="translation",
        unit=" %",
        neutral=0,
        strengths=(4, 8, 12, 16, 20, 30),
        apply=translate,
    ),
    Disturbance(
        name="rotation", unit="°", neutral=0, strengths=(5, 10, 15, 30, 45, 90), apply=rotate
    ),
    Disturbance(
        name="scale",
        unit="",
        neutral=1,
        strengths=(0.5, 0.65, 0.8, 1.25, 1.5, 2),
        apply=rescale,
        factor=True,
    ),
    Disturbance(
        name="brightness",
        unit=" %",
        neutral=0,
        strengths=(-45, -30, -15, 15, 30, 45),
        apply=brighten,
    ),
    Disturbance(
        name="contrast",
        unit="",
        neutral=1,
        strengths=(0.125, 0.25, 0.5, 2, 4, 8),
        apply=contrast,
        factor=True,
    ),
    Disturbance(name="blur", unit=" %", neutral=0, strengths=(2, 3, 4, 6, 8, 12), apply=blur),
    Disturbance(
        name="noise", unit=" %", neutral=0, strengths=(2, 5, 10, 15, 20, 30), apply=add_noise
    ),
    Disturbance(
        name="JPEG quality",
        unit="",
        neutral=100,
        strengths=(90, 70, 50, 30, 15, 5),
        apply=compress,
    ),
    Disturbance(
        name="occlusion", unit=" %", neutral=0, strengths=(10, 20, 30, 40, 50, 60), apply=occlude
    ),
)
