"""The live window, on a real X server: what is seen in it and what its keys do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cnnedge.camera import SampleSource, open_source
from cnnedge.classifier import Score
from cnnedge.display import Paced
from cnnedge.overlay import Figure, Messages, Readout, annotated, live_view, window_size
from cnnedge.overlay.text import fitted, shrunk, visual, width
from support.command import assert_one_clear_line, cnnedge
from support.delegate import build
from support.display import Display, until, virtual_display
from support.pictures import SHAPES, shape_picture
from support.streams import Camera

GREEN = (128, 214, 92)


@pytest.fixture(scope="module")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Display]:
    with virtual_display(tmp_path_factory.mktemp("display")) as started:
        yield started


@dataclass
class Shown:
    """A run with its window open. folder: where it was started."""

    process: subprocess.Popen[str]
    display: Display
    window: str
    folder: Path

    def labelled(self) -> int:
        """Frames labelled so far."""
        assert self.process.poll() is None, self.process.communicate()
        lines = self.folder / "lines.jsonl"
        return len(lines.read_bytes().splitlines()) if lines.exists() else 0

    def goes_on(self) -> bool:
        """Whether further frames are labelled."""
        before = self.labelled()
        return until(lambda: self.labelled() > before + 3)

    def result(self) -> dict[str, Any]:
        """What the run says once it has ended, which it must have done well."""
        _, self.said = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, self.said
        return json.loads((self.folder / "out.json").read_text())


@contextmanager
def shown(
    display: Display, folder: Path, model: Path, *options: object, source: object = "sample"
) -> Iterator[Shown]:
    """`cnnedge run --show` in a folder, once its window is there and drawn."""
    fixed = ["--source", source, "--show", "--json", "out.json", "--jsonl", "lines.jsonl"]
    arguments = [*map(str, (model, *fixed, *options))]
    run = started(display, folder, arguments)
    # Where all cores are busy, an X event may be lost on its way into Qt: cv2.namedWindow and
    # cv2.imshow alone then open a window that stays empty, too. It is opened anew.
    for _ in range(3):
        if drawn(run):
            break
        ended(run)
        run = started(display, folder, arguments)
    try:
        assert drawn(run)
        yield run
    finally:
        ended(run)


def started(display: Display, folder: Path, arguments: list[str]) -> Shown:
    (folder / "lines.jsonl").unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "cnnedge", "run", *arguments],
        cwd=folder,
        env=os.environ | display.env | {"NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test runner may leave SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    run = Shown(process, display, "", folder)
    until(lambda: run.labelled() > 0)
    run.window = display.window("^cnnedge")
    return run


def drawn(run: Shown) -> bool:
    """Whether the bar of the first label is seen within some seconds."""
    deadline = time.monotonic() + 8
    while green_pixels(run.display) < 100:
        if time.monotonic() > deadline:
            return False
        assert run.labelled() > 0
        time.sleep(0.05)
    return True


def ended(run: Shown) -> None:
    """Kills a run, and waits until its window is gone."""
    run.process.kill()
    run.process.communicate()
    until(lambda: not run.display.windows("^cnnedge"))


def green_pixels(display: Display) -> int:
    """Pixels in the colour of the first label's bar."""
    return int((display.photograph() == GREEN).all(axis=2).sum())


def test_the_window_shows_labels_and_figures_until_q(
    display: Display, int8_model: Path, tmp_path: Path
) -> None:
    with shown(display, tmp_path, int8_model, "--loop") as run:
        picture = display.photograph()[:480, :640]
        assert picture[:60, :140].std() > 20
        assert picture[:60, 400:].std() > 20
        assert picture[340:, 330:].std() > 20
        display.press("q")
        result = run.result()
    assert result["frames"] == len((tmp_path / "lines.jsonl").read_text().splitlines())
    assert result["smooth_s"] == 0.5
    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert all("smoothed" in line for line in lines)


def test_space_holds_the_frame_and_lets_it_go(
    display: Display, int8_model: Path, tmp_path: Path
) -> None:
    with shown(display, tmp_path, int8_model, "--loop", "--delegate", "cpu") as run:
        assert run.goes_on()
        display.press("space")
        count = until(lambda: run.labelled() if still_picture(run) else 0)
        assert run.labelled() == count
        display.press("space")
        assert run.goes_on()
        display.press("Escape")
        # What waited while it was held was not labelled late: no frame is older than the others.
        assert run.result()["frame_age_ms"]["max"] < 1000


def still_picture(run: Shown) -> bool:
    """Whether nothing moves between the cards for a while, the hints having gone."""
    before = run.display.photograph()
    time.sleep(0.7)
    return np.array_equal(before[110:280, :640], run.display.photograph()[110:280, :640])


def test_s_saves_what_is_shown(display: Display, int8_model: Path, tmp_path: Path) -> None:
    with shown(display, tmp_path, int8_model, "--loop", "--delegate", "cpu") as run:
        display.resize(run.window, 800, 600)
        until(lambda: display.photograph()[560:, 100:700].std() > 5)
        for count in (1, 2):
            display.press("s")
            until(lambda count=count: len(list(tmp_path.glob("cnnedge-*.png"))) == count)
        display.press("q")
        run.result()
    names = sorted(p.name for p in tmp_path.glob("cnnedge-*.png"))
    assert all(f"saved {name}" in run.said for name in names)
    assert cv2.imread(str(tmp_path / names[0])).shape == (600, 800, 3)


def test_d_says_which_delegates_do_not_run_and_goes_on(
    display: Display, int8_model: Path, tmp_path: Path
) -> None:
    with shown(display, tmp_path, int8_model, "--loop", "--delegate", "cpu") as run:
        assert run.goes_on()
        display.press("d")
        assert run.goes_on()
        display.press("h")
        assert run.goes_on()
        display.press("q")
        result = run.result()
    assert "--delegate nnapi" in run.said
    assert result["delegate"]["used"].startswith("cpu")
    frames = [json.loads(x)["frame"] for x in (tmp_path / "lines.jsonl").read_text().splitlines()]
    # Not one frame was lost on the way from one delegate to the next.
    assert frames == list(range(len(frames)))


def test_d_goes_on_with_the_next_delegate_that_runs(
    display: Display, plain_models: dict[str, Path], tmp_path: Path
) -> None:
    library = build(tmp_path)
    options = ("--loop", "--delegate", library)
    with shown(display, tmp_path, plain_models["float32"], *options) as run:
        assert run.goes_on()
        display.press("d")
        assert run.goes_on()
        until(lambda: run.process.stderr and "CPU" in run.process.stderr.readline())
        display.press("q")
        result = run.result()
    assert result["delegate"]["requested"] == "cpu"
    assert [e["delegate"]["requested"] for e in result["earlier"]] == [str(library)]
    total = result["frames"] + result["earlier"][0]["frames"]
    lines = [json.loads(x)["frame"] for x in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert lines == list(range(total))


def test_a_live_source_goes_on_behind_a_held_picture(
    display: Display, int8_model: Path, tmp_path: Path
) -> None:
    with Camera() as camera, shown(display, tmp_path, int8_model, source=camera.url) as run:
        display.press("space")
        until(lambda: still_picture(run))
        before = display.photograph()
        assert run.goes_on()
        assert np.array_equal(before[110:280, :640], display.photograph()[110:280, :640])
        # A camera that gives nothing any more does not keep anybody in the run.
        camera.stall()
        display.press("q")
        result = run.result()
    assert result["smooth_s"] == 0.5
    assert "predictions" not in result


def test_pictures_come_one_by_one(display: Display, int8_model: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(3):
        cv2.imwrite(str(pictures / f"{i}.png"), shape_picture(SHAPES[i], 700 + i, side=64))
    with shown(display, tmp_path, int8_model, source=pictures) as run:
        assert run.labelled() == 1
        display.press("space")
        until(lambda: run.labelled() == 2)
        display.press("space")
        until(lambda: run.labelled() == 3)
        # The last one stays to be looked at.
        assert run.process.poll() is None
        display.press("q")
        result = run.result()
    assert [Path(p["name"]).name for p in result["predictions"]] == ["0.png", "1.png", "2.png"]
    assert result["smooth_s"] == 0


def test_ctrl_c_ends_the_run_and_its_window(
    display: Display, int8_model: Path, tmp_path: Path
) -> None:
    with shown(display, tmp_path, int8_model, "--loop") as run:
        run.process.send_signal(signal.SIGINT)
        assert run.result()["frames"] > 0
    assert "stopped" in run.said


def test_a_display_that_goes_away_does_not_end_the_run(int8_model: Path, tmp_path: Path) -> None:
    with virtual_display(tmp_path / "display") as display:
        options = ("--save", "out.mp4", "--frames", "500")
        with shown(display, tmp_path, int8_model, *options) as run:
            display.server.kill()
            result = run.result()
    assert result["frames"] == 500
    assert "the window closed" in run.said
    assert (tmp_path / "out.mp4").exists()


def test_the_run_ends_by_itself(display: Display, int8_model: Path) -> None:
    done = cnnedge(
        *("run", int8_model, "--source", "sample", "--show", "--frames", "10", "--json", "-"),
        env=display.env,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 10


def test_without_a_display(int8_model: Path) -> None:
    env = {"DISPLAY": "", "WAYLAND_DISPLAY": ""}
    arguments = ("run", int8_model, "--source", "sample", "--show")
    assert_one_clear_line(cnnedge(*arguments, env=env), "--show needs a display", "--save")
    done = cnnedge(*arguments, env=env | {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"})
    assert_one_clear_line(done, "ssh -X", "--save")


def test_a_display_that_does_not_answer(int8_model: Path) -> None:
    env = {"DISPLAY": ":9871", "WAYLAND_DISPLAY": ""}
    done = cnnedge("run", int8_model, "--source", "sample", "--show", env=env)
    assert_one_clear_line(done, "--show", "':9871'")


READOUT = Readout(
    labels=(
        Score("black-footed ferret, polecat, Mustela nigripes", 0.97, 1),
        Score("木 größer", 0.02, 0),
        Score("[bold]\ttab", float("nan"), 2),
    ),
    rate="30.0 frames/s",
    where="a very long name of a stream on the network · frame 1,234,567 · 12 dropped",
    delegate="CPU · XNNPACK",
    detail="litert 2.3.0, 1 thread, 13 of 13 operators",
    budget_ms=33.3,
    figures=(
        Figure(name="capture", median_ms=33.0, p90_ms=34.0, waits=True),
        Figure(name="inference", median_ms=50.0, p90_ms=120.0),
    ),
)
MESSAGES = Messages(
    toasts=("a long reason " * 40, "saved"), hints=(("q", "quit"),) * 9, paused=True
)


@pytest.mark.parametrize(
    "size", [(320, 240), (640, 480), (1280, 720), (1920, 1080), (480, 640), (100, 60), (30, 900)]
)
@pytest.mark.parametrize("old", [False, True])
def test_any_size_can_be_drawn(
    size: tuple[int, int], old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if old:
        monkeypatch.delattr(cv2, "FontFace", raising=False)
    frame = np.full((240, 320, 3), 90, np.uint8)
    before = frame.copy()
    for messages in (MESSAGES, Messages(help=(("q or Esc", "quit"),))):
        drawn = live_view(frame, READOUT, size, messages)
        assert drawn.shape == (size[1], size[0], 3)
        assert drawn.std() > 0
    assert np.array_equal(frame, before)


@pytest.mark.parametrize("shape", [(28, 28), (240, 320), (1080, 1920), (1, 500)])
def test_saved_frames_are_large_enough_to_be_read(shape: tuple[int, int]) -> None:
    frame = np.full((*shape, 3), 90, np.uint8)
    drawn = annotated(frame, READOUT, "30 frames/s")
    assert min(drawn.shape[:2]) >= min(360, *drawn.shape[:2])
    assert drawn.shape[0] * shape[1] == drawn.shape[1] * shape[0]
    assert not np.array_equal(drawn, cv2.resize(frame, drawn.shape[1::-1]))


def test_a_window_is_large_enough_to_read_and_fits_a_screen() -> None:
    sizes = {(320, 240): (640, 480), (3840, 2160): (1280, 720), (480, 640): (480, 640)}
    for (w, h), expected in sizes.items():
        assert window_size(np.zeros((h, w, 3), np.uint8)) == expected


def test_a_stage_over_its_budget_is_red() -> None:
    frame = np.zeros((480, 640, 3), np.uint8)
    bars = live_view(frame, READOUT, (640, 480))[330:, 330:]
    red = (bars == (92, 92, 244)).all(axis=2).sum()
    assert red > 50


def test_long_labels_are_fitted() -> None:
    text = "Mustela nigripes " * 5
    assert width(fitted(text, 20, 150), 20) <= 150
    assert fitted(text, 20, 150).endswith("…")
    assert fitted("boot", 20, 150) == "boot"
    assert 10 <= shrunk("Mustela nigripes", 20, 120, 10) < 20


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("boot 12", "boot 12"),
        ("שלום", "םולש"),
        ("שלום 12", "12 םולש"),
        ("abc שלום", "abc םולש"),
    ],
)
def test_scripts_from_right_to_left(text: str, seen: str) -> None:
    assert visual(text) == seen


def test_a_paced_source_loses_no_frame_when_it_is_interrupted() -> None:
    paced = Paced(open_source("sample"))
    seen = []
    for _ in range(3):
        for frame in paced:
            seen.append(frame.index)
            if len(seen) % 4 == 0:
                break
        paced.interrupt()
    assert seen == list(range(12))
    paced.let_run()
    assert [f.index for f in paced] == list(range(12, SampleSource().total or 0))
