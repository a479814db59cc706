"""What one verification compares: the run's model, the file as it runs, the golden pixels.

A run, a model file and a way to run it enter; a Case leaves.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..classifier import Classifier, load
from ..conversion.entries import Entry
from ..engines import AUTO, EXACT, Runtime
from ..errors import CnnedgeError
from ..files import read_json
from ..preprocess import Pixels
from ..specs import Recipe, Sample
from ..specs.values import read
from ..training import backend
from ..training.fitting import predictor
from ..training.learnt_scale import sample_size
from ..training.run_folder import (
    RunFolder,
    open_finished,
    read_labels,
    read_metrics,
    read_recipe,
)
from .golden import Golden, choose
from .mistakes import Reference, Values
from .pixels import Prepared, prepare_both
from .verdict import Scores

PICTURES = 96
# text, steps done, steps in all (0: unknown)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """The reference. keras: raw values of `size` (pixels 0..255, or a signal's) to probabilities of
    `labels`.

    key: sha256 of model.keras, hex.
    """

    folder: RunFolder
    recipe: Recipe
    labels: tuple[str, ...]
    keras: Any
    size: Sample
    key: str
    answer: Callable[[Values], Scores]

    def converted(self, sha256: str) -> Entry | None:
        """The entry of report.json for a file of this run; None where it is none of them."""
        try:
            report = read_json(self.folder.export / "report.json")
            entry = next((v for v in report["variants"] if v["sha256"] == sha256), None)
            return None if entry is None else read(Entry, entry, "", others=True)
        except (CnnedgeError, KeyError, TypeError):
            return None


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """chosen: the file as it is to run; plain: the same on the CPU in full precision."""

    run: Run
    golden: Golden
    chosen: Classifier
    plain: Classifier
    prepared: Prepared
    reference: Reference
    progress: Progress

    @property
    def exact(self) -> Scores:
        """The run's answers to its own pixels, [n, classes]."""
        return self.reference.scores()

    @property
    def recorded(self) -> Entry | None:
        """What report.json says of this very file; None where it does not know it."""
        return self.run.converted(self.plain.model.sha256)

    @property
    def techniques(self) -> list[str]:
        """What the file's network went through after training, by what the file says."""
        said = self.plain.model.provenance
        return list(said.techniques) if said else []


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is verified: a model file against a finished run.

    runtime: how the model runs. data: a folder, or one picture, with or without classes; the run's
    test split when None. pictures: at most so many are taken.
    """

    model: Path
    run: Path
    runtime: Runtime = AUTO
    data: str | None = None
    pictures: int = PICTURES


@contextlib.contextmanager
def open_case(question: Question, progress: Progress) -> Iterator[Case]:
    """Loads both sides and prepares the pictures. Raises CnnedgeError."""
    progress("loading model.keras", 0, 0)
    model, runtime = question.model, question.runtime
    reference = _open_run(question.run)
    with contextlib.ExitStack() as open_models:
        chosen = load(model, runtime)
        open_models.callback(chosen.close)
        plain = load(model, replace(EXACT, threads=runtime.threads, guest=runtime.guest))
        open_models.callback(plain.close)
        golden = choose(
            reference.recipe,
            reference.labels,
            read_metrics(reference.folder).data,
            question.pictures,
            question.data,
            lambda done, total: progress("reading pictures", done, total),
        )
        prepared = prepare_both(
            golden,
            plain,
            reference.size,
            reference.recipe.preprocess,
            lambda done, total: progress("preparing pictures", done, total),
        )
        progress("answers of model.keras", 0, 0)
        yield Case(
            run=reference,
            golden=golden,
            chosen=chosen,
            plain=plain,
            prepared=prepared,
            reference=Reference(reference.answer, prepared.reference),
            progress=progress,
        )


def as_values(pixels: Pixels) -> Values:
    """uint8 pixels as the Keras model takes them."""
    return pixels.astype(np.float32)


def _open_run(path: Path) -> Run:
    folder = open_finished(path)
    keras = backend.load_keras(folder.model)
    labels = read_labels(folder)
    rows: dict[str, Values] = {}
    traced = predictor(keras, lambda indices: rows["values"][indices])

    def answer(values: Values) -> Scores:
        rows["values"] = values
        return traced(np.arange(len(values)))

    return Run(
        folder=folder,
        recipe=read_recipe(folder),
        labels=labels,
        keras=keras,
        size=sample_size(keras.input_shape),
        key=hashlib.sha256(folder.model.read_bytes()).hexdigest(),
        answer=answer,
    )
