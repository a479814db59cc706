"""A one-dimensional signal as a model's input, and how signals are read from a table.

What one sample is: a picture (`pixels.InputSize`: uint8, made by a resize rule) or a signal
(`SignalSize`: float32, as it was measured). Data, training, conversion and the classifier ask this
description; whoever needs either takes a `Sample`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from .limits import Range
from .pixels import InputSize


@dataclass(frozen=True, kw_only=True)
class SignalSize:
    """A model's input signal: `length` values in time, in `channels` measured side by side.

    Values are float32 in the unit in which they were measured; the network scales them.
    """

    length: Annotated[int, Range(8, 65_536)]
    channels: Annotated[int, Range(1, 64)] = 1

    noun: ClassVar[str] = "signal"
    dtype: ClassVar[str] = "float32"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: (length, channels)."""
        return (self.length, self.channels)

    @property
    def map(self) -> tuple[int, int, int]:
        """As a feature map, which is one row: (1, length, channels)."""
        return (1, self.length, self.channels)


Sample = InputSize | SignalSize


@dataclass(frozen=True, kw_only=True)
class SignalData:
    """How the signals of a .csv file are read.

    label: the name of the column that holds the label; the last column when left out. window: the
    file is one long recording, a row for each moment, cut into windows of so many moments; when
    left out, each row is one signal. step: moments from one window to the next; half a window when
    left out. A window has the label of its middle moment.
    """

    label: str | None = None
    window: Annotated[int | None, Range(8, 65_536)] = None
    step: Annotated[int | None, Range(1, 65_536)] = None

    def check(self) -> str | None:
        if self.step is not None and self.window is None:
            return "step is set, but window is not; windows are cut only where both are known"
        return None


def spoken(text: str, noun: str) -> str:
    """A sentence about pictures, said about samples of another kind: noun as in `SignalSize`."""
    return text if noun == "picture" else text.replace("picture", noun).replace("Picture", "Signal")
