"""Does a data set of 100,000 pictures scan and stream in bounded memory?

    python benchmarks/bench_stream.py [--count 100000] [--classes 10]

Makes JPEG pictures of 320 px in a temporary folder (about 9 kB each), loads them, streams one
epoch through Pixels at 320x320 without a cache, and prints counts, pictures per second and the
peak resident memory. Exits 1 above 2 GiB. Linux and macOS.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress

from cnnedge.data import Pixels, load_dataset
from cnnedge.specs import InputSize, Preprocess

SIDE = 320
LIMIT_BYTES = 2 * 2**30
BATCH = 64


def picture(number: int, label: int) -> np.ndarray:
    """uint8 [320, 320, 3] BGR: a soft gradient of the class's hue, with the number drawn on it."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (6, 6, 3), np.uint8)
    coarse[..., label % 3] //= 2
    frame = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    cv2.putText(frame, str(number), (20, 180), cv2.FONT_HERSHEY_SIMPLEX, 2, (255,) * 3, 4)
    return frame


def make(root: Path, count: int, classes: int, advance: Callable[[int], None]) -> None:
    for label in range(classes):
        (root / f"class {label}").mkdir()

    def write(number: int) -> None:
        label = number % classes
        path = root / f"class {label}" / f"{number:06}.jpg"
        cv2.imwrite(str(path), picture(number, label), [cv2.IMWRITE_JPEG_QUALITY, 80])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, count, 1000):
            chunk = range(start, min(start + 1000, count))
            list(pool.map(write, chunk))
            advance(len(chunk))


def peak_bytes() -> int:
    """Peak resident memory of this process; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=10)
    arguments = parser.parse_args()
    count = arguments.count
    with tempfile.TemporaryDirectory() as folder, Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("making", total=count)
        make(Path(folder), count, arguments.classes, lambda n: bar.advance(task, n))

        task = bar.add_task("scanning", total=count)
        start = time.perf_counter()
        dataset = load_dataset(
            folder, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
        scan_s = time.perf_counter() - start
        after_scan = peak_bytes()

        task = bar.add_task("streaming", total=len(dataset))
        size = InputSize(height=SIDE, width=SIDE)
        pixels = Pixels(dataset, size, Preprocess(), cache_bytes=0)
        order = np.random.default_rng(0).permutation(len(dataset))
        start = time.perf_counter()
        for first in range(0, len(order), BATCH):
            batch = pixels.batch(order[first : first + BATCH])
            bar.advance(task, len(batch))
        stream_s = time.perf_counter() - start
    peak = peak_bytes()
    parts = {part: sum(by_class.values()) for part, by_class in dataset.counts().items()}
    print(f"pictures  {len(dataset):,} of {SIDE} px in {len(dataset.classes)} classes, {parts}")
    print(f"scan      {len(dataset) / scan_s:,.0f} pictures/s, {scan_s:.1f} s in all")
    print(f"stream    {len(dataset) / stream_s:,.0f} pictures/s, {stream_s:.1f} s in all")
    print(f"peak RSS  {peak / 2**20:,.0f} MiB ({after_scan / 2**20:,.0f} MiB after the scan)")
    held = peak < LIMIT_BYTES
    print(f"claim     under {LIMIT_BYTES / 2**20:,.0f} MiB: {'held' if held else 'BROKEN'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
