"""Test pictures whose label a variant changed, and what the report's page shows of them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..pages.text import Row

_MOST_SIDE_PX = 256
# Width, height and margin of a signal's line.
_SIGNAL_PX = (200, 200, 10)
_SHOWN = 24
# With more variants than these, all but the one to ship are folded and show fewer.
_UNFOLDED, _SHOWN_FOLDED = 4, 8


@dataclass(frozen=True, kw_only=True)
class FlippedPicture:
    """A test picture that a variant labels differently from the reference model.

    name: the file's name, or "test[12]". Scores are fractions 0..1 of the label given.
    pixels: uint8 [h, w, 1] grey or [h, w, 3] RGB.
    """

    variant: str
    name: str
    true_label: str
    reference_label: str
    variant_label: str
    reference_score: float
    variant_score: float
    pixels: npt.NDArray[np.uint8]

    @property
    def tiny(self) -> bool:
        return bool(max(self.pixels.shape[:2]) < 96)

    @property
    def png(self) -> str:
        """In base64. Raises ValueError for pixels of another kind."""
        return base64.b64encode(_png(self.pixels)).decode("ascii")


def as_picture(sample: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """A sample to look at: a picture itself; a signal, float32 [length, channels], as its line."""
    if sample.dtype == np.uint8:
        return sample
    width, height, margin = _SIGNAL_PX
    drawn = np.full((height, width), 255, np.uint8)
    low, high = float(sample.min()), float(sample.max())
    across = np.linspace(margin, width - 1 - margin, len(sample))
    for values in sample.T:
        down = (height - 1 - margin) - (values - low) / max(high - low, 1e-9) * (
            height - 2 * margin
        )
        # OpenCV takes whole numbers, here sixteenths of a pixel.
        line = np.rint(16 * np.stack([across, down], axis=1)).astype(np.int32)
        cv2.polylines(drawn, [line], False, 40, 1, cv2.LINE_AA, 4)
    return drawn[..., np.newaxis]


@dataclass(frozen=True, kw_only=True)
class FlippedPictures:
    """A variant's pictures: how many there are, those that are shown, and whether at once."""

    variant: str
    total: int
    shown: Sequence[FlippedPicture]
    open: bool


def flips_by_variant(
    report: Row, flipped: Sequence[FlippedPicture], pick: str | None
) -> list[FlippedPictures]:
    """At most 24 of each; pick: the one to ship."""
    groups: dict[str, list[FlippedPicture]] = {}
    for picture in flipped:
        groups.setdefault(picture.variant, []).append(picture)
    totals = {v["name"]: v.get("flipped") or 0 for v in report["variants"]}
    opened = {name: len(groups) <= _UNFOLDED or name == pick for name in groups}
    return [
        FlippedPictures(
            variant=name,
            total=max(totals.get(name, 0), len(pictures)),
            shown=pictures[: _SHOWN if opened[name] else _SHOWN_FOLDED],
            open=opened[name],
        )
        for name, pictures in groups.items()
    ]


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise ValueError(
            f"expected uint8 [h, w, 1 or 3], found {pixels.dtype} of shape {pixels.shape}"
        )
    height, width = pixels.shape[:2]
    picture = pixels[:, :, ::-1] if pixels.shape[2] == 3 else pixels
    picture = np.ascontiguousarray(picture)
    scale = _MOST_SIDE_PX / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    done, encoded = cv2.imencode(".png", picture)
    if not done:
        raise ValueError(f"OpenCV could not write a picture of shape {pixels.shape} as PNG")
    return bytes(encoded)
