"""Mirrored pictures of things that have a left and a right.

A warrior to the left, mirrored, is a warrior to the right: where classes are named for their side,
a mirrored picture takes the class of the other side. A sided class without the other one among
the classes is never mirrored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..preprocess import Pixels
from ..specs import Augmentation

Indices = npt.NDArray[np.int64]

NEVER = -1
# The word alone, between anything but letters: turn_left, "Left hand"; not "leftover".
_SIDES = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)


def mirror_classes(classes: Sequence[str], flip: str) -> Indices | None:
    """For each class, the class of its mirrored pictures, NEVER if there is none.

    flip: of the augmentation. None if mirroring changes no class, or nothing is mirrored.
    """
    if flip not in ("horizontal", "both"):
        return None
    other = [_SIDES.sub(_swapped, name) for name in classes]
    if all(a == b for a, b in zip(classes, other, strict=True)):
        return None
    place = {name: i for i, name in enumerate(classes)}
    return np.array([place.get(name, NEVER) for name in other], np.int64)


def mirror(
    pictures: Pixels, classes: Indices, mirrored: Indices, rng: np.random.Generator
) -> tuple[Pixels, Indices]:
    """Half of the pictures that may be, mirrored: uint8 [n, h, w, c], and their classes [n]."""
    chosen = (rng.random(len(pictures)) < 0.5) & (mirrored[classes] != NEVER)
    pictures = pictures.copy()
    pictures[chosen] = pictures[chosen, :, ::-1]
    return pictures, np.where(chosen, mirrored[classes], classes)


def without_mirror(augmentation: Augmentation) -> Augmentation:
    """The same augmentation without its horizontal flips."""
    if augmentation.flip == "both":
        return replace(augmentation, flip="vertical")
    return replace(augmentation, flip="none")


def said(classes: Sequence[str], flip: str) -> str:
    """Notes on classes named for a side, for the person who trains; empty if there are none."""
    mirrored = mirror_classes(classes, flip)
    if mirrored is None:
        return ""
    pairs = [f"{classes[i]} as {classes[j]}" for i, j in enumerate(mirrored) if j not in (NEVER, i)]
    alone = [classes[i] for i, j in enumerate(mirrored) if j == NEVER]
    parts = (
        [f"classes named for a side: mirroring a picture swaps its class ({', '.join(pairs)})"]
        if pairs
        else []
    )
    parts += (
        [f"{', '.join(alone)}: never mirrored, because no class is named for the other side"]
        if alone
        else []
    )
    return "; ".join(parts)


def _swapped(match: re.Match[str]) -> str:
    word = match.group(1)
    other = "right" if word.lower() == "left" else "left"
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other
