"""How fast frames become input pixels, how true, and what the rules of today moved.

    python benchmarks/bench_preprocess.py [--rounds 40] [--side 224]
    python benchmarks/bench_preprocess.py --data DIR [--model MODEL.tflite] [--pictures 700]

Speed: a camera's frames of three sizes to --side, on one thread, all ways in turn on each frame:

    before             cv2.resize with INTER_AREA, then cv2.cvtColor: what `area` was
    area, bilinear     `prepare` by the compiled code
    opencv_bilinear    `prepare` by cv2.resize with INTER_LINEAR
    portable           what `area` takes where there was no C compiler

and how far the default is from the true average, in float64. Claims: `area` is at least 4.5, 5.5
and 6 times as fast as before at VGA, 720p and 1080p, and at most 0.4 levels from that average.

With --data: every picture by each rule as it was (OpenCV's) and as it is, letterboxed: how many
values differ and by how much; with --model, how many labels. Exits 1 when a claim is not met.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from cnnedge.camera import SampleSource
from cnnedge.classifier import load
from cnnedge.engines import CPU
from cnnedge.pictures import read_picture
from cnnedge.preprocess import compiled, implementation, letterbox_box, portable, prepare
from cnnedge.preprocess.weights import axis_weights
from cnnedge.specs import InputSize, Preprocess

FRAMES = {"640x480": (480, 640, 4.5), "1280x720": (720, 1280, 5.5), "1920x1080": (1080, 1920, 6.0)}
LARGEST_MEAN = 0.4
OPENCV = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST}
_COUNT = 8


def frames(height: int, width: int) -> list[np.ndarray]:
    """The built-in scene with a sensor's noise: more than fit into a processor's cache."""
    rng, found = np.random.default_rng(0), []
    for frame in SampleSource():
        large = cv2.resize(frame.pixels, (width, height), interpolation=cv2.INTER_CUBIC)
        noise = rng.normal(0, 6, (height, width, 1))
        found.append(np.clip(large + noise, 0, 255).astype(np.uint8))
        if len(found) == _COUNT:
            break
    return found


def true_average(frame: np.ndarray, side: int) -> np.ndarray:
    def shares(n: int) -> np.ndarray:
        edges = np.clip(np.arange(n + 1)[None] * side / n - np.arange(side)[:, None], 0, 1)
        return np.diff(edges, axis=1)

    rows, columns = shares(frame.shape[0]), shares(frame.shape[1])
    return np.einsum("ih,jw,hwc->ijc", rows, columns, frame[..., ::-1].astype(float), optimize=True)


def ways(side: int) -> dict[str, Callable[[np.ndarray], object]]:
    size = InputSize(height=side, width=side)
    out = np.empty(size.shape, np.uint8)

    def by(interpolation: str) -> Callable[[np.ndarray], object]:
        rule = Preprocess(interpolation=interpolation)
        return lambda frame: prepare(frame, size, rule, out)

    def before(frame: np.ndarray) -> object:
        small = cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA)
        return cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=out)

    def portably(frame: np.ndarray) -> object:
        rows = axis_weights("area", frame.shape[0], side)
        return portable.resample(frame, out, rows, axis_weights("area", frame.shape[1], side))

    names = ("area", "bilinear", "opencv_bilinear")
    return {"before": before} | {n: by(n) for n in names} | {"portable": portably}


def speed(rounds: int, side: int) -> bool:
    print(
        f"frames to {side}x{side}, one thread, OpenCV {cv2.__version__}, {implementation()} code; "
        f"medians of {rounds * _COUNT} in microseconds\n"
    )
    functions = ways(side)
    print(
        "frame       " + "".join(f"{name:>17}" for name in functions) + "    before/area   off by"
    )
    met = compiled.find() is not None
    cv2.setNumThreads(1)
    for name, (height, width, claim) in FRAMES.items():
        pictures = frames(height, width)
        samples: dict[str, list[float]] = {way: [] for way in functions}
        for _ in range(rounds):
            for picture in pictures:
                for way, function in functions.items():
                    begin = time.perf_counter()
                    function(picture)
                    samples[way].append((time.perf_counter() - begin) * 1e6)
        medians = {way: float(np.median(found)) for way, found in samples.items()}
        ratio = float(np.median(np.divide(samples["before"], samples["area"])))
        rule, size = Preprocess(), InputSize(height=side, width=side)
        apart = [np.abs(prepare(p, size, rule) - true_average(p, side)).mean() for p in pictures]
        good = ratio >= claim and max(apart) <= LARGEST_MEAN
        met = met and good
        print(
            f"{name:<12}"
            + "".join(f"{medians[way]:>17.0f}" for way in functions)
            + f"{ratio:>15.2f}{max(apart):>9.3f}  claimed {claim:g}: {'met' if good else 'NOT met'}"
        )
    return met


def as_before(frame: np.ndarray, size: InputSize, rule: Preprocess) -> np.ndarray:
    """Letterboxed as until now: by OpenCV's own functions."""
    top, left, h, w = letterbox_box(*frame.shape[:2], size)
    out = np.full(size.shape, rule.pad_value, np.uint8)
    how = OPENCV[rule.interpolation]
    scaled = frame if frame.shape[:2] == (h, w) else cv2.resize(frame, (w, h), interpolation=how)
    out[top : top + h, left : left + w] = scaled[..., ::-1]
    return out


def moved(data: Path, model: Path | None, count: int, side: int) -> None:
    files = sorted(p for p in data.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    pictures = [read_picture(file) for file in files[:count]]
    classifier = load(model, CPU) if model else None
    size = classifier.size if classifier else InputSize(height=side, width=side)
    print(f"{len(pictures)} pictures of {data} to {size.width}x{size.height}, letterboxed")
    print("rule        values that differ    largest    mean of all    labels that change")
    for name in OPENCV:
        rule = replace(Preprocess(resize="letterbox"), interpolation=name)
        differing, values, largest, total, labels = 0, 0, 0, 0, 0
        for picture in pictures:
            old, new = as_before(picture, size, rule), prepare(picture, size, rule)
            apart = np.abs(old.astype(int) - new)
            differing, values = differing + int((apart > 0).sum()), values + apart.size
            largest, total = max(largest, int(apart.max())), total + int(apart.sum())
            if classifier:
                one, other = classifier.predict(old), classifier.predict(new)
                labels += one.label != other.label
        told = f"{labels} of {len(pictures)}" if classifier else "no model given"
        print(
            f"{name:<12}{100 * differing / values:>16.3f} %{largest:>11}{total / values:>15.5f}"
            f"{told:>22}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--pictures", type=int, default=700)
    options = parser.parse_args()
    if options.data:
        moved(options.data, options.model, options.pictures, options.side)
        return 0
    return 0 if speed(options.rounds, options.side) else 1


if __name__ == "__main__":
    sys.exit(main())
