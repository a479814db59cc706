"""Features on disk: what the frozen part of a network made of each picture, kept between runs.

Row keys (a picture's content hash and a view's number) and feature rows enter; the rows of any
keys leave, memory-mapped. One folder holds the rows of one extractor, size and resize rule, in
parts that are written whole and never changed:

    FOLDER/<name>.npy        float32 [n, ...], the rows
    FOLDER/<name>.keys.npy   uint8 [n, 34], content hash and view of each; written last

A row is found by what it was made from, so it can be missing but never stale.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files import explained, whole
from ..numpy_files import mapped, read_array

Rows = npt.NDArray[np.float32]
Keys = npt.NDArray[np.uint8]

KEY_BYTES = 34


def row_keys(hashes: Keys, view: int) -> Keys:
    """uint8 [n, 34] from content hashes uint8 [n, 32] and the number of a view."""
    number = np.frombuffer(int(view).to_bytes(2, "big"), np.uint8)
    return np.concatenate([hashes, np.broadcast_to(number, (len(hashes), 2))], axis=1)


class FeatureTable:
    """All parts of one folder, opened for reading; parts may be added meanwhile."""

    def __init__(self, folder: Path, shape: Sequence[int]) -> None:
        self.folder = folder
        self.shape = tuple(shape)
        self._parts: list[Rows] = []
        self._places: dict[bytes, tuple[int, int]] = {}
        # A name with a dot in front is a part that another process is still writing.
        for keys in sorted(folder.glob("[!.]*.keys.npy")):
            self._open(keys)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def missing(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Which of `keys` [n, 34] have no row yet, as indices."""
        absent = [i for i, key in enumerate(keys) if key.tobytes() not in self._places]
        return np.array(absent, np.int64)

    def rows(self, keys: Keys) -> Rows:
        """float32 [n, ...], a copy. Raises KeyError for a key without a row."""
        result = np.empty((len(keys), *self.shape), np.float32)
        for i, key in enumerate(keys):
            part, row = self._places[key.tobytes()]
            result[i] = self._parts[part][row]
        return result

    def add(self, keys: Keys, rows: Rows) -> None:
        """Writes a new part, whole. Raises CnnedgeError if it cannot be written."""
        name = self.folder / uuid.uuid4().hex
        with whole(name.with_suffix(".npy")) as temporary:
            _save(temporary, rows)
        with whole(name.with_suffix(".keys.npy")) as temporary:
            _save(temporary, keys)
        self._open(name.with_suffix(".keys.npy"))

    def _open(self, path: Path) -> None:
        rows_path = path.with_name(path.name.replace(".keys.npy", ".npy"))
        try:
            keys = read_array(path)
            rows = mapped(rows_path)
            fits = (
                keys.dtype == np.uint8
                and keys.shape == (*rows.shape[:1], KEY_BYTES)
                and rows.dtype == np.float32
                and rows.shape[1:] == self.shape
            )
        except FileNotFoundError:
            fits = False
        except OSError:
            # Not to be read now, as with too many open files; that says nothing of what is in it.
            return
        except ValueError:
            fits = False
        if not fits:
            # Somebody cut these files short; what they held is made again.
            for damaged in (path, rows_path):
                with contextlib.suppress(OSError):
                    damaged.unlink()
            return
        number = len(self._parts)
        self._parts.append(rows)
        for row, key in enumerate(keys):
            self._places[key.tobytes()] = (number, row)


def _save(path: Path, values: npt.NDArray[Any]) -> None:
    with explained(path), path.open("wb") as file:
        np.save(file, values, allow_pickle=False)
