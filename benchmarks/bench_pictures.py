"""How long a folder of JPEGs takes to be scanned and decoded: this cnnedge beside another one.

    git worktree add /tmp/before COMMIT
    python benchmarks/bench_pictures.py --against /tmp/before

A folder of JPEGs is made (320x240, two classes), and the same with EXIF that turns them. Each side
runs in a process of its own, the sides in turn, several rounds: `load_dataset` (listing, decoding,
hashing, on all cores), and decoding alone on one thread; by the clock, and in seconds of CPU, which
other programs on the machine disturb less. Both sides and the ratio of their medians
are printed. `--count 50 --rounds 1` runs in seconds; without `--against` there is one side.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_STAGES = ("scan", "scan, CPU", "decode", "decode, CPU")
_WORKER = """
import json, sys, time
from pathlib import Path
from cnnedge.data import load_dataset
from cnnedge.pictures import read_picture
folder = Path(sys.argv[1])
files = sorted(folder.rglob("*.jpg"))
for file in files[:20]:
    read_picture(file)
def now():
    return time.perf_counter(), time.process_time()
found = {}
start = now()
dataset = load_dataset(str(folder), splits=None)
found["scan"], found["scan, CPU"] = (b - a for a, b in zip(start, now()))
start = now()
for file in files:
    read_picture(file)
found["decode"], found["decode, CPU"] = (b - a for a, b in zip(start, now()))
print(json.dumps(found | {"fingerprint": dataset.fingerprint}))
"""


def main() -> int:
    """Reads the command line; the exit code leaves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--against", type=Path, help="another checkout of cnnedge")
    parser.add_argument("--count", type=int, default=5000, help="pictures in a folder (5000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each side (5)")
    asked = parser.parse_args()
    here = Path(__file__).resolve().parents[1]
    sides = {"before": asked.against, "now": here} if asked.against else {"now": here}
    with tempfile.TemporaryDirectory() as scratch:
        for variant in ("plain", "with EXIF"):
            folder = Path(scratch) / variant
            make(folder, asked.count, exif=variant != "plain")
            show(variant, asked.count, measured(folder, sides, asked.rounds))
    return 0


def make(folder: Path, count: int, *, exif: bool) -> None:
    """Photograph-like JPEGs of 320x240, with all orientations in turn where exif is asked for."""
    import cv2
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(3)
    for number in range(count):
        coarse = rng.integers(0, 256, (15, 20, 3), np.uint8)
        pixels = cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)
        path = folder / f"class{number % 2}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        described = Image.Exif()
        if exif:
            described[0x0112] = 1 + number % 8
            described[0x010F], described[0x0110] = "Maker", "Model of a telephone"
            described[0x0132] = "2024:01:01 12:00:00"
        Image.fromarray(pixels).save(path, quality=90, exif=described.tobytes() if exif else b"")


def measured(
    folder: Path, sides: dict[str, Path], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds of each side and stage, and the fingerprints; the sides take turns."""
    taken: dict[str, dict[str, list[float]]] = {
        side: {stage: [] for stage in _STAGES} for side in sides
    }
    prints = set()
    for number in range(rounds):
        for side in sorted(sides, reverse=bool(number % 2)):
            environment = {**os.environ, "PYTHONPATH": str(sides[side] / "toolkit")}
            done = subprocess.run(
                [sys.executable, "-c", _WORKER, str(folder)],
                env=environment,
                cwd="/",
                capture_output=True,
                text=True,
                check=True,
            )
            found = json.loads(done.stdout.splitlines()[-1])
            prints.add(found["fingerprint"])
            for stage in _STAGES:
                taken[side][stage].append(found[stage])
    if len(prints) > 1:
        raise SystemExit(f"{folder.name}: the sides do not read the same pixels")
    return taken


def show(variant: str, count: int, taken: dict[str, dict[str, list[float]]]) -> None:
    """Prints one line for each stage."""
    for stage in _STAGES:
        medians = {side: statistics.median(times[stage]) for side, times in taken.items()}
        cells = [f"{side} {value:7.3f} s" for side, value in medians.items()]
        if "before" in medians:
            pairs = zip(taken["now"][stage], taken["before"][stage], strict=True)
            each = statistics.median(now / before for now, before in pairs)
            cells.append(f"ratio {medians['now'] / medians['before']:.3f} (in pairs {each:.3f})")
        print(f"{count:,} JPEGs, {variant}, {stage}: " + "  ".join(cells), flush=True)


if __name__ == "__main__":
    sys.exit(main())
