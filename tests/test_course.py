"""docs/course.md: every command in it runs, in its order, with less training."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from support.command import cnnedge

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
}


def shortened(words: list[str], shapes: Path) -> list[str]:
    if words[0] == "study":
        on = ["--data", str(shapes), *ON_SHAPES[words[1]]] if words[1] in ON_SHAPES else []
        return [*words, *on, "--quick"]
    return [*words, *SMALL.get(words[1], ()), *SHORTER.get(words[0], ())]


@pytest.mark.heavy
def test_every_command_of_the_course_runs(
    shapes: Path, sunset_study: Path, network_studies: Path, style_run: Path, tmp_path: Path
) -> None:
    # What other tests look at more closely; one run of each is enough. What it leaves, and where.
    ran_once = {
        "study sunset": (sunset_study, "study-sunset"),
        "study mlp_vs_cnn": (network_studies / "study-mlp_vs_cnn", "study-mlp_vs_cnn"),
        "study capsule": (network_studies / "study-capsule", "study-capsule"),
        "train style --out painted": (style_run / "run", "painted"),
        "convert painted": None,
    }
    ran = commands()
    assert len(ran) >= 18
    assert ran_once.keys() <= {" ".join(words) for words in ran}
    for words in ran:
        if (line := " ".join(words)) in ran_once:
            if made := ran_once[line]:
                shutil.copytree(made[0], tmp_path / made[1])
            continue
        done = cnnedge(*shortened(words, shapes), cwd=tmp_path)
        assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
    for figure in ("look/evidence.png", "study-invariance", "study-attack", "study-sunset"):
        assert (tmp_path / figure).exists()
