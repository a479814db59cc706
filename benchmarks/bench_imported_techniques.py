"""Channels, pruning and QAT on a model of Keras 3 that was imported, beside a control.

    python benchmarks/bench_imported_techniques.py [FOLDER] [--epochs N] [--ways]

One small network is trained twice on the embedded part of Fashion-MNIST, with the same pictures,
optimizer, batches and epochs: by Keras 3, then saved and imported, and by `cnnedge train`, the
control. Both runs are converted with the same variants. Prints a table: accuracy on the 2,000 test
pictures with its 95 % interval, for each, and what a variant loses against its run's float32 file.
--ways converts the import alone, in each way that techniques could train it: with BatchNorm frozen
and trained, at the rate of a transfer and of a recipe.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import yaml

from cnnedge import figures
from cnnedge.data import Pixels, load_dataset
from cnnedge.specs import AllStage, InputSize, Preprocess, Training

DATA = "embedded:fashion_mnist"
SIZE = InputSize(height=28, width=28, channels=1)
FILTERS, STRIDES = (16, 32, 48), (1, 2, 2)
# The defaults of a recipe, by which techniques train an imported run with as many pictures.
TRAINING = Training()
BATCH, RATE = TRAINING.batch_size, TRAINING.optimizer.learning_rate
VARIANTS = ("float32", "int8", "channels50", "prune50", "qat")
TRAINED = ("prune50", "channels50", "qat")
# Of the techniques, in both runs.
EPOCHS = {"channels": 4, "prune": 3, "qat": 1}
RECIPE = """
description: the control of an imported network
data: {{source: "{data}", labels: [{labels}]}}
model: {model}
training: {{epochs: {epochs}, keep: last}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="work here, and keep it")
    parser.add_argument("--epochs", type=int, default=12, help="of both trainings")
    parser.add_argument("--ways", action="store_true", help="compare ways to train the import")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if options.ways:
            compare_ways(imported(folder, options.epochs))
            return
        runs = [imported(folder, options.epochs), control(folder, options.epochs)]
        theirs, ours = (converted(run) for run in runs)
    print("| variant | imported from Keras 3 | lost, points | control | lost, points |")
    print("|---|---|---|---|---|")
    for name in VARIANTS:
        cells = " | ".join(cell(entries[name]) for entries in (theirs, ours))
        print(f"| `{name}` | {cells} |")


def compare_ways(run: Path) -> None:
    """One row for each."""
    print("| BatchNorm, rate | " + " | ".join(f"`{name}`" for name in TRAINED) + " |")
    print("|---|" + "---|" * len(TRAINED))
    for norms, many in (("frozen", 10**9), ("trained", 0)):
        for rate in (AllStage().learning_rate, RATE):
            copy = run.with_name(f"{norms}_{rate:g}")
            shutil.copytree(run, copy, dirs_exist_ok=True)
            recipe = yaml.safe_load((copy / "recipe.yaml").read_text())
            recipe["training"]["all"] = {"learning_rate": rate}
            recipe["training"]["optimizer"]["learning_rate"] = rate
            (copy / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
            start = f"from cnnedge.compression import workshop; workshop._MANY = {many}; "
            start += "from cnnedge.cli import group; group()"
            found = converted(copy, TRAINED, "-c", start)
            cells = (figures.percent(found[name]["accuracy"], 1) for name in TRAINED)
            print(f"| {norms}, {rate:g} | {' | '.join(cells)} |", flush=True)


def imported(folder: Path, epochs: int) -> Path:
    """The run of a model that Keras 3 trained."""
    source, run = folder / "theirs.keras", folder / "imported"
    if not source.exists():
        train(source, epochs)
    if not (run / "import.json").exists():
        cnnedge("import", source, "--out", run, "--data", DATA, "--force")
    return run


def train(path: Path, epochs: int) -> None:
    import keras  # type: ignore[import-untyped, unused-ignore]

    keras.utils.set_random_seed(0)
    dataset = load_dataset(DATA)
    indices = dataset.indices("train")
    pixels = Pixels(dataset, SIZE, Preprocess()).batch(indices)
    layers = keras.layers
    body = [keras.Input(SIZE.shape), layers.Rescaling(1 / 255)]
    for filters, strides in zip(FILTERS, STRIDES, strict=True):
        body += [
            layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
        ]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax")]
    model = keras.Sequential([*body, *head])
    steps = epochs * -(-len(indices) // BATCH)
    falling = keras.optimizers.schedules.CosineDecay(RATE, steps)
    model.compile(keras.optimizers.Adam(falling), "sparse_categorical_crossentropy")
    model.fit(pixels, dataset.targets[indices], batch_size=BATCH, epochs=epochs, verbose=0)
    model.save(path)


def control(folder: Path, epochs: int) -> Path:
    """The run of the same network, trained here."""
    run = folder / "control"
    if (run / "metrics.json").exists():
        return run
    lines = ["input: {height: 28, width: 28, channels: 1}", "layers:"]
    lines += ["  - Rescaling: {scale: 1/255}"]
    for filters, strides in zip(FILTERS, STRIDES, strict=True):
        sizes = f"filters: {filters}, kernel_size: 3, strides: {strides}"
        lines += [f"  - Conv2D: {{{sizes}, padding: same, use_bias: false}}"]
        lines += ["  - BatchNormalization: {momentum: 0.9}", "  - ReLU"]
    lines += ["  - GlobalAveragePooling2D", "  - Dense: {units: classes, activation: softmax}"]
    model = folder.resolve() / "control_model.yaml"
    model.write_text("\n".join(lines) + "\n")
    labels = ", ".join(load_dataset(DATA).classes)
    told = RECIPE.format(data=DATA, labels=labels, model=model, epochs=epochs)
    (folder / "control.yaml").write_text(told)
    cnnedge("train", folder / "control.yaml", "--out", run, "--force")
    return run


def converted(run: Path, variants: tuple[str, ...] = VARIANTS, *start: str) -> dict[str, Any]:
    """What report.json says of each variant. start: Python's words to start cnnedge by."""
    asked = [word for name in variants for word in ("--variant", name)]
    for name, epochs in EPOCHS.items():
        asked += ["--set", f"compress.{name}.epochs={epochs}"]
    if start:
        asked += ["--set", "compress.control=false"]
    cnnedge("convert", run, *asked, start=start)
    report = json.loads((run / "export" / "report.json").read_text())
    return {entry["name"]: entry for entry in report["variants"]}


def cell(entry: Any) -> str:
    between = figures.interval(tuple(entry["ci95"]))
    lost = "–" if entry["name"] == "float32" else f"{entry['drop_points']:+.2f}"
    return f"{figures.percent(entry['accuracy'], 1)} ({between}) | {lost}"


def cnnedge(*words: object, start: tuple[str, ...] = ()) -> None:
    command = [sys.executable, *(start or ("-m", "cnnedge")), *map(str, words)]
    subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
