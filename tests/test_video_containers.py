"""Videos as a player shows them: mirrored, trimmed, of odd pixels, of changing times."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cnnedge.camera import CaptureOptions, open_source
from cnnedge.camera.container import video_track
from cnnedge.camera.videos import is_recording
from cnnedge.display import open_sink
from cnnedge.errors import SourceError
from support import mp4
from support.command import cnnedge


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """But for what the codec loses."""
    return one.shape == other.shape and float(np.abs(one.astype(int) - other).mean()) < 12


@pytest.mark.parametrize("matrix", mp4.MATRICES, ids=str)
def test_turned_and_mirrored_videos_come_as_they_are_shown(
    matrix: tuple[int, int, int, int], tmp_path: Path
) -> None:
    path = mp4.display(mp4.write(tmp_path / "a.mp4"), *matrix)
    frames = list(open_source(str(path)))
    assert len(frames) == 12
    assert alike(frames[0].pixels, mp4.MATRICES[matrix](mp4.scene()))
    # A turn that is asked for comes on top.
    more = next(iter(open_source(str(path), options=CaptureOptions(rotate=90)))).pixels
    assert alike(more, np.rot90(mp4.MATRICES[matrix](mp4.scene()), -1))


def test_a_mirrored_video_is_mirrored_in_every_round(tmp_path: Path) -> None:
    path = mp4.display(mp4.write(tmp_path / "a.mp4", frames=3), -1, 0, 0, 1)
    frames = iter(open_source(str(path), loop=True))
    assert all(alike(next(frames).pixels, mp4.scene()[:, ::-1]) for _ in range(8))


@pytest.mark.parametrize(
    ("edits", "shown"),
    [
        (((8, 0),), 8),
        (((6, 3),), 6),
        (((12, 0),), 12),
        (((4, -1), (12, 0)), 12),
        (((4, -1), (5, 2)), 5),
    ],
)
def test_an_edit_list_is_no_damage(
    edits: tuple[tuple[int, int], ...], shown: int, tmp_path: Path
) -> None:
    path = mp4.edit(mp4.write(tmp_path / "a.mp4"), *edits)
    source = open_source(str(path))
    assert abs(source.total - shown) <= 1
    frames = list(source)
    assert abs(len(frames) - shown) <= 1
    assert source.skipped == []


def test_a_trimmed_video_that_is_cut_off_is_still_said(tmp_path: Path) -> None:
    path = mp4.edit(mp4.write(tmp_path / "a.mp4", frames=60), (50, 0))
    data = bytearray(path.read_bytes())
    first = data.index(b"mdat")
    last = data.rindex(b"moov")
    data[first + (last - first) // 3 : last - 4] = bytes(last - 4 - first - (last - first) // 3)
    path.write_bytes(data)
    source = open_source(str(path))
    assert 0 < len(list(source)) < 50
    assert "of 50 frames" in source.skipped[0]


@pytest.mark.parametrize(
    ("aspect", "size"),
    [((4, 3), (85, 48)), ((1, 2), (64, 96)), ((64, 45), (91, 48)), ((1, 1), (64, 48))],
)
def test_pixels_come_square(aspect: tuple[int, int], size: tuple[int, int], tmp_path: Path) -> None:
    path = mp4.pixel_aspect(mp4.write(tmp_path / "a.mp4"), *aspect)
    frame = next(iter(open_source(str(path)))).pixels
    assert frame.shape == (size[1], size[0], 3)
    assert alike(cv2.resize(frame, (64, 48)), mp4.scene())


def test_odd_pixels_of_a_turned_and_of_a_mirrored_video(tmp_path: Path) -> None:
    for matrix, size in (((0, 1, -1, 0), (48, 128)), ((0, 1, 1, 0), (48, 128))):
        path = mp4.pixel_aspect(mp4.write(tmp_path / "a.mp4"), 2, 1)
        frame = next(iter(open_source(str(mp4.display(path, *matrix))))).pixels
        assert (frame.shape[1], frame.shape[0]) == size
        small = cv2.resize(frame, (48, 64))
        assert alike(small, mp4.MATRICES[matrix](mp4.scene()))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (b"av01", "this OpenCV has no AV1 decoder"),
        (b"vvc1", "this OpenCV has no VVC (H.266) decoder"),
        (b"zzzz", "this OpenCV has no zzzz decoder"),
        (b"encv", "encrypted"),
        (b"avc1", "nothing of its H.264 can be decoded"),
    ],
)
def test_a_codec_that_gives_no_frame_is_named(name: bytes, said: str, tmp_path: Path) -> None:
    path = mp4.codec(mp4.write(tmp_path / "my clip.mp4"), name)
    with pytest.raises(SourceError) as caught:
        list(open_source(str(path)))
    text = str(caught.value)
    assert said in text and "\n" not in text
    if "decoder" in said:
        assert "ffmpeg -i 'my clip.mp4' -c:v libx264" in text


def test_a_track_is_read_from_any_bytes_without_a_fault(tmp_path: Path) -> None:
    whole = mp4.edit(mp4.write(tmp_path / "a.mp4"), (6, 3)).read_bytes()
    assert video_track(tmp_path / "a.mp4") is not None
    rng = np.random.default_rng(0)
    moov = whole.rindex(b"moov")
    for _ in range(80):
        broken = bytearray(whole)
        for at in rng.integers(moov, len(whole), 4):
            broken[at] = rng.integers(256)
        (tmp_path / "b.mp4").write_bytes(bytes(broken[: rng.integers(moov, len(whole))]))
        video_track(tmp_path / "b.mp4")
        (tmp_path / "b.mp4").write_bytes(broken)
        video_track(tmp_path / "b.mp4")


@pytest.mark.parametrize("suffix", [".mjpg", ".mjpeg"])
def test_jpeg_after_jpeg_plays(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"camera{suffix}"
    path.write_bytes(b"".join(cv2.imencode(".jpg", mp4.scene(n))[1].tobytes() for n in range(9)))
    source = open_source(str(path))
    frames = list(source)
    assert len(frames) == 9 and source.skipped == []
    assert alike(frames[8].pixels, mp4.scene(8))
    assert {frame.pts_s for frame in frames} == {None}
    # A camera's address ends so too, and goes on for ever.
    assert not is_recording(f"http://camera/video{suffix}")
    assert is_recording("http://server/clip.mp4")


UNEVEN = [2, 1, 1, 6, 1, 2, 1, 9, 1, 1, 2, 1]


def uneven(path: Path) -> tuple[Path, list[float]]:
    """A clip whose frames last as UNEVEN says, in twentieths of a second."""
    mp4.durations(mp4.write(path), UNEVEN)
    return path, mp4.read(path)[1]


def test_the_time_within_the_clip_is_told(int8_model: Path, tmp_path: Path) -> None:
    path, times = uneven(tmp_path / "a.mp4")
    assert len({round(b - a, 3) for a, b in itertools.pairwise(times)}) > 2
    words = ("run", int8_model, "--source", path, "--jsonl", "-", "--delegate", "cpu")
    done = cnnedge(*words, "--save", tmp_path / "out.mp4")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["pts_s"] for line in lines] == pytest.approx(times, abs=1e-3)
    frames, saved = mp4.read(tmp_path / "out.mp4")
    assert len(frames) == 12
    assert saved == pytest.approx([t - times[0] for t in times], abs=1e-3)


def test_what_has_no_times_tells_none(int8_model: Path) -> None:
    done = cnnedge("run", int8_model, "--source", "sample", "--frames", 2, "--jsonl", "-")
    assert [json.loads(line)["pts_s"] for line in done.stdout.splitlines()] == [None, None]


def save(path: Path, clip: Path, frames: int | None = None, loop: bool = False) -> list[str]:
    """Saves a clip's frames as they are; what was said."""
    said: list[str] = []
    source = open_source(str(clip), loop=loop)
    with open_sink(str(path), source, said.append) as sink:
        for number, frame in enumerate(source):
            if number == frames:
                break
            sink.write(frame.pixels, frame.name, frame.pts_s)
    return said


def test_a_steady_video_is_saved_as_it_was(tmp_path: Path) -> None:
    clip = mp4.write(tmp_path / "a.mp4")
    assert save(tmp_path / "b.mp4", clip) == []
    assert mp4.read(tmp_path / "b.mp4")[1] == pytest.approx(mp4.read(clip)[1])


def test_a_loop_goes_on_in_time(tmp_path: Path) -> None:
    clip, _ = uneven(tmp_path / "a.mp4")
    assert save(tmp_path / "b.mp4", clip, frames=20, loop=True) == []
    times = mp4.read(tmp_path / "b.mp4")[1]
    assert len(times) == 20
    assert times == sorted(times) and times[12] > times[11]
    assert times[19] - times[12] == pytest.approx(times[7] - times[0], abs=1e-3)


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_a_file_of_one_rate_says_what_it_cannot_keep(suffix: str, tmp_path: Path) -> None:
    clip, _ = uneven(tmp_path / "a.mp4")
    (said,) = save(tmp_path / f"b{suffix}", clip)
    assert "times in it are off by up to" in said and "an .mp4 keeps the exact times" in said
    assert save(tmp_path / f"c{suffix}", mp4.write(tmp_path / "d.mp4")) == []


def test_odd_pixels_are_saved_in_their_shape(tmp_path: Path) -> None:
    clip = mp4.pixel_aspect(mp4.write(tmp_path / "a.mp4"), 2, 1)
    assert save(tmp_path / "b.mp4", clip) == []
    frames, _ = mp4.read(tmp_path / "b.mp4")
    assert frames[0].shape == (48, 128, 3)
