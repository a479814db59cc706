"""docs/course.md: every command in it runs, in its order, with less training."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from support.command import cnnedge

COURSE = Path(__file__).resolve().parents[1] / "docs" / "course.md"
# What makes a command short. The small network keeps the time of an epoch low.
SHORTER = {
    "train": ("--set", "training.epochs=1"),
    "study": ("--quick",),
    "bench": ("--protocol", "quick"),
    "run": ("--frames", "20"),
    "demo": ("--export", "site"),
}
STYLE = ("--set", "style.steps=2", "--set", "style.side=32", "--set", "style.batch_size=1")


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```sh\n(.*?)^```", COURSE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert all(line.startswith("cnnedge ") for line in lines)
    return [shlex.split(line)[1:] for line in lines]


def shortened(words: list[str]) -> list[str]:
    if words[:2] == ["train", "style"]:
        return [*words, *STYLE]
    # What two steps have taught is not worth a gate.
    small = {"fashion_tiny": ["--set", "model=lenet"], "painted": ["--set", "convert.min_psnr=0"]}
    return [*words, *small.get(words[1], []), *SHORTER.get(words[0], ())]


@pytest.mark.heavy
def test_every_command_of_the_course_runs(tmp_path: Path) -> None:
    ran = commands()
    assert len(ran) >= 18
    for words in ran:
        done = cnnedge(*shortened(words), cwd=tmp_path)
        assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
    for figure in ("look/evidence.png", "study-invariance", "study-attack", "study-sunset"):
        assert (tmp_path / figure).exists()
