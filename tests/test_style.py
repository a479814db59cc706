"""A network that learns a style: trained, converted, run, verified; and pictures as answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import cnnedge
from cnnedge.bundle import read_model
from cnnedge.errors import DataError, ModelError
from cnnedge.picture_model import load_drawer
from cnnedge.preprocess import prepare
from cnnedge.results import MOST_PSNR_DB, picture_error
from cnnedge.specs import DataSpec, InputSize, Preprocess, Style
from support.boards import CACHE
from support.command import assert_one_clear_line
from support.command import cnnedge as command
from support.guests import tflite
from support.sshd import Sshd


@pytest.fixture
def run(style_run: Path) -> Path:
    return style_run


def test_train_writes_a_run(run: Path) -> None:
    folder = run / "run"
    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) == [
        *("data.json", "export", "metrics.json", "model.keras", "recipe.yaml", "style.png"),
    ]
    told = json.loads((folder / "metrics.json").read_text())
    assert told["method"] == "style"
    assert told["style"]["steps"] == 2
    assert told["test"]["accuracy"] is None
    assert told["weights"]["sha256"]


def test_convert_reports_psnr_in_place_of_accuracy(run: Path) -> None:
    report = json.loads((run / "report.json").read_text())
    errors = {v["name"]: v["error"]["psnr_db"] for v in report["variants"]}
    assert list(errors) == ["float32", "float16", "dynamic", "int8"]
    assert errors["float32"] > 90
    assert errors["float16"] > 50
    sizes = {v["name"]: v["size_bytes"] for v in report["variants"]}
    assert max(sizes["float16"], sizes["int8"]) <= 300_000
    assert all(v["accuracy"] is None for v in report["variants"])
    assert report["min_psnr"] == 0
    page = (run / "run" / "export" / "report.html").read_text()
    assert "PSNR" in page
    assert "Wilson" not in page
    assert (run / "run" / "export" / "pictures.png").exists()


def test_the_gate_is_a_psnr(run: Path) -> None:
    from cnnedge.conversion.entries import Entry
    from cnnedge.conversion.gate import judged_picture
    from cnnedge.specs.values import read

    told = json.loads((run / "report.json").read_text())["variants"][1]
    entry = read(Entry, told, "", others=True)
    assert judged_picture(entry, 30).status == "ok"
    refused = judged_picture(entry, 110)
    assert refused.status == "failed"
    assert "the gate asks for 110" in refused.status_reason


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--budget", "size=1MB"], "--budget searches by accuracy"),
        (["--max-drop", "1"], "--max-drop is a loss of accuracy"),
        (["--variant", "prune50"], "prune50: a network whose answers are pictures"),
    ],
)
def test_convert_refuses_what_is_of_labels(run: Path, options: list[str], said: str) -> None:
    done = command("convert", run / "run", *options)
    assert_one_clear_line(done, said)


def test_run_saves_what_the_model_draws(run: Path, tmp_path: Path) -> None:
    model = run / "run" / "export" / "float16.tflite"
    source = run / "pictures" / "00.png"
    picture, told = tmp_path / "out.png", tmp_path / "run.json"
    done = command("run", model, "--source", source, "--save", picture, "--json", told)
    assert done.returncode == 0, done.stderr
    assert "a picture of 96 x 64 pixels" in done.stdout
    answers = json.loads(told.read_text())["predictions"]
    assert answers[0]["picture"] == {"height": 64, "width": 96, "channels": 3}
    saved = cv2.imread(str(picture))
    with load_drawer(model) as drawer:
        assert np.array_equal(saved, drawer(cv2.imread(str(source))))
    video = tmp_path / "out.mp4"
    done = command("run", model, "--source", "sample", "--frames", "3", "--save", video)
    assert done.returncode == 0, done.stderr
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == 96
    done = command("run", model, "--source", source, "--smooth", "1", "--save", picture)
    assert "--smooth averages labels, but MODEL answers pictures" in done.stderr
    assert done.returncode == 2


def test_load_answers_a_picture(run: Path) -> None:
    frame = np.random.default_rng(1).integers(0, 256, (120, 300, 3), np.uint8)
    with cnnedge.load(run / "run" / "export" / "int8.tflite") as model:
        drawn: Any = model(frame)
        assert drawn.dtype == np.uint8
        assert drawn.shape == (64, 96, 3)
        steps = list(model.stream("sample", frames=2))
    assert steps[1].prediction.pixels.shape == (64, 96, 3)


def test_verify_measures_the_distance(run: Path, tmp_path: Path) -> None:
    told = tmp_path / "verdict.json"
    export = run / "run" / "export"
    done = command("verify", export / "float16.tflite", "--reference", run / "run", "--json", told)
    assert done.returncode == 0, done.stderr
    verdict = json.loads(told.read_text())
    assert verdict["agrees"]
    assert verdict["error"]["psnr_db"] > 50
    assert "PSNR" in done.stdout


def test_a_device_draws_what_is_drawn_here(run: Path, tmp_path: Path) -> None:
    model = run / "run" / "export" / "float16.tflite"
    words = ("run", model, "--source", run / "pictures", "--delegate", "cpu", "--frames", "3")
    for place, at in (("here", ()), ("there", ("--device", "local"))):
        done = command(*words, "--save", tmp_path / place, *at)
        assert done.returncode == 0, done.stderr
        assert "capture to picture" in done.stdout
    names = [sorted(p.name for p in (tmp_path / place).iterdir()) for place in ("here", "there")]
    assert names[0] == names[1] == ["00.jpg", "01.jpg", "02.jpg"]
    for name in names[0]:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    (tmp_path / "taken").write_text("mine")
    refused = command(*words, "--save", tmp_path / "taken", "--device", "local")
    assert_one_clear_line(refused, "a file of this name exists already")


def test_verify_on_a_device(run: Path, served: Sshd, tmp_path: Path) -> None:
    profile = tmp_path / "board.yaml"
    profile.write_text(f"transport: ssh\naddress: pi4\nfolder: {tmp_path / 'on it'}\n")
    model = run / "run" / "export" / "int8.tflite"
    words = ("verify", model, "--reference", run / "run", "--pictures", "2", "--json", "-")
    here = json.loads(command(*words, "--delegate", "cpu").stdout)
    for at in (("local",), (profile, "--ssh-config", served.config)):
        around = {"XDG_CACHE_HOME": str(CACHE)}
        done = command(*words, "--delegate", "cpu", "--device", *at, env=around)
        assert done.stdout, done.stderr
        there = json.loads(done.stdout)
        assert there["device"] == ("local" if at == ("local",) else "board")
        assert there["error"] == here["error"]
        assert done.returncode == (0 if there["agrees"] else 3)


def test_commands_for_labels_refuse_in_one_line(run: Path) -> None:
    model = run / "run" / "export" / "float16.tflite"
    said = "this model answers a picture and no labels"
    assert_one_clear_line(command("eval", model, "--data", run / "pictures"), said)
    look = ("--frames", "1", "--look", "--save", "x.mp4")
    assert_one_clear_line(command("run", model, "--source", "sample", *look), said)


def test_inspect_says_what_it_gives(run: Path) -> None:
    done = command("inspect", run / "run" / "export" / "float16.tflite")
    assert "one picture, 64x96 colour, 0 to 255" in done.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--style", "nowhere.jpg"], "there is no such file"),
        (["--set", "style.side=62"], "needs a multiple of 4"),
        (["--set", "weights=none"], "the features of a trained network"),
        (["--set", "training.epochs=3"], "this has no effect"),
        (["--set", "training.method=scratch"], "style works only with training.method: style"),
        (["--resume"], "nothing to resume"),
    ],
)
def test_train_refuses_in_one_line(change: list[str], said: str, tmp_path: Path) -> None:
    done = command("train", "style", "--out", tmp_path / "run", *change)
    assert_one_clear_line(done, said)
    assert not (tmp_path / "run").exists()


def test_content_is_a_folder_or_the_outdoors(tmp_path: Path) -> None:
    from cnnedge.training.style.content import load_content

    for source, said in (("nowhere", "there is no such folder"), ("synthetic:sea", "no such set")):
        with pytest.raises(DataError, match=said):
            load_content(DataSpec(source=source))
    with pytest.raises(DataError, match="no pictures found"):
        load_content(DataSpec(source=str(tmp_path)))


def test_a_small_style_picture_is_refused(tmp_path: Path) -> None:
    from cnnedge.training.style.painting import strokes, style_picture

    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((40, 90, 3), np.uint8))
    with pytest.raises(DataError, match="needs at least 256"):
        style_picture(Style(picture=str(tmp_path / "small.png")))
    assert style_picture(Style()).shape == (256, 256, 3)
    assert strokes().std() > 30


def _saved(path: Path, function: Any, shape: tuple[int | None, ...], **how: Any) -> Path:
    path.write_bytes(tflite(function, shape, **how))
    return path


def test_a_guest_is_known_by_its_graph(tmp_path: Path) -> None:
    """Twice the size, one channel, channels first are answers; a row of scores is none."""
    import tensorflow as tf

    larger = _saved(
        tmp_path / "larger.tflite",
        lambda x: tf.sigmoid(tf.image.resize(x, (48, 64), "nearest") * 8 - 4),
        (1, 24, 32, 3),
    )
    answer = read_model(larger).picture_answer
    assert answer is not None
    assert (answer.height, answer.width, answer.channels) == (48, 64, 3)
    assert (answer.low, answer.high) == (0.0, 1.0)
    with load_drawer(larger) as drawer:
        assert drawer(np.zeros((24, 32, 3), np.uint8)).shape == (48, 64, 3)
    grey = _saved(
        tmp_path / "grey.tflite", lambda x: tf.reduce_mean(x, 3, keepdims=True), (1, 24, 32, 3)
    )
    with load_drawer(grey) as drawer:
        frame = np.full((24, 32, 3), 200, np.uint8)
        assert np.abs(drawer(frame).astype(int) - 200).max() <= 1
        assert any("black and white" in text for text in drawer.assumptions)
    rows = _saved(tmp_path / "rows.tflite", lambda x: tf.nn.softmax(x[:, 0, 0, :]), (1, 24, 32, 3))
    assert read_model(rows).picture_answer is None
    with pytest.raises(ModelError, match="does not answer a picture"):
        load_drawer(rows)


def test_a_guest_keeps_its_colours(tmp_path: Path) -> None:
    """An identity in -1..1 gives the frame back, whatever the rule leaves of it."""
    import tensorflow as tf

    model = _saved(tmp_path / "same.tflite", lambda x: tf.tanh(x * 0) + x, (1, 24, 32, 3))
    guest = cnnedge.Guest(pixel_range="-1..1", resize="letterbox")
    frame = np.random.default_rng(2).integers(0, 256, (24, 24, 3), np.uint8)
    drawn: Any = cnnedge.load(model, guest=guest)(frame)
    assert drawn.shape == (24, 24, 3)
    assert np.abs(drawn.astype(int) - frame).max() <= 1
    wide = np.random.default_rng(3).integers(0, 256, (20, 80, 3), np.uint8)
    drawn = cnnedge.load(model, guest=guest)(wide)
    size = InputSize(height=24, width=32)
    middle = prepare(wide, size, Preprocess(resize="letterbox"))[8:16, :, ::-1]
    assert np.abs(drawn.astype(int) - middle).max() <= 1


def test_picture_error() -> None:
    flat = np.full((4, 4, 3), 100.0)
    same = picture_error([flat, flat], [flat, flat])
    assert same.psnr_db == MOST_PSNR_DB
    apart = picture_error([flat + 10, flat], [flat, flat])
    assert apart.lowest_db == pytest.approx(10 * np.log10(255**2 / 100))
    assert apart.psnr_db == pytest.approx(10 * np.log10(255**2 / 50))
    assert apart.largest == 10
    assert picture_error([flat * np.nan], [flat]).psnr_db == 0
