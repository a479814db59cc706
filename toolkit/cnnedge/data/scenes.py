"""Synthetic outdoor scenes, with and without a sunset, for people without pictures of their own.

A count and a seed enter; a folder of JPEG files leaves, one folder a class. Nobody would take
them for photographs. They vary in what makes the question hard: orange things under a blue sky
(dunes, autumn woods, canyons), lamps at night, fog, and sunsets behind clouds without any orange.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..files import write_bytes

Picture = npt.NDArray[np.float32]
Rng = np.random.Generator
Colour = tuple[int, int, int]

CLASSES = ("other", "sunset")
HEIGHT, WIDTH = 120, 160
_QUALITY = 88


def write_scenes(
    folder: Path,
    count: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Writes `count` scenes of each class; the same for the same seed."""
    for number in range(2 * count):
        name = CLASSES[number % 2]
        rng = np.random.default_rng((seed, number))
        picture = scene(rng, sunset=name == "sunset")
        done, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        assert done
        write_bytes(folder / name / f"{number // 2:04d}.jpg", data.tobytes())
        progress(number + 1, 2 * count)


def scene(rng: Rng, *, sunset: bool) -> npt.NDArray[np.uint8]:
    """One scene, uint8 [120, 160, 3] RGB."""
    if sunset:
        picture = _sunset(rng)
    else:
        others = (_day, _dunes, _autumn, _night, _fog, _forest, _dusk, _haze, _indoors)
        picture = others[int(rng.integers(len(others)))](rng)
    return _photographed(picture, rng)


def _sunset(rng: Rng) -> Picture:
    """A low sun, or what it leaves on clouds, over a dark ground."""
    dull = rng.random() < 0.4
    top = _of(rng, (50, 60, 115), (95, 85, 130), (40, 50, 95), (120, 115, 150))
    low = (
        _of(rng, (175, 155, 155), (190, 165, 150), (150, 140, 165))
        if dull
        else _of(rng, (255, 140, 60), (250, 110, 80), (255, 185, 95), (235, 95, 75))
    )
    horizon = int(HEIGHT * rng.uniform(0.5, 0.8))
    picture = _sky(horizon, top, low)
    picture = _clouds(
        picture, rng, horizon, _of(rng, (235, 120, 100), (150, 95, 110), (90, 80, 105))
    )
    if rng.random() < (0.3 if dull else 0.75):
        _sun(picture, rng, horizon)
    if rng.random() < 0.35:
        # Water carries the sky, upside down and darker.
        depth = HEIGHT - horizon
        mirrored = picture[horizon - depth : horizon][::-1] if depth <= horizon else None
        if mirrored is not None:
            picture[horizon:] = mirrored * rng.uniform(0.45, 0.7) + _noise(rng, depth, 8)
    else:
        _ground(picture, rng, horizon, _of(rng, (45, 38, 36), (30, 30, 34), (60, 45, 35)), 10)
    _skyline(picture, rng, horizon, (22, 18, 22))
    return picture


def _day(rng: Rng) -> Picture:
    horizon = int(HEIGHT * rng.uniform(0.35, 0.7))
    picture = _sky(horizon, _of(rng, (70, 130, 215), (100, 150, 220)), _of(rng, (185, 215, 240)))
    picture = _clouds(picture, rng, horizon, (245, 245, 248))
    ground = _of(rng, (95, 140, 60), (200, 180, 140), (120, 120, 115), (150, 160, 80))
    _ground(picture, rng, horizon, ground, 24)
    _skyline(picture, rng, horizon, _of(rng, (60, 85, 60), (130, 130, 140), (110, 100, 95)))
    return picture


def _dunes(rng: Rng) -> Picture:
    """Orange below, and a clear sky above; or a canyon, orange nearly everywhere."""
    canyon = rng.random() < 0.4
    horizon = int(HEIGHT * (rng.uniform(0.1, 0.25) if canyon else rng.uniform(0.3, 0.6)))
    picture = _sky(horizon, (95, 145, 215), (200, 215, 230))
    _ground(picture, rng, horizon, _of(rng, (225, 150, 80), (200, 110, 70), (235, 170, 100)), 18)
    for _ in range(int(rng.integers(2, 6))):
        _hill(
            picture, rng, int(rng.uniform(horizon, HEIGHT)), _of(rng, (190, 115, 60), (160, 85, 55))
        )
    return picture


def _autumn(rng: Rng) -> Picture:
    picture = _sky(HEIGHT, _of(rng, (180, 200, 225), (150, 160, 170)), (215, 210, 190))
    for _ in range(int(rng.integers(120, 260))):
        colour = _of(rng, (215, 120, 40), (195, 85, 35), (225, 170, 60), (120, 110, 50))
        centre = (int(rng.integers(WIDTH)), int(rng.normal(0.55, 0.25) * HEIGHT))
        cv2.circle(picture, centre, int(rng.integers(3, 11)), colour, -1, cv2.LINE_AA)
    for _ in range(int(rng.integers(2, 6))):
        x = int(rng.integers(WIDTH))
        cv2.line(picture, (x, HEIGHT), (x + int(rng.integers(-9, 9)), 20), (70, 55, 45), 3)
    return picture


def _night(rng: Rng) -> Picture:
    """A dark town with orange lamps."""
    horizon = int(HEIGHT * rng.uniform(0.4, 0.7))
    picture = _sky(horizon, (12, 14, 32), _of(rng, (40, 38, 60), (75, 55, 50)))
    _ground(picture, rng, horizon, (28, 26, 30), 8)
    _skyline(picture, rng, horizon, (20, 20, 28))
    lamps = np.zeros_like(picture)
    for _ in range(int(rng.integers(6, 26))):
        centre = (int(rng.integers(WIDTH)), int(rng.uniform(horizon - 18, HEIGHT)))
        colour = _of(rng, (255, 180, 90), (255, 150, 60), (250, 230, 190))
        cv2.circle(lamps, centre, int(rng.integers(1, 4)), colour, -1, cv2.LINE_AA)
    return np.asarray(picture + lamps + 1.6 * cv2.GaussianBlur(lamps, (0, 0), 5), np.float32)


def _fog(rng: Rng) -> Picture:
    horizon = int(HEIGHT * rng.uniform(0.4, 0.7))
    grey = _of(rng, (190, 190, 190), (205, 195, 175), (170, 175, 185))
    picture = _sky(horizon, grey, grey)
    _ground(picture, rng, horizon, _of(rng, (120, 120, 110), (105, 110, 100)), 8)
    _skyline(picture, rng, horizon, (130, 130, 130))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(1, 3)), np.float32)


def _forest(rng: Rng) -> Picture:
    picture = _sky(HEIGHT, (60, 95, 55), (45, 65, 35))
    for _ in range(int(rng.integers(80, 200))):
        colour = _of(rng, (60, 110, 45), (85, 130, 60), (40, 80, 40), (130, 150, 80))
        centre = (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT)))
        cv2.circle(picture, centre, int(rng.integers(4, 14)), colour, -1, cv2.LINE_AA)
    if rng.random() < 0.4:
        # Low sun through leaves is no sunset.
        _sun(picture, rng, int(HEIGHT * 0.4))
    return picture


def _dusk(rng: Rng) -> Picture:
    """The blue hour: the sun has gone, and all colour with it."""
    horizon = int(HEIGHT * rng.uniform(0.5, 0.8))
    picture = _sky(horizon, _of(rng, (35, 45, 95), (55, 55, 100)), _of(rng, (110, 115, 165)))
    picture = _clouds(picture, rng, horizon, (70, 72, 105))
    _ground(picture, rng, horizon, (32, 32, 40), 8)
    _skyline(picture, rng, horizon, (18, 18, 26))
    return picture


def _indoors(rng: Rng) -> Picture:
    """A wall in warm light, with a picture of a sunset on it."""
    picture = _sky(HEIGHT, _of(rng, (200, 150, 100), (170, 130, 110)), _of(rng, (150, 110, 80)))
    wide, high = int(rng.integers(50, 110)), int(rng.integers(36, 80))
    left, top = int(rng.integers(WIDTH - wide)), int(rng.integers(HEIGHT - high))
    inside = cv2.resize(_sunset(rng), (wide, high), interpolation=cv2.INTER_AREA)
    picture[top : top + high, left : left + wide] = inside
    frame = _of(rng, (40, 30, 25), (230, 225, 215))
    cv2.rectangle(picture, (left, top), (left + wide, top + high), frame, int(rng.integers(2, 6)))
    return picture


def _haze(rng: Rng) -> Picture:
    """A warm afternoon: a high sun in a yellow sky over a bright ground."""
    horizon = int(HEIGHT * rng.uniform(0.55, 0.8))
    picture = _sky(horizon, _of(rng, (150, 180, 210), (190, 190, 180)), _of(rng, (240, 215, 165)))
    _sun(picture, rng, int(horizon * 0.45))
    _ground(picture, rng, horizon, _of(rng, (170, 150, 110), (120, 130, 80)), 14)
    _skyline(picture, rng, horizon, _of(rng, (110, 100, 85), (80, 90, 70)))
    return picture


def _sky(horizon: int, top: Colour, low: Colour) -> Picture:
    """A vertical run of colour as far as the horizon, and its lower end below."""
    share = np.clip(np.arange(HEIGHT) / max(1, horizon), 0, 1)[:, None] ** 1.4
    column = (1 - share) * np.asarray(top) + share * np.asarray(low)
    return np.repeat(column[:, None, :], WIDTH, axis=1).astype(np.float32)


def _clouds(picture: Picture, rng: Rng, horizon: int, colour: Colour) -> Picture:
    """Bands of soft noise, mixed in above the horizon."""
    amount = rng.uniform(0, 0.9)
    noise = np.zeros((HEIGHT, WIDTH), np.float32)
    for cells, weight in ((4, 1.0), (9, 0.6), (20, 0.35)):
        small = rng.random((cells, max(2, cells // 2)), np.float32)
        noise += weight * cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    mask = np.clip(3 * (noise / noise.max() - 0.55), 0, 1) * amount
    mask[horizon:] = 0
    return np.asarray(
        picture * (1 - mask[:, :, None]) + np.asarray(colour) * mask[:, :, None], np.float32
    )


def _sun(picture: Picture, rng: Rng, horizon: int) -> None:
    """A disc with its glow, in place."""
    radius = int(rng.integers(4, 11))
    centre = (int(rng.uniform(0.1, 0.9) * WIDTH), max(4, horizon - int(rng.integers(0, 22))))
    glow = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.circle(glow, centre, radius, 1.0, -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(glow, (0, 0), 9 + radius)
    soft /= max(float(soft.max()), 1e-6)
    picture += 95 * soft[:, :, None] * np.asarray((1.0, 0.75, 0.35), np.float32)
    picture += 200 * glow[:, :, None] * np.asarray((1.0, 0.95, 0.7), np.float32)


def _ground(picture: Picture, rng: Rng, horizon: int, colour: Colour, rough: float) -> None:
    depth = HEIGHT - horizon
    light = np.linspace(0.8, 1.1, depth, dtype=np.float32)[:, None, None]
    picture[horizon:] = np.asarray(colour) * light + _noise(rng, depth, rough)


def _noise(rng: Rng, rows: int, deviation: float) -> Picture:
    return rng.normal(0, deviation, (rows, WIDTH, 1)).astype(np.float32)


def _skyline(picture: Picture, rng: Rng, horizon: int, colour: Colour) -> None:
    """Hills, houses or trees that stand on the horizon."""
    kind = rng.integers(4)
    if kind == 0:
        _hill(picture, rng, horizon, colour)
    elif kind == 1:
        x = 0
        while x < WIDTH:
            wide, high = int(rng.integers(6, 20)), int(rng.integers(4, 34))
            picture[max(0, horizon - high) : horizon + 3, x : x + wide] = colour
            x += wide + int(rng.integers(0, 6))
    elif kind == 2:
        for _ in range(int(rng.integers(1, 9))):
            x, size = int(rng.integers(WIDTH)), int(rng.integers(6, 20))
            cv2.line(picture, (x, horizon + 2), (x, horizon - size), colour, 2)
            cv2.circle(picture, (x, horizon - size), max(2, size // 2), colour, -1, cv2.LINE_AA)


def _hill(picture: Picture, rng: Rng, row: int, colour: Colour) -> None:
    """A rough ridge, filled down to the lower edge of the picture's part it stands in."""
    steps = np.cumsum(rng.normal(0, 2.2, WIDTH))
    ridge = np.clip(row - np.abs(steps - steps.mean()), 2, HEIGHT - 1).astype(int)
    for x in range(WIDTH):
        picture[ridge[x] : min(HEIGHT, row + 4), x] = colour


def _photographed(picture: Picture, rng: Rng) -> npt.NDArray[np.uint8]:
    """What a camera adds: white balance, exposure, a mirrored view, blur and noise."""
    gains = rng.uniform(0.72, 1.28, 3) * rng.uniform(0.5, 1.25)
    picture = np.asarray(picture * gains, np.float32)
    if rng.random() < 0.5:
        picture = picture[:, ::-1].copy()
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.1)), np.float32)
    picture += rng.normal(0, rng.uniform(1, 9), picture.shape)
    return np.asarray(np.clip(np.rint(picture), 0, 255), np.uint8)


def _of(rng: Rng, *colours: Colour) -> Colour:
    """One of the colours, a little different each time."""
    chosen = np.asarray(colours[int(rng.integers(len(colours)))]) + rng.normal(0, 9, 3)
    red, green, blue = (int(v) for v in np.clip(chosen, 0, 255))
    return red, green, blue
