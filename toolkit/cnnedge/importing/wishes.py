"""What is asked of an import, and who is told how it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..bundle import Guest
from ..bundle.guest import NO_GUEST


@dataclass(frozen=True, kw_only=True)
class ImportWishes:
    """guest: what a person says of the model. data: labelled pictures, a folder or any source of a
    recipe. expect: a table of pictures with the answers that the source gave. signature: which one
    of a SavedModel. onnx2tf: an environment that has it, or a program there. weights: of a network
    that is named. code: a file of Python with the layers of a Keras model. trust: code that the
    source is made of may run. force: replace a run that is there.
    """

    guest: Guest = NO_GUEST
    data: str | None = None
    expect: str | None = None
    signature: str | None = None
    onnx2tf: str | None = None
    weights: str | None = None
    code: str | None = None
    trust: bool = False
    force: bool = False


class Reporter(Protocol):
    """Who is told how an import goes."""

    def scanning(self, done: int, total: int) -> None: ...

    def stage(self, text: str, done: int, total: int) -> None: ...

    def note(self, text: str) -> None: ...
