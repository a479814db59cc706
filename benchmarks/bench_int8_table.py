"""What does int8 cost, over networks and pictures that are unlike each other?

    python benchmarks/bench_int8_table.py [RUN ...] [--folder build/int8] [--rows WORD ...]
                                          [--photographs DIR] [--latency] [--set KEY=VALUE ...]

Makes pictures (grey shirts of low contrast and ten classes of Fashion-MNIST, from Debian's
dataset-fashion-mnist; scikit-learn's digits; grey surfaces of low contrast with faults, rendered),
trains each row's network on them with `cnnedge train`, and compares float32 with int8 as TensorFlow
rounds it ("before") and as cnnedge ships it ("now"). A row is a network and a set of pictures:
NETWORK-PICTURES. RUN: finished runs to measure in place of these. --photographs: a folder by class,
one more set of pictures, `yoga`. What is made and measured stays in the folder: a second call does
only what is missing. --rows: those alone whose name has one of these words. --latency: times the
files of these rows again, and nothing else, for a quiet hour.

Bodies that nobody ships weights for here (MobileNetV2, MobileNetV3-small, ResNet-50) are trained
from scratch on the 60,000 pictures of Fashion-MNIST at 64x64; the rows then fit a linear classifier
to their frozen features.

Printed for each: the accuracy, the labels that int8 changes, the points lost with a 95 % interval
of the paired difference, the files, the latency of one thread, and the seconds from the Keras model
to the file. Training and validation pictures decide; the test pictures are only counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
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
from cnnedge.files import write_json
from cnnedge.specs import Variant
from cnnedge.training.run_folder import open_finished, read_recipe

SIDE = 224
FASHION = Path("/usr/share/datasets/fashion-mnist")
SPLITS = "data.splits={train: 0.7, val: 0, test: 0.3}"
LOGISTIC = ("yoga_edge", "training.method=logistic", SPLITS)
SVM = ("yoga_edge", "training.method=svm", SPLITS)
VALIDATED = "data.splits={train: 0.6, val: 0.1, test: 0.3}"
SMALL = ("fashion_cnn", VALIDATED, "training.epochs=12")
TUNED = (
    *("yoga_edge", VALIDATED, "input={height: 128, width: 128, channels: 3}"),
    *("training.head={epochs: 10}", "training.all={epochs: 3, learning_rate: 4e-4}"),
)
BODIES = ("mobilenet_v2", "mobilenet_v3_small", "resnet50")
BODY = (*LOGISTIC, "input={height: 96, width: 96, channels: 3}")
# Each network's recipe and settings.
NETWORKS: dict[str, tuple[str, ...]] = {
    "lite0-logistic": LOGISTIC,
    "lite0-svm": SVM,
    "lite0-tuned": TUNED,
    **{body: (*BODY, f"model={body}") for body in BODIES},
    "fashion_cnn": SMALL,
    "ds_cnn": (*SMALL, "model=ds_cnn"),
}
SETS = ("shirts", "surfaces", "fashion", "digits")
FILES = ("float32", "before", "now")


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


def trained(options: argparse.Namespace, network: str, pictures: str) -> Path:
    """The finished run of a row."""
    recipe, *sets = NETWORKS[network]
    if network in BODIES:
        sets.append(f"weights={body(options.folder, network) / 'model.keras'}")
    data = options.photographs if pictures == "yoga" else options.folder / "pictures" / pictures
    out = options.folder / "runs" / f"{network}-{pictures}"
    return run_of(recipe, data, out, (*sets, *options.set))


def body(folder: Path, network: str) -> Path:
    """Trained from scratch, once."""
    sets = [f"model={network}", "weights=none", "input={height: 64, width: 64, channels: 3}"]
    epochs = 1 if network == "resnet50" else 2
    sets += [f"training.epochs={epochs}", "training.batch_size=64"]
    return run_of("fashion_cnn", FASHION, folder / "bodies" / network, tuple(sets))


def run_of(recipe: str, data: Path, out: Path, sets: tuple[str, ...]) -> Path:
    if not (out / "metrics.json").exists():
        words = [word for value in sets for word in ("--set", value)]
        command = (sys.executable, "-m", "cnnedge", "train", recipe, "--data", data, "--out", out)
        subprocess.run([*map(str, command), "--force", *words], check=True)
    return out


def measured(run: Path, kept: Path) -> dict[str, Any]:
    """One row, whose files stay in the folder kept."""
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
    files = dict(zip(FILES, (exact, before, now), strict=True))
    kept.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        (kept / f"{name}.tflite").write_bytes(file.flatbuffer)
    return {
        "run": run.name,
        "corrected": bool(done[0] and done[0].corrected),
        "pictures": len(work.indices),
        "files": {name: row(file, exact, work.targets) for name, file in files.items()},
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


def latencies(kept: Path) -> dict[str, float]:
    """Medians of one thread, in turns."""
    from ai_edge_litert.interpreter import Interpreter

    engines = {n: Interpreter(str(kept / f"{n}.tflite"), num_threads=1) for n in FILES}
    spent: dict[str, list[float]] = {name: [] for name in FILES}
    for engine in engines.values():
        engine.allocate_tensors()
        engine.invoke()
    for _ in range(100):
        for name, engine in engines.items():
            started = time.perf_counter()
            engine.invoke()
            spent[name].append(1000 * (time.perf_counter() - started))
    return {name: float(np.median(times)) for name, times in spent.items()}


def rows(options: argparse.Namespace) -> Iterator[str]:
    sets = (*SETS, "yoga") if options.photographs else SETS
    for name in (f"{network}-{pictures}" for network in NETWORKS for pictures in sets):
        if not options.rows or any(word in name for word in options.rows):
            yield name


def runs(options: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    if options.runs:
        yield from ((run.name, run) for run in options.runs)
        return
    make_pictures(options.folder / "pictures")
    for name in rows(options):
        yield name, trained(options, *name.rsplit("-", 1))


def row_of(options: argparse.Namespace, name: str, run: Path) -> dict[str, Any]:
    """What is measured of a row; what is there is read."""
    kept = options.folder / "measured" / name
    if not (kept / "labels.json").exists():
        write_json(kept / "labels.json", measured(run, kept))
    if options.latency or not (kept / "latency.json").exists():
        write_json(kept / "latency.json", latencies(kept))
    labels, latency = (json.loads((kept / f"{n}.json").read_text()) for n in ("labels", "latency"))
    return {**labels, "latency_ms": latency}


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
    sizes = (files[which]["size_bytes"] / 1e6 for which in ("before", "now"))
    cells.append(" / ".join(f"{size:.3f}" for size in sizes))
    cells.append(f"{latency['float32']:.2f} / {latency['before']:.2f} / {latency['now']:.2f}")
    return [*cells, f"{files['before']['seconds']:.0f} / {files['now']['seconds']:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN")
    parser.add_argument("--folder", type=Path, default=Path("build/int8"))
    parser.add_argument("--rows", nargs="*", default=[])
    parser.add_argument("--photographs", type=Path, metavar="DIR")
    parser.add_argument("--latency", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    columns = ("row", "float32", "int8 before", "int8 now", "biases", "MB: before / now")
    table = Table(*columns, "ms: float32 / before / now", "seconds: before / now")
    for name, run in runs(options):
        cells = told(name, row_of(options, name, run))
        table.add_row(*cells)
        print(*cells, sep=" | ", flush=True)
    Console(width=180).print(table)


if __name__ == "__main__":
    main()
