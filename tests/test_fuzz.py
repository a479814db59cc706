"""A small slice of `make fuzz`: what its table counts, and run folders with one file wrong."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import inputs, runs, worker
from fuzz.__main__ import Found, report

ROOT = Path(__file__).resolve().parents[1]


def test_run_folders_with_one_thing_wrong(trained_run: Path, tmp_path: Path) -> None:
    for path in itertools.islice(runs.mutants(3, trained_run, tmp_path), 30):
        answer = worker.ended(worker.read_run, path, tmp_path)
        assert answer["outcome"] == "done", (path, answer)
        shutil.rmtree(path)


@pytest.mark.parametrize("kind", inputs.WEIGHTS)
def test_the_same_seed_makes_the_same_files(kind: str, trained_run: Path, tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copytree(trained_run, tmp_path / "run", dirs_exist_ok=True)
        files = inputs.files(kind, 5, tmp_path / name, tmp_path)
        made.append([_content(path) for path in itertools.islice(files, 4)])
    assert made[0] == made[1]


def _content(path: Path) -> object:
    if path.is_file():
        return path.name, path.read_bytes()
    files = sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink())
    return [(str(p.relative_to(path)), p.read_bytes()) for p in files]


def test_what_is_found_is_counted_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    found = Found(inputs=3, examples=["build/fuzz/x: hang: exit code -9"])
    found.outcomes["hang"] = 1
    assert report({"yaml": found}, seed=1, seconds=2.0)
    assert "build/fuzz/x: hang" in capsys.readouterr().out
    assert not report({"yaml": Found(inputs=3)}, seed=1, seconds=2.0)


def test_a_worker_says_how_an_input_ended(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("a: [")
    reader, writer = os.pipe()
    words = [sys.executable, "-m", "fuzz.worker", str(writer), str(tmp_path)]
    asked = json.dumps({"kind": "yaml", "path": str(tmp_path / "recipe.yaml")}) + "\n"
    done = subprocess.run(words, input=asked, text=True, cwd=ROOT, timeout=60, pass_fds=[writer])
    os.close(writer)
    with os.fdopen(reader) as answers:
        assert json.loads(answers.read())["outcome"] == "done"
    assert done.returncode == 0
