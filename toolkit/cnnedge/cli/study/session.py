"""What the studies share on the command line: their folder, what they need, their progress."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import CnnedgeError, MissingExtraError
from .. import output
from ..progress import TrainingReporter

if TYPE_CHECKING:  # the training side, which is imported when it is needed
    from ...training.metrics import Epoch

FULL_PICTURES, QUICK_PICTURES = 500, 60


def study_folder(out: Path | None, name: str) -> Path:
    """The folder of a study, which its first file makes. Raises CnnedgeError for a file."""
    folder = out or Path(f"study-{name}")
    if folder.exists() and not folder.is_dir():
        raise CnnedgeError(f"{folder}: this is a file; --out must name a folder")
    return folder


@contextlib.contextmanager
def told(found: Mapping[str, Any], folder: Path, json_file: str | None) -> Iterator[bool]:
    """Writes study.json and --json; gives whether a table may be printed. What took minutes is kept
    where printing fails."""
    output.write_json(str(folder / "study.json"), found)
    with output.kept("study", found):
        if json_file:
            output.write_json(json_file, found)
        yield json_file != "-"


def require_plots(command: str) -> None:
    """Raises MissingExtraError without matplotlib, with the line that installs it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            f"cnnedge {command} draws with matplotlib, which is not installed. Install it: "
            "pip install matplotlib"
        ) from None


def require_workshop(command: str, *, verbose: bool = False) -> None:
    """Imports TensorFlow with a sign of life. Raises MissingExtraError."""
    from ...training import backend

    quiet = contextlib.nullcontext()
    shown = quiet if verbose else output.progress_console().status("loading TensorFlow")
    with shown:
        backend.require(command)


class StudyReporter(TrainingReporter):
    """Like that of training, without a line for each epoch; of conversion too."""

    _what = ""

    def stage(self, text: str, done: int, total: int) -> None:
        if self._task is not None and self._what != text:
            self._clear()
        self._what = text
        self._show(text, done, total or 1)
        if total and done >= total:
            self._clear()

    def training(self, what: str) -> None:
        """The bar of its epochs says enough."""

    def row(self, row: Epoch) -> None:
        self._rate = row.images_per_second
        self._clear()
