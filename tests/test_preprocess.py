"""The one pixel path."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnedge.preprocess import crop_box, letterbox_box, prepare
from cnnedge.specs import InputSize, Preprocess

RGB = InputSize(height=20, width=30, channels=3)
GREY = InputSize(height=20, width=30, channels=1)


def test_colour_is_rgb() -> None:
    blue = np.zeros((20, 30, 3), np.uint8)
    blue[..., 0] = 255
    assert prepare(blue, RGB, Preprocess())[0, 0].tolist() == [0, 0, 255]


def test_grey_through_colour_and_back_is_the_same_grey() -> None:
    grey = np.arange(256, dtype=np.uint8).repeat(4).reshape(32, 32)
    size = InputSize(height=32, width=32, channels=1)
    colour = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    assert (prepare(colour, size, Preprocess())[..., 0] == grey).all()
    assert (prepare(grey[..., None], size, Preprocess())[..., 0] == grey).all()


def test_right_size_is_untouched() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    for resize in ("stretch", "letterbox", "center_crop"):
        assert (prepare(frame, RGB, Preprocess(resize=resize)) == frame[..., ::-1]).all()


def test_letterbox_keeps_the_aspect_and_pads() -> None:
    frame = np.full((100, 100, 3), 200, np.uint8)
    out = prepare(frame, RGB, Preprocess(resize="letterbox", pad_value=7))
    assert (out[:, 5:25] == 200).all()
    assert (out[:, :5] == 7).all()
    assert (out[:, 25:] == 7).all()


def test_center_crop_cuts_the_longer_side() -> None:
    frame = np.zeros((60, 200, 3), np.uint8)
    frame[:, 55:145] = 255
    assert (prepare(frame, RGB, Preprocess(resize="center_crop")) == 255).all()


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(4, 300), st.integers(4, 300))
def test_boxes_lie_inside(height: int, width: int, h: int, w: int) -> None:
    size = InputSize(height=h, width=w, channels=3)
    top, left, bh, bw = crop_box(height, width, size)
    assert 0 <= top <= height - bh
    assert 0 <= left <= width - bw
    assert min(bh, bw) >= 1
    top, left, bh, bw = letterbox_box(height, width, size)
    assert 0 <= top <= h - bh
    assert 0 <= left <= w - bw
    assert min(bh, bw) >= 1


def test_writes_into_a_given_tensor() -> None:
    out = np.zeros((20, 30, 1), np.uint8)
    frame = np.full((50, 50, 3), 9, np.uint8)
    assert prepare(frame, GREY, Preprocess(), out) is out
    assert (out == 9).all()


@pytest.mark.parametrize(
    "frame",
    [np.zeros((5, 5), np.float32), np.zeros((5, 5, 4), np.uint8), np.zeros((0, 5), np.uint8)],
)
def test_anything_else_is_refused(frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        prepare(frame, RGB, Preprocess())
