"""The page's own resizing, held against cnnedge's: equal to the bit, by digests."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

import cnnedge
from cnnedge.preprocess import prepare
from cnnedge.specs.pixels import InputSize, Preprocess
from support.node import node

PREPARE = Path(cnnedge.__file__).parent / "web" / "page" / "pixels" / "prepare.js"
RESIZES = ("stretch", "letterbox", "center_crop")
INTERPOLATIONS = (
    *("area", "bilinear", "nearest"),
    *("pillow_box", "pillow_bilinear", "pillow_bicubic", "pillow_lanczos"),
)
# Beside the odd sizes: one pixel, a row, a column, the input's own size, its double.
CORNERS = ((1, 1), (1, 97), (131, 1), (24, 24), (48, 48), (23, 25), (480, 640), (640, 360))


def all_rules() -> list[Preprocess]:
    rules = []
    for interpolation in INTERPOLATIONS:
        for resize in RESIZES:
            rules.append(Preprocess(resize=resize, interpolation=interpolation, pad_value=114))
        for fraction in (0.875, 0.33):
            rules.append(
                Preprocess(
                    resize="center_crop", interpolation=interpolation, crop_fraction=fraction
                )
            )
    return rules


def pictures(count: int) -> list[np.ndarray]:
    """RGBA pictures of odd sizes: noise, and blocks with hard edges."""
    rng = np.random.default_rng(5)
    found = []
    for i in range(count):
        h, w = CORNERS[i] if i < len(CORNERS) else (int(x) for x in rng.integers(2, 160, 2))
        picture = rng.integers(0, 256, (h, w, 4)).astype(np.uint8)
        if i % 3 == 0:
            picture = np.where(picture > 127, 255, 0).astype(np.uint8)
        picture[:, :, 3] = 255
        found.append(picture)
    return found


def compare(tmp_path: Path, cases: list[tuple[np.ndarray, InputSize, Preprocess]]) -> list[Any]:
    """The cases for which the page computes other pixels than cnnedge."""
    plan, expected, offset, offsets = [], [], 0, {}
    with (tmp_path / "frames.bin").open("wb") as frames:
        for picture, size, rule in cases:
            if id(picture) not in offsets:
                offsets[id(picture)] = offset
                offset += frames.write(picture.tobytes())
            plan.append(
                {
                    "offset": offsets[id(picture)],
                    "height": picture.shape[0],
                    "width": picture.shape[1],
                    "size": dataclasses.asdict(size),
                    "rule": dataclasses.asdict(rule),
                }
            )
            bgr = np.ascontiguousarray(picture[:, :, 2::-1])
            expected.append(hashlib.sha256(prepare(bgr, size, rule).tobytes()).hexdigest())
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    script = Path(__file__).parent / "support" / "web_pixels.mjs"
    found = node(script, PREPARE, tmp_path / "plan.json", tmp_path / "frames.bin").split()
    assert len(found) == len(expected)
    pairs = zip(cases, found, expected, strict=True)
    return [(c[0].shape, c[1], c[2]) for c, a, b in pairs if a != b]


def test_two_hundred_pictures_by_every_rule_are_equal_to_the_bit(tmp_path: Path) -> None:
    sizes = [
        InputSize(height=h, width=w, channels=c)
        for (h, w), c in zip(((24, 24), (17, 31), (40, 12), (28, 28)), (3, 1, 3, 1), strict=True)
    ]
    rules = all_rules()
    cases = [
        (picture, sizes[(i + j) % len(sizes)], rule)
        for i, picture in enumerate(pictures(200))
        for j, rule in enumerate(rules)
    ]
    assert compare(tmp_path, cases) == []


def test_camera_frames_at_the_size_of_real_networks(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    frame = rng.integers(0, 256, (480, 640, 4)).astype(np.uint8)
    size = InputSize(height=224, width=224)
    assert compare(tmp_path, [(frame, size, rule) for rule in all_rules()]) == []


def test_a_grey_picture_is_the_same_as_three_equal_channels(tmp_path: Path) -> None:
    grey = np.random.default_rng(7).integers(0, 256, (61, 83)).astype(np.uint8)
    alike = np.ascontiguousarray(np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=2))
    for channels in (1, 3):
        size = InputSize(height=28, width=20, channels=channels)
        for rule in all_rules():
            ours = prepare(np.ascontiguousarray(alike[:, :, :3]), size, rule)
            assert (ours == prepare(grey, size, rule)).all(), rule
