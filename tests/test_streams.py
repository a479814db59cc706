"""Streams: the newest frame, cut and recovered, stalled, gone for good, and bad addresses.

They come from a server of the tests' own that is killed, restarted and stopped in its tracks.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from cnnedge.camera import CaptureOptions, Source, open_source
from cnnedge.errors import SourceError
from support.streams import Camera, stamp_of

# A slow camera, so that a busy machine does not blur what is one period and what is two.
FPS = 10
# How old a frame may be: one period, and what it takes to decode and to be woken up.
FRESH_SECONDS = 1 / FPS + 0.08


@pytest.fixture(scope="module")
def camera() -> Iterator[Camera]:
    with Camera() as camera:
        yield camera


def refusal(text: object, **options: object) -> str:
    """The one line with which a source is refused."""
    with pytest.raises(SourceError) as error:
        open_source(str(text), options=CaptureOptions(**options)).close()
    line = str(error.value)
    assert "\n" not in line
    return line


BRISK = CaptureOptions(retry_seconds=6.0, stall_seconds=1.0)


def newest(source: Source, count: int) -> list[tuple[int, float]]:
    """(number of the server's frame, its age at arrival in seconds) of the next frames."""
    taken = []
    for _, frame in zip(range(count), source, strict=False):
        number, made_at = stamp_of(frame.pixels)
        taken.append((number, frame.captured_at - made_at))
    return taken


@pytest.mark.parametrize("rtsp", [False, True], ids=["http", "rtsp"])
def test_a_slow_consumer_gets_the_newest_frame(rtsp: bool) -> None:
    with Camera(FPS, rtsp=rtsp) as camera:
        source = open_source(camera.url)
        iterator = iter(source)
        next(iterator)
        indices, ages = [], []
        for _ in range(8):
            time.sleep(0.35)
            frame = next(iterator)
            ages.append(time.perf_counter() - stamp_of(frame.pixels)[1])
            indices.append(frame.index)
        source.close()
    # What lies between is dropped, and counted; the number of a frame says so too.
    assert source.dropped >= indices[-1] - len(indices) - 1 > 8
    # The median: a busy machine may hold a process up.
    assert sorted(ages)[4] < FRESH_SECONDS
    assert source.live
    assert source.total is None
    assert list(source) == []


@pytest.mark.parametrize("rtsp", [False, True], ids=["http", "rtsp"])
def test_a_stream_that_dies_and_returns_is_recovered(
    rtsp: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    with Camera(FPS, rtsp=rtsp) as camera:
        source = open_source(camera.url, options=BRISK, say=said.append)
        first = [frame.index for _, frame in zip(range(5), source, strict=False)]
        camera.kill()
        camera.start()
        later = [frame.index for _, frame in zip(range(5), source, strict=False)]
        ages = [age for _, age in newest(source, 10)]
        source.close()
    assert source.reconnects == 1
    assert source.lost is None
    assert first < later == sorted(set(later))
    assert sorted(ages)[5] < FRESH_SECONDS
    assert any("the stream was cut off; trying again in 1 s" in line for line in said)
    assert any("back after" in line for line in said)
    assert all(line.startswith(camera.url) and "\n" not in line for line in said)
    assert capfd.readouterr() == ("", "")


def test_a_stream_that_stalls_is_recovered() -> None:
    said: list[str] = []
    with Camera() as camera:
        source = open_source(camera.url, options=BRISK, say=said.append)
        newest(source, 3)
        camera.stall()
        threading.Timer(1.5, camera.go_on).start()
        # The frames from before the stall may still come; then it is cut and comes back.
        while not source.reconnects:
            assert newest(source, 1)
        assert sorted(age for _, age in newest(source, 9))[4] < FRESH_SECONDS
        source.close()
    assert any("no frame for 1 s" in line for line in said)


def test_a_stream_that_stays_away_ends_with_one_line() -> None:
    said: list[str] = []
    options = CaptureOptions(retry_seconds=3.0, stall_seconds=1.0)
    with Camera() as camera:
        source = open_source(camera.url, options=options, say=said.append)
        newest(source, 3)
        camera.kill()
        list(source)
    assert source.lost is not None
    assert "\n" not in source.lost
    assert source.lost.startswith(f"--source {camera.url}: lost after ")
    assert "refuses connections" in source.lost
    assert [line.rsplit("; ")[1] for line in said] == [
        "trying again in 1 s",
        "trying again in 2 s",
    ]
    assert list(source) == []
    source.close()


def test_without_retries_a_cut_is_the_end() -> None:
    with Camera() as camera:
        source = open_source(camera.url, options=CaptureOptions(retry_seconds=0))
        newest(source, 2)
        camera.kill()
        list(source)
        assert source.lost is not None
        assert "lost after" in source.lost


def test_a_program_ends_while_its_stream_hangs() -> None:
    """Neither closed nor answering: nothing is left on the terminal, and nothing waits."""
    program = (
        "import sys, time\nfrom cnnedge.camera import open_source\n"
        "source = open_source(sys.argv[1])\nnext(iter(source))\n"
        "print('one', flush=True)\ninput()\n"
    )
    with Camera() as camera:
        process = subprocess.Popen(
            [sys.executable, "-c", program, camera.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        assert process.stdout.readline() == "one\n"
        camera.stall()
        out, err = process.communicate("\n", timeout=60)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/none", "has nothing at /none (404"),
        ("/private", "asks for a name and password"),
        ("/page", "a web page, not a stream"),
        ("/broken", "503"),
    ],
)
def test_an_address_that_gives_no_stream(
    camera: Camera, path: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    url = camera.url.replace("/stream", path)
    line = refusal(url)
    assert line.startswith(f"--source {url}: this stream cannot be opened: ")
    assert said in line
    assert capfd.readouterr() == ("", "")


def test_a_redirected_stream_and_one_with_a_password(camera: Camera) -> None:
    source = open_source(camera.url.replace("/stream", "/moved"))
    assert newest(source, 1)
    source.close()
    secret = camera.url.replace("127.0.0.1", "me:s3cret@127.0.0.1")
    source = open_source(secret)
    source.close()
    assert "s3cret" not in source.name
    wrong = refusal(secret.replace("/stream", "/private"))
    assert "does not accept this name and password" in wrong
    assert "s3cret" not in wrong


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/none", "refuses connections on port 9"),
        ("rtsp://127.0.0.1:9/none", "refuses connections on port 9"),
        ("http://no.such.host.invalid/x", "the host name no.such.host.invalid cannot be resolved"),
        ("carrier://pigeon/1", "unknown scheme carrier://"),
        ("http:///video", "has no host"),
        ("tcp://127.0.0.1", "has no port"),
        ("http://127.0.0.1:many/", "not a valid address"),
        ("192.168.1.20:8080/video", "http://192.168.1.20:8080/video"),
    ],
)
def test_an_address_where_nothing_is(url: str, said: str) -> None:
    assert said in refusal(url)


def test_a_port_that_speaks_something_else(camera: Camera) -> None:
    assert "does not support RTSP" in refusal(camera.url.replace("http", "rtsp"))
    with Camera(rtsp=True) as other:
        assert "404" in refusal(other.url.replace("stream", "none"))
        assert "name and password" in refusal(other.url.replace("stream", "private"))
