"""Checks that an arm64 board gives the same labels and scores as this machine, from picture files.

    python scripts/board_labels.py MODEL.tflite... --source FOLDER [--count 200]

Starts the emulated board of the tests (Debian for arm64 under qemu, behind a real sshd; it needs
root, qemu-user-static and openssh-server). Runs `cnnedge run MODEL --source FOLDER` on both, and
prints for each model: the pictures, the labels that agree, the answers that are equal to the bit,
and the largest difference of a score. Exits with 1 if a label differs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.boards import CACHE
from support.pi import pi

# XNNPACK adds up floats in another order on Arm.
ROUNDING = 1e-6


def predictions(model: Path, folder: Path, *more: object) -> list[dict[str, Any]]:
    words = [sys.executable, "-m", "cnnedge", "run", model, "--source", folder, "--top", "1000"]
    done = subprocess.run(
        [*map(str, words), "--delegate", "cpu", *map(str, more), "--json", "-"],
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_CACHE_HOME": str(CACHE), "XDG_CONFIG_HOME": str(folder.parent)},
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: list[dict[str, Any]] = json.loads(done.stdout)["predictions"]
    return found


def compared(model: Path, here: list[Any], there: list[Any]) -> tuple[list[str], bool]:
    """The row of a model, and whether all labels are equal; names the answers that differ by
    more than rounding."""
    labels = equal = 0
    largest = 0.0
    for one, other in zip(here, there, strict=True):
        scores = {each["label"]: each["score"] for each in other["top"]}
        labels += one["top"][0]["label"] == other["top"][0]["label"]
        apart = max(abs(each["score"] - scores[each["label"]]) for each in one["top"])
        equal += apart == 0
        if apart > ROUNDING:
            print(f"{model.name}: {one['name']}: {apart:.1e} apart")
        largest = max(largest, apart)
    row = [model.name, f"{len(here)}", f"{labels}", f"{equal}", f"{largest:.1e}"]
    return row, labels == len(here)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    table = Table(box=None, pad_edge=False)
    for name in ("model", "pictures", "labels equal", "equal to the bit", "largest difference"):
        table.add_column(name, justify="left" if name == "model" else "right")
    good = True
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        folder = Path(place) / "pictures"
        folder.mkdir()
        files = sorted(p for p in options.source.rglob("*") if p.is_file())
        for number, file in enumerate(files[:: max(1, len(files) // options.count)]):
            if number < options.count:
                shutil.copy(file, folder / f"{number:04}{file.suffix}")
        with pi(Path(place) / "pi") as served:
            at = ("--device", "pi4", "--ssh-config", served.config)
            for model in options.models:
                there = predictions(model, folder, *at)
                row, alike = compared(model, predictions(model, folder), there)
                table.add_row(*row)
                good &= alike
    Console(width=100).print(table)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
