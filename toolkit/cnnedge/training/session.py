"""One training run, from recipe to run folder.

A resolved recipe and a folder enter; the trained run leaves, metrics.json last. The test split is
read once, at the very end.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .._version import __version__
from ..data import Dataset, Samples, load_dataset, samples_of
from ..data.names import normalised
from ..errors import RunFolderError
from ..files import explained, whole, write_json, write_text
from ..specs import Recipe, SignalData, SignalSize, parse_model, plain, shipped
from ..specs.backbones import LoadedWeights
from . import backend, fitting, learnt_scale, methods, mirroring, transfer
from .augmentation import augment
from .judging import few_pictures, judge
from .metrics import DataUsed, Details, Identity, Metrics
from .plots import save_augmentation_grid, save_confusion, save_curves
from .run_data import RunData
from .run_folder import (
    RunFolder,
    as_begun,
    check_new,
    make_new,
    open_existing,
    read_identity,
    read_metrics,
)
from .run_lock import occupied
from .signals_plot import save_signals
from .strategy import Workers, losses_explained, open_workers, own_folder
from .strengths_plot import save_strengths

# Of augmentation.png: pictures, and versions of each.
_ROWS, _VIEWS = 6, 7


class SessionReporter(transfer.Reporter, Protocol):
    """Who is told how a whole session goes."""

    def scanning(self, done: int, total: int) -> None: ...

    def dataset(self, dataset: Dataset) -> None: ...

    def downloading(self, done: int, total: int) -> None: ...


def train(
    recipe: Recipe,
    out: Path,
    reporter: SessionReporter,
    *,
    resume: bool = False,
    force: bool = False,
    workers: Workers | None = None,
) -> Metrics:
    """Trains a recipe into the folder `out` and returns its metrics.

    workers: what `open_workers` gave; one device when left out. Raises CnnedgeError for what the
    user can mend; KeyboardInterrupt when stopped by hand.
    """
    workers = workers or open_workers("auto")
    with (
        own_folder(workers, out, resume=resume) as folder,
        losses_explained(workers),
        contextlib.ExitStack() as held,
    ):
        if RunFolder(folder).recipe.exists():
            held.enter_context(occupied(folder))
        if workers.writes and not resume:
            check_new(out, force=force)
        return _train(recipe, folder, reporter, workers, held, resume=resume)


def _train(
    recipe: Recipe,
    out: Path,
    reporter: SessionReporter,
    workers: Workers,
    held: contextlib.ExitStack,
    *,
    resume: bool,
) -> Metrics:
    """held: keeps the run folder for this process."""
    definition, place = shipped.read("models", recipe.model)
    model_spec = parse_model(definition, place)
    size = recipe.input or model_spec.input
    if isinstance(size, SignalSize) and recipe.data.signals is None:
        recipe = replace(recipe, data=replace(recipe.data, signals=SignalData()))
    recipe = as_begun(RunFolder(out), recipe) if resume else recipe
    run = open_existing(out, recipe) if resume else None
    if run and run.complete:
        reporter.note(f"{out}: this run is complete; nothing to resume")
        return read_metrics(run)
    # The data is read before a folder is made: a wrong path leaves nothing behind.
    dataset = load_recipe_data(recipe, reporter.scanning)
    if recipe.training.method != "pretrained":
        dataset = replace(dataset, warnings=(*dataset.warnings, *few_pictures(dataset)))
    reporter.dataset(dataset)
    told = recipe.data.labels
    if told and sorted(map(normalised, told)) != sorted(dataset.classes):
        reporter.note(f"data.labels is not used: {dataset.source} names its own classes")
    if text := mirroring.said(dataset.classes, recipe.augmentation.flip):
        reporter.note(text)
    labels = methods.labels(recipe, dataset)
    pixels = samples_of(dataset, size, recipe.preprocess)
    model_spec = learnt_scale.learnt(model_spec, pixels)
    backend.make_repeatable(recipe.training.seed)
    with workers.strategy.scope():
        model, weights = methods.build(
            model_spec, size, len(labels), recipe, place, reporter.downloading
        )
    if weights is None and recipe.training.method != "scratch":
        reporter.note("weights: none: the backbone begins with random weights, which know nothing")
    if run is None:
        if not RunFolder(out).recipe.exists():
            with explained(out):
                out.mkdir(parents=True, exist_ok=True)
            held.enter_context(occupied(out))
        run = make_new(out, recipe)
        write_text(run.model_definition, definition)
        write_text(run.labels, "\n".join(labels) + "\n")
        write_json(run.data, plain(Identity.of(dataset)))
    else:
        _check_same_data(run, dataset)
    # No worker goes ahead while another still reads or clears the run folder.
    workers.wait()
    _draw_data(run, recipe, pixels)
    data = RunData[SessionReporter](
        run=run, recipe=recipe, labels=labels, pixels=pixels, workers=workers, reporter=reporter
    )
    work = transfer.Materials(data=data, model=model, spec=model_spec)
    fitted, details = methods.fit(work)
    with whole(run.model) as temporary:
        backend.save_keras(model, temporary)
    metrics = _finish(work, fitted, details, weights)
    workers.wait()
    return metrics


def load_recipe_data(recipe: Recipe, progress: Any = None) -> Dataset:
    """The data set that a recipe names. Raises DataError."""
    return load_dataset(
        recipe.data.source,
        labels=recipe.data.labels,
        splits=recipe.data.splits,
        seed=recipe.data.seed,
        max_unreadable=recipe.data.max_unreadable,
        together=recipe.data.near_duplicates == "together",
        signals=recipe.data.signals,
        progress=progress,
    )


def _check_same_data(run: RunFolder, dataset: Dataset) -> None:
    before = read_identity(run)
    if before.fingerprint not in ("", dataset.fingerprint):
        then = "other pictures" if before.pictures is None else before.pictures
        raise RunFolderError(
            f"{run.path}: the pictures in {dataset.source} are not those this run began with "
            f"({then} then, {len(dataset)} now). Put them "
            "back, or start over with --force or another --out"
        )


def _finish(
    work: transfer.Materials,
    fitted: fitting.Fitted,
    details: Details,
    weights: LoadedWeights | None,
) -> Metrics:
    model, dataset, run = work.model, work.data.dataset, work.data.run
    indices = dataset.indices("test")
    started = time.perf_counter()
    predictions = fitting.predict(model, work.data.pixels, indices).argmax(axis=1)
    seconds = time.perf_counter() - started
    judged = judge(work.data.labels, dataset, indices, predictions)
    _draw_curves(run.path / "curves.png", fitted, details)
    if judged.confusion:
        shown = judged.confusion_labels or work.data.labels
        save_confusion(run.path / "confusion.png", np.array(judged.confusion), shown)
    trained = sum(row.seconds for row in fitted.history)
    pictures = len(dataset.indices("train")) * len(fitted.history)
    metrics = Metrics(
        **vars(judged),
        parameters=int(model.count_params()),
        train_seconds=trained,
        images_per_second=pictures / trained if trained else 0.0,
        data=DataUsed.of(dataset),
        method=work.data.recipe.training.method,
        epochs=len(fitted.history),
        kept_epoch=fitted.kept_epoch,
        stopped_early=fitted.stopped_early,
        test_seconds=seconds,
        versions={"cnnedge": __version__, **backend.versions()},
        **vars(details),
        weights=weights,
        workers=work.data.workers.count,
    )
    write_json(run.metrics, plain(metrics))
    return metrics


def _draw_curves(path: Path, fitted: fitting.Fitted, details: Details) -> None:
    if fitted.history:
        save_curves(path, [vars(row) for row in fitted.history])
    elif linear := details.linear:
        scores = {float(c): score for c, score in linear.cross_validation.items()}
        save_strengths(path, scores, linear.strength, linear.method)


def _draw_data(run: RunFolder, recipe: Recipe, pixels: Samples) -> None:
    """signals.png, or augmentation.png of pictures: what training sees."""
    if isinstance(pixels.size, SignalSize):
        save_signals(run.path / "signals.png", pixels, recipe.training.seed)
    elif recipe.training.method != "pretrained":
        _draw_augmentation(run, recipe, pixels)


def _draw_augmentation(run: RunFolder, recipe: Recipe, pixels: Samples) -> None:
    """augmentation.png: what the recipe's random changes look like on pictures of this data."""
    dataset = pixels.dataset
    indices = dataset.indices("train")
    by_class = {int(dataset.targets[i]): int(i) for i in indices[::-1]}
    chosen = np.array(list(by_class.values())[:_ROWS], np.int64)
    originals = pixels.batch(chosen)
    rng = np.random.default_rng([recipe.training.seed, 3])
    versions = np.stack(
        [augment(originals, recipe.augmentation, rng) for _ in range(_VIEWS)], axis=1
    )
    labels = [dataset.classes[int(dataset.targets[i])] for i in chosen]
    save_augmentation_grid(run.path / "augmentation.png", originals, versions, labels)
