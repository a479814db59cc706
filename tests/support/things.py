"""Things to be shot: drawn, in as many places, sizes and turns as wanted, on as many grounds."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from .browser import until

THINGS = ("mug", "leaf", "key")


def ground(seed: int, height: int = 480, width: int = 640) -> np.ndarray:
    """Something to lie on: a colour, lighter on one side, with a grain."""
    rng = np.random.default_rng(seed)
    colour = rng.uniform(70, 215, 3)
    light = np.linspace(rng.uniform(0.75, 0.95), rng.uniform(1.0, 1.15), width)[None, :, None]
    grain = rng.normal(0, 8, (height // 4, width // 40))
    grain = cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
    drawn: np.ndarray = np.clip(colour * light + grain[..., None], 0, 255).astype(np.uint8)
    return drawn


def scene(
    name: str, on: np.ndarray, place: tuple[float, float], side: float, turn: float
) -> np.ndarray:
    """A thing on a ground: uint8 BGR. place: of its middle, in parts of the frame; side: its size
    in parts of the height; turn: degrees."""
    height, width = on.shape[:2]
    drawn, mask = _DRAW[name]()
    scale = side * height / drawn.shape[0]
    matrix = cv2.getRotationMatrix2D((drawn.shape[1] / 2, drawn.shape[0] / 2), turn, scale)
    matrix[:, 2] += np.array(place) * (width, height) - np.array(drawn.shape[1::-1]) / 2
    size = (width, height)
    over = cv2.warpAffine(drawn, matrix, size, flags=cv2.INTER_LINEAR)
    alpha = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR)[..., None] / 255
    shift = np.array([[1, 0, 10], [0, 1, 14]], np.float32)
    shade = cv2.GaussianBlur(cv2.warpAffine(alpha[..., 0], shift, size), (31, 31), 9)[..., None]
    dark = on * (1 - 0.35 * shade)
    found: np.ndarray = np.clip(dark * (1 - alpha) + over * alpha, 0, 255).astype(np.uint8)
    return found


def film_of(
    name: str, grounds: Sequence[int], frames: int = 24, side: float = 0.6, still: int = 1
) -> list[np.ndarray]:
    """A thing on each ground in turn, moving a little: `frames` frames of each, `still` times."""
    found = []
    for seed in grounds:
        rng = np.random.default_rng(seed + 999)
        on, turn = ground(seed), float(rng.uniform(-50, 50))
        x, y = rng.uniform(0.4, 0.6, 2)
        for i in range(frames):
            t = 2 * np.pi * i / frames
            place = (float(x + 0.06 * np.sin(t)), float(y + 0.04 * np.cos(t)))
            size = side * (1 + 0.08 * float(np.sin(2 * t)))
            found += [scene(name, on, place, size, turn + 8 * float(np.sin(t)))] * still
    return found


def wait_for_ground(page: Any, seeds: Sequence[int], number: int) -> None:
    """Until the camera has just come to a ground of its film; all of a burst is then shot on it."""
    colours = [ground(seed)[:40, :40].mean(axis=(0, 1))[::-1].tolist() for seed in seeds]
    nearest = f"""(() => {{
      const canvas = document.createElement("canvas");
      const context = canvas.getContext("2d");
      context.drawImage(document.querySelector("video"), 0, 0, 40, 40, 0, 0, 1, 1);
      const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
      const far = {colours}.map((c) => Math.hypot(c[0] - r, c[1] - g, c[2] - b));
      return far.indexOf(Math.min(...far));
    }})()"""
    until(page, f"{nearest} !== {number}")
    until(page, f"{nearest} === {number}")


def _canvas() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((600, 600, 3), np.uint8), np.zeros((600, 600), np.uint8)


@functools.cache
def _mug() -> tuple[np.ndarray, np.ndarray]:
    drawn, mask = _canvas()
    for target, body, inside in ((drawn, (60, 70, 200), (35, 40, 120)), (mask, 255, 255)):
        cv2.ellipse(target, (420, 320), (95, 110), 0, 0, 360, body, 42)
        cv2.rectangle(target, (130, 150), (420, 470), body, -1)
        cv2.ellipse(target, (275, 470), (145, 45), 0, 0, 360, body, -1)
        cv2.ellipse(target, (275, 150), (145, 45), 0, 0, 360, body, -1)
        cv2.ellipse(target, (275, 150), (122, 32), 0, 0, 360, inside, -1)
    cv2.rectangle(drawn, (160, 190), (185, 450), (130, 140, 240), -1)
    return drawn, mask


@functools.cache
def _leaf() -> tuple[np.ndarray, np.ndarray]:
    drawn, mask = _canvas()
    t = np.linspace(0, np.pi, 60)
    half = 150 * np.sin(t) ** 1.3
    along = 60 + 430 * t / np.pi
    outline = np.concatenate(
        [np.stack([300 - half, along], 1), np.stack([300 + half, along], 1)[::-1]]
    ).astype(np.int32)
    for target, body, line in ((drawn, (50, 150, 60), (90, 200, 130)), (mask, 255, 255)):
        cv2.fillPoly(target, [outline], body)
        cv2.line(target, (300, 60), (300, 570), line, 10)
        for y in range(140, 460, 60):
            reach = int(140 * np.sin(np.pi * (y - 60) / 430) ** 1.3) - 20
            for side in (-1, 1):
                cv2.line(target, (300, y), (300 + side * reach, y - 45), line, 5)
    return drawn, mask


@functools.cache
def _key() -> tuple[np.ndarray, np.ndarray]:
    drawn, mask = _canvas()
    for target, body in ((drawn, (70, 190, 225)), (mask, 255)):
        cv2.circle(target, (300, 160), 95, body, 44)
        cv2.rectangle(target, (278, 250), (322, 560), body, -1)
        for y in (420, 480, 535):
            cv2.rectangle(target, (322, y), (400 - (y % 7) * 6, y + 28), body, -1)
    return drawn, mask


_DRAW = {"mug": _mug, "leaf": _leaf, "key": _key}
