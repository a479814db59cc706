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


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "center_crop"])
@pytest.mark.parametrize("interpolation", ["area", "bilinear", "nearest"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_opencv_whatever_the_memory(
    resize: str, interpolation: str, channels: int
) -> None:
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 256, (90, 70, 3)).astype(np.uint8)
    size = InputSize(height=20, width=30, channels=channels)
    rule = Preprocess(resize=resize, interpolation=interpolation, pad_value=9)
    views = (
        whole,
        whole[5:60, 7:33],
        whole[::2, ::-1],
        whole[..., ::-1],
        whole.swapaxes(0, 1),
        whole[..., 1],
        whole[:20, :30],
    )
    for frame in views:
        expected = spelled_out(np.ascontiguousarray(frame), size, rule)
        assert (prepare(frame, size, rule) == expected).all()
        out = np.full(size.shape, 77, np.uint8)
        assert prepare(frame, size, rule, out) is out
        assert (out == expected).all()
        wide = np.full((20, 34, channels), 77, np.uint8)
        prepare(frame, size, rule, wide[:, 2:-2])
        assert (wide[:, 2:-2] == expected).all()
        assert (wide[:, :2] == 77).all()


def spelled_out(frame: np.ndarray, size: InputSize, rule: Preprocess) -> np.ndarray:
    """The rule in plain steps: crop or pad, cv2.resize, cv2.cvtColor."""
    how = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST}
    height, width = frame.shape[:2]
    target = (size.height, size.width)
    top = left = 0
    if rule.resize == "center_crop":
        y, x, h, w = crop_box(height, width, size)
        frame = frame[y : y + h, x : x + w]
    elif rule.resize == "letterbox":
        top, left, *target = letterbox_box(height, width, size)
    if frame.shape[:2] != tuple(target):
        frame = cv2.resize(frame, target[::-1], interpolation=how[rule.interpolation])
    canvas = np.full((size.height, size.width, *frame.shape[2:]), rule.pad_value, np.uint8)
    canvas[top : top + target[0], left : left + target[1]] = frame
    if size.channels == 1:
        grey = canvas if canvas.ndim == 2 else cv2.cvtColor(canvas, cv2.COLOR_BGR2GRAY)
        return grey[..., None]
    return cv2.cvtColor(canvas, cv2.COLOR_GRAY2RGB if canvas.ndim == 2 else cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize(
    "out", [np.zeros((20, 31, 3), np.uint8), np.zeros((20, 30, 3), np.float32)]
)
def test_memory_of_another_shape_is_refused(out: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected out"):
        prepare(np.zeros((50, 50, 3), np.uint8), RGB, Preprocess(), out)


@pytest.mark.parametrize(
    "frame",
    [np.zeros((5, 5), np.float32), np.zeros((5, 5, 4), np.uint8), np.zeros((0, 5), np.uint8)],
)
def test_anything_else_is_refused(frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        prepare(frame, RGB, Preprocess())
