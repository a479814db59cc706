"""The progress of a study that trains and converts, drawn on stderr as one bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..progress import TrainingReporter

if TYPE_CHECKING:  # the training side, which is imported when it is needed
    from ...training.metrics import Epoch


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
