"""The pixel rule of docs/pixels.md in plain numpy: slow, short, and in the words of the document.

A frame, a size and a rule enter; the input pixels leave. Nothing of cnnedge's own pixel path is
used, so that it can be compared with this.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from cnnedge.specs import InputSize, Preprocess

SUPPORT = {"box": 0.5, "bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}


def reference(frame: np.ndarray, size: InputSize, rule: Preprocess) -> np.ndarray:
    """uint8 [height, width, channels] of a BGR or grey frame, uint8 [h, w], [h, w, 1] or 3."""
    frame = (frame if frame.ndim == 3 else frame[:, :, None]).astype(np.int64)
    height, width = frame.shape[:2]
    target = size.height, size.width
    if rule.resize == "stretch":
        return coloured(scaled(frame, *target, rule.interpolation), size.channels)
    if rule.resize == "letterbox":
        h, w = fitted(height, width, *target)
        top, left = (target[0] - h) // 2, (target[1] - w) // 2
        canvas = np.full((*target, size.channels), rule.pad_value, np.uint8)
        inside = coloured(scaled(frame, h, w, rule.interpolation), size.channels)
        canvas[top : top + h, left : left + w] = inside
        return canvas
    if rule.interpolation.startswith("pillow_"):
        return coloured(as_torchvision(frame, target, rule), size.channels)
    # The input's shape inside the frame: the same as the frame's shape inside the input.
    h, w = fitted(*target, height, width)
    if rule.crop_fraction < 1:
        h, w = (max(1, math.floor(side * rule.crop_fraction + 0.5)) for side in (h, w))
    top, left = (height - h) // 2, (width - w) // 2
    part = frame[top : top + h, left : left + w]
    return coloured(scaled(part, *target, rule.interpolation), size.channels)


def fitted(height: int, width: int, room_height: int, room_width: int) -> tuple[int, int]:
    """The largest size of this shape that the room holds; halves to the even pixel, 1 at least."""
    if room_height * width <= room_width * height:
        part, whole = room_height, height
    else:
        part, whole = room_width, width
    return max(1, half_even(height * part, whole)), max(1, half_even(width * part, whole))


def half_even(numerator: int, denominator: int) -> int:
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2))


def as_torchvision(frame: np.ndarray, target: tuple[int, int], rule: Preprocess) -> np.ndarray:
    height, width = frame.shape[:2]
    h, w = (math.floor(side / rule.crop_fraction + 0.001) for side in target)
    whole = (h, width * h // height) if height * w <= width * h else (height * w // width, w)
    whole = max(whole[0], target[0]), max(whole[1], target[1])
    top, left = (round((a - b) / 2) for a, b in zip(whole, target, strict=True))
    full = scaled(frame, whole[0], whole[1], rule.interpolation)
    return full[top : top + target[0], left : left + target[1]]


def scaled(frame: np.ndarray, height: int, width: int, interpolation: str) -> np.ndarray:
    """int64 [height, width, channels]."""
    if frame.shape[:2] == (height, width):
        return frame
    if interpolation.startswith("pillow_"):
        return by_pillow(frame, height, width, interpolation.removeprefix("pillow_"))
    matrix = {"area": area, "bilinear": bilinear, "nearest": nearest}[interpolation]
    rows, columns = matrix(frame.shape[0], height), matrix(frame.shape[1], width)
    # Whole numbers below 2^24 all the way: exact in float64 whatever the order.
    total = np.einsum("ih,jw,hwc->ijc", rows, columns, frame.astype(float), optimize=True)
    rounded: np.ndarray = (total.astype(np.int64) + 2**15) >> 16
    return rounded


def area(n: int, m: int) -> np.ndarray:
    """[m, n]: floor(256 share + 1/2) at every edge, and what lies between two edges."""
    edges = np.arange(n + 1)[None, :] * m - np.arange(m)[:, None] * n
    shares: np.ndarray = np.diff((512 * np.clip(edges, 0, n) + n) // (2 * n), axis=1)
    return shares.astype(float)


def bilinear(n: int, m: int) -> np.ndarray:
    table = np.zeros((m, n))
    for i in range(m):
        left, beyond = divmod((2 * i + 1) * n - m, 2 * m)
        right = half_even(256 * beyond, 2 * m)
        table[i, min(max(left, 0), n - 1)] += 256 - right
        table[i, min(max(left + 1, 0), n - 1)] += right
    return table


def nearest(n: int, m: int) -> np.ndarray:
    table = np.zeros((m, n))
    table[np.arange(m), np.arange(m) * n // m] = 256
    return table


def by_pillow(frame: np.ndarray, height: int, width: int, name: str) -> np.ndarray:
    """Two passes, each rounded to 8 bits; an axis that keeps its length is left alone."""
    order = ((1, width), (0, height))
    less_height, less_width = frame.shape[0] - height, frame.shape[1] - width
    if less_height > 0 and less_height > 2 * less_width:
        order = order[::-1]
    for axis, length in order:
        if frame.shape[axis] != length:
            table = pillow_weights(frame.shape[axis], length, name)
            moved = np.moveaxis(frame, axis, 0)
            flat = moved.reshape(len(moved), -1)
            total = np.stack([(row[row != 0] @ flat[row != 0]) + 2**21 for row in table])
            result = np.clip(total >> 22, 0, 255).reshape(length, *moved.shape[1:])
            frame = np.moveaxis(result, 0, axis)
    return frame


@lru_cache(maxsize=512)
def pillow_weights(n: int, m: int, name: str) -> np.ndarray:
    """int64 [m, n], in units of 2^-22."""
    scale = n / m
    stretch = max(scale, 1.0)
    support = SUPPORT[name] * stretch
    table = np.zeros((m, n), np.int64)
    for i in range(m):
        center = (i + 0.5) * scale
        first = max(0, int(center - support + 0.5))
        last = min(n, int(center + support + 0.5))
        values = [pillow_filter(name, (j - center + 0.5) / stretch) for j in range(first, last)]
        total = 0.0
        for value in values:
            total += value
        for j, value in zip(range(first, last), values, strict=True):
            share = value / total * 2**22
            table[i, j] = int(share - 0.5) if share < 0 else int(share + 0.5)
    return table


def pillow_filter(name: str, x: float) -> float:
    if name == "box":
        return 1.0 if -0.5 < x <= 0.5 else 0.0
    x = abs(x)
    if name == "bilinear":
        return 1.0 - x if x < 1.0 else 0.0
    if name == "bicubic":
        if x < 1.0:
            return ((-0.5 + 2.0) * x - (-0.5 + 3.0)) * x * x + 1
        return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2.0 else 0.0
    return sinc(x) * sinc(x / 3) if x < 3.0 else 0.0


def sinc(x: float) -> float:
    return 1.0 if x == 0.0 else math.sin(x * math.pi) / (x * math.pi)


def coloured(pixels: np.ndarray, channels: int) -> np.ndarray:
    pixels = np.asarray(pixels)
    if channels == pixels.shape[2]:
        return pixels[:, :, ::-1].astype(np.uint8)
    if channels == 3:
        return np.repeat(pixels, 3, axis=2).astype(np.uint8)
    grey = pixels @ np.array([3735, 19235, 9798]) + 16384
    shown: np.ndarray = (grey >> 15)[:, :, None].astype(np.uint8)
    return shown
