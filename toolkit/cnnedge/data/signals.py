"""Labelled one-dimensional signals: from a table, or the synthetic ones that come with the package.

A source enters; a `Listing` over one array in memory leaves, and the values of signals by index
through `Signals`, as pixels through `Pixels`. Nothing is resized: a signal is used as it was
measured, or refused.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .. import given_files
from ..errors import DataError
from ..specs.pixels import InputSize, Preprocess
from ..specs.signals import Sample, SignalData, SignalSize
from . import chromatogram
from .dataset import Dataset
from .names import in_order, label_at
from .pixels import Pixels
from .signal_tables import Table, Values, read_table
from .store import TRAIN, Indices, Listing, Look, Progress, Scan, Skipped
from .ties import Ties

SYNTHETIC = {"chromatogram": chromatogram.CLASSES}
# Windows of each class, and the seed of the synthetic set: fixed, as a shipped file would be.
_COUNT, _SEED = 6000, 20
# Windows of one stretch of a recording lie on one side of the split; none reaches into the next.
_WINDOWS_IN_A_ROW = 10


class SignalStore:
    """Signals in memory: float32 [N, length, channels]. names: of each signal's place.

    stretches: int64 [N], which signals overlap and so belong together; None where none does.
    """

    noun = "signal"

    def __init__(self, values: Values, names: list[str], stretches: Indices | None = None) -> None:
        self.values = values
        self.names = names
        self.stretches = stretches

    def __len__(self) -> int:
        return len(self.values)

    def frame(self, index: int) -> npt.NDArray[Any]:
        """float32 [length, channels]."""
        signal: Values = self.values[index]
        return signal

    def name(self, index: int) -> str:
        """A place like 'signals.csv:12'."""
        return self.names[index]

    def scan(self, progress: Progress | None, look: Look | None) -> Scan:
        """Hashes of all; signals have no looks."""
        shape = "x".join(map(str, self.values.shape[1:])).encode()
        hashes = np.zeros((len(self), 32), np.uint8)
        for index, signal in enumerate(self.values):
            digest = hashlib.sha256(shape + np.ascontiguousarray(signal).tobytes()).digest()
            hashes[index] = np.frombuffer(digest, np.uint8)
        if progress:
            progress(len(self), len(self))
        return Scan(hashes=hashes, failures={})

    def select(self, keep: Indices) -> SignalStore:
        stretches = None if self.stretches is None else self.stretches[keep]
        return SignalStore(self.values[keep], [self.names[i] for i in keep.tolist()], stretches)

    def ties(self, scan: Scan, keep: Indices) -> Ties | None:
        """Of the signals that are kept, those that overlap; None where none does."""
        if self.stretches is None:
            return None
        _, first, group = np.unique(self.stretches[keep], return_index=True, return_inverse=True)
        groups = first[group].astype(np.int64)
        return Ties(groups=groups, keys=scan.hashes[keep][groups], by_burst=len(keep))


class Signals:
    """The signals of a data set, as `Pixels` gives pictures. Safe to use from several threads."""

    def __init__(self, dataset: Dataset, size: SignalSize, rule: Preprocess) -> None:
        store = dataset.store
        assert isinstance(store, SignalStore)
        found = store.values.shape[1:]
        if found != size.shape and found != (size.length * size.channels, 1):
            raise DataError(_wrong_shape(dataset.source, found, size))
        self.dataset = dataset
        self.size = size
        self.rule = rule
        # A row of a table has the channels of one moment side by side.
        self._values = store.values.reshape(-1, *size.shape)

    def one(self, index: int) -> Values:
        """float32 [length, channels]."""
        signal: Values = self._values[index]
        return signal

    def batch(self, indices: npt.ArrayLike) -> Values:
        """float32 [n, length, channels], in the order of `indices` [n]; a copy of its own."""
        return self._values[np.asarray(indices, np.int64).reshape(-1)]


class Samples(Protocol):
    """Input values by index: `Pixels` of pictures, or `Signals`."""

    @property
    def dataset(self) -> Dataset: ...

    @property
    def size(self) -> Any: ...

    @property
    def rule(self) -> Preprocess: ...

    def one(self, index: int) -> npt.NDArray[Any]: ...

    def batch(self, indices: npt.ArrayLike) -> npt.NDArray[Any]: ...


def samples_of(dataset: Dataset, size: Sample, rule: Preprocess) -> Samples:
    """The input values of a data set. Raises DataError where it is of another kind than the model's
    input."""
    if isinstance(size, InputSize):
        if isinstance(dataset.store, SignalStore):
            raise DataError(f"{dataset.source}: these are signals, but the model takes pictures")
        return Pixels(dataset, size, rule)
    if not isinstance(dataset.store, SignalStore):
        raise DataError(f"{dataset.source}: these are pictures, but the model takes signals")
    return Signals(dataset, size, rule)


def pixels_of(samples: Samples) -> Pixels:
    """The samples, which are pictures. Raises DataError for signals."""
    if isinstance(samples, Pixels):
        return samples
    raise DataError(f"{samples.dataset.source}: these are signals, but this works on pictures")


def no_pictures(name: str, labels: tuple[str, ...] | None) -> Listing:
    """What a synthetic set is to a model that takes pictures. Raises DataError."""
    raise DataError(f"synthetic:{name}: these are signals, but the model takes pictures")


def synthetic_listing(name: str) -> Listing:
    """A synthetic set by its name."""
    source = f"synthetic:{name}"
    if name not in SYNTHETIC:
        raise DataError(f"{source}: there is no such data set; synthetic: {', '.join(SYNTHETIC)}")
    values, targets = chromatogram.windows(_COUNT, _SEED)
    names = [f"{source}[{i}]" for i in range(len(values))]
    return Listing(
        source=source,
        classes=SYNTHETIC[name],
        store=SignalStore(values, names),
        targets=targets,
        part=np.full(len(values), TRAIN, np.int8),
        warnings=("these signals are synthetic: no instrument measured them",),
    )


def table_listing(path: Path, labels: tuple[str, ...] | None, how: SignalData) -> Listing:
    """The signals of a .csv file. Raises DataError with file and line where it cannot be used."""
    table = read_table(path, how.label, labelled=True)
    assert table.labels is not None
    texts = [
        label_at(f"{path}:{line}", text)
        for line, text in zip(table.lines, table.labels, strict=True)
    ]
    empty = next((line for line, text in zip(table.lines, texts, strict=True) if not text), None)
    if empty is not None:
        raise DataError(f"{path}:{empty}: the label is empty")
    if how.window is not None:
        return _windows(path, table, texts, labels, how)
    return Listing(
        source=str(path),
        classes=(classes := in_order(texts, labels, str(path))),
        store=SignalStore(
            table.values[:, :, np.newaxis], [f"{path}:{line}" for line in table.lines]
        ),
        targets=np.array([classes.index(text) for text in texts], np.int64),
        part=np.full(len(texts), TRAIN, np.int8),
    )


def as_the_table_is(source: str, size: SignalSize, stated: SignalData) -> SignalData:
    """How a table that a person names is read for a model: by its number of columns, a row is a
    signal or a moment. stated: how the model's own data were read; kept for what is no table.

    Raises DataError for a table that cannot be read.
    """
    path = given_files.expanded(source)
    if path.suffix.lower() not in (".csv", ".tsv") or not path.is_file():
        return stated
    columns = read_table(path, None, labelled=True).values.shape[1]
    if columns == size.length * size.channels:
        return SignalData()
    return SignalData(window=size.length, step=stated.step) if columns == size.channels else stated


def window_starts(moments: int, window: int, step: int | None) -> range:
    """Where the windows of a recording begin. step: half a window where it is None."""
    return range(0, moments - window + 1, step or max(1, window // 2))


def _windows(
    path: Path, table: Table, texts: list[str], labels: tuple[str, ...] | None, how: SignalData
) -> Listing:
    window = how.window
    assert window is not None
    starts = window_starts(len(texts), window, how.step)
    if not len(starts):
        raise DataError(
            f"{path}: the recording has {len(texts):,} rows, but one window takes {window:,}; set "
            "a smaller data.signals.window, and a model with such an input"
        )
    # No window of a stretch shares a moment with one of the next.
    span = (_WINDOWS_IN_A_ROW - 1) * starts.step + window
    kept = [s for s in starts if s % span + window <= span]
    classes = in_order([texts[s + window // 2] for s in kept], labels, str(path))
    left_out = len(starts) - len(kept)
    said = (
        f"{left_out} windows between two stretches of the recording were left out, so that none "
        "shares values with both the training and the test part"
    )
    return Listing(
        source=str(path),
        classes=classes,
        store=SignalStore(
            np.stack([table.values[s : s + window] for s in kept]),
            [f"{path}:{table.lines[s]}-{table.lines[s + window - 1]}" for s in kept],
            np.array([s // span for s in kept], np.int64),
        ),
        targets=np.array([classes.index(texts[s + window // 2]) for s in kept], np.int64),
        part=np.full(len(kept), TRAIN, np.int8),
        skipped=tuple[Skipped, ...](),
        warnings=(said,) if left_out else (),
    )


def _wrong_shape(source: str, found: tuple[int, ...], size: SignalSize) -> str:
    values, channels = found
    return (
        f"{source}: its signals have {_counted(values, channels)}, but the model takes "
        f"{_counted(size.length, size.channels)}. Set input to what the data have: --set "
        f"'input={{length: {values}, channels: {channels}}}'; or cut windows out of a recording: "
        f"--set data.signals.window={size.length}"
    )


def _counted(length: int, channels: int) -> str:
    return f"{length} values" + ("" if channels == 1 else f" of {channels} channels each")
