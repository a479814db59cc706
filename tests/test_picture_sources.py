"""Pictures as sources and data sets, whatever their files are called: by content, upright."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from cnnedge.camera import (
    AnimationSource,
    CaptureOptions,
    PictureSource,
    Source,
    VideoSource,
    open_source,
)
from cnnedge.data import load_dataset
from cnnedge.display.files import open_sink
from cnnedge.errors import CnnedgeError, SourceError
from cnnedge.pictures import read_picture
from support.command import cnnedge

RED, BLUE = (220, 30, 30), (30, 30, 220)


def halves(width: int = 24, height: int = 48) -> Image.Image:
    """Red above blue."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (0, height // 2, width, height))
    return picture


def saved(picture: Image.Image, fmt: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, fmt, **options)
    return buffer.getvalue()


def on_its_side(fmt: str) -> bytes:
    """The same picture, stored turned, with EXIF that turns it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(halves().transpose(Image.Transpose.ROTATE_90), fmt, exif=exif.tobytes())


def heic() -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(halves(128, 256)).save(buffer, tile_size=64)
    return buffer.getvalue()


def animation(fmt: str, count: int = 4, **options: object) -> bytes:
    frames = [Image.new("RGB", (20, 16), (60 * k, 10, 10)) for k in range(count)]
    return saved(frames[0], fmt, save_all=True, append_images=frames[1:], **options)


def film(path: Path) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (64, 48))
    for k in range(5):
        writer.write(np.full((48, 64, 3), 40 * k, np.uint8))
    writer.release()
    return path


def is_upright(pixels: np.ndarray) -> bool:
    height, width = pixels.shape[:2]
    red, blue = pixels[height // 4, width // 2], pixels[3 * height // 4, width // 2]
    return height == 2 * width and bool(red[2] > 180 > red[0] and blue[0] > 180 > blue[2])


FILES = {
    "photo": lambda: on_its_side("JPEG"),
    "photo.jpg_large": lambda: on_its_side("JPEG"),
    "photo.jpg~": lambda: on_its_side("JPEG"),
    "photo.mpo": lambda: on_its_side("JPEG"),
    "photo.txt": lambda: on_its_side("PNG"),
    "clip.mp4": lambda: on_its_side("PNG"),
    "photo.tmp": lambda: on_its_side("WEBP"),
    "photo.bin": lambda: on_its_side("TIFF"),
    "phone.heic": heic,
    "phone": heic,
    "phone.jpg": heic,
}


@pytest.mark.parametrize("name", list(FILES))
def test_a_picture_is_one_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    path = tmp_path / "pictures" / name
    path.parent.mkdir()
    path.write_bytes(FILES[name]())
    for text in (str(path), str(path.parent), str(path.parent / "*")):
        source = open_source(text)
        (frame,) = source
        assert isinstance(source, PictureSource) and is_upright(frame.pixels)
        assert frame.name == str(path) and source.skipped == []


def test_a_film_named_as_a_picture_is_a_film(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4").rename(tmp_path / "film.jpg")
    source = open_source(str(path))
    assert isinstance(source, VideoSource) and len(list(source)) == 5
    # In a folder a picture's suffix is believed until the file is read.
    (tmp_path / "a.png").write_bytes(saved(halves(), "PNG"))
    source = open_source(str(tmp_path))
    assert len(list(source)) == 1
    assert len(source.skipped) == 1 and "this is a video" in source.skipped[0]


@pytest.mark.parametrize("name", ["cam.mjpg", "cam.mjpeg"])
def test_jpegs_one_behind_the_other_stay_a_video(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(saved(halves(32, 32), "JPEG") * 6)
    source = open_source(str(path))
    assert isinstance(source, VideoSource) and len(list(source)) == 6


@pytest.mark.parametrize(
    ("fmt", "options"),
    [
        ("GIF", {"duration": 50}),
        ("WEBP", {"duration": 50, "lossless": True}),
        ("PNG", {"duration": 50}),
        ("AVIF", {"duration": 50, "quality": 100, "subsampling": "4:4:4"}),
    ],
)
def test_an_animation_frame_by_frame(fmt: str, options: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "moving"
    path.write_bytes(animation(fmt, **options))
    source = open_source(str(path))
    assert isinstance(source, AnimationSource)
    assert (source.total, source.live, source.pictures) == (4, False, False)
    assert source.fps == pytest.approx(20, abs=0.5)
    frames = list(source)
    assert [f.name for f in frames] == [f"{path}#{k}" for k in range(4)]
    assert [f.index for f in frames] == [0, 1, 2, 3]
    assert all(abs(int(f.pixels[8, 10, 2]) - 60 * k) < 8 for k, f in enumerate(frames))


def test_an_animation_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(animation("GIF", duration=[100, 100, 100, 500]))
    source = open_source(str(path), loop=True, options=CaptureOptions(rotate=90))
    assert source.fps == pytest.approx(5)
    frames = [frame for frame, _ in zip(source, range(6), strict=False)]
    assert source.total is None
    assert [f.name.rsplit("#")[-1] for f in frames] == ["0", "1", "2", "3", "0", "1"]
    assert [f.index for f in frames] == list(range(6))
    assert frames[0].pixels.shape == (20, 16, 3)
    source.close()
    assert list(source) == []


def test_an_animation_that_is_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frames = [Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)) for _ in range(5)]
    data = saved(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=100)
    path = tmp_path / "a.png"
    path.write_bytes(data[: int(len(data) * 0.7)])
    source = open_source(str(path))
    given = list(source)
    assert 1 <= len(given) < 5
    assert len(source.skipped) == 1 and "of 5 frames" in source.skipped[0]


def test_of_animations_and_pages_in_a_folder_the_first(tmp_path: Path) -> None:
    for name in ("a.gif", "b.gif"):
        (tmp_path / name).write_bytes(animation("GIF"))
    (tmp_path / "scan.tif").write_bytes(animation("TIFF"))
    source = open_source(str(tmp_path))
    assert len(list(source)) == 3
    assert source.skipped == [
        f"2 animations, like {tmp_path / 'a.gif'}: only the first frame of each is used",
        f"{tmp_path / 'scan.tif'}: a file with several pages; only its first page is used",
    ]
    again = open_source(str(tmp_path / "scan.tif"))
    assert len(list(again)) == 1 and "several pages" in again.skipped[0]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Pictures among what else lies about."""
    folder = tmp_path / "pics"
    (folder / "in").mkdir(parents=True)
    (folder / "a.png").write_bytes(saved(halves(), "PNG"))
    (folder / "in" / "b").write_bytes(on_its_side("JPEG"))
    for hidden in (".ipynb_checkpoints", "@eaDir", "__MACOSX"):
        (folder / hidden).mkdir()
        shutil.copy(folder / "a.png", folder / hidden / "a.png")
    shutil.copy(folder / "a.png", folder / ".a.png")
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (folder / "notes.txt").write_text("notes")
    (folder / "list.csv").write_text("a,b")
    film(folder / "clip.mp4")
    shutil.copy(folder / "clip.mp4", folder / "in" / "other")
    return folder


@pytest.mark.parametrize("pattern", ["", "**"])
def test_what_is_left_out_is_said(mixed: Path, pattern: str) -> None:
    source = open_source(str(mixed / pattern) if pattern else str(mixed))
    names = {Path(frame.name).name for frame in source}
    assert names == {"a.png", "b"}
    videos, others = source.skipped
    assert videos.startswith(f"2 videos skipped, like {mixed / 'clip.mp4'}")
    assert others.startswith("skipped 2 files (.csv, .txt) without a picture, like ")


def test_a_folder_of_videos_says_how_to_give_them(tmp_path: Path) -> None:
    film(tmp_path / "film.mp4")
    for text in (str(tmp_path), str(tmp_path / "*.mp4")):
        with pytest.raises(SourceError, match=r"no pictures .*It contains videos: .*film\.mp4"):
            open_source(text)


def test_a_data_set_takes_what_run_takes(mixed: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.move(mixed, root / "one")
    dataset = load_dataset(str(root), splits=None)
    assert {Path(dataset.name(k)).name for k in range(len(dataset))} == {"a.png", "b"}
    skipped = {Path(item.path).name: item.reason for item in dataset.skipped}
    assert skipped.keys() == {"notes.txt", "list.csv", "clip.mp4", "other"}
    assert set(skipped.values()) == {"holds no picture"}


def test_postscript_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "drawing.eps"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(SourceError, match="EPS is a program that draws, so it is not run"):
        list(open_source(str(path)))


def test_a_pipe_in_a_folder_keeps_nobody_waiting(mixed: Path) -> None:
    import os

    os.mkfifo(mixed / "pipe")
    assert len(list(open_source(str(mixed)))) == 2


def test_what_is_read_and_cannot_be_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(saved(halves(), "PNG"))
    source: Source = open_source(str(path))
    refused = pytest.raises(CnnedgeError, match=r"cannot write \.heic files")
    with refused, open_sink(str(tmp_path / "out.heic"), source):
        pass


def test_run_labels_a_telephones_pictures(int8_model: Path, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(on_its_side("JPEG"))
    (tmp_path / "anim.gif").write_bytes(animation("GIF"))
    (tmp_path / "phone.heic").write_bytes(heic())
    done = cnnedge("run", int8_model, "--source", tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()[:3]] == [
        str(tmp_path / name) for name in ("anim.gif", "phone.heic", "photo")
    ]
    assert "anim.gif: an animation; only its first frame is used" in done.stderr
    assert np.array_equal(read_picture(tmp_path / "photo"), read_picture(on_its_side("JPEG")))
