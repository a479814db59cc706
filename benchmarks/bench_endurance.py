"""Half an hour of live labelling: does memory grow, and is a frame ever stale?

A video of 640x480 is played in a loop at 30 frames/s, as a camera would give it, and labelled by
the staged pipeline. Prints the growth of the process's memory after the first minute, and by how
much the oldest frame exceeded one period plus its own processing.

    python benchmarks/bench_endurance.py MODEL.tflite [--minutes 30]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

import cnnedge
from cnnedge.camera import CaptureOptions, open_source
from cnnedge.display import Paced
from cnnedge.pipeline import Timings

FPS = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        watch(arguments.model, make_video(Path(folder) / "loop.mp4"), arguments.minutes * 60)


def make_video(path: Path) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (640, 480))
    texture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    picture = cv2.resize(texture, (640, 480), interpolation=cv2.INTER_CUBIC)
    for i in range(600):
        writer.write(np.roll(picture, 4 * i, axis=1))
    writer.release()
    return path


def watch(model: Path, video: Path, seconds: float) -> None:
    timings = Timings()
    late, oldest_ms, settled = 0, float("-inf"), 0.0
    started = time.perf_counter()
    minute = 1
    source = Paced(open_source(str(video), options=CaptureOptions(), loop=True))
    with cnnedge.load(model, delegate="cpu") as loaded:
        for step in loaded.stream(source, duration=seconds, smooth=0.5, timings=timings):
            own = sum(ms for name, ms in step.stages_ms.items() if name != "capture")
            over_ms = step.age_ms - own - 1000 / FPS
            late, oldest_ms = late + (over_ms > 0), max(oldest_ms, over_ms)
            away = time.perf_counter() - started
            if away >= 60 * minute:
                settled = settled or resident_mb()
                print(
                    f"minute {minute:3}: {timings.frames:7,} frames, {resident_mb():7.1f} MB, "
                    f"late by more than a period: {late:,}",
                    flush=True,
                )
                minute += 1
    source.close()
    print(
        f"{timings.frames:,} frames in {seconds / 60:g} min; memory grew by "
        f"{resident_mb() - settled:.1f} MB after the first minute ({settled:.1f} MB)\n"
        f"older than one period ({1000 / FPS:.1f} ms) plus processing: {late:,} frames; the oldest "
        f"by {oldest_ms:+.1f} ms"
    )


def resident_mb() -> float:
    line = next(
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
