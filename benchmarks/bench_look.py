"""What does `run --look` cost a frame?

Labels the built-in scene with a model, in turn: as `cnnedge run` does, with the heat map that
`--look` takes from one more output of the graph, and with that map laid over the frame as well.
Prints milliseconds a frame and ratios. The labels must be the same.

    python benchmarks/bench_look.py MODEL.tflite [--rounds 9] [--frames 40]
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cnnedge.camera import SampleSource
from cnnedge.classifier import Classifier, load
from cnnedge.engines import CPU
from cnnedge.looking import LookingClassifier, load_looking
from cnnedge.looking.live import placed
from cnnedge.overlay import heated

PLAIN, HEAT, LIT = "labels", "labels and map", "labels, map and light"
Frames = list[npt.NDArray[np.uint8]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--frames", type=int, default=40)
    given = parser.parse_args()
    frames = [f.pixels for f in itertools.islice(SampleSource(), given.frames)]
    times: dict[str, list[float]] = {PLAIN: [], HEAT: [], LIT: []}
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {given.frames} frames a round")
    with load(given.model, CPU) as plain, load_looking(given.model, CPU) as looking:
        labels = {PLAIN: labelled(plain, frames), HEAT: labelled(looking, frames)}
        for _ in range(given.rounds):
            for way in times:
                began = time.perf_counter()
                if way == LIT:
                    light(looking, frames)
                else:
                    labelled(plain if way == PLAIN else looking, frames)
                times[way].append(1000 * (time.perf_counter() - began) / len(frames))
        print(f"the map shows: {looking.shows}")
    for way, each in times.items():
        ratio = statistics.median(a / b for a, b in zip(each, times[PLAIN], strict=True))
        print(
            f"{way:22}{statistics.median(each):8.2f} ms a frame "
            f"({min(each):.2f} to {max(each):.2f}), {ratio:.2f} of labels alone"
        )
    if labels[PLAIN] != labels[HEAT]:
        sys.exit("the labels differ")


def labelled(model: Classifier, frames: Frames) -> list[str]:
    return [model(frame).label for frame in frames]


def light(model: LookingClassifier, frames: Frames) -> None:
    for frame in frames:
        model.feed(frame)
        heat = model.decode(model.infer()).heat
        assert heat is not None
        heated(frame, placed(heat, frame.shape[:2], model.size, model.rule))


if __name__ == "__main__":
    main()
