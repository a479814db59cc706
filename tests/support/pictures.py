"""Small picture folders that a small network can learn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SHAPES = ("circle", "square", "cross")


def shape_picture(kind: str, seed: int, side: int = 24, channels: int = 3) -> np.ndarray:
    """One bright shape of a kind, somewhere on a dark noisy ground: uint8 BGR or grey."""
    rng = np.random.default_rng([SHAPES.index(kind), seed])
    picture = rng.integers(0, 60, (side, side, 3)).astype(np.uint8)
    colour = tuple(int(c) for c in rng.integers(150, 256, 3))
    x, y = (int(v) for v in rng.integers(side // 3, 2 * side // 3, 2))
    r = int(rng.integers(side // 6, side // 3))
    if kind == "circle":
        cv2.circle(picture, (x, y), r, colour, -1)
    elif kind == "square":
        cv2.rectangle(picture, (x - r, y - r), (x + r, y + r), colour, 2)
    else:
        cv2.line(picture, (x - r, y - r), (x + r, y + r), colour, 2)
        cv2.line(picture, (x - r, y + r), (x + r, y - r), colour, 2)
    return picture if channels == 3 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


def shape_folder(
    folder: Path, per_class: int = 40, labels: tuple[str, ...] = SHAPES, side: int = 24
) -> Path:
    """One folder per label, each with PNGs of one kind of shape."""
    for kind, label in zip(SHAPES, labels, strict=False):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for i in range(per_class):
            cv2.imwrite(str(folder / label / f"{i:03d}.png"), shape_picture(kind, i, side))
    return folder


def content(folder: Path) -> None:
    """Twelve pictures of coarse colours, 128x96: what a style can be learned on."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True)
    for number in range(12):
        coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
        picture = cv2.resize(coarse, (128, 96), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number:02d}.png"), picture)
