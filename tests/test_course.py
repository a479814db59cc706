"""docs/course.md: every command in it runs, in its order, with less training."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from support.command import cnnedge
from support.recipes import QUICK_STYLE

COURSE = Path(__file__).resolve().parents[1] / "docs" / "course.md"
# What makes a command short. The small network keeps the time of an epoch low.
SHORTER = {
    "train": ("--set", "training.epochs=1"),
    "bench": ("--protocol", "quick"),
    "run": ("--frames", "20"),
    "demo": ("--export", "site"),
}


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```sh\n(.*?)^```", COURSE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert all(line.startswith("cnnedge ") for line in lines)
    return [shlex.split(line)[1:] for line in lines]


# A study that trains, on smaller pictures than the course's.
SMALLER = ("model=lenet", "augmentation.cutout=0", "training.epochs=2")
ON_SHAPES = {"augmentation": [word for each in SMALLER for word in ("--set", each)]}
SMALL = {
    "fashion_tiny": ("--set", "model=lenet"),
    # What two steps have taught is not worth a gate.
    "painted": ("--set", "convert.min_psnr=0"),
}


def shortened(words: list[str], shapes: Path) -> list[str]:
    if words[0] == "study":
        on = ["--data", str(shapes), *ON_SHAPES[words[1]]] if words[1] in ON_SHAPES else []
        return [*words, *on, "--quick"]
    if words[:2] == ["train", "style"]:
        return [*words, *QUICK_STYLE]
    return [*words, *SMALL.get(words[1], ()), *SHORTER.get(words[0], ())]


@pytest.mark.heavy
def test_every_command_of_the_course_runs(
    shapes: Path, sunset_study: Path, network_studies: Path, tmp_path: Path
) -> None:
    # What other tests look at more closely; one run of each is enough.
    ran_once = {
        "sunset": sunset_study,
        **{name: network_studies / f"study-{name}" for name in ("mlp_vs_cnn", "capsule")},
    }
    ran = commands()
    assert len(ran) >= 18
    for words in ran:
        if words[0] == "study" and words[1:] in ([name] for name in ran_once):
            shutil.copytree(ran_once[words[1]], tmp_path / f"study-{words[1]}")
            continue
        done = cnnedge(*shortened(words, shapes), cwd=tmp_path)
        assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
    for figure in ("look/evidence.png", "study-invariance", "study-attack", "study-sunset"):
        assert (tmp_path / figure).exists()
