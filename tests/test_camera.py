"""Where frames come from: files in order, cameras, and every bad source.

A webcam comes from a preloaded library, through OpenCV's own Video4Linux code: no camera's
hardware is involved. Streams are in test_streams.py.
"""

from __future__ import annotations

import functools
import http.server
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from cnnedge.camera import BACKENDS, CaptureOptions, open_source
from cnnedge.cli.camera_options import Capture, camera_options
from cnnedge.errors import SourceError
from support.pictures import SHAPES, shape_picture
from support.webcam import Webcam
from support.webcam import webcam as some_webcam

FRAMES = 30


def write_video(path: Path, codec: str) -> Path:
    """30 frames of 64 x 48, each brighter than the one before, top left white."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 20.0, (64, 48))
    assert writer.isOpened()
    for i in range(FRAMES):
        frame = np.full((48, 64, 3), 6 * i, np.uint8)
        frame[:8, :8] = 255
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    kinds = {"mp4": "mp4v", "avi": "MJPG", "mkv": "mp4v"}
    return {name: write_video(folder / f"a.{name}", codec) for name, codec in kinds.items()}


def refusal(text: object, **options: object) -> str:
    """The one line with which a source is refused."""
    with pytest.raises(SourceError) as error:
        open_source(str(text), options=CaptureOptions(**options)).close()
    line = str(error.value)
    assert "\n" not in line
    return line


# Files


@pytest.mark.parametrize("kind", ["mp4", "avi", "mkv"])
def test_a_video_gives_every_frame_and_goes_on_where_it_stopped(
    videos: dict[str, Path], kind: str
) -> None:
    source = open_source(str(videos[kind]))
    first = [frame for frame, _ in zip(source, range(10), strict=False)]
    rest = list(source)
    source.close()
    frames = first + rest
    # zip took an eleventh before it saw that it had ten.
    assert [f.index for f in first] == list(range(10))
    assert [f.index for f in rest] == list(range(11, FRAMES))
    shades = [int(f.pixels[40, 50].mean()) for f in frames]
    assert shades == sorted(shades)
    assert (source.total, source.fps, source.skipped, source.lost) == (FRAMES, 20.0, [], None)


def test_a_looped_video_drops_nothing_and_counts_on(videos: dict[str, Path]) -> None:
    source = open_source(str(videos["mp4"]), loop=True)
    frames = [frame for _, frame in zip(range(70), source, strict=False)]
    source.close()
    assert source.total is None
    assert [f.index for f in frames] == list(range(70))
    assert [f.name.rsplit("#")[1] for f in frames] == [str(i % FRAMES) for i in range(70)]
    np.testing.assert_array_equal(frames[5].pixels, frames[65].pixels)


def test_looped_pictures_and_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), shape_picture(SHAPES[i], i))
    source = open_source(str(tmp_path), loop=True)
    names = [Path(f.name).name for _, f in zip(range(7), source, strict=False)]
    assert names == [f"{i % 3}.png" for i in range(7)]
    monkeypatch.setattr("cnnedge.camera.sample._FRAMES", 20)
    sample = open_source("sample", loop=True)
    assert [f.index for _, f in zip(range(45), sample, strict=False)] == list(range(45))


def test_unreadable_pictures_do_not_loop_for_ever(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(SourceError, match="no picture could be read"):
        list(open_source(str(tmp_path), loop=True))


@pytest.mark.parametrize(
    ("degrees", "corner", "size"),
    [
        (0, (0, 0), (48, 64)),
        (90, (0, -1), (64, 48)),
        (180, (-1, -1), (48, 64)),
        (270, (-1, 0), (64, 48)),
    ],
)
def test_frames_are_turned_clockwise(
    videos: dict[str, Path], tmp_path: Path, degrees: int, corner: tuple[int, int], size: object
) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:8, :8] = 255
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    for text in (str(videos["avi"]), str(tmp_path / "a.png")):
        source = open_source(text, options=CaptureOptions(rotate=degrees))
        frame = next(iter(source)).pixels
        source.close()
        assert frame.shape[:2] == size
        assert frame[corner].mean() > 200
        assert np.median(frame) < 50


def test_a_videos_own_orientation_is_honoured_once(videos: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(videos["mp4"].read_bytes())
    matrix = data.index(b"tkhd") + 44
    quarter = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    data[matrix : matrix + 36] = quarter
    (tmp_path / "turned.mp4").write_bytes(data)
    frame = next(iter(open_source(str(tmp_path / "turned.mp4")))).pixels
    assert frame.shape == (64, 48, 3)
    assert frame[0, -1].mean() > 200
    back = open_source(str(tmp_path / "turned.mp4"), options=CaptureOptions(rotate=270))
    assert next(iter(back)).pixels.shape == (48, 64, 3)


@pytest.mark.parametrize("kind", ["avi", "mkv"])
def test_a_video_that_is_cut_off_gives_what_it_holds(
    videos: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    data = videos[kind].read_bytes()
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(data[: len(data) * 6 // 10])
    source = open_source(str(path))
    frames = list(source)
    assert 0 < len(frames) < FRAMES - 2
    (note,) = source.skipped
    assert f"ends after {len(frames)} of {FRAMES} frames" in note


def test_a_video_damaged_in_the_middle_goes_on_behind(
    videos: dict[str, Path], tmp_path: Path
) -> None:
    data = bytearray(videos["mp4"].read_bytes())
    middle = (data.index(b"mdat") + data.index(b"moov")) // 2
    data[middle - 120 : middle] = b"\xff" * 120
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    source = open_source(str(path))
    frames = list(source)
    assert FRAMES // 2 < len(frames) < FRAMES
    assert frames[-1].name.endswith(f"#{FRAMES - 1}")
    assert f"{FRAMES - len(frames)} of {FRAMES} frames could not be decoded" in source.skipped[0]


def bad_files(videos: dict[str, Path], folder: Path) -> dict[str, tuple[str, str]]:
    """What is wrong: (the content's file name, what must be said)."""
    whole = videos["mp4"].read_bytes()
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("one, two, größer\n" * 400)
    (folder / "page.mp4").write_text("<!doctype html><html>Not found</html>")
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    codec = videos["avi"].read_bytes().replace(b"MJPG", b"zzzz")
    (folder / "codec.avi").write_bytes(codec)
    (folder / "clips").mkdir()
    (folder / "clips" / "one.mp4").write_bytes(whole)
    (folder / "nothing").mkdir()
    return {
        "empty": ("empty.mp4", "the file is empty (0 bytes)"),
        "text": ("text.mp4", "this is text, not a video"),
        "page": ("page.mp4", "this is a web page, not a video"),
        "noise": ("noise.mp4", "ffmpeg -i noise.mp4"),
        "cut off": ("cut.mp4", "the file is cut off"),
        "codec": ("codec.avi", "no decoder for its codec"),
        "videos": ("clips", "clips/one.mp4"),
        "no picture": ("nothing", "no pictures in this folder"),
        "missing": ("none.mp4", "no such file or folder"),
        "no match": ("*.gif", "no file matches"),
        "too long": ("x" * 5000, "name too long"),
    }


@pytest.mark.parametrize(
    "kind",
    "empty text page noise codec missing cut_off videos no_picture no_match too_long".split(),
)
def test_a_file_that_cannot_be_read(
    videos: dict[str, Path], tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    name, said = bad_files(videos, tmp_path)[kind.replace("_", " ")]
    line = refusal(tmp_path / name)
    assert line.startswith(f"--source {tmp_path / name}: ")
    assert said.lower() in line.lower()
    assert capfd.readouterr() == ("", "")


def test_permission_denied(videos: dict[str, Path], tmp_path: Path) -> None:
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can become a user without rights")
    path = tmp_path / "mine.mp4"
    path.write_bytes(videos["mp4"].read_bytes())
    path.chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    said = as_nobody(path)
    assert "permission denied" in said
    tmp_path.chmod(0o700)
    assert "Permission denied" in as_nobody(path)


def as_nobody(source: object) -> str:
    """The line with which a user without rights is refused."""
    program = (
        "import grp, os, sys\nfrom cnnedge.camera import open_source\n"
        "from cnnedge.errors import SourceError\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n    open_source(sys.argv[1])\nexcept SourceError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(source)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return line


# What is asked of a camera


def test_options_that_cannot_be() -> None:
    for wrong in ({"rotate": 45}, {"width": 640}, {"fps": 0.0}, {"retry_seconds": -1.0}):
        with pytest.raises(SourceError):
            CaptureOptions(**wrong)


def test_a_backend_that_opencv_lacks_is_refused_with_those_it_has(videos: dict[str, Path]) -> None:
    has = {cv2.videoio_registry.getBackendName(b) for b in cv2.videoio_registry.getBackends()}
    lacking = "msmf" if sys.platform != "win32" else "avfoundation"
    line = refusal(videos["mp4"], backend=lacking)
    assert f"--backend {lacking}" in line
    assert "ffmpeg" in line or "FFMPEG" not in has
    assert "unknown" in refusal("sample", backend="telepathy")
    if "V4L2" in has:
        assert "cannot be read with --backend v4l2" in refusal(videos["mp4"], backend="v4l2")
    source = open_source(str(videos["mp4"]), options=CaptureOptions(backend="ffmpeg"))
    assert len(list(source)) == FRAMES


def test_what_has_no_effect_is_said(videos: dict[str, Path]) -> None:
    said: list[str] = []
    options = CaptureOptions(width=640, height=480)
    open_source(str(videos["mp4"]), options=options, say=said.append).close()
    assert len(said) == 1
    assert "--camera-size has no effect" in said[0]


def test_a_pipeline_needs_gstreamer() -> None:
    if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        source = open_source("gst:videotestsrc is-live=true")
        assert next(iter(source)).pixels.ndim == 3
        source.close()
    else:
        assert "without GStreamer" in refusal("gst:videotestsrc")


@click.command()
@camera_options
def asked(capture: Capture) -> None:
    click.echo(f"{capture.options} {capture.loop}")


def test_the_command_lines_options() -> None:
    arguments = "--camera-size 1280x720 --camera-fps 15 --rotate 90 --backend any --loop".split()
    done = CliRunner().invoke(asked, [*arguments, "--retry", "inf"])
    expected = CaptureOptions(
        backend="any", width=1280, height=720, fps=15.0, rotate=90, retry_seconds=float("inf")
    )
    assert done.output == f"{expected} True\n"
    assert CliRunner().invoke(asked, []).output == f"{CaptureOptions()} False\n"
    for wrong in ("--camera-size 12", "--camera-size 0x5", "--rotate 45", "--retry x"):
        assert CliRunner().invoke(asked, wrong.split()).exit_code == 2
    help_text = CliRunner().invoke(asked, ["--help"]).output
    assert all(name in help_text for name in BACKENDS)


def test_a_recording_behind_an_address_gives_every_frame(
    videos: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "a.mkv").write_bytes(videos["mkv"].read_bytes())

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        source = open_source(f"{url}/a.mkv")
        assert not source.live
        assert [f.index for f in source] == list(range(FRAMES))
        assert "404" in refusal(f"{url}/none.mkv")
        server.shutdown()


# Cameras


@pytest.fixture
def webcam(tmp_path: Path) -> Iterator[Webcam]:
    with some_webcam(tmp_path) as camera:
        yield camera


def test_no_camera() -> None:
    line = refusal("97")
    assert line.startswith("--source 97: ")
    if sys.platform.startswith("linux"):
        assert "there is no camera 97 (/dev/video97)" in line
        assert "there is no camera" in refusal("/dev/video96")
        assert "is not a camera" in refusal("/dev/null")


def test_a_webcam_gives_what_it_is_asked_for_or_says_what_it_gives(webcam: Webcam) -> None:
    done = webcam.python(f"""
for asked in ({{}}, dict(width=320, height=240), dict(width=1280, height=720, fps=30),
              dict(width=800, height=600), dict(fps=15), dict(rotate=90)):
    source = open_source({webcam.number!r}, options=CaptureOptions(**asked), say=print)
    print(*next(iter(source)).pixels.shape, source.dropped, source.name)
    source.close()
""")
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"480 640 3 0 camera {webcam.number}",
        f"240 320 3 0 camera {webcam.number}",
        # Uncompressed it would give 10 frames a second.
        f"720 1280 3 0 camera {webcam.number}",
        f"camera {webcam.number} delivers 640x480 at 30 frames/s instead of the 800x600 that you "
        "asked for",
        f"480 640 3 0 camera {webcam.number}",
        f"480 640 3 0 camera {webcam.number}",
        f"640 480 3 0 camera {webcam.number}",
    ]


def test_a_webcam_is_unplugged_and_comes_back(webcam: Webcam) -> None:
    done = webcam.python("""
import os, stat, threading
options = CaptureOptions(retry_seconds=3.5, stall_seconds=1)
source = open_source(str(node), options=options, say=print)
frames = [frame.index for _, frame in zip(range(5), source)]
def plug():
    os.mknod(node, 0o660 | stat.S_IFCHR, os.makedev(1, 3))
    be("here")
be("gone"); node.unlink()
threading.Timer(0.5, plug).start()
frames += [frame.index for _, frame in zip(range(20), source)]
print(frames == sorted(set(frames)), source.reconnects, source.lost)
be("stalled")
threading.Timer(1.5, be, ["here"]).start()
while source.reconnects < 2:
    next(iter(source))
be("gone"); node.unlink()
list(source)
print(source.lost)
""")
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        f"{webcam.device}: unplugged; trying again in 1 s",
        f"{webcam.device}: back after 1 s",
        "True 1 None",
    ]
    assert f"{webcam.device}: no frame for 1 s; trying again in 1 s" in lines
    assert lines[-1].startswith(f"--source {webcam.device}: lost after ")
    assert f"there is no camera ({webcam.device})" in lines[-1]


def test_a_webcam_that_another_program_has(webcam: Webcam) -> None:
    webcam.be("busy")
    with webcam.device.open() as held:
        other = subprocess.Popen(["sleep", "60"], stdin=held)
    try:
        done = webcam.python(f"""
from cnnedge.errors import SourceError
for text in ({webcam.number!r}, "96"):
    try:
        open_source(text)
    except SourceError as error:
        print(error)
""")
    finally:
        other.kill()
        other.wait()
    assert done.stderr == ""
    busy, missing_one = done.stdout.splitlines()
    assert f"{webcam.device} is busy: in use by sleep (process {other.pid})" in busy
    assert f"video{webcam.number} (Test webcam)" in missing_one


def test_a_webcam_of_another_user(webcam: Webcam) -> None:
    import grp

    line = as_nobody(webcam.number)
    assert f"permission denied for {webcam.device}" in line
    os.chown(webcam.device, 0, grp.getgrnam("video").gr_gid)
    assert "sudo usermod -aG video $USER" in as_nobody(webcam.device)
