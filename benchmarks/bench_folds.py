"""Cross-validated accuracy of a transfer recipe, and what each stage of it adds.

Splits a folder of pictures (one folder per class) into stratified folds. On each fold the recipe
is trained four ways: logistic regression on frozen features, a linear SVM, the head stage alone,
and all its stages; the last is converted, and every accuracy is of pictures that no training saw.
Prints the mean over the folds, and all pictures pooled with their 95 % interval.

    python benchmarks/bench_folds.py --data DIR [--recipe yoga_edge] [--folds 5] [--folder FOLDS]

With --folder it keeps the runs and what is known of each fold, and goes on there when it is started
again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from cnnedge.data import Dataset, load_dataset
from cnnedge.results import accuracy

# No validation part: the recipe keeps its last weights, so there is nothing to choose.
SPLITS = "data.splits={train: 0.9, val: 0, test: 0.1}"
WAYS = {
    "logistic": ["training.method=logistic"],
    "svm": ["training.method=svm"],
    "head": ["training.all=null"],
    "all": [],
}
VARIANTS = ("float32", "int8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", default="yoga_edge")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--ways", default=",".join(WAYS), help="default: %(default)s")
    parser.add_argument("--only", type=int, help="run this many of the folds")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--folder", type=Path, help="keep the runs here")
    parser.add_argument("--json", type=Path, help="write all figures here")
    arguments = parser.parse_args()
    dataset = load_dataset(str(arguments.data), splits=None)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        results = []
        for number, test in enumerate(stratified(dataset.targets, arguments.folds)):
            if number < (arguments.only or arguments.folds):
                results.append(one_fold(dataset, test, folder / f"fold{number}", arguments))
                print(f"fold {number + 1}: {json.dumps(results[-1])}", flush=True)
    report(arguments.recipe, results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def stratified(targets: np.ndarray, folds: int) -> list[np.ndarray]:
    """The test pictures of each fold: every class cut into equal parts, in a fixed order."""
    from sklearn.model_selection import StratifiedKFold

    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    return [test for _, test in split.split(targets, targets)]


def one_fold(
    dataset: Dataset, test: np.ndarray, folder: Path, arguments: argparse.Namespace
) -> dict:
    """Trains and converts on one fold; right answers of each way, and how long it took."""
    data = folder / "pictures"
    judged = set(test.tolist())
    for index in range(len(dataset)):
        picture = Path(dataset.name(index)).absolute()
        part = "test" if index in judged else "train"
        link = data / part / dataset.classes[dataset.targets[index]] / picture.name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            os.symlink(picture, link)
    known = folder / "fold.json"
    fold: dict = json.loads(known.read_text()) if known.exists() else {"count": len(test)}
    ways = arguments.ways.split(",")
    for way in ways:
        if way not in fold:
            fold |= trained(way, data, folder / way, arguments)
            known.write_text(json.dumps(fold, indent=2) + "\n")
    if "all" in ways and "int8" not in fold:
        fold |= converted(folder / "all")
        known.write_text(json.dumps(fold, indent=2) + "\n")
    return fold


def trained(way: str, data: Path, out: Path, arguments: argparse.Namespace) -> dict:
    """Right answers of one way, and its seconds; those of a training that goes on are its last."""
    started = time.perf_counter()
    sets = [word for o in (SPLITS, *WAYS[way], *arguments.set) for word in ("--set", o)]
    begun = "--resume" if (out / "checkpoints").exists() else "--force"
    cnnedge("train", arguments.recipe, "--data", data, "--out", out, begun, *sets)
    metrics = json.loads((out / "metrics.json").read_text())
    right = round(metrics["test"]["accuracy"] * metrics["test"]["count"])
    return {way: right, f"{way}_seconds": round(time.perf_counter() - started, 1)}


def converted(run: Path) -> dict:
    """Right answers and bytes of each variant."""
    started = time.perf_counter()
    cnnedge("convert", run, *(w for v in VARIANTS for w in ("--variant", v)))
    fold: dict = {"convert_seconds": round(time.perf_counter() - started, 1)}
    exported = json.loads((run / "export/report.json").read_text())
    for variant in exported["variants"]:
        fold[variant["name"]] = round(variant["accuracy"] * variant["count"])
        fold[f"{variant['name']}_bytes"] = variant["size_bytes"]
    return fold


def cnnedge(*arguments: object) -> None:
    subprocess.run(
        [sys.executable, "-m", "cnnedge", *map(str, arguments)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def report(recipe: str, results: list[dict]) -> None:
    count = sum(fold["count"] for fold in results)
    print(f"\n{recipe}: {len(results)} folds, {count} pictures judged")
    print(f"{'':28}  mean of folds   pooled, with 95 % interval   worst fold   seconds a fold")
    for way, what in {
        "logistic": "logistic regression",
        "svm": "linear SVM",
        "head": "head stage",
        "all": "head, then all layers",
        "float32": "  as float32 .tflite",
        "int8": "  as int8 .tflite",
    }.items():
        if way not in results[0]:
            continue
        fractions = [fold[way] / fold["count"] for fold in results]
        pooled = accuracy(np.arange(count) < sum(fold[way] for fold in results))
        low, high = pooled.ci95
        seconds = [fold[f"{way}_seconds"] for fold in results if f"{way}_seconds" in fold]
        print(
            f"{what:28}  {100 * np.mean(fractions):10.2f} %   {100 * pooled.accuracy:8.2f} % "
            f"({100 * low:.1f}-{100 * high:.1f})   {100 * min(fractions):13.2f} %"
            + (f"   {np.median(seconds):10.0f}" if seconds else "")
        )
    if "int8" not in results[0]:
        return
    sizes = [fold["int8_bytes"] for fold in results]
    drops = [100 * (fold["float32"] - fold["int8"]) / fold["count"] for fold in results]
    print(f"int8: {max(sizes) / 1e6:.2f} MB; drop {np.mean(drops):+.2f} points (mean of folds)")
    whole = [f["all_seconds"] + f["convert_seconds"] for f in results]
    print(f"train with all stages, and convert: {max(whole) / 60:.1f} min at most")


if __name__ == "__main__":
    main()
