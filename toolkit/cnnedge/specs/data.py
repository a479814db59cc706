"""A recipe's section on its pictures: where they come from, and how they are split.

A file for a device states this too, so that its test pictures are found again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from .limits import Range
from .signals import SignalData
from .values import omitted

Fraction = Annotated[float, Range(0, 1)]
# What Keras and NumPy both accept.
Seed = Annotated[int, Range(0, 2**32 - 1)]


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Fractions of the pictures for training, validation and test; they add up to 1.

    Where the data brings its own test pictures, `test` is not used and `val` is taken from the
    training pictures.
    """

    train: Fraction = 0.8
    val: Fraction = 0.1
    test: Fraction = 0.1

    def check(self) -> str | None:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6:
            return f"train + val + test is {total:g}; the three must add up to 1"
        if self.train == 0 or self.test == 0:
            return "train and test must be above 0: a model is tested on pictures that it never saw"
        return None


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Where the pictures come from and how they are split.

    source: a folder, an IDX folder, an .npz or .csv file, `embedded:fashion_mnist`,
    `keras:mnist|fashion_mnist|cifar10`, `sklearn:digits`, or `tfds:NAME`; for signals a .csv
    file or `synthetic:chromatogram`.
    labels: names of numbered classes (IDX, NPZ, Keras); folders and CSV bring their own.
    near_duplicates: whether pictures of one burst, and files that look nearly the same, lie
    together on one side of the split.
    signals: how a table of signals is read; only for models that take signals.
    """

    source: str
    labels: tuple[str, ...] | None = None
    splits: Splits = Splits()
    seed: Seed = 0
    max_unreadable: Fraction = 0.05
    near_duplicates: Literal["together", "apart"] = "together"
    signals: SignalData | None = omitted()
