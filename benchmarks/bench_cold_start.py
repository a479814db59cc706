"""How long from nothing to the first label of one picture?

    python benchmarks/bench_cold_start.py [--rounds 9] [--model-dir build] [--no-tensorflow]
                                          [--before CHECKOUT]

MobileNetV2 224 int8 with random weights. The clock starts when the process is asked for and stops
when the line with the label has arrived through its pipe: `cnnedge run MODEL --source picture.jpg`,
with a file that was run before, and with one that was not (an empty cache folder: it is tried in a
process of its own first). Beside them a script of a few lines around TensorFlow's
tf.lite.Interpreter, which does the same, and with --before the cnnedge of another checkout. In
turn, each once before the clock counts, so that files are in memory: a first start after boot
also waits for the disk. The label must be the same. `python -c pass` is the floor for all.

The first run makes the model (train extra). Exits 1 when a claim is not met.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from run_parts import packed

from cnnedge.camera import SampleSource

SIDE = 224
HERE = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 0.6
# Of a file that is not known yet, and of one that is beside an earlier cnnedge.
MORE_SECONDS, RATIO = 0.25, 1.02
KNOWN, UNKNOWN, BEFORE, ALONE = "known file", "unknown file", "before", "python alone"
PATIENCE_SECONDS = 300

TENSORFLOW = f"""\
import sys
import cv2
import tensorflow as tf

model, picture = sys.argv[1:]
interpreter = tf.lite.Interpreter(model_path=model, num_threads=1)
interpreter.allocate_tensors()
pixels = cv2.cvtColor(cv2.resize(cv2.imread(picture), ({SIDE}, {SIDE})), cv2.COLOR_BGR2RGB)
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[None])
interpreter.invoke()
scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
print(f"{{picture}}: class {{scores.argmax()}} ", flush=True)
"""


def to_first_line(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """(seconds until the first line on stdout, that line)."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    seconds = time.perf_counter() - begin
    said = process.communicate(timeout=PATIENCE_SECONDS)[1]
    if process.returncode:
        sys.exit(f"{' '.join(command[:4])} ...: exit {process.returncode}: {said[-500:]}")
    return seconds, line


def environment(**more: str) -> dict[str, str]:
    """The compiled modules of an installation are used, and TensorFlow is quiet."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"TF_CPP_MIN_LOG_LEVEL": "3"} | more


def label(line: str) -> str:
    """`picture: class 7 0.4%` as `class 7`."""
    return " ".join(line.rpartition(": ")[2].split()[:2])


def commands(model: str, picture: str, caches: Path, options: Any) -> dict[str, Any]:
    """Each way's command and environment, by its name."""
    python = sys.executable
    run = [python, "-m", "cnnedge", "run", model, "--source", picture, "--top", "1"]
    # Both checkouts are found in one way: the finder of an editable install takes its own time.
    here = {"PYTHONPATH": str(HERE / "toolkit")} if options.before else {}
    found = {
        KNOWN: (run, environment(CNNEDGE_CACHE=str(caches / "known"), **here)),
        UNKNOWN: (run, environment(CNNEDGE_CACHE=str(caches / "unknown"), **here)),
        ALONE: ([python, "-c", "print('x: nothing at all')"], environment()),
    }
    if options.tensorflow:
        found["tf.lite"] = ([python, "-c", TENSORFLOW, model, picture], environment())
    if options.before:
        found[BEFORE] = (run, environment(PYTHONPATH=str(options.before / "toolkit")))
    return found


def measured(ways: dict[str, Any], rounds: int, caches: Path) -> dict[str, list[float]]:
    """Seconds of each way's starts. Exits where the labels differ."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    lines: dict[str, str] = {}
    for number in range(rounds + 1):
        for name, (command, around) in ways.items():
            shutil.rmtree(caches / "unknown", ignore_errors=True)
            taken, lines[name] = to_first_line(command, around)
            if number:
                seconds[name].append(taken)
        labels = {label(line) for name, line in lines.items() if name != ALONE}
        if len(labels) != 1:
            sys.exit(f"the labels differ: {lines}")
    print(f"label: {labels.pop()}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return seconds


def judged(seconds: dict[str, list[float]]) -> bool:
    """Prints each claim, and whether it is met."""
    typical = {name: float(np.median(found)) for name, found in seconds.items()}
    known, more = typical[KNOWN], typical[UNKNOWN] - typical[KNOWN]
    claims = [
        (f"a known file, at most {LIMIT_SECONDS} s: {known:.3f} s", known <= LIMIT_SECONDS),
        (f"an unknown one, at most {MORE_SECONDS} s more: {more:.3f} s", more <= MORE_SECONDS),
    ]
    if BEFORE in typical:
        ratio = known / typical[BEFORE]
        claims.append((f"a known file / before, at most {RATIO}: {ratio:.3f}", ratio <= RATIO))
    for text, met in claims:
        print(f"claim: {text}: {'met' if met else 'NOT met'}")
    return all(met for _, met in claims)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model-dir", type=Path, default=Path("build"), help="default: build/")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-tensorflow", dest="tensorflow", action="store_false")
    parser.add_argument("--before", type=Path, help="the folder of another checkout, built")
    options = parser.parse_args()
    options.model_dir.mkdir(parents=True, exist_ok=True)
    model = str(packed(options.model_dir, SIDE, "area"))
    picture = str(options.model_dir / "cold_start.jpg")
    cv2.imwrite(picture, next(iter(SampleSource())).pixels)
    with tempfile.TemporaryDirectory() as folder:
        caches = Path(folder)
        ways = commands(model, picture, caches, options)
        seconds = measured(ways, options.rounds, caches)
    for name, found in seconds.items():
        print(
            f"{name:<14}median {np.median(found):.3f} s  ({min(found):.3f}..{max(found):.3f}, "
            f"{len(found)} starts)"
        )
    return 0 if judged(seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
