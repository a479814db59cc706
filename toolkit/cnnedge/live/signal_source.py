"""Where signals come from: a table, numbers on standard input, or a synthetic recording.

The text of --source enters; a source leaves that yields signals, float32 [length, channels], as
cameras yield frames. Of a recording and of standard input these are windows that slide along it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from .. import given_files
from ..camera import Frame
from ..data.chromatogram import recording
from ..data.signal_tables import Values, number_at, read_table, split_cells
from ..data.signals import window_starts
from ..errors import DataError, SourceError
from ..specs.signals import SignalSize

_ALLOWED = (
    "a .csv file with a signal in each row or with one long recording, - for numbers on standard "
    "input, or 'sample' (a synthetic recording)"
)
_SAMPLE_WINDOWS, _SAMPLE_SEED = 60, 7


class SignalSource:
    """Signals one after the other, none dropped. total: how many, None of standard input."""

    live = False
    pictures = True
    dropped = 0
    reconnects = 0
    fps = 0.0
    lost: str | None = None

    def __init__(self, name: str, signals: Iterator[Frame], total: int | None) -> None:
        self.name = name
        self.total = total
        self.skipped: list[str] = []
        self._signals = signals

    def __iter__(self) -> Iterator[Frame]:
        return self._signals

    def close(self) -> None:
        """Nothing is held open."""


def open_signals(text: str, size: SignalSize, step: int | None) -> SignalSource:
    """Opens what --source names. step: values from one window to the next; half a window when None.

    Raises SourceError for what is no source of signals, DataError for a table that cannot be used.
    """
    if text == "-":
        return SignalSource("stdin", _stream(sys.stdin, size, step), None)
    if text == "sample":
        moments = size.length * _SAMPLE_WINDOWS
        channels = [recording(moments, _SAMPLE_SEED + i).values for i in range(size.channels)]
        return _recording("synthetic recording", np.concatenate(channels, axis=1), size, step)
    path = given_files.expanded(text.removeprefix("file://"))
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise SourceError(f"--source {text}: this model takes signals. Allowed: {_ALLOWED}")
    if not path.exists():
        raise SourceError(f"--source {text}: there is no such file. Allowed: {_ALLOWED}")
    return _table(text, path, size, step)


def _table(text: str, path: Path, size: SignalSize, step: int | None) -> SignalSource:
    """By its number of columns: a row is a signal, or a moment of one recording."""
    table = read_table(path, labelled=False)
    columns, wanted = table.values.shape[1], size.length * size.channels
    if columns == size.channels:
        return _recording(text, table.values, size, step)
    if columns != wanted:
        raise DataError(
            f"{path}: found {columns} columns of numbers. The model takes signals of {size.length} "
            f"values: expected {wanted} columns, a signal in each row, or {size.channels} for one "
            "long recording, a moment in each row; a column of labels needs a header that calls it "
            "label"
        )
    if step is not None:
        raise DataError(
            f"{path}: each row is one signal, so --step, which slides windows along a recording, "
            "has no effect; remove it"
        )
    signals = table.values.reshape(-1, *size.shape)
    names = (f"{text}:{line}" for line in table.lines)
    frames = (
        Frame(signal, index, name, time.perf_counter())
        for index, (signal, name) in enumerate(zip(signals, names, strict=True))
    )
    return SignalSource(text, frames, len(signals))


def _recording(name: str, values: Values, size: SignalSize, step: int | None) -> SignalSource:
    starts = window_starts(len(values), size.length, step)
    if not len(starts):
        raise DataError(
            f"{name}: the recording has {len(values):,} values, but the model takes windows of "
            f"{size.length:,}"
        )
    frames = (
        _window(values[start : start + size.length], index, name, start)
        for index, start in enumerate(starts)
    )
    return SignalSource(name, frames, len(starts))


def _stream(stream: TextIO, size: SignalSize, step: int | None) -> Iterator[Frame]:
    """A window as soon as its last value is there; what is left at the end fills none."""
    step = step or max(1, size.length // 2)
    whole, stride = size.length * size.channels, step * size.channels
    # Numbers, and how many of the next ones lie between two windows.
    held: list[float] = []
    start = index = skip = 0
    for numbers in _lines(stream, size.channels):
        skipped = min(skip, len(numbers))
        skip -= skipped
        held += numbers[skipped:]
        while len(held) >= whole:
            values = np.array(held[:whole], np.float32).reshape(size.shape)
            yield _window(values, index, "stdin", start)
            index, start = index + 1, start + step
            skip = max(0, stride - len(held))
            del held[:stride]


def _lines(stream: TextIO, channels: int) -> Iterator[list[float]]:
    """The numbers of each line that holds some: of each channel one, or of one channel any."""
    for number, line in enumerate(iter(stream.readline, ""), start=1):
        text = line.strip()
        cells = split_cells(text)
        if not text or (number == 1 and _is_header(cells)):
            continue
        place = f"stdin, line {number}"
        values = [number_at(cell, place) for cell in cells]
        if len(values) % channels or (channels > 1 and len(values) != channels):
            raise DataError(
                f"{place}: found {len(values)} numbers; the model has {channels} channels, and a "
                "line holds one number of each"
            )
        yield values


def _is_header(cells: list[str]) -> bool:
    try:
        [number_at(cell, "") for cell in cells]
    except DataError:
        return True
    return False


def _window(values: Values, index: int, name: str, start: int) -> Frame:
    place = f"{name}[{start}:{start + len(values)}]"
    return Frame(values, index, place, time.perf_counter(), start=start)
