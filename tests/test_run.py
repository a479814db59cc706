"""`cnnedge run`: every kind of source, every way out, and one clear line when it cannot be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import cnnedge as package
from cnnedge.bundle import read_model, write_model
from cnnedge.specs import InputSize
from support.command import assert_one_clear_line, cnnedge
from support.display import until
from support.pictures import SHAPES, shape_picture
from support.streams import Camera

STAGES = {"capture", "preprocess", "inference", "postprocess"}


def run(*arguments: object, **options: Any) -> dict[str, Any]:
    """The JSON of a run; stdout holds nothing else."""
    done = cnnedge("run", *arguments, "--json", "-", **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of several sizes, one of them in a folder within."""
    folder = tmp_path_factory.mktemp("my pictures")
    (folder / "more").mkdir()
    for i in range(6):
        picture = shape_picture(SHAPES[i % 3], 500 + i, side=24 + 10 * i)
        where = folder / "more" if i == 5 else folder
        cv2.imwrite(str(where / f"shot{i + 7}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (64, 48))
    assert writer.isOpened()
    for i in range(30):
        frame = np.full((48, 64, 3), 4 * i, np.uint8)
        writer.write(frame)
    writer.release()
    return path


def test_contract(int8_model: Path) -> None:
    result = run(int8_model, "--source", "sample", "--frames", "7")
    assert result["frames"] == len(result["predictions"]) == 7
    assert result["dropped"] == 0
    assert result["fps"] > 0
    assert result["stages_ms"].keys() == STAGES
    for figures in (*result["stages_ms"].values(), result["frame_age_ms"]):
        assert 0 <= figures["median"] <= figures["p90"] <= figures["p99"]
    assert result["delegate"]["requested"] == "auto"
    assert result["sha256"] == read_model(int8_model).sha256
    for i, prediction in enumerate(result["predictions"]):
        assert prediction["frame"] == i
        scores = [t["score"] for t in prediction["top"]]
        assert scores == sorted(scores, reverse=True)


def test_one_picture(int8_model: Path, pictures: Path) -> None:
    done = cnnedge("run", int8_model, "--source", pictures / "shot7.png")
    assert done.returncode == 0, done.stderr
    prediction = package.load(int8_model)(cv2.imread(str(pictures / "shot7.png")))
    assert f"shot7.png: {prediction.label} {prediction.score:.1%}" in done.stdout
    assert "1 frame;" in done.stdout


def test_a_folder_in_natural_order(int8_model: Path, pictures: Path) -> None:
    result = run(int8_model, "--source", pictures)
    names = [Path(p["name"]).name for p in result["predictions"]]
    assert sorted(names, key=lambda n: int(n[4:-4])) == [f"shot{i}.png" for i in range(7, 13)]
    assert names.index("shot9.png") + 1 == names.index("shot10.png")


def test_a_quoted_glob(int8_model: Path, pictures: Path) -> None:
    result = run(int8_model, "--source", "shot?.png", cwd=pictures)
    assert [p["name"] for p in result["predictions"]] == ["shot7.png", "shot8.png", "shot9.png"]
    deep = run(int8_model, "--source", "**/shot1*.png", cwd=pictures)
    assert deep["frames"] == 3


def test_a_folder_gives_what_python_and_eval_give(int8_model: Path, shapes: Path) -> None:
    result = run(int8_model, "--source", shapes)
    assert result["frames"] == 120
    classifier = package.load(int8_model)
    right = 0
    for prediction in result["predictions"]:
        expected = classifier(cv2.imread(prediction["name"]))
        assert prediction["top"] == [
            {"label": s.label, "score": s.score, "index": s.index} for s in expected.top(3)
        ]
        right += expected.label == Path(prediction["name"]).parent.name
    done = cnnedge("eval", int8_model, "--split", "all", "--json", "-")
    assert json.loads(done.stdout)["accuracy"] == right / 120


def test_a_video_to_its_end(int8_model: Path, video: Path) -> None:
    result = run(int8_model, "--source", video)
    assert result["frames"] == 30
    assert result["predictions"][-1]["name"].endswith("clip.mp4#29")


def test_frames_duration_and_top(int8_model: Path, video: Path) -> None:
    result = run(int8_model, "--source", video, "--frames", "4", "--top", "1")
    assert result["frames"] == 4
    assert all(len(p["top"]) == 1 for p in result["predictions"])
    more = run(int8_model, "--source", video, "--frames", "1", "--top", "99")
    assert len(more["predictions"][0]["top"]) == 3
    short = run(int8_model, "--source", "sample", "--duration", "0.05")
    assert 0 < short["frames"] < 600
    assert cnnedge("run", int8_model, "--source", "sample", "--frames", "0").returncode == 2


def frames_of(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    capture.release()
    return frames


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
@pytest.mark.parametrize("count", [1, 5])
def test_saved_as_a_video(int8_model: Path, tmp_path: Path, suffix: str, count: int) -> None:
    target = tmp_path / "new folder" / f"out{suffix}"
    result = run(int8_model, "--source", "sample", "--frames", count, "--save", target)
    assert result["saved"] == str(target)
    frames = frames_of(target)
    assert len(frames) == count
    assert frames[0].shape == (480, 640, 3)
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_saved_as_one_picture(int8_model: Path, pictures: Path, tmp_path: Path) -> None:
    source = pictures / "more" / "shot12.png"
    run(int8_model, "--source", source, "--save", tmp_path / "out.jpg")
    assert cv2.imread(str(tmp_path / "out.jpg")) is not None
    assert [p.name for p in tmp_path.iterdir()] == ["out.jpg"]


def test_saved_as_a_folder(int8_model: Path, pictures: Path, tmp_path: Path) -> None:
    run(int8_model, "--source", pictures, "--save", tmp_path / "out")
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == sorted(f"shot{i}.jpg" for i in range(7, 13))


@pytest.mark.parametrize(
    ("name", "said"), [("out.txt", "cannot write .txt"), ("taken", "exists already")]
)
def test_saved_where_it_cannot_be(int8_model: Path, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "taken").write_text("mine")
    done = cnnedge("run", int8_model, "--source", "sample", "--save", tmp_path / name)
    assert_one_clear_line(done, said)
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_a_third_party_model_says_what_it_assumes(plain_models: dict[str, Path]) -> None:
    done = cnnedge(
        "run", plain_models["float32"], "--source", "sample", "--frames", "2", "--json", "-"
    )
    assert done.returncode == 0, done.stderr
    for part in ("no resize rule", "no labels", "no normalisation"):
        assert part in done.stderr
    result = json.loads(done.stdout)
    assert len(result["assumptions"]) == 3
    assert result["predictions"][0]["top"][0]["label"].startswith("class ")


def test_labels_survive_as_they_are(plain_models: dict[str, Path], tmp_path: Path) -> None:
    labels = ("red, ripe", "größer ü", '木 "x"', "  [bold]spaces\t")
    write_model(
        tmp_path / "model.tflite",
        plain_models["int8"].read_bytes(),
        labels=labels,
        size=InputSize(height=16, width=16, channels=3),
        provenance={"preprocess": {"resize": "stretch"}},
    )
    result = run(tmp_path / "model.tflite", "--source", "sample", "--frames", "1", "--top", "4")
    top = result["predictions"][0]["top"]
    assert {t["index"]: t["label"] for t in top} == dict(enumerate(labels))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((9, 9, 3), np.uint8))
    done = cnnedge(
        "run",
        tmp_path / "model.tflite",
        "--source",
        tmp_path / "a.png",
        "--top",
        "4",
        env={"PYTHONIOENCODING": "utf-8"},
    )
    for label in labels:
        assert label.strip() in done.stdout


def test_an_unreadable_picture_among_others_is_listed(
    int8_model: Path, pictures: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(pictures, tmp_path / "some")
    (folder / "shot8.png").write_bytes(b"")
    done = cnnedge("run", int8_model, "--source", folder, "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["frames"] == 5
    assert len(result["skipped"]) == 1
    assert "shot8.png" in result["skipped"][0]
    assert "Warning: skipped:" in done.stderr


def bad_sources(folder: Path) -> dict[str, tuple[str, list[str]]]:
    (folder / "empty").mkdir()
    (folder / "text").mkdir()
    (folder / "text" / "readme.txt").write_text("no picture")
    (folder / "broken.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "empty.png").write_bytes(b"")
    return {
        "camera": ("97", ["no camera 97"]),
        "folder": ("empty", ["no pictures in this folder"]),
        "texts": ("text", ["no pictures in this folder"]),
        "video": ("broken.mp4", ["cannot be read"]),
        "no video": ("empty.mp4", ["the file is empty"]),
        "picture": ("empty.png", ["no picture could be read", "0 bytes"]),
        "missing": ("none.png", ["no such file or folder", "sample"]),
        "glob": ("*.gif", ["no file matches"]),
        "stream": ("http://127.0.0.1:9/none", ["this stream cannot be opened"]),
    }


@pytest.mark.parametrize(
    "kind",
    ["camera", "folder", "texts", "video", "no video", "picture", "missing", "glob", "stream"],
)
def test_a_source_that_cannot_be(int8_model: Path, tmp_path: Path, kind: str) -> None:
    source, said = bad_sources(tmp_path)[kind]
    before = set(tmp_path.rglob("*"))
    done = cnnedge(
        "run",
        int8_model,
        "--source",
        source,
        "--save",
        "out.mp4",
        "--json",
        "out.json",
        cwd=tmp_path,
    )
    assert_one_clear_line(done, f"--source {source}", *said)
    assert done.stdout == ""
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("delegate", ["gpu", "npu", "nnapi", "libnone.so"])
def test_a_delegate_that_is_not_there_is_refused(int8_model: Path, delegate: str) -> None:
    done = cnnedge("run", int8_model, "--source", "sample", "--delegate", delegate)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert f"--delegate {delegate}" in done.stderr


def test_one_picture_file_takes_one_picture(int8_model: Path, shapes: Path, tmp_path: Path) -> None:
    done = cnnedge("run", int8_model, "--source", shapes, "--save", tmp_path / "out.jpg")
    assert_one_clear_line(done, "out.jpg", "more than one frame")
    assert not list(tmp_path.iterdir())


def test_one_line_per_frame(int8_model: Path, tmp_path: Path) -> None:
    done = cnnedge(
        *("run", int8_model, "--source", "sample", "--frames", "5", "--jsonl", "-"),
        *("--json", tmp_path / "out.json"),
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["frame"] for line in lines] == list(range(5))
    result = json.loads((tmp_path / "out.json").read_text())
    for line, prediction in zip(lines, result["predictions"], strict=True):
        assert line["top"] == prediction["top"]
        assert line["stages_ms"].keys() == STAGES
        assert line["age_ms"] > 0
        assert abs(line["captured_s"] - time.time()) < 600
        assert "smoothed" not in line


def test_lines_come_while_the_run_goes_on(int8_model: Path) -> None:
    command = [sys.executable, "-m", "cnnedge", "run", str(int8_model), "--source", "sample"]
    process = subprocess.Popen(
        [*command, "--loop", "--jsonl", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["frame"] == 0
    # The reader goes away, as `head` does: the run ends without a word.
    process.stdout.close()
    assert process.wait(timeout=60) == 1
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()


def test_smoothed_labels_stand_beside_the_measured_ones(int8_model: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.jsonl"
    result = run(
        *(int8_model, "--source", "sample", "--frames", "40", "--smooth", "2", "--jsonl", lines)
    )
    plain = run(int8_model, "--source", "sample", "--frames", "40")
    assert result["predictions"] == plain["predictions"]
    assert (result["smooth_s"], plain["smooth_s"]) == (2, 0)
    read = [json.loads(line) for line in lines.read_text().splitlines()]
    assert any(line["smoothed"] != line["top"] for line in read)


def test_what_contradicts_itself_is_wrong_usage(int8_model: Path, pictures: Path) -> None:
    for options, said in (
        (("--source", pictures, "--smooth", "1"), "separate pictures"),
        (("--source", "sample", "--raw", "--smooth", "1"), "--raw"),
        (("--source", "sample", "--json", "-", "--jsonl", "-"), "--jsonl -"),
    ):
        done = cnnedge("run", int8_model, *options)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_workers_answer_as_one_does(int8_model: Path, shapes: Path) -> None:
    one = run(int8_model, "--source", shapes)
    three = run(int8_model, "--source", shapes, "--workers", "3")
    assert three["predictions"] == one["predictions"]
    assert (one["workers"], three["workers"]) == (1, 3)


def test_raw_outputs(plain_models: dict[str, Path], pictures: Path, tmp_path: Path) -> None:
    options = ("--source", pictures / "shot7.png", "--pixels", "0..255")
    result = run(plain_models["float32"], *options, "--raw")
    labelled = run(plain_models["float32"], *options, "--top", "4")
    (answer,) = result["outputs"]
    (output,) = answer["outputs"]
    assert output["shape"] == [1, 4]
    scores = {t["index"]: t["score"] for t in labelled["predictions"][0]["top"]}
    assert output["values"] == [[scores[i] for i in range(4)]]
    assert output["max"] == max(scores.values())
    assert "predictions" not in result
    done = cnnedge("run", plain_models["float32"], *options, "--raw", "--save", tmp_path / "o.png")
    assert done.returncode == 0, done.stderr
    assert "shot7.png:" in done.stdout
    assert "1×4 float32" in done.stdout
    assert (tmp_path / "o.png").exists()


def test_a_source_that_is_lost_ends_with_a_summary_and_one_line(
    int8_model: Path, tmp_path: Path
) -> None:
    with Camera() as camera:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "cnnedge", "run", str(int8_model), "--source", camera.url),
                *("--retry", "0.5", "--json", "out.json", "--jsonl", "lines.jsonl"),
            ],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        lines = tmp_path / "lines.jsonl"
        until(lambda: lines.exists() and len(lines.read_bytes().splitlines()) > 3)
        camera.kill()
        stdout, stderr = process.communicate(timeout=60)
    done = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
    assert_one_clear_line(done, camera.url)
    assert "capture to label" in stdout
    assert json.loads((tmp_path / "out.json").read_text())["frames"] > 3


def test_an_endless_source_keeps_no_predictions(int8_model: Path, video: Path) -> None:
    result = run(int8_model, "--source", video, "--loop", "--frames", "40")
    assert result["frames"] == 40
    assert "predictions" not in result


def test_a_reader_that_goes_away_is_no_fault_of_the_video(int8_model: Path, tmp_path: Path) -> None:
    """head closes the pipe; nobody is told that a file cannot be written."""
    command = [sys.executable, "-m", "cnnedge", "run", str(int8_model), "--source", "sample"]
    process = subprocess.Popen(
        [*command, "--frames", "200", "--jsonl", "-", "--save", "out.mp4"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait(60) == 1
    assert "cannot write" not in said and "Traceback" not in said
