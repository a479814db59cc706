"""One training of a style, from recipe to run folder.

A resolved recipe of method style and a folder enter; a finished run leaves, as conversion expects
one, metrics.json last.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..._version import __version__
from ...architectures.style_network import style_network
from ...data import Dataset, Pixels
from ...files import explained, whole, write_json
from ...specs import Recipe, plain
from .. import backend
from ..metrics import DataUsed, Identity, Metrics, StyleFit
from ..run_folder import RunFolder, check_new, make_new
from ..run_lock import occupied
from .checks import checked
from .content import load_content
from .figure import captioned, save_style_figure, spread
from .fitting import drawn, fit_style, judged
from .painting import style_picture
from .perception import PerceptualLoss


class Reporter(Protocol):
    """Who is told how it goes."""

    def scanning(self, done: int, total: int) -> None: ...

    def downloading(self, done: int, total: int) -> None: ...

    def learning(self, done: int, total: int) -> None: ...

    def note(self, text: str) -> None: ...


def train_style(recipe: Recipe, out: Path, reporter: Reporter, *, force: bool = False) -> Metrics:
    """Trains into the folder `out` and returns the metrics. Raises CnnedgeError."""
    size, how = checked(recipe)
    check_new(out, force=force)
    # All that can be refused is refused before a folder is made.
    painting = style_picture(how)
    dataset = load_content(recipe.data, reporter.scanning)
    _tell(dataset, reporter)
    backend.make_repeatable(recipe.training.seed)
    loss = PerceptualLoss(painting, recipe.weights, reporter.downloading)
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
    with occupied(out):
        run = make_new(out, recipe)
        write_json(run.data, plain(Identity.of(dataset)))
        pixels = Pixels(dataset, size, recipe.preprocess)
        content = pixels.batch(dataset.indices("train"))
        started = time.perf_counter()
        small = fit_style(how, content, loss, recipe.training.seed, reporter.learning)
        seconds = time.perf_counter() - started
        network = style_network(size)
        network.set_weights(small.get_weights())
        with whole(run.model) as temporary:
            backend.save_keras(network, temporary)
        held_back = pixels.batch(dataset.indices("test"))
        _draw(run, (captioned(recipe), painting), held_back, network)
        return _finish(run, recipe, dataset, network, (loss, held_back, seconds))


def _tell(dataset: Dataset, reporter: Reporter) -> None:
    counts = {part: sum(per.values()) for part, per in dataset.counts().items()}
    reporter.note(
        f"{counts['train']:,} content pictures to train on, {counts['test']:,} held back, from "
        f"{dataset.source}"
    )
    for warning in dataset.warnings:
        reporter.note(warning)


def _draw(run: RunFolder, painting: Any, held_back: Any, network: Any) -> None:
    """style.png: pictures that were held back, and what the network makes of them."""
    shown = held_back[spread(held_back)]
    rows = [("content", shown), ("in this style", drawn(network, shown))]
    title = "Pictures that the network never saw, in the style of one picture"
    save_style_figure(run.path / "style.png", title, painting, rows)


def _finish(
    run: RunFolder, recipe: Recipe, dataset: Dataset, network: Any, used: tuple[Any, Any, float]
) -> Metrics:
    loss, held_back, seconds = used
    how = recipe.style
    assert how is not None
    after, before = judged(network, held_back, loss), judged(None, held_back, loss)
    metrics = Metrics(
        parameters=int(network.count_params()),
        train_seconds=seconds,
        images_per_second=how.steps * how.batch_size / seconds if seconds else 0.0,
        data=DataUsed.of(dataset),
        method=recipe.training.method,
        versions={"cnnedge": __version__, **backend.versions(), "numpy": np.__version__},
        style=StyleFit(
            picture=how.picture,
            steps=how.steps,
            content=after.content,
            style=after.style,
            style_before=before.style,
        ),
        weights=loss.weights,
    )
    write_json(run.metrics, plain(metrics))
    return metrics
