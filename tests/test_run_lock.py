"""A run folder has one writer at a time, and what is written stays in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnedge.errors import RunFolderError
from cnnedge.training.run_folder import check_new
from cnnedge.training.run_lock import check_links, occupied
from support.command import assert_one_clear_line, cnnedge

HOLD = """
import sys, time
from pathlib import Path
from cnnedge.training.run_folder import check_new
from cnnedge.training.run_lock import occupied
with occupied(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def run(tmp_path: Path, trained_run: Path) -> Path:
    shutil.copytree(trained_run, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def holder(run: Path) -> Any:
    """Another process that works in the run."""
    words = [sys.executable, "-c", HOLD, str(run)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_living_run_is_left_alone(run: Path, shapes: Path, holder: Any) -> None:
    before = sorted(path.name for path in run.iterdir())
    recipe = run / "recipe.yaml"
    said = f"process {holder.pid}"
    assert_one_clear_line(cnnedge("convert", run), said, "is already using this run folder")
    assert_one_clear_line(cnnedge("train", recipe, "--out", run, "--force"), said)
    assert sorted(path.name for path in run.iterdir()) == before


def test_one_that_was_killed_before_it_began_leaves_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for name in (".lock", ".part-0123456789ab-recipe.yaml"):
        (tmp_path / "new" / name).write_bytes(b"1\n")
    check_new(tmp_path / "new", force=False)
    with occupied(tmp_path / "new"):
        pass
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "new" / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="not a cnnedge run"):
        check_new(tmp_path / "new", force=True)


def test_a_killed_one_leaves_it_free(run: Path, holder: Any) -> None:
    (run / "export" / ".part-0123456789ab-int8.tflite").write_bytes(b"half")
    holder.kill()
    holder.wait()
    assert (run / ".lock").exists()
    with occupied(run):
        assert not list(run.rglob(".part-*"))
    assert not (run / ".lock").exists()


@pytest.mark.parametrize(
    "part", ["export", "compress", "checkpoints", "metrics.json", "export/report.json"]
)
def test_nothing_is_written_through_a_link(run: Path, tmp_path: Path, part: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    place = run / part
    if place.is_dir() or not place.exists():
        shutil.rmtree(place, ignore_errors=True)
        elsewhere.mkdir()
    else:
        place.unlink()
        elsewhere.write_text("mine")
    place.symlink_to(elsewhere)
    with pytest.raises(RunFolderError, match="is a link to"):
        check_links(run)
    with pytest.raises(RunFolderError, match="is a link to"), occupied(run):
        pytest.fail("it was opened for writing")
    assert elsewhere.is_dir() or elsewhere.read_text() == "mine"
    assert not elsewhere.is_dir() or not os.listdir(elsewhere)


def test_convert_writes_through_no_link(run: Path, tmp_path: Path) -> None:
    (run / "export").rename(tmp_path / "elsewhere")
    (run / "export").symlink_to(tmp_path / "elsewhere")
    before = sorted(os.listdir(tmp_path / "elsewhere"))
    done = cnnedge("convert", run, "--variant", "float16")
    assert_one_clear_line(done, "export: this is a link to")
    assert sorted(os.listdir(tmp_path / "elsewhere")) == before


def test_a_link_within_the_run_stays(run: Path) -> None:
    (run / "export").rename(run / "kept")
    (run / "export").symlink_to("kept")
    check_links(run)


def test_forged_results_are_measured_again(run: Path) -> None:
    report = json.loads((run / "export" / "report.json").read_text())
    honest = {v["name"]: v["accuracy"] for v in report["variants"]}
    forged = 0
    for file in (run / "compress" / "measured").glob("*.json"):
        kept = json.loads(file.read_text())
        if "entry" in kept:
            kept["entry"] |= {"accuracy": 0.999, "drop_points": -5.0}
            file.write_text(json.dumps(kept))
            forged += 1
    assert forged
    done = cnnedge("convert", run, "--json", "-")
    assert done.returncode == 0, done.stderr
    found = {v["name"]: v["accuracy"] for v in json.loads(done.stdout)["variants"]}
    assert found == honest


DAMAGES = {
    "metrics.json": (b"", b"[]", b"{}", b'{"test": 1', b"\xff\xfe", b"[" * 50_000),
    "recipe.yaml": (b"", b"\xff\xfe", b"a: [", b"x" * 100),
    "labels.txt": (b"\xff\xfe",),
    "model.keras": (b"", b"PK\x03\x04"),
}


@pytest.mark.parametrize(
    ("name", "content"), [(name, c) for name, contents in DAMAGES.items() for c in contents]
)
def test_a_damaged_run_is_one_line(run: Path, name: str, content: bytes) -> None:
    from cnnedge.errors import CnnedgeError
    from cnnedge.training import run_folder

    (run / name).write_bytes(content)
    folder = run_folder.RunFolder(run)
    if name == "model.keras":
        from cnnedge.training.backend import load_keras

        with pytest.raises(CnnedgeError, match=name):
            load_keras(folder.model)
    elif name == "labels.txt":
        assert run_folder.read_labels(folder) == ("\udcff\udcfe",)
    else:
        with pytest.raises(CnnedgeError, match=name):
            run_folder.read_metrics(folder)
            run_folder.read_recipe(folder)


@pytest.mark.parametrize("content", ["epoch\nx\n", "epoch,loss\n1,2\n", "epoch\n1e999\n", "\x00"])
def test_a_damaged_history_is_refused(run: Path, content: str) -> None:
    from cnnedge.training import run_folder

    folder = run_folder.RunFolder(run)
    folder.history.write_text(content)
    try:
        assert run_folder.read_history(folder, 5) == []
    except RunFolderError as error:
        assert "history.csv: line 2" in str(error)


def test_a_list_of_checkpoints_may_name_none_elsewhere(tmp_path: Path, shapes: Path) -> None:
    from support.recipes import write_recipe

    recipe = write_recipe(tmp_path / "recipe", shapes)
    done = cnnedge("train", recipe, "--out", "run", "--set", "training.epochs=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    victim = tmp_path / "victim.index"
    victim.write_text("mine")
    (run / "metrics.json").unlink()
    (run / "checkpoints" / "checkpoint").write_text(
        f'model_checkpoint_path: "{tmp_path}/victim"\n'
        f'all_model_checkpoint_paths: "{tmp_path}/victim"\n'
    )
    done = cnnedge(
        "train", recipe, "--out", "run", "--resume", "--set", "training.epochs=1", cwd=tmp_path
    )
    assert_one_clear_line(done, "its list of checkpoints refers to", "victim")
    assert victim.read_text() == "mine"
