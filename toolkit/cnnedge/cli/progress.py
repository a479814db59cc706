"""The progress of training, drawn on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.progress import Progress, TaskID

from ..specs import spoken
from . import output

if TYPE_CHECKING:  # the training side, which is imported when it is needed
    from ..training.metrics import Epoch


class TrainingReporter:
    """Draws training on stderr."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._rate: float | None = None
        self._epochs = 0
        self._noun = "picture"

    def scanning(self, done: int, total: int) -> None:
        self._show("reading pictures", done, total)

    def dataset(self, dataset: Any) -> None:
        self._clear()
        self._noun = dataset.noun
        counts = {split: sum(per.values()) for split, per in dataset.counts().items()}
        parts = ", ".join(f"{counts.get(s, 0):,} {s}" for s in ("train", "val", "test"))
        output.note(
            f"{len(dataset.classes)} classes, {parts} {dataset.noun}s from {dataset.source}"
        )
        if dataset.ties and (said := dataset.ties.said()):
            output.note(spoken(said, dataset.noun))
        if dataset.skipped:
            output.warn(
                f"unreadable files skipped: {len(dataset.skipped)}; the first is "
                f"{dataset.skipped[0].path}: {dataset.skipped[0].reason}"
            )
        for warning in dataset.warnings:
            output.warn(warning)

    def downloading(self, done: int, total: int) -> None:
        self._show("downloading weights (KB)", done // 1000, total // 1000)
        if done >= total:
            self._clear()

    def extracting(self, done: int, total: int) -> None:
        self._show("features", done, total)
        if done == total:
            self._clear()

    def learning(self, done: int, total: int) -> None:
        """Steps of a training that has no epochs."""
        self._show("training", done, total)
        if done == total:
            self._clear()

    def epoch(self, number: int, epochs: int, steps: int) -> None:
        self._epochs = epochs
        self._clear()
        self._task = self._progress.add_task(
            f"epoch {number:>3}/{epochs}", total=steps, rate=self._rate
        )

    def step(self, done: int, loss: float, accuracy: float) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=done)

    def row(self, row: Epoch) -> None:
        self._rate = row.images_per_second
        self._clear()
        text = spoken(epoch_line(row, self._epochs), self._noun)
        self._progress.console.print(text, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        self._clear()
        output.note(text)

    def warn(self, text: str) -> None:
        self._clear()
        output.warn(text)

    def _show(self, text: str, done: int, total: int) -> None:
        if self._task is None:
            self._task = self._progress.add_task(text, total=total)
        self._progress.update(self._task, completed=done, total=total)

    def _clear(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def epoch_line(row: Epoch, epochs: int) -> str:
    """One finished epoch out of all, as a line of text."""
    text = f"epoch {row.epoch:>3}/{epochs}  loss {row.loss:.4f}  accuracy {row.accuracy:.4f}"
    validated = row.val_accuracy
    if validated is not None:
        text += f"  val loss {row.val_loss:.4f}  val accuracy {validated:.4f}"
    left = (epochs - row.epoch) * row.seconds
    return f"{text}  {row.images_per_second:,.0f} pictures/s  {clock(left)} left"


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
