"""Who is told how training or conversion goes, in tests that call them as functions."""

from __future__ import annotations

from typing import Any

from cnnedge.training.metrics import Epoch


class Quiet:
    """Keeps the notes, and what techniques trained; draws nothing."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.trained: list[str] = []

    def scanning(self, done: int, total: int) -> None: ...

    def dataset(self, dataset: Any) -> None: ...

    def extracting(self, done: int, total: int) -> None: ...

    def downloading(self, done: int, total: int) -> None: ...

    def epoch(self, number: int, epochs: int, steps: int) -> None: ...

    def step(self, done: int, loss: float, accuracy: float) -> None: ...

    def row(self, row: Epoch) -> None: ...

    def training(self, what: str) -> None:
        self.trained.append(what)

    def stage(self, text: str, done: int, total: int) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)
