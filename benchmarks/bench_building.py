"""Until a network is there, trains, and is a file: as Keras and TensorFlow do it, and as cnnedge.

    python benchmarks/bench_building.py [--model NAME ...] [--side 224] [--rounds 5]

For each network, in turns, processor time:

    built       of random weights, where Keras runs each layer once
    written     to a .keras file; and the size of that file, where Keras writes the optimizer too
    read        from that file
    first step  of its training, traced and done, by tf_keras' AdamW and by one operator for each
                variable
    converted   to a float32 .tflite file, where TensorFlow makes a function of the frozen graph

The networks are those that ship. Exit code 1: something is not less than by Keras.
"""

from __future__ import annotations

import argparse
import gc
import inspect
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
from tensorflow.python.eager import context
from tensorflow.python.ops import gen_resource_variable_ops
from tensorflow.python.util import tf_stack
from tf_keras.src.saving import saving_lib

from cnnedge import converter
from cnnedge.architectures import build_model, untraced
from cnnedge.architectures.keras_file import read_keras
from cnnedge.specs import InputSize, parse_model, shipped
from cnnedge.training import fused
from cnnedge.training.backend import forget_stacks, save_keras, unconverted

MODELS = ("mobilenet_v2", "mobilenet_v3_small", "efficientnet_v2_b0", "resnet50")


def processor_seconds(function: Callable[[], Any]) -> float:
    # What the other side left is not collected in the time of this one, and what TensorFlow has
    # prepared is forgotten: a command builds its network once.
    gc.collect()
    context.context().clear_kernel_cache()
    started = time.process_time()
    function()
    return time.process_time() - started


def by_keras(function: Callable[..., Any], *arguments: Any) -> Any:
    """The same with each layer run, each attribute looked at, each variable's name prepared, and
    each operation's stack noted."""
    looked_at = saving_lib.ATTR_SKIPLIST - untraced._NO_LAYERS
    named = inspect.unwrap(gen_resource_variable_ops.var_handle_op)
    noted = inspect.unwrap(tf_stack.extract_stack)
    with (
        mock.patch.object(untraced, "_is_ordinary", return_value=False),
        mock.patch.object(saving_lib, "ATTR_SKIPLIST", looked_at),
        mock.patch.object(gen_resource_variable_ops, "var_handle_op", named),
        mock.patch.object(tf_stack, "extract_stack", noted),
    ):
        return function(*arguments)


def in_turns(rounds: int, theirs: Callable[[], Any], ours: Callable[[], Any]) -> list[float]:
    """Medians of the processor time of both, each having been done once before."""
    spent = [(processor_seconds(theirs), processor_seconds(ours)) for _ in range(rounds + 1)]
    return [statistics.median(side) for side in zip(*spent[1:], strict=True)]


def trained(model: Any) -> Any:
    """With an optimizer that holds what it knows of each weight."""
    model.compile("adam", "categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    return model


def first_step(model: Any, optimizer: Callable[[], Any]) -> None:
    """Traced and done, on one picture."""
    model.compile(optimizer(), "categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    model.train_step = unconverted(model.train_step)
    picture, target = np.zeros((1, *model.input_shape[1:]), "f"), np.eye(5, dtype="f")[:1]
    model.train_on_batch(picture, target)


def measured(name: str, side: int, rounds: int) -> dict[str, list[float]]:
    """Theirs and ours, by what was measured."""
    size = InputSize(height=side, width=side)
    build = partial(build_model, parse_model(*shipped.read("models", name)), size, 5)
    found = {"built, s": in_turns(rounds, partial(by_keras, build), build)}
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = (Path(folder) / file for file in ("theirs.keras", "ours.keras"))
        model = trained(build())
        writing = partial(by_keras, model.save, theirs), partial(save_keras, model, ours)
        found["written to a file, s"] = in_turns(rounds, *writing)
        reading = partial(by_keras, read_keras, theirs), partial(read_keras, ours)
        found["read from its file, s"] = in_turns(rounds, *reading)
        found["its file, MB"] = [file.stat().st_size / 1e6 for file in (theirs, ours)]
    rates: dict[str, Any] = {"learning_rate": 1e-3, "weight_decay": 0.02}
    optimizers = (partial(tf_keras.optimizers.AdamW, **rates), partial(fused.adamw, **rates))
    by_many, by_one = (partial(first_step, build(), optimizer) for optimizer in optimizers)
    found["first training step, s"] = in_turns(rounds, partial(by_keras, by_many), by_one)
    conversions = partial(by_keras, converted, build(), True), partial(converted, build(), False)
    found["converted to float32, s"] = in_turns(rounds, *conversions)
    return found


def converted(model: Any, alone: bool) -> None:
    """alone: all of the way by TensorFlow's converter."""

    def made(function: Any) -> Any:
        found = ordinary(function)
        if alone:
            del found._freeze_concrete_function
        return found

    ordinary = converter._converter
    converter._last_float32.clear()
    with mock.patch.object(converter, "_converter", made):
        converter.convert(model, "float32", np.zeros((1, *model.input_shape[1:]), np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", default=MODELS)
    parser.add_argument("--side", type=int, default=224, help="of its pictures, in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    forget_stacks()
    table = Table("network", "what", "Keras", "cnnedge", "ratio")
    slower = False
    for name in options.model:
        for what, (theirs, ours) in measured(name, options.side, options.rounds).items():
            row = (f"{theirs:.2f}", f"{ours:.2f}", f"{ours / theirs:.2f}")
            table.add_row(name, what, *row)
            slower = slower or ours >= theirs
    Console(width=100).print(table)
    print(f"processor time, medians of {options.rounds} in turns")
    sys.exit(slower)


if __name__ == "__main__":
    main()
