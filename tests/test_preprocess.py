"""The one pixel path."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnedge.errors import SpecError
from cnnedge.preprocess import (
    compiled,
    crop_box,
    implementation,
    letterbox_box,
    portable,
    prepare,
)
from cnnedge.preprocess.weights import axis_weights
from cnnedge.specs import InputSize, Preprocess, parse_recipe
from support.environments import missing
from support.pixel_rule import reference

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


RULES = [
    Preprocess(resize=resize, interpolation=interpolation, crop_fraction=fraction, pad_value=9)
    for interpolation in get_args(get_type_hints(Preprocess)["interpolation"])
    if interpolation != "opencv_bilinear"
    for resize, fraction in (
        ("stretch", 1.0),
        ("letterbox", 1.0),
        ("center_crop", 1.0),
        ("center_crop", 0.875),
    )
]
# Height and width of frames and inputs: odd, tiny, long, enlarged, and one pixel.
SIZES = [
    *itertools.product(
        [(1, 1), (1, 9), (7, 1), (2, 3), (5, 5), (33, 47), (480, 3), (120, 160)],
        [(4, 4), (5, 7), (28, 28), (32, 16), (96, 96)],
    ),
    *[((h, w), (64, 64)) for h, w in ((63, 65), (64, 64), (64, 128), (200, 64), (129, 257))],
    *[((h, w), (h // 2 or 4, w // 2 or 4)) for h, w in ((8, 8), (9, 11), (100, 30), (31, 301))],
    *[((h, w), (224, 224)) for h, w in ((213, 320), (320, 213), (480, 640), (97, 1021))],
    *[((h, w), (256, 192)) for h, w in ((85, 260), (300, 300), (511, 383), (640, 360))],
    *[((1500, 2), (12, 9)), ((3, 2500), (9, 12)), ((720, 1280), (28, 28))],
]


def picture(height: int, width: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng(height * 10_007 + width * 3 + channels)
    return rng.integers(0, 256, (height, width, channels)).astype(np.uint8)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{r.resize}-{r.interpolation}")
def test_pixels_are_those_of_the_documented_rule(rule: Preprocess) -> None:
    assert len(SIZES) >= 60
    for number, ((h, w), (height, width)) in enumerate(SIZES):
        frame = picture(h, w, 3 if number % 3 else 1)
        size = InputSize(height=height, width=width, channels=1 if number % 4 == 3 else 3)
        expected = reference(frame, size, rule)
        assert np.array_equal(prepare(frame, size, rule), expected), (h, w, size)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{r.resize}-{r.interpolation}")
@pytest.mark.parametrize("channels", [1, 3])
def test_the_memory_of_a_frame_and_of_the_input_does_not_matter(
    rule: Preprocess, channels: int
) -> None:
    whole = picture(90, 70, 3)
    size = InputSize(height=20, width=30, channels=channels)
    views = (
        whole,
        whole[5:60, 7:33],
        whole[::2, ::-1],
        whole[::-1],
        whole[..., ::-1],
        whole.swapaxes(0, 1),
        whole[..., 1],
        whole[:20, :30],
    )
    for frame in views:
        expected = reference(np.ascontiguousarray(frame), size, rule)
        assert (prepare(frame, size, rule) == expected).all()
        out = np.full(size.shape, 77, np.uint8)
        assert prepare(frame, size, rule, out) is out
        assert (out == expected).all()
        wide = np.full((20, 34, channels), 77, np.uint8)
        prepare(frame, size, rule, wide[:, 2:-2])
        assert (wide[:, 2:-2] == expected).all()
        assert (wide[:, :2] == 77).all() and (wide[:, -2:] == 77).all()
        flipped = np.empty(size.shape, np.uint8)[:, ::-1]
        assert (prepare(frame, size, rule, flipped) == expected).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_size_gives_the_pixels_of_the_rule(data: st.DataObject) -> None:
    side, frame_side = st.integers(4, 90), st.integers(1, 200)
    rule = data.draw(st.sampled_from(RULES))
    channels = st.sampled_from([1, 3])
    frame = picture(data.draw(frame_side), data.draw(frame_side), data.draw(channels))
    size = InputSize(height=data.draw(side), width=data.draw(side), channels=data.draw(channels))
    assert np.array_equal(prepare(frame, size, rule), reference(frame, size, rule))


def test_opencv_threads_and_libraries_do_not_matter() -> None:
    size, frame = InputSize(height=96, width=96), picture(301, 407, 3)
    threads, vendors = cv2.getNumThreads(), cv2.ipp.useIPP()
    try:
        for count, ipp in ((1, False), (1, True), (4, False), (4, True)):
            cv2.setNumThreads(count)
            cv2.ipp.setUseIPP(ipp)
            for rule in RULES:
                for channels in (1, 3):
                    wanted = replace(size, channels=channels)
                    expected = reference(frame, wanted, rule)
                    assert np.array_equal(prepare(frame, wanted, rule), expected)
    finally:
        cv2.setNumThreads(threads)
        cv2.ipp.setUseIPP(vendors)


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> list[compiled.Resample]:
    """Every path of resample.c that this processor can run."""
    cc = shutil.which("cc") or missing("no C compiler here (Debian's package gcc)")
    found = []
    for number, flags in enumerate(([], ["-DWITH_AVX2=0"], ["-DON_X86=0"], ["-O0"])):
        library = tmp_path_factory.mktemp("kernels") / f"{number}.so"
        name = f'-DSOURCE_HASH="{compiled.source_hash()}"'
        words = [cc, "-O3", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", name, *flags]
        subprocess.run([*words, str(compiled.SOURCE), "-o", str(library)], check=True)
        found.append(compiled.load(library))
    return found


def test_all_compiled_paths_and_numpy_compute_the_same(kernels: list[compiled.Resample]) -> None:
    for ((h, w), (height, width)), interpolation in itertools.product(
        SIZES, ("area", "bilinear", "nearest")
    ):
        rows, columns = (
            axis_weights(interpolation, h, height),
            axis_weights(interpolation, w, width),
        )
        for channels, wanted in itertools.product((1, 3), (1, 3)):
            frame = picture(h, w, channels)
            expected = np.empty((height, width, wanted), np.uint8)
            portable.resample(frame, expected, rows, columns)
            for resample in kernels:
                # A frame of its own around the result: nothing may be written beside it.
                around = np.full((height + 2, width + 2, wanted), 77, np.uint8)
                resample(frame, around[1:-1, 1:-1], rows, columns)
                assert np.array_equal(around[1:-1, 1:-1], expected), (h, w, height, width)
                around[1:-1, 1:-1] = 77
                assert (around == 77).all()


def test_weights_add_up_and_follow_the_area() -> None:
    for n, m in itertools.product((1, 2, 7, 224, 640, 1081, 40_000), (4, 28, 224, 257)):
        for interpolation in ("area", "bilinear", "nearest"):
            axis = axis_weights(interpolation, n, m)
            assert (axis.weights.sum(axis=1) == 256).all() and (axis.weights >= 0).all()
        axis = axis_weights("area", n, m)
        # Cut at 256ths: no edge is further off than half of one.
        edges = np.cumsum(axis.weights, axis=1)
        position = axis.first[:, None] + np.arange(1, axis.taps + 1)
        share = np.clip((position * m - np.arange(m)[:, None] * n) / n, 0, 1) * 256
        assert np.abs(edges - share).max() <= 0.5 + 1e-9


def test_a_library_of_another_source_is_not_used(tmp_path: Path) -> None:
    cc = shutil.which("cc") or missing("no C compiler here (Debian's package gcc)")
    words = [cc, "-shared", "-fPIC", '-DSOURCE_HASH="0123456789abcdef"', str(compiled.SOURCE)]
    subprocess.run([*words, "-o", str(tmp_path / "old.so")], check=True)
    with pytest.raises(ValueError, match=r"different resample\.c"):
        compiled.load(tmp_path / "old.so")


def test_this_installation_is_compiled() -> None:
    if not shutil.which("cc"):
        missing("no C compiler here (Debian's package gcc)")
    assert implementation() == "compiled"


@pytest.mark.parametrize("name", ["box", "bilinear", "bicubic", "lanczos"])
def test_pillows_filters_are_pillows(name: str) -> None:
    rule = Preprocess(interpolation=f"pillow_{name}")
    how = Image.Resampling[name.upper()]
    for (h, w), (height, width) in SIZES:
        frame = picture(h, w, 3)
        expected = Image.fromarray(frame[:, :, ::-1]).resize((width, height), how)
        assert np.array_equal(prepare(frame, InputSize(height=height, width=width), rule), expected)


@pytest.mark.parametrize("resized", [224, 232, 236, 248, 256, 288])
def test_a_crop_of_pillows_is_that_of_torchvision(resized: int) -> None:
    """Resize(resized) and CenterCrop(224), as torchvision.transforms.functional computes them."""
    rule = Preprocess(
        resize="center_crop", interpolation="pillow_bilinear", crop_fraction=224 / resized
    )
    for h, w in ((300, 400), (401, 299), (224, 224), (225, 1000), (97, 61), (640, 360)):
        frame = picture(h, w, 3)
        short, long = min(h, w), max(h, w)
        scaled = {short: resized, long: int(resized * long / short)}
        whole = Image.fromarray(frame[:, :, ::-1]).resize((scaled[w], scaled[h]), Image.BILINEAR)
        top, left = (round((side - 224) / 2.0) for side in (whole.height, whole.width))
        expected = whole.crop((left, top, left + 224, top + 224))
        assert np.array_equal(prepare(frame, InputSize(height=224, width=224), rule), expected)


def test_opencvs_own_bilinear_is_there_for_files_that_ask_for_it() -> None:
    frame = picture(301, 407, 3)
    rule = Preprocess(interpolation="opencv_bilinear")
    expected = cv2.cvtColor(cv2.resize(frame, (30, 20)), cv2.COLOR_BGR2RGB)
    assert np.array_equal(prepare(frame, RGB, rule), expected)
    exact = cv2.resize(frame, (30, 20), interpolation=cv2.INTER_LINEAR_EXACT)
    ours = prepare(frame, RGB, Preprocess(interpolation="bilinear"))
    assert np.array_equal(ours[..., ::-1], exact)


def test_area_is_the_true_average() -> None:
    """Within half a level, and 2 / 256 of the levels between neighbours for the cut edges."""
    smooth = cv2.GaussianBlur(picture(480, 640, 3), (0, 0), 6)
    smooth = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    covered = np.zeros((28, 640)), np.zeros((28, 480))
    for table, n in zip(covered, (640, 480), strict=True):
        for i, j in itertools.product(range(28), range(n)):
            overlap = min((i + 1) * n / 28, j + 1) - max(i * n / 28, j)
            table[i, j] = max(0.0, overlap) * 28 / n
    average = np.einsum("jw,ih,hwc->ijc", *covered, smooth.astype(float), optimize=True)
    ours = prepare(smooth, InputSize(height=28, width=28), Preprocess())
    assert np.abs(ours[..., ::-1] - average).max() < 0.75


def test_a_crop_fraction_goes_with_cropping_alone() -> None:
    with pytest.raises(SpecError, match=r"crop_fraction.*center_crop"):
        parse_recipe_rule("{resize: letterbox, crop_fraction: 0.9}")
    assert parse_recipe_rule("{resize: center_crop, crop_fraction: 0.9}").crop_fraction == 0.9


def parse_recipe_rule(text: str) -> Preprocess:
    recipe = f"{{data: {{source: x}}, model: lenet, preprocess: {text}}}"
    return parse_recipe(recipe, "test").preprocess


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
