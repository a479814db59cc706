"""Model input pixels by index: prepared, and remembered when they all fit.

A data set and indices enter; uint8 [n, height, width, channels] leaves, RGB or grey, exactly what
`preprocess.prepare` makes of each frame.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import numpy.typing as npt

from ..preprocess import prepare
from ..specs.pixels import InputSize, Preprocess
from .dataset import Dataset
from .store import ArrayStore, Frame, Indices


class Pixels:
    """The prepared pixels of a data set.

    cache_bytes: when the whole data set takes no more, each picture is prepared once and kept;
    otherwise every batch is prepared anew and memory stays flat. Safe to use from several threads.
    """

    def __init__(
        self,
        dataset: Dataset,
        size: InputSize,
        rule: Preprocess,
        cache_bytes: int = 512 * 2**20,
    ) -> None:
        self.dataset = dataset
        self.size = size
        self.rule = rule
        self._stack = _matching_stack(dataset, size)
        self._workers = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._workers)
        self._known = np.zeros(len(dataset), bool)
        fits = len(dataset) * int(np.prod(size.shape)) <= cache_bytes
        # Empty pages cost nothing until a picture is written to them.
        self._cache: Frame | None = (
            np.empty((len(dataset), *size.shape), np.uint8)
            if fits and self._stack is None
            else None
        )

    def one(self, index: int) -> Frame:
        """uint8 [height, width, channels]."""
        picture: Frame = self.batch(np.array([index], np.int64))[0]
        return picture

    def batch(self, indices: npt.ArrayLike) -> Frame:
        """uint8 [n, height, width, channels], in the order of `indices` [n]; a copy of its own.

        Raises DataError when a picture file has gone bad since the data set was loaded, and
        IndexError for an index outside it.
        """
        wanted = np.asarray(indices, np.int64).reshape(-1)
        if len(wanted) and not (wanted.min() >= 0 and wanted.max() < len(self.dataset)):
            raise IndexError(f"indices must lie in 0..{len(self.dataset) - 1}")
        if self._stack is not None:
            return self._from_stack(self._stack, wanted)
        if self._cache is None:
            out = np.empty((len(wanted), *self.size.shape), np.uint8)
            self._prepare(wanted, out, np.arange(len(wanted)))
            return out
        missing = np.unique(wanted[~self._known[wanted]])
        self._prepare(missing, self._cache, missing)
        self._known[missing] = True
        return self._cache[wanted]

    def _prepare(self, indices: Indices, out: Frame, rows: npt.NDArray[np.intp] | Indices) -> None:
        def fill(span: slice) -> None:
            for index, row in zip(indices[span].tolist(), rows[span].tolist(), strict=True):
                prepare(self.dataset.frame(index), self.size, self.rule, out=out[row])

        # A few pictures to a task: one each where they are files, so that no worker idles.
        step = max(1, len(indices) // (self._workers * 8))
        spans = [slice(start, start + step) for start in range(0, len(indices), step)]
        if len(spans) == 1:
            fill(spans[0])
            return
        for _ in self._pool.map(fill, spans):
            pass

    def _from_stack(self, store: ArrayStore, wanted: Indices) -> Frame:
        """Arrays of the right size need no resizing: colour alone, for the whole batch at once."""
        pictures = store.pictures
        assert isinstance(pictures, np.ndarray)
        taken = pictures[store.rows[wanted]]
        grey = taken.ndim == 3
        if self.size.channels == 1:
            if not grey and len(wanted):
                tall = taken.reshape(-1, self.size.width, 3)
                taken = cv2.cvtColor(tall, cv2.COLOR_RGB2GRAY)
            return taken.reshape(-1, *self.size.shape)
        return np.repeat(taken[..., None], 3, axis=3) if grey else taken


def _matching_stack(dataset: Dataset, size: InputSize) -> ArrayStore | None:
    store = dataset.store
    if not isinstance(store, ArrayStore) or not isinstance(store.pictures, np.ndarray):
        return None
    return store if store.pictures.shape[1:3] == (size.height, size.width) else None
