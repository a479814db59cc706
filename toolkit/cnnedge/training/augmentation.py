"""Random changes to training pictures.

A batch of prepared pixels enters (uint8 [n, h, w, c]) with a random generator; a changed batch
leaves. All geometry of a picture is one affine warp, so that its pixels are resampled once.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..preprocess import Pixels
from ..specs import Augmentation

Floats = npt.NDArray[np.float32]

_BORDER = {
    "reflect": cv2.BORDER_REFLECT_101,
    "edge": cv2.BORDER_REPLICATE,
    "black": cv2.BORDER_CONSTANT,
}


def augment(batch: Pixels, spec: Augmentation, rng: np.random.Generator) -> Pixels:
    """One random version of each picture, as `spec` says (mixup is separate: it mixes labels)."""
    result = _warp(batch, spec, rng)
    result = _recolour(result, spec, rng)
    return _cut_out(result, spec, rng) if spec.cutout else result


def mix(
    pixels: Floats, targets: Floats, weights: Floats, alpha: float, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """mixup (Zhang et al. 2018): each picture blended with another, labels and weights alike.

    pixels: float32 [n, h, w, c]; targets: float32 [n, classes]; weights: float32 [n].
    """
    share = rng.beta(alpha, alpha, len(pixels)).astype(np.float32)
    other = rng.permutation(len(pixels))
    s4, s2 = share[:, None, None, None], share[:, None]
    return (
        s4 * pixels + (1 - s4) * pixels[other],
        s2 * targets + (1 - s2) * targets[other],
        share * weights + (1 - share) * weights[other],
    )


def _warp(batch: Pixels, spec: Augmentation, rng: np.random.Generator) -> Pixels:
    moves = (spec.shift, spec.crop, spec.rotate, spec.zoom, spec.shear)
    if spec.flip == "none" and not any(moves):
        return batch
    count, height, width = batch.shape[:3]
    matrices = _matrices(count, height, width, spec, rng)
    border = _BORDER[spec.fill]
    result = np.empty_like(batch)
    for i in range(count):
        warped = cv2.warpAffine(
            batch[i],
            matrices[i],
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )
        result[i] = warped.reshape(batch.shape[1:])
    return result


def _matrices(
    count: int, height: int, width: int, spec: Augmentation, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Output-to-input affine matrices [n, 2, 3] about the centre of the picture."""

    def uniform(bound: float) -> npt.NDArray[np.float64]:
        return rng.uniform(-bound, bound, count)

    angle, shear = np.radians(uniform(spec.rotate)), np.tan(np.radians(uniform(spec.shear)))
    scale = 1 / (1 + uniform(spec.zoom))
    kept = 1 - rng.uniform(0, spec.crop, count) if spec.crop else np.ones(count)
    scale = scale * kept
    flip_x = _signs(count, spec.flip in ("horizontal", "both"), rng)
    flip_y = _signs(count, spec.flip in ("vertical", "both"), rng)
    shift_x, shift_y = uniform(spec.shift) * width, uniform(spec.shift) * height
    if not (spec.rotate or spec.zoom or spec.shear or spec.crop):
        # Whole pixels: a pure shift need not blur.
        shift_x, shift_y = np.rint(shift_x), np.rint(shift_y)
    # A crop's window may be anywhere inside the picture.
    shift_x = shift_x + uniform(0.5) * (1 - kept) * (width - 1)
    shift_y = shift_y + uniform(0.5) * (1 - kept) * (height - 1)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.empty((count, 2, 3))
    matrix[:, 0, 0] = scale * flip_x * cos
    matrix[:, 0, 1] = scale * flip_y * (shear * cos - sin)
    matrix[:, 1, 0] = scale * flip_x * sin
    matrix[:, 1, 1] = scale * flip_y * (shear * sin + cos)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    moved = centre + np.stack([shift_x, shift_y], axis=1)
    matrix[:, :, 2] = moved - matrix[:, :, :2] @ centre
    return matrix


def _signs(count: int, wanted: bool, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    return np.where(rng.random(count) < 0.5, -1.0, 1.0) if wanted else np.ones(count)


def _recolour(batch: Pixels, spec: Augmentation, rng: np.random.Generator) -> Pixels:
    if not (spec.brightness or spec.contrast or spec.noise):
        return batch
    count = len(batch)
    values = batch.astype(np.float32)

    def each(bound: float) -> Floats:
        return rng.uniform(-bound, bound, (count, 1, 1, 1)).astype(np.float32)

    if spec.contrast:
        mean = values.mean(axis=(1, 2, 3), keepdims=True)
        values = (values - mean) * (1 + each(spec.contrast)) + mean
    if spec.brightness:
        values = values + 255 * each(spec.brightness)
    if spec.noise:
        values = values + rng.normal(0, 255 * spec.noise, values.shape).astype(np.float32)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _cut_out(batch: Pixels, spec: Augmentation, rng: np.random.Generator) -> Pixels:
    """One square, anywhere, half of the time (DeVries and Taylor 2017 always cut)."""
    count, height, width = batch.shape[:3]
    half_h, half_w = spec.cutout * height / 2, spec.cutout * width / 2
    centre_y, centre_x = rng.uniform(0, height, (count, 1)), rng.uniform(0, width, (count, 1))
    rows = np.abs(np.arange(height) + 0.5 - centre_y) < half_h
    columns = np.abs(np.arange(width) + 0.5 - centre_x) < half_w
    chosen = rng.random((count, 1, 1)) < 0.5
    hole = (rows[:, :, None] & columns[:, None, :] & chosen)[..., None]
    return np.where(hole, np.uint8(0 if spec.fill == "black" else 128), batch)
