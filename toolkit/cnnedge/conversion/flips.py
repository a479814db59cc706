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
class Verdict:
    """What one of the two models said, with its score; kind: a CSS class, right or wrong."""

    who: str
    kind: str
    label: str
    percent: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """A picture. kind: a CSS class. label: the true one. png: base64."""

    kind: str
    label: str
    png: str
    verdicts: Sequence[Verdict]
    name: str


@dataclass(frozen=True, kw_only=True)
class FlippedPictures:
    """A variant's pictures, of which `said` says how many there are."""

    variant: str
    said: str
    open: bool
    cards: Sequence[Card]


def flips_by_variant(
    report: Row, flipped: Sequence[FlippedPicture], pick: str | None
) -> list[FlippedPictures]:
    """At most 24 of each; pick: the one to ship. Raises ValueError for pixels of another kind."""
    groups: dict[str, list[FlippedPicture]] = {}
    for picture in flipped:
        groups.setdefault(picture.variant, []).append(picture)
    totals = {v["name"]: v.get("flipped") for v in report["variants"]}
    return [
        _group(pictures, totals.get(name), folded=len(groups) > _UNFOLDED and name != pick)
        for name, pictures in groups.items()
    ]


def _group(
    pictures: Sequence[FlippedPicture], counted: int | None, *, folded: bool
) -> FlippedPictures:
    shown = pictures[: _SHOWN_FOLDED if folded else _SHOWN]
    total = max(counted or 0, len(pictures))
    said = f"{total:,} picture{'' if total == 1 else 's'} changed label"
    said += f"; {len(shown)} of them shown" if len(shown) < total else ""
    return FlippedPictures(
        variant=pictures[0].variant,
        said=said,
        open=not folded,
        cards=[_card(picture) for picture in shown],
    )


def _card(picture: FlippedPicture) -> Card:
    said = (
        ("Keras", picture.reference_label, picture.reference_score),
        ("now", picture.variant_label, picture.variant_score),
    )
    return Card(
        kind="tiny" if max(picture.pixels.shape[:2]) < 96 else "photo",
        label=picture.true_label,
        png=base64.b64encode(_png(picture.pixels)).decode("ascii"),
        verdicts=[
            Verdict(
                who=who,
                kind="right" if label == picture.true_label else "wrong",
                label=label,
                percent=f"{100 * score:.0f}",
            )
            for who, label, score in said
        ],
        name=picture.name,
    )


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
