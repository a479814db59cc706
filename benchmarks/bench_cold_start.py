"""How long from nothing to the first label of one picture?

    python benchmarks/bench_cold_start.py [--rounds 9] [--model-dir build] [--no-tensorflow]

MobileNetV2 224 int8 with random weights. The clock starts when the process is asked for and stops
when the line with the label has arrived through its pipe: `cnnedge run MODEL --source picture.jpg`,
and beside it a script of a few lines around TensorFlow's tf.lite.Interpreter, which does the same.
In turn, each once before the clock counts, so that files are in memory: a first start after boot
also waits for the disk. The label must be the same. `python -c pass` is the floor for both.

The first run makes the model (train extra). Exits 1 when the claim is not met.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from run_parts import packed

from cnnedge.camera import SampleSource

SIDE = 224
LIMIT_SECONDS = 0.6
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


def to_first_line(command: list[str]) -> tuple[float, str]:
    """(seconds until the first line on stdout, that line)."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    seconds = time.perf_counter() - begin
    said = process.communicate(timeout=PATIENCE_SECONDS)[1]
    if process.returncode:
        sys.exit(f"{' '.join(command[:4])} ...: exit {process.returncode}: {said[-500:]}")
    return seconds, line


def environment() -> dict[str, str]:
    """The compiled modules of an installation are used, and TensorFlow is quiet."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"TF_CPP_MIN_LOG_LEVEL": "3"}


def label(line: str) -> str:
    """`picture: class 7 0.4%` as `class 7`."""
    return " ".join(line.rpartition(": ")[2].split()[:2])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model-dir", type=Path, default=Path("build"), help="default: build/")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-tensorflow", dest="tensorflow", action="store_false")
    options = parser.parse_args()
    options.model_dir.mkdir(parents=True, exist_ok=True)
    model, picture = (
        str(packed(options.model_dir, SIDE, "area")),
        str(options.model_dir / "cold_start.jpg"),
    )
    cv2.imwrite(picture, next(iter(SampleSource())).pixels)
    python = sys.executable
    commands = {
        "cnnedge run": [python, "-m", "cnnedge", "run", model, "--source", picture, "--top", "1"],
        "tf.lite": [python, "-c", TENSORFLOW, model, picture],
        "python alone": [python, "-c", "print('x: nothing at all')"],
    }
    if not options.tensorflow:
        del commands["tf.lite"]
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(options.rounds + 1):
        lines = {}
        for name, command in commands.items():
            taken, lines[name] = to_first_line(command)
            if number:
                seconds[name].append(taken)
        labels = {label(lines[name]) for name in commands if name != "python alone"}
        if len(labels) != 1:
            sys.exit(f"the labels differ: {lines}")
    print(f"label: {labels.pop()}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name, found in seconds.items():
        print(
            f"{name:<14}median {np.median(found):.3f} s  ({min(found):.3f}..{max(found):.3f}, "
            f"{len(found)} starts)"
        )
    met = float(np.median(seconds["cnnedge run"])) <= LIMIT_SECONDS
    print(f"claim: at most {LIMIT_SECONDS} s: {'met' if met else 'NOT met'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
