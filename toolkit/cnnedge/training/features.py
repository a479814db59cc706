"""The frozen part of a network, run once per picture and view, through LiteRT.

A Keras model whose weights stay as they are, and pictures, enter; float32 feature rows leave,
kept on disk and found again by any run with the same weights, pixels and resize rule. LiteRT
computes them two to three times faster than Keras on a CPU, equal to float32 rounding.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bundle import read_model
from ..converter import convert
from ..data import Pixels
from ..engines import CPU, Engine, load_engine
from ..errors import ModelError
from ..files import cache_root, write_bytes
from ..specs import Augmentation, plain
from .augmentation import augment
from .content_key import content_key
from .feature_cache import FeatureTable, Rows, row_keys

Progress = Callable[[int, int], None]
Indices = npt.NDArray[np.int64]

# Rows of a part: few enough that an interrupted extraction loses little.
_PART_BYTES = 64 * 2**20
_BATCH = 64
# Where a Keras config names other layers.
_LINKS = ("inbound_nodes", "input_layers", "output_layers")


@dataclass(frozen=True, kw_only=True)
class Views:
    """The versions of a picture: number 0 is the picture itself, the others are augmented."""

    count: int = 1
    augmentation: Augmentation = Augmentation()
    seed: int = 0


class Extractor:
    """A frozen network as float32 .tflite, converted once and kept beside the features.

    network: Keras, from float32 raw pixels [n, h, w, c] to one tensor. key: of its layers and
    weights.
    """

    def __init__(self, network: Any, root: Path | None = None) -> None:
        self.shape: tuple[int, ...] = tuple(int(n) for n in network.output_shape[1:])
        self.key = _network_key(network)
        self._root = root or cache_root()
        self.path = self._root / "extractors" / f"{self.key}.tflite"
        self._engines: list[Engine] = []
        try:
            self._model = read_model(self.path)
            self._engine(0)
        except ModelError:
            # Not made yet, or cut short since.
            made = convert(network, "float32", np.empty((0, 0, 0, 0), np.uint8))
            write_bytes(self.path, made)
            self._model = read_model(self.path)

    def table(self, pixels: Pixels, views: Views | None) -> FeatureTable:
        """The rows kept for these pixels; views: None for the pictures themselves."""
        name = content_key(
            pixels,
            extractor=self.key,
            engine=[self._engine(0).name, self._engine(0).version],
            augmentation=plain(views.augmentation) if views else None,
            seed=views.seed if views else None,
        )
        return FeatureTable(self._root / "features" / name, self.shape)

    def run(self, pictures: npt.NDArray[Any]) -> Rows:
        """Features of prepared pictures, pixels 0..255: [n, h, w, c] to float32 [n, ...]."""
        # One interpreter of one thread per core beats one interpreter of many threads.
        count = min(os.cpu_count() or 1, max(1, len(pictures)))
        for number in range(count):
            self._engine(number)
        result = np.empty((len(pictures), *self.shape), np.float32)

        def work(number: int) -> None:
            engine = self._engines[number]
            for i in range(number, len(pictures), count):
                engine.set_input(pictures[i : i + 1].astype(np.float32))
                result[i] = engine.invoke()[0]

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(work, range(count)))
        return result

    def _engine(self, number: int) -> Engine:
        while len(self._engines) <= number:
            self._engines.append(load_engine(self._model, CPU, known=True))
        return self._engines[number]


class Features:
    """Feature rows of pictures by index and view.

    shape: of one row. Every row that `rows` is asked for must have been extracted before.
    """

    def __init__(self, extractor: Extractor, pixels: Pixels, views: Views) -> None:
        self.shape = extractor.shape
        self.views = views
        self._extractor, self._pixels = extractor, pixels
        self._plain = extractor.table(pixels, None)
        self._augmented = extractor.table(pixels, views) if views.count > 1 else self._plain

    def extract(self, indices: Indices, views: int, progress: Progress | None = None) -> int:
        """Makes the rows that are not there yet; returns how many those were.

        views: of each picture, at most `self.views.count`.
        """
        wanted = [
            (view, indices[self._table(view).missing(self._keys(indices, view))])
            for view in range(views)
        ]
        total, done = sum(len(part) for _, part in wanted), 0
        size = max(1, int(np.prod(self.shape))) * 4
        step = max(_BATCH, _PART_BYTES // size // _BATCH * _BATCH)
        for view, part in wanted:
            for start in range(0, len(part), step):
                chosen = part[start : start + step]
                rows = np.empty((len(chosen), *self.shape), np.float32)
                for begin, batch in self._batches(chosen, view):
                    rows[begin : begin + len(batch)] = self._extractor.run(batch)
                    done += len(batch)
                    if progress:
                        progress(done, total)
                self._table(view).add(self._keys(chosen, view), rows)
        return total

    def rows(self, indices: Indices, view: int = 0) -> Rows:
        """float32 [n, ...] of one view."""
        return self._table(view).rows(self._keys(indices, view))

    def _table(self, view: int) -> FeatureTable:
        return self._augmented if view else self._plain

    def _keys(self, indices: Indices, view: int) -> npt.NDArray[np.uint8]:
        return row_keys(self._pixels.dataset.hashes[indices], view)

    def _batches(self, indices: Indices, view: int) -> Any:
        """(place, pictures); the next batch is prepared while one is being used."""
        starts = list(range(0, len(indices), _BATCH))
        with ThreadPoolExecutor(1) as pool:
            jobs = [pool.submit(self._prepare, indices[s : s + _BATCH], view) for s in starts[:2]]
            for number, start in enumerate(starts):
                if number + 2 < len(starts):
                    ahead = starts[number + 2]
                    jobs.append(pool.submit(self._prepare, indices[ahead : ahead + _BATCH], view))
                yield start, jobs[number].result()

    def _prepare(self, indices: Indices, view: int) -> npt.NDArray[np.uint8]:
        pictures = self._pixels.batch(indices)
        if view:
            for i, index in enumerate(indices):
                # A view depends only on the picture: not on its place, nor on the others.
                content = self._pixels.dataset.hashes[index].view(np.uint64).tolist()
                rng = np.random.default_rng([self.views.seed, view, *content])
                spec = self.views.augmentation
                pictures[i] = augment(pictures[i : i + 1], spec, rng)[0]
        return pictures


def _network_key(network: Any) -> str:
    """sha256, hex, of what decides the output: layers, how they are linked, weights.

    Names do not: Keras numbers them by what else the process has built. Nor does what is
    trainable: a stage and a linear classifier share the rows below them.
    """
    config = _unnamed(network.get_config(), {})
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for values in network.get_weights():
        digest.update(str(values.shape).encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _unnamed(config: Any, places: dict[str, int], links: bool = False) -> Any:
    """A Keras config without names; links name a layer by its place."""
    if isinstance(config, dict):
        if "layers" in config:
            names = [layer["config"]["name"] for layer in config["layers"]]
            places = {name: place for place, name in enumerate(names)}
        return {
            key: _unnamed(value, places, links or key in _LINKS)
            for key, value in config.items()
            if key not in ("name", "trainable")
        }
    if isinstance(config, list | tuple):
        return [_unnamed(value, places, links) for value in config]
    return places.get(config, config) if links and isinstance(config, str) else config
