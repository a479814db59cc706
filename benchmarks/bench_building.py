"""Until a network is there and trains: as Keras does it, and as cnnedge does.

    python benchmarks/bench_building.py [--model NAME ...] [--rounds 5]

For each network, in turns: processor time to build it of random weights, where Keras runs each
layer once, and to read its .keras file; the size of that file with the optimizer of a training in
it, and without; and processor time until its first training step is done, by tf_keras' AdamW and
by one operator for each variable. The networks are those that ship. Exit code 1: one is not built
faster than Keras builds it, or does not begin to train sooner.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tf_keras
from rich.console import Console
from rich.table import Table

from cnnedge.architectures import build_model, untraced
from cnnedge.architectures.keras_file import read_keras
from cnnedge.specs import InputSize, parse_model, shipped
from cnnedge.training import fused
from cnnedge.training.backend import save_keras, unconverted

MODELS = ("mobilenet_v2", "mobilenet_v3_small", "efficientnet_v2_b0", "resnet50")


def processor_seconds(function: Callable[[], Any]) -> float:
    started = time.process_time()
    function()
    return time.process_time() - started


def by_keras(function: Callable[..., Any], *arguments: Any) -> Any:
    """The same with each layer run."""
    with mock.patch.object(untraced, "_is_ordinary", return_value=False):
        return function(*arguments)


def in_turns(rounds: int, theirs: Callable[[], Any], ours: Callable[[], Any]) -> list[float]:
    """Medians of the processor time of both, each having been done once before."""
    spent = [(processor_seconds(theirs), processor_seconds(ours)) for _ in range(rounds + 1)]
    return [statistics.median(side) for side in zip(*spent[1:], strict=True)]


def files(model: Any, folder: Path) -> tuple[Path, Path]:
    """As Keras saves a trained model, and as cnnedge does."""
    model.compile("adam", "categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    theirs, ours = folder / "theirs.keras", folder / "ours.keras"
    model.save(theirs)
    save_keras(model, ours)
    return theirs, ours


def first_step(model: Any, optimizer: Callable[[], Any]) -> None:
    """Traced and done, on one picture."""
    model.compile(optimizer(), "categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    model.train_step = unconverted(model.train_step)
    picture, target = np.zeros((1, *model.input_shape[1:]), "f"), np.eye(5, dtype="f")[:1]
    model.train_on_batch(picture, target)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", default=MODELS)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    size = InputSize(height=224, width=224)
    measured = ("build s", "read s", "file MB", "first step s")
    table = Table("network", *(head for each in measured for head in (each, "ratio")))
    rates: dict[str, Any] = {"learning_rate": 1e-3, "weight_decay": 0.02}
    optimizers = (partial(tf_keras.optimizers.AdamW, **rates), partial(fused.adamw, **rates))
    slower = False
    for name in options.model:
        build = partial(build_model, parse_model(*shipped.read("models", name)), size, 5)
        built = in_turns(options.rounds, partial(by_keras, build), build)
        with tempfile.TemporaryDirectory() as folder:
            theirs, ours = files(build(), Path(folder))
            sizes = [file.stat().st_size / 1e6 for file in (theirs, ours)]
            reading = partial(by_keras, read_keras, theirs), partial(read_keras, ours)
            read = in_turns(options.rounds, *reading)
        stepped = in_turns(options.rounds, *(partial(first_step, build(), o) for o in optimizers))
        slower = slower or built[1] >= built[0] or stepped[1] >= stepped[0]
        cells = [
            cell
            for (before, after), digits in ((built, 2), (read, 2), (sizes, 1), (stepped, 2))
            for cell in (f"{before:.{digits}f} / {after:.{digits}f}", f"{after / before:.2f}")
        ]
        table.add_row(name, *cells)
    Console(width=100).print(table)
    print(f"Keras / cnnedge; processor time, medians of {options.rounds} in turns")
    sys.exit(slower)


if __name__ == "__main__":
    main()
