"""The scale that a model learns from the training signals before it is trained.

A model definition and the signals of a data set enter; the definition leaves with numbers in place
of the word `data`: value * scale + offset brings the median to 0 and the usual spread to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data import Samples
from ..errors import DataError
from ..specs import InputSize, ModelSpec, Sample, SignalSize

# So many quartile distances are a standard deviation, of what is normally distributed.
_DEVIATIONS = 1.349


def sample_size(shape: Sequence[int | None]) -> Sample:
    """One sample of a Keras model, by the shape of its input: [batch, height, width, channels] of
    pictures, [batch, length, channels] of signals."""
    sizes = [int(n or 0) for n in shape[1:]]
    if len(sizes) == 2:
        return SignalSize(length=sizes[0], channels=sizes[1])
    height, width, channels = sizes
    return InputSize(height=height, width=width, channels=channels)


def learnt(spec: ModelSpec, signals: Samples) -> ModelSpec:
    """The definition itself where it learns nothing.

    Median and quartiles, not mean and deviation: a few tall peaks or spikes would stretch those so
    far that a small peak is lost in the rounding of 8 bits. Raises DataError for constant signals.
    """
    if not spec.learns_scale:
        return spec
    values = signals.batch(signals.dataset.indices("train"))
    low, middle, high = np.percentile(values, (25, 50, 75), axis=(0, 1))
    spread = (high - low) / _DEVIATIONS
    flat = np.flatnonzero(~(spread > 0))
    if len(flat):
        raise DataError(
            f"{signals.dataset.source}: half of all values of channel {int(flat[0]) + 1} are the "
            f"same, {middle[flat[0]]:g}, so it has no scale to learn. Take the channel out, or "
            "give numbers in the model's Rescaling layer"
        )
    return spec.scaled(
        tuple(float(1 / s) for s in spread),
        tuple(float(-m / s) for m, s in zip(middle, spread, strict=True)),
    )
