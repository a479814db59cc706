"""Chromatograms out of nothing: synthetic signals of a detector behind a column, with their labels.

A seed enters; windows of 100 values leave, or one long recording. Nothing here was measured on an
instrument, and whatever shows these signals says so.

A peak is a Gaussian band that has passed a mixing volume, an exponentially modified Gaussian
(Grushka, Anal. Chem. 44, 1972); the baseline wanders and drifts; the noise is white and, in part,
slow; spikes of one or two values are no peaks. Heights are multiples of the noise: a peak below ten
times the noise is small, for it can be detected but not be quantified (ICH Q2(R1) 1994: 3 and 10).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..specs.signals import SignalSize

Floats = npt.NDArray[np.float64]
Signals = npt.NDArray[np.float32]

CLASSES = ("no peak", "small peak", "peak")
LENGTH = 100
# Limits of detection, of quantification and of the detector, in standard deviations of the noise.
_DETECTED, _QUANTIFIED, _LARGEST = 3.0, 10.0, 1000.0
# The detector's smallest step; it also makes the values the same on every processor.
_STEP = 0.01
# Before a window begins a peak may have begun.
_BEFORE = 60
_EDGE = 10


def windows(count: int, seed: int) -> tuple[Signals, npt.NDArray[np.int64]]:
    """float32 [count, 100, 1] in units of the mean noise, and int64 [count], index into CLASSES.

    A third is of each class. Peaks lie with their apex within the window, ten values from its ends;
    a fifth of the windows without one begins in the tail of a peak that came before.
    """
    rng = np.random.default_rng(seed)
    targets = rng.permutation(np.arange(count) % len(CLASSES)).astype(np.int64)
    noise = rng.uniform(0.7, 1.4, (count, 1))
    heights = noise * _heights(targets, rng)
    tail = (targets == 0) & (rng.uniform(size=count) < 0.2)
    heights[tail] = noise[tail] * np.exp(rng.uniform(np.log(3), np.log(300), (tail.sum(), 1)))
    width = rng.uniform(2, 7, (count, 1))
    apex = rng.uniform(_EDGE, LENGTH - _EDGE, (count, 1))
    apex[tail] = -width[tail] * rng.uniform(2, 4, (tail.sum(), 1))
    symmetric = rng.uniform(size=(count, 1)) < 0.4
    delay = np.where(symmetric, 0.0, width * rng.uniform(0.3, 2, (count, 1)))
    values = heights * _peaks(apex, width, delay, LENGTH)
    values += _baseline(count, LENGTH, rng)
    values += noise * (_noise(count, LENGTH, rng) + _spikes(count, LENGTH, 0.002, rng))
    return _detected(values)[..., np.newaxis], targets


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """values: float32 [n, 1]; targets: int64 [n], what each moment belongs to, of CLASSES."""

    values: Signals
    targets: npt.NDArray[np.int64]


def recording(moments: int, seed: int) -> Recording:
    """One long run, a peak about every 150 moments.

    A moment belongs to a peak while the peak is above a tenth of its height.
    """
    rng = np.random.default_rng(seed)
    values = np.zeros(moments)
    targets = np.zeros(moments, np.int64)
    for middle in range(100, moments - 50, 150):
        apex = middle + rng.uniform(-30, 30)
        kind = int(rng.integers(1, 3))
        width = rng.uniform(2, 7)
        delay = width * rng.uniform(0, 2)
        first = int(apex) - 50
        shape = _peaks(np.array([[apex - first]]), np.array([[width]]), np.array([[delay]]), 120)[
            0
        ][: moments - first]
        values[first : first + len(shape)] += float(_heights(np.array([kind]), rng)[0, 0]) * shape
        there = first + np.flatnonzero(shape > 0.1)
        targets[there] = np.maximum(targets[there], kind)
    values += _baseline(1, moments, rng)[0]
    values += _noise(1, moments, rng)[0] + _spikes(1, moments, 0.001, rng)[0]
    return Recording(values=_detected(values)[:, np.newaxis], targets=targets)


def synthetic_windows(size: SignalSize, count: int) -> Iterator[Signals]:
    """float32 [length, channels], one after the other out of a synthetic recording; each channel
    has its own."""
    moments = max(size.length * count, 300)
    channels = [recording(moments, seed).values for seed in range(size.channels)]
    values = np.concatenate(channels, axis=1)
    for number in range(count):
        yield values[number * size.length : (number + 1) * size.length]


def _heights(targets: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """[n, 1] multiples of the noise: of peaks alike over the decades, as concentrations are."""
    count = len(targets)
    small = rng.uniform(_DETECTED, _QUANTIFIED, count)
    large = np.exp(rng.uniform(np.log(_QUANTIFIED), np.log(_LARGEST), count))
    found: Floats = np.choose(targets, (np.zeros(count), small, large))[:, np.newaxis]
    return found


def _peaks(apex: Floats, width: Floats, delay: Floats, length: int) -> Floats:
    """[n, length] of height 1. apex, width (standard deviation), delay (of the tail): [n, 1], in
    values."""
    moments = np.arange(-_BEFORE, length)
    band = np.exp(-0.5 * ((moments - apex) / width) ** 2)
    # A mixing volume lets out what is in it: each value keeps this share of the one before.
    kept = np.where(delay > 0, np.exp(-1 / np.maximum(delay, 1e-9)), 0.0)[:, 0]
    for i in range(1, band.shape[1]):
        band[:, i] = kept * band[:, i - 1] + (1 - kept) * band[:, i]
    height = band.max(axis=1, keepdims=True)
    found: Floats = band[:, _BEFORE:] / height
    return found


def _baseline(count: int, length: int, rng: np.random.Generator) -> Floats:
    """An offset, a drift, and a slow wave as of a pump or of temperature."""
    moments = np.arange(length) / LENGTH
    offset = rng.normal(0, 10, (count, 1))
    drift = rng.normal(0, 6 / max(1, length // LENGTH), (count, 1)) * moments
    wave = rng.uniform(0, 3, (count, 1)) * np.sin(
        2 * np.pi * (moments / rng.uniform(1.5, 4, (count, 1)) + rng.uniform(size=(count, 1)))
    )
    found: Floats = offset + drift + wave
    return found


def _noise(count: int, length: int, rng: np.random.Generator) -> Floats:
    """Of standard deviation 1: white, and a part that one value hands on to the next."""
    white = rng.normal(size=(count, length))
    slow = rng.normal(size=(count, length))
    for i in range(1, length):
        slow[:, i] = 0.8 * slow[:, i - 1] + 0.6 * slow[:, i]
    found: Floats = 0.9 * white + np.sqrt(1 - 0.81) * slow
    return found


def _spikes(count: int, length: int, chance: float, rng: np.random.Generator) -> Floats:
    """One or two values high, of either sign: a bubble, or something switched on nearby."""
    there = rng.uniform(size=(count, length)) < chance
    size = np.exp(rng.uniform(np.log(5), np.log(100), (count, length)))
    spikes = np.where(there, size * rng.choice([-1, 1], (count, length)), 0.0)
    echo = np.zeros_like(spikes)
    echo[:, 1:] = spikes[:, :-1] * rng.uniform(0, 0.6, (count, 1))
    found: Floats = spikes + echo
    return found


def _detected(values: Floats) -> Signals:
    found: Signals = (np.rint(values / _STEP) * _STEP).astype(np.float32)
    return found
