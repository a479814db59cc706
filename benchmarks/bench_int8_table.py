"""What does int8 cost, over networks and pictures that are unlike each other?

    python benchmarks/bench_int8_table.py [RUN ...] [--folder build/int8] [--rows WORD ...]
                                          [--set KEY=VALUE ...]

Makes pictures (grey shirts of low contrast and ten classes of Fashion-MNIST, from Debian's
dataset-fashion-mnist; scikit-learn's digits; grey surfaces of low contrast with faults, rendered),
trains each row's network on them with `cnnedge train`, and compares float32 with int8 as TensorFlow
rounds it ("before") and as cnnedge ships it ("now"). RUN: finished runs to measure in place of
these. What is made and measured stays in the folder: a second call does only what is missing.
--rows: those alone whose name has one of these words.

Printed for each: the accuracy, the labels that int8 changes, the points lost with a 95 % interval
of the paired difference, the file, the latency of one thread, and the seconds from the Keras model
to the int8 file. Training and validation pictures decide; the test pictures are only counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from cnnedge import converter
from cnnedge.conversion.post_training import integers
from cnnedge.conversion.trial import answers
from cnnedge.conversion.work import Work, prepare
from cnnedge.data.idx import read_idx
from cnnedge.specs import Variant
from cnnedge.training.run_folder import open_finished, read_recipe

SIDE = 224
FASHION = Path("/usr/share/datasets/fashion-mnist")
SPLITS = "data.splits={train: 0.7, val: 0, test: 0.3}"
LOGISTIC = ("yoga_edge", "training.method=logistic", SPLITS)
SVM = ("yoga_edge", "training.method=svm", SPLITS)
SMALL = ("fashion_cnn", "data.splits={train: 0.6, val: 0.1, test: 0.3}", "training.epochs=12")
# Each row's name, pictures, recipe and settings.
ROWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "lite0-logistic-shirts": ("shirts", LOGISTIC),
    "lite0-logistic-surfaces": ("surfaces", LOGISTIC),
    "lite0-logistic-fashion": ("fashion", LOGISTIC),
    "lite0-logistic-digits": ("digits", LOGISTIC),
    "lite0-svm-shirts": ("shirts", SVM),
    "lite0-svm-surfaces": ("surfaces", SVM),
    "fashion_cnn-shirts": ("shirts", SMALL),
    "fashion_cnn-fashion": ("fashion", SMALL),
    "ds_cnn-fashion": ("fashion", (*SMALL, "model=ds_cnn")),
}


class Silent:
    """A reporter that says nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *words, **more: None


@dataclass(frozen=True, kw_only=True)
class File:
    """One flatbuffer on the test pictures. labels: int64 [n]."""

    flatbuffer: bytes
    labels: Any
    seconds: float


def make_pictures(folder: Path) -> None:
    """All sets, by one generator, so that each call makes the same."""
    if (folder / "made").exists():
        return
    rng = np.random.default_rng(1)
    images, labels = (
        read_idx(next(FASHION.glob(f"train-{kind}*"))) for kind in ("images", "labels")
    )
    for c in (0, 6):
        for i in rng.permutation(np.flatnonzero(labels == c))[:1300]:
            grey = 60 + (255 - images[i]) // 2
            save(folder / "shirts" / ("shirt" if c == 6 else "tshirt"), i, grey)
    for c in range(10):
        for i in rng.permutation(np.flatnonzero(labels == c))[:300]:
            save(folder / "fashion" / f"c{c}", i, images[i])
    make_digits(folder / "digits")
    for fault in ("fine", "scratch", "pit", "patch"):
        for i in range(600):
            values = with_fault(surface(rng), fault, rng)
            noisy = values + rng.normal(0, 1, values.shape)
            save(folder / "surfaces" / fault, i, np.clip(noisy, 0, 255))
    (folder / "made").touch()


def make_digits(folder: Path) -> None:
    from sklearn.datasets import load_digits

    found = load_digits()
    for i, (image, digit) in enumerate(zip(found.images, found.target, strict=True)):
        save(folder / f"d{digit}", i, np.clip(image * 16, 0, 255))


def save(folder: Path, number: int, values: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(folder / f"{number:05d}.png")


def noise(rng: Any) -> Any:
    return rng.normal(size=(SIDE, SIDE))


def surface(rng: Any) -> Any:
    """Brushed grey metal under uneven light, float64 [224, 224]."""
    from scipy.ndimage import gaussian_filter

    grain = gaussian_filter(noise(rng), (rng.uniform(0.7, 2), rng.uniform(3, 9)))
    grain /= grain.std()
    light = gaussian_filter(noise(rng), rng.uniform(20, 50))
    light /= light.std()
    return rng.uniform(90, 160) + rng.uniform(2, 5) * grain + rng.uniform(3, 8) * light


def with_fault(values: Any, fault: str, rng: Any) -> Any:
    """The same with one or two faint faults of a kind."""
    from scipy.ndimage import gaussian_filter

    y, x = np.mgrid[:SIDE, :SIDE]
    for _ in range(rng.integers(1, 3)):
        if fault == "scratch":
            turn = rng.uniform(0, np.pi)
            left, top = rng.uniform(30, 194, 2)
            length, width = rng.uniform(20, 70), rng.uniform(0.8, 1.6)
            along = (x - left) * np.cos(turn) + (y - top) * np.sin(turn)
            across = (y - top) * np.cos(turn) - (x - left) * np.sin(turn)
            line = np.exp(-((across / width) ** 2)) * (np.abs(along) < length / 2)
            values = values - rng.uniform(5, 12) * line
        elif fault == "pit":
            left, top = rng.uniform(30, 194, 2)
            size = rng.uniform(2, 5)
            hole = np.exp(-(((x - left) ** 2 + (y - top) ** 2) / size**2))
            values = values - rng.uniform(5, 12) * hole
        elif fault == "patch":
            left, top = rng.uniform(40, 184, 2)
            wide, high = rng.uniform(10, 25, 2)
            depth = rng.uniform(2, 6)
            inside = ((x - left) / wide) ** 2 + ((y - top) / high) ** 2 < 1
            values = values + depth * gaussian_filter(noise(rng), 1.5) * 4 * inside
    return values


def trained(folder: Path, name: str, settings: tuple[str, ...]) -> Path:
    """The finished run of a row."""
    pictures, (recipe, *sets) = ROWS[name]
    run = folder / "runs" / name
    if (run / "metrics.json").exists():
        return run
    words = [word for value in (*sets, *settings) for word in ("--set", value)]
    data = folder / "pictures" / pictures
    command = (sys.executable, "-m", "cnnedge", "train", recipe, "--data", data, "--out", run)
    subprocess.run([*map(str, command), "--force", *words], check=True)
    return run


def measured(run: Path) -> dict[str, Any]:
    """One row."""
    reporter: Any = Silent()
    work = prepare(open_finished(run), read_recipe(open_finished(run), ()), reporter)
    if work.targets is None:
        sys.exit(f"{run}: its pictures are of none of its classes")
    model = work.workshop.model()
    calibration = work.workshop.sample_pixels()
    exact = made(work, lambda: converter.convert(model, "float32", calibration))
    converter._last_float32.clear()
    before = made(work, lambda: converter.convert(model, "int8", calibration))
    converter._last_float32.clear()
    done = []

    def convert() -> bytes:
        flatbuffer, told = integers(work, model, Variant(format="int8"), calibration)
        done.append(told)
        return flatbuffer

    now = made(work, convert)
    files = {"float32": exact, "before": before, "now": now}
    return {
        "run": run.name,
        "corrected": bool(done[0] and done[0].corrected),
        "pictures": len(work.indices),
        "files": {name: row(file, exact, work.targets) for name, file in files.items()},
        "latency_ms": latencies(files),
    }


def made(work: Work, convert: Any) -> File:
    started = time.perf_counter()
    flatbuffer = convert()
    seconds = time.perf_counter() - started
    labels = answers(work, flatbuffer, work.indices).argmax(axis=1)
    return File(flatbuffer=flatbuffer, labels=labels, seconds=seconds)


def row(file: File, exact: File, targets: Any) -> dict[str, Any]:
    """drop: points lost, with half the width of its 95 % interval."""
    right, before = file.labels == targets, exact.labels == targets
    lost, won = np.mean(before & ~right), np.mean(right & ~before)
    spread = 1.96 * np.sqrt(max(0.0, lost + won - (lost - won) ** 2) / len(right))
    return {
        "accuracy": float(right.mean()),
        "changed": int(np.sum(file.labels != exact.labels)),
        "drop_points": 100 * float(lost - won),
        "drop_half_width": 100 * float(spread),
        "size_bytes": len(file.flatbuffer),
        "seconds": file.seconds,
    }


def latencies(files: dict[str, File]) -> dict[str, float]:
    """Medians of one thread, in turns."""
    from ai_edge_litert.interpreter import Interpreter

    engines = {n: Interpreter(model_content=f.flatbuffer, num_threads=1) for n, f in files.items()}
    spent: dict[str, list[float]] = {name: [] for name in files}
    for engine in engines.values():
        engine.allocate_tensors()
        engine.invoke()
    for _ in range(60):
        for name, engine in engines.items():
            started = time.perf_counter()
            engine.invoke()
            spent[name].append(1000 * (time.perf_counter() - started))
    return {name: float(np.median(times)) for name, times in spent.items()}


def runs(options: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    if options.runs:
        yield from ((run.name, run) for run in options.runs)
        return
    make_pictures(options.folder / "pictures")
    for name in ROWS:
        if not options.rows or any(word in name for word in options.rows):
            yield name, trained(options.folder, name, tuple(options.set))


def told(name: str, found: dict[str, Any]) -> list[str]:
    files, latency = found["files"], found["latency_ms"]
    cells = [name, f"{files['float32']['accuracy']:.2%} of {found['pictures']}"]
    for which in ("before", "now"):
        file = files[which]
        cells.append(
            f"{file['accuracy']:.2%}, {file['changed']} changed, "
            f"{file['drop_points']:+.2f} ± {file['drop_half_width']:.2f}"
        )
    cells.append("corrected" if found["corrected"] else "as trained")
    cells.append(f"{files['now']['size_bytes'] / 1e6:.3f} MB")
    cells.append(f"{latency['float32']:.2f} / {latency['before']:.2f} / {latency['now']:.2f}")
    return [*cells, f"{files['before']['seconds']:.0f} / {files['now']['seconds']:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN")
    parser.add_argument("--folder", type=Path, default=Path("build/int8"))
    parser.add_argument("--rows", nargs="*", default=[])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    columns = ("row", "float32", "int8 before", "int8 now", "biases", "int8 file")
    table = Table(*columns, "ms: float32 / before / now", "seconds: before / now")
    (options.folder / "measured").mkdir(parents=True, exist_ok=True)
    for name, run in runs(options):
        kept = options.folder / "measured" / f"{name}.json"
        if not kept.exists():
            with tempfile.NamedTemporaryFile("w", dir=kept.parent, delete=False) as file:
                json.dump(measured(run), file)
            Path(file.name).replace(kept)
        table.add_row(*told(name, json.loads(kept.read_text())))
        print(*told(name, json.loads(kept.read_text())), sep=" | ", flush=True)
    Console(width=180).print(table)


if __name__ == "__main__":
    main()
