"""The folder of one run: what is in it, and who may write to it.

    RUN/recipe.yaml  model.yaml  model.keras  labels.txt  metrics.json  history.csv  curves.png
    RUN/confusion.png  augmentation.png  data.json  checkpoints/  compress/  export/
    RUN/import.json (and model.tflite in place of model.keras): of an imported model

A run is complete when metrics.json is there: it is written last.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from ..bundle.foreign import foreign_model
from ..errors import CnnedgeError, RunFolderError, SpecError
from ..files import explained, is_part, read_json, read_text, write_text
from ..specs import Recipe, dump, parse_recipe, plain, shipped
from ..specs.values import read
from .metrics import Epoch, Identity, Metrics

T = TypeVar("T")
HISTORY_FIELDS = tuple(f.name for f in fields(Epoch))
LOCK = ".lock"
_NAMES = (
    *("recipe.yaml", "model.yaml", "model.keras", "labels.txt", "metrics.json", "history.csv"),
    *("curves.png", "confusion.png", "augmentation.png", "data.json", "model.tflite"),
    "import.json",
)
# As it stands in a recipe that knows of it.
_TOGETHER = "near_duplicates:"
_STARTED_OVER = "Start over with --force or another --out"


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run."""

    path: Path

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def model_definition(self) -> Path:
        return self.path / "model.yaml"

    @property
    def model(self) -> Path:
        """model.keras; model.tflite in a run that was imported from what has no Keras layers."""
        frozen = self.path / "model.tflite"
        keras = self.path / "model.keras"
        return frozen if frozen.exists() and not keras.exists() else keras

    @property
    def imported(self) -> Path:
        """What `cnnedge import` found, and how far the run lies from its source."""
        return self.path / "import.json"

    @property
    def labels(self) -> Path:
        return self.path / "labels.txt"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def export(self) -> Path:
        return self.path / "export"

    @property
    def compress(self) -> Path:
        """Models that compression made in between, each in its own folder."""
        return self.path / "compress"

    @property
    def data(self) -> Path:
        return self.path / "data.json"

    @property
    def names(self) -> tuple[str, ...]:
        """The files that a run consists of."""
        return _NAMES

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that a run consists of."""
        return (self.checkpoints, self.compress, self.export)

    @property
    def complete(self) -> bool:
        return self.metrics.exists()


def check_new(path: Path, *, force: bool) -> None:
    """Raises RunFolderError if a new run in `path` would overwrite something."""
    run = RunFolder(path)
    if os.path.exists(path) and not os.path.isdir(path):
        raise RunFolderError(f"{path}: this is a file; --out must name a folder")
    if os.path.exists(path) and not _is_as_good_as_empty(path):
        if not run.recipe.exists():
            raise RunFolderError(
                f"{path}: this folder is not empty and is not a cnnedge run; choose another --out"
            )
        if not force:
            state = "a finished run" if run.complete else "an unfinished run"
            raise RunFolderError(
                f"{path}: {state} exists here already. Continue it with --resume, delete it and "
                "start over with --force, or choose another --out"
            )


def _is_as_good_as_empty(path: Path) -> bool:
    """Whether it holds nothing but what a process leaves that was killed before it began: its
    lock, and files that it had not finished."""
    return all(entry.name == LOCK or is_part(entry.name) for entry in path.iterdir())


def make_new(path: Path, recipe: Recipe) -> RunFolder:
    """Makes an empty run folder, in place of any run that exists there."""
    run = RunFolder(path)
    with explained(path):
        path.mkdir(parents=True, exist_ok=True)
        _clear(run)
    write_text(run.recipe, dump(recipe))
    return run


def open_existing(path: Path, recipe: Recipe) -> RunFolder:
    """A run to resume. Raises RunFolderError if there is none or its recipe differs."""
    run = RunFolder(path)
    if not run.recipe.exists():
        raise RunFolderError(
            f"{path}: there is no run to resume here; remove --resume to start one"
        )
    before = plain(read_recipe(run))
    for key, old, new in _differences(before, plain(recipe)):
        raise RunFolderError(
            f"{path}: cannot resume with another recipe: {key} was {old!r} and is now {new!r}. "
            "Undo the change, or start over with --force or another --out"
        )
    return run


def open_finished(path: Path) -> RunFolder:
    """A complete run, for conversion. Raises RunFolderError."""
    run = RunFolder(path)
    if other := foreign_model(path):
        raise RunFolderError(other)
    if os.path.isfile(path):
        raise RunFolderError(
            f"{path}: this is a file; expected a folder that 'cnnedge train' wrote, such as "
            f"runs/pets{_converted(path)}"
        )
    if not os.path.isdir(path):
        raise RunFolderError(
            f"{path}: there is no such run folder. 'cnnedge train RECIPE --out {path}' creates it"
        )
    if not run.recipe.exists():
        raise RunFolderError(f"{path}: this is not a run folder: it has no recipe.yaml")
    if run.imported.exists() and not run.model.exists() and run.complete:
        raise RunFolderError(
            f"{path}: this run holds a quantised .tflite that was imported as it is; it has no "
            "float model to convert or to compare with. Use its file: "
            f"cnnedge run {run.export / 'imported.tflite'}; or import the float model it came from"
        )
    if not run.complete or not run.model.exists():
        raise RunFolderError(
            f"{path}: this run is not finished. Continue it: cnnedge train ... --out {path} "
            "--resume"
        )
    return run


def _converted(path: Path) -> str:
    """What to do with a .tflite, which is already converted."""
    if path.suffix.lower() != ".tflite":
        return ""
    run = path.parent.parent
    of = f"; convert its run again: cnnedge convert {run}" if (run / "recipe.yaml").exists() else ""
    return f". A .tflite file is already converted: cnnedge run {path}{of}"


def read_recipe(run: RunFolder, overrides: Sequence[str] = ()) -> Recipe:
    """The resolved recipe of a run, with KEY=VALUE changes. Raises SpecError."""
    text, place = shipped.read("recipes", str(run.recipe))
    if _TOGETHER not in text:
        # The run was split before near duplicates were looked for, and keeps its test pictures.
        overrides = ("data.near_duplicates=apart", *overrides)
    return parse_recipe(text, place, overrides)


def as_begun(run: RunFolder, recipe: Recipe) -> Recipe:
    """The recipe of a run that is resumed, split as it was when the run began."""
    if not run.recipe.exists() or _TOGETHER in _read(run.recipe):
        return recipe
    return replace(recipe, data=replace(recipe.data, near_duplicates="apart"))


def read_labels(run: RunFolder) -> tuple[str, ...]:
    """The classes, in the order of the model's outputs. Raises RunFolderError."""
    if not run.labels.exists() and read_recipe(run).answers_pictures:
        raise RunFolderError(
            f"{run.path}: this run's answers are pictures, so it has no labels. 'cnnedge convert', "
            "'verify' and 'run' work with it"
        )
    if not run.labels.exists():
        raise RunFolderError(f"{run.path}: this run has no labels.txt; train it again")
    return tuple(_read(run.labels).splitlines())


def read_metrics(run: RunFolder) -> Metrics:
    """metrics.json of a complete run. Raises RunFolderError."""
    return _read_object(Metrics, run.metrics, "train it again with --force or another --out")


def read_identity(run: RunFolder) -> Identity:
    """data.json: the data that the run began with; empty if missing. Raises RunFolderError."""
    return _read_object(Identity, run.data, _STARTED_OVER) if run.data.exists() else Identity()


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except CnnedgeError as error:
        raise RunFolderError(str(error)) from None


def _read_object(cls: type[T], path: Path, remedy: str) -> T:
    """What other versions of cnnedge add to a file is passed over."""
    try:
        return read(cls, read_json(path), "", others=True)
    except SpecError as error:
        raise RunFolderError(f"{path}: the file is damaged: {error}; {remedy}") from None
    except CnnedgeError as error:
        raise RunFolderError(f"{error}; {remedy}") from None


def write_history(run: RunFolder, rows: Sequence[Epoch]) -> None:
    """history.csv, one row per epoch; empty if an epoch was not validated."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(vars(row) for row in rows)
    write_text(run.history, text.getvalue())


def read_history(run: RunFolder, epochs: int) -> list[Epoch]:
    """The first `epochs` rows of history.csv. Raises RunFolderError for a damaged one."""
    if not run.history.exists():
        return []
    rows: list[Epoch] = []
    try:
        for found in csv.DictReader(io.StringIO(_read(run.history))):
            numbers = {
                name: float(found[name]) if found[name] else None
                for name in HISTORY_FIELDS
                if name not in ("epoch", "stage")
            }
            row: dict[str, Any] = {"epoch": int(found["epoch"]), "stage": found["stage"], **numbers}
            rows.append(Epoch(**row))
    except (ValueError, TypeError, KeyError, OverflowError, csv.Error):
        raise RunFolderError(
            f"{run.history}: line {len(rows) + 2} is not an epoch in the form that cnnedge writes: "
            f"the file is damaged. {_STARTED_OVER}"
        ) from None
    return [row for row in rows if 1 <= row.epoch <= epochs]


def _clear(run: RunFolder) -> None:
    # Only what a run consists of: a file that somebody added is not ours to delete.
    for folder in run.folders:
        shutil.rmtree(folder, ignore_errors=True)
    for name in run.names:
        (run.path / name).unlink(missing_ok=True)


def _differences(old: Any, new: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            d
            for k in [*old, *(k for k in new if k not in old)]
            for d in _differences(old.get(k), new.get(k), f"{key}.{k}" if key else k)
        ]
    return [] if old == new else [(key, old, new)]
