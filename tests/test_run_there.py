"""`cnnedge run --device`: what is here arrives there, what is labelled there comes back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from support.boards import CACHE
from support.command import assert_one_clear_line, cnnedge
from support.sshd import Sshd

HERE = ("--device", "local")


@pytest.fixture
def pictures(tmp_path: Path, shapes: Path) -> Path:
    """Three pictures in a folder whose name a shell would part."""
    folder = tmp_path / "it's $(mine); really"
    folder.mkdir()
    for number, path in enumerate(sorted(shapes.rglob("*.png"))[:3]):
        shutil.copy(path, folder / f"{number} a.png")
    return folder


def test_a_folder_is_labelled_there_as_here(
    int8_model: Path, pictures: Path, tmp_path: Path
) -> None:
    words = ("run", int8_model, "--source", pictures, "--delegate", "cpu", "--json", "-")
    plain, there = (json.loads(cnnedge(*words, *at).stdout) for at in ((), HERE))
    assert there["device"] == "local"
    assert (there["frames"], there["model"]) == (3, str(int8_model))
    assert there["source"] == str(pictures)
    assert there["stages_ms"].keys() == plain["stages_ms"].keys()
    best = [[p["top"][0]["label"] for p in r["predictions"]] for r in (plain, there)]
    assert best[0] == best[1]


def test_a_line_for_each_frame_names_it_as_it_is_here(int8_model: Path, pictures: Path) -> None:
    done = cnnedge("run", int8_model, "--source", f"{pictures}/*.png", "--jsonl", "-", *HERE)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["frame"] for line in lines] == [0, 1, 2]
    assert all(Path(line["name"]).name == f"{n} a.png" for n, line in enumerate(lines))


def test_pictures_of_equal_names_all_arrive_in_their_order(
    int8_model: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, path in zip(("10", "9", "b c"), sorted(shapes.rglob("*.png"))[::40], strict=True):
        (tmp_path / "pics" / folder / "deep").mkdir(parents=True)
        shutil.copy(path, tmp_path / "pics" / folder / "1.png")
        shutil.copy(path, tmp_path / "pics" / folder / "deep" / "1.png")
    (tmp_path / "pics" / "note.txt").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    for pattern, count in (("pics/*/1.png", 3), ("pics/**/1.png", 6), ("pics/**/*.*", 6)):
        words = ("run", int8_model, "--source", pattern, "--delegate", "cpu", "--json", "-")
        here, there = (json.loads(cnnedge(*words, *at, cwd=tmp_path).stdout) for at in ((), HERE))
        assert here["frames"] == there["frames"] == count
        for found in (here, there):
            found["answers"] = [(p["name"], p["top"][0]["label"]) for p in found["predictions"]]
        assert there["answers"] == here["answers"]
        assert there["skipped"] == here["skipped"]


def test_a_link_is_followed_and_a_folder_of_an_odd_name_is_a_folder(
    int8_model: Path, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "odd [1]*"
    folder.mkdir()
    for path in pictures.iterdir():
        (folder / f"link {path.name}").symlink_to(path)
    words = ("run", int8_model, "--source", folder, "--jsonl", "-")
    lines = [json.loads(line) for line in cnnedge(*words, *HERE).stdout.splitlines()]
    assert [line["name"] for line in lines] == [str(folder / f"link {n} a.png") for n in range(3)]


@pytest.mark.parametrize("where", [(), HERE])
def test_sample_is_the_scene_whatever_lies_here(
    int8_model: Path, pictures: Path, tmp_path: Path, where: tuple[str, ...]
) -> None:
    shutil.copytree(pictures, tmp_path / "sample")
    words = ("run", int8_model, "--frames", 2, "--jsonl", "-", *where)
    done = cnnedge(*words, "--source", "sample", cwd=tmp_path)
    names = [json.loads(line)["name"] for line in done.stdout.splitlines()]
    assert names == ["sample#0", "sample#1"]
    assert "the one here is --source ./sample" in done.stderr
    done = cnnedge(*words, "--source", "./sample", cwd=tmp_path)
    names = [json.loads(line)["name"] for line in done.stdout.splitlines()]
    assert names == ["sample/0 a.png", "sample/1 a.png"]


def test_a_pattern_without_a_match_is_said_here(int8_model: Path, tmp_path: Path) -> None:
    done = cnnedge("run", int8_model, "--source", "none*.png", *HERE, cwd=tmp_path)
    assert_one_clear_line(done, "--source none*.png: no file matches this pattern")


def test_a_video_goes_there_and_comes_back(int8_model: Path, tmp_path: Path) -> None:
    video = tmp_path / "a b.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (64, 48))
    for _ in range(8):
        writer.write(np.full((48, 64, 3), 90, np.uint8))
    writer.release()
    done = cnnedge(
        *("run", int8_model, "--source", video, "--frames", "5", *HERE),
        *("--save", tmp_path / "back here.avi"),
    )
    assert done.returncode == 0, done.stderr
    assert "5 frames" in done.stdout
    saved = cv2.VideoCapture(str(tmp_path / "back here.avi"))
    assert int(saved.get(cv2.CAP_PROP_FRAME_COUNT)) == 5


def test_what_the_device_refuses_keeps_its_exit_code(int8_model: Path, pictures: Path) -> None:
    done = cnnedge("run", int8_model, "--source", "9", *HERE)
    assert_one_clear_line(done, "local: --source 9: there is no camera 9")
    done = cnnedge("run", int8_model, "--source", pictures, "--delegate", "nnapi", *HERE)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "local: --delegate nnapi" in done.stderr
    assert cnnedge("run", int8_model, "--source", "sample", "--show", *HERE).returncode == 2


def test_over_ssh(int8_model: Path, pictures: Path, served: Sshd, tmp_path: Path) -> None:
    profile = tmp_path / "board.yaml"
    profile.write_text(f"transport: ssh\naddress: pi4\nfolder: {tmp_path / 'on it'}\n")
    words = ("run", int8_model, "--source", pictures, "--json", "-", "--device", profile)
    around = {"XDG_CACHE_HOME": str(CACHE)}
    done = cnnedge(*words, "--ssh-config", served.config, env=around)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["device"], found["frames"]) == ("board", 3)
    # What was for this command alone is gone from there.
    assert not list(Path("/tmp").glob("cnnedge-??????/source"))
