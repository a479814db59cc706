"""What is asked of an import, and who is told how it goes. What a source that was read gives,
whatever it is: how to ask it, and how to make a network of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..bundle import Guest
from ..bundle.guest import NO_GUEST
from ..bundle.labels import Labels
from ..errors import ModelError
from ..specs.pixels import InputSize, Preprocess
from .convention import Convention
from .trace import Tracer

Reals = npt.NDArray[np.float32]
Values = npt.NDArray[Any]


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


def picture_size(shape: Sequence[Any], given: tuple[int, int] | None, path: Path) -> InputSize:
    """Of an input [batch, height, width, channels], None where it is open; given: by a person.

    Raises ModelError where both say something else, and where neither says anything.
    """
    height, width, channels = shape[1:]
    if given is not None and (height, width) not in ((None, None), given):
        raise ModelError(
            f"{path}: its input has a fixed size of {height}x{width}, but --input says "
            f"{given[0]}x{given[1]}; remove the option"
        )
    if None in (height, width):
        if given is None:
            raise ModelError(
                f"{path}: its input {list(shape)} leaves height and width open: set them with "
                "--input HxW, such as --input 224x224"
            )
        height, width = given
    return InputSize(height=int(height), width=int(width), channels=int(channels))


@dataclass(frozen=True, kw_only=True)
class Opened:
    """kind: for people. size: of the pictures it takes. answer: the source's own outputs, float32
    [n, k], for float32 [n, h, w, c] as it takes them. build: a tf_keras model or a FrozenNetwork of
    raw pixels 0..255 to probabilities, for a convention and a head, and what has to be said of it.
    trace: what its layers compute of such pictures. stated, because: the pixels it takes where the
    source itself says so, and where it does. rule: its resize rule, likewise. weak: what it says of
    its pixels is a hint; labelled pictures know better. labels: its own. refrozen: like build,
    without layers, for where a rebuilt network is none of the source, and why. file: what the
    source is known by, where that is not the path. adopted: the bytes of a quantised .tflite that
    stays as it is.
    """

    kind: str
    size: InputSize
    answer: Callable[[Reals], Reals]
    build: Callable[[Convention, str], tuple[Any, tuple[str, ...]]]
    trace: Tracer
    stated: Convention | None = None
    because: str = ""
    weak: bool = False
    rule: Preprocess | None = None
    labels: Labels | None = None
    adopted: bytes | None = None
    file: Path | None = None
    refrozen: Callable[[Convention, str, str], tuple[Any, tuple[str, ...]]] | None = None
