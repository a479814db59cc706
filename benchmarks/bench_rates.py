"""Do `cnnedge run`, `eval` and `bench` work as fast as those of another checkout?

    python benchmarks/bench_rates.py --before CHECKOUT [--rounds 9] [--cold] [--frames 600]
                                     [--pictures 400] [--duration SECONDS] [--model-dir build]

MobileNetV2 224 int8 with random weights, on a VGA video of the built-in scene and on its frames as
JPEG files. Each command runs in a process of its own, this checkout and the other in turn: frames
per second as `run` reports them, pictures per second of the whole `eval`, less what it takes with
four pictures, and inferences per second by the median latency of `bench` (by `quick`, or for
--duration seconds without a pause). The labels must be the same. Exits 1 where a ratio of medians
is below 0.98.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
from run_parts import film, packed

from cnnedge.camera import SampleSource

LEAST = 0.98
FEW = 4
NOW, BEFORE = "now", "before"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--before", type=Path, required=True, help="another checkout, built")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cold", action="store_true", help="no round ahead that is not counted")
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--duration", help="of bench, in seconds")
    parser.add_argument("--model-dir", type=Path, default=Path("build"), help="default: build/")
    options = parser.parse_args()
    options.model_dir.mkdir(parents=True, exist_ok=True)
    model = packed(options.model_dir, 224, "area")
    video = film(options.model_dir, options.frames)
    protocol = ["--protocol", "quick"]
    if options.duration:
        protocol = ["--protocol", "sustained", "--duration", options.duration]
    trees = {NOW: Path(__file__).resolve().parents[1], BEFORE: options.before.resolve()}
    rates: dict[str, dict[str, list[float]]] = {
        what: {name: [] for name in trees} for what in ("run", "eval", "bench")
    }
    answers: dict[str, set[str]] = {"run": set(), "eval": set()}
    with tempfile.TemporaryDirectory() as folder:
        few, many = (written(Path(folder), n) for n in (FEW, options.pictures))
        # One more: the first of each reads everything from the disk.
        ahead = 0 if options.cold else 1
        for number, (name, tree) in itertools.product(range(options.rounds + ahead), trees.items()):
            ran, _ = told(tree, "run", model, "--source", video)
            scored, seconds = told(tree, "eval", model, "--data", many)
            _, alone = told(tree, "eval", model, "--data", few)
            (timed,) = told(tree, "bench", model, *protocol)[0]["results"]
            answers["run"].add(json.dumps([p["top"][0]["index"] for p in ran["predictions"]]))
            answers["eval"].add(json.dumps(scored["confusion"]))
            if number >= ahead:
                rates["run"][name].append(ran["fps"])
                rates["eval"][name].append((options.pictures - FEW) / (seconds - alone))
                rates["bench"][name].append(1000 / timed["latency_ms"]["median"])
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {options.rounds} rounds")
    met = [judged(what, found) for what, found in rates.items()]
    same = all(len(found) == 1 for found in answers.values())
    print(f"labels: {'the same' if same else 'THEY DIFFER'}")
    return 0 if all(met) and same else 1


def told(tree: Path, *words: object) -> tuple[dict[str, Any], float]:
    """The JSON of a command of a checkout, and the seconds it took."""
    command = [sys.executable, "-m", "cnnedge", *map(str, words), "--json", "-"]
    around = os.environ | {"PYTHONPATH": str(tree / "toolkit")}
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=around)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{tree}: {' '.join(command[2:5])} ...: {done.stderr[-500:]}")
    return json.loads(done.stdout), seconds


def written(folder: Path, count: int) -> Path:
    """Frames of the built-in scene as JPEG files of two classes."""
    place = folder / str(count)
    for number, frame in enumerate(itertools.islice(SampleSource(), 0, count)):
        (place / f"class {number % 2}").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"class {number % 2}" / f"{number}.jpg"), frame.pixels)
    return place


def judged(what: str, found: dict[str, list[float]]) -> bool:
    """Prints both sides, and whether the ratio is enough."""
    for name, each in found.items():
        print(
            f"{what:6}{name:7}{statistics.median(each):8.1f} a second "
            f"({min(each):.1f} to {max(each):.1f})"
        )
    ratio = statistics.median(found[NOW]) / statistics.median(found[BEFORE])
    met = ratio >= LEAST
    print(f"claim: {what}, at least {LEAST} of before: {ratio:.3f}: {'met' if met else 'NOT met'}")
    return met


if __name__ == "__main__":
    sys.exit(main())
