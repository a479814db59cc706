"""Pictures as one file that travels to a device.

Pictures of a data set enter, as their files hold them; a tar file leaves, and pictures out of it
again. Equal pictures make an equal file, so that it is pushed once for all variants.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..data import Dataset
from ..data.store import FileStore
from ..errors import DataError
from ..numpy_files import read_array
from ..pictures import read_picture

Frame = npt.NDArray[np.uint8]

_FILE, _ARRAY = ".picture", ".npy"


def pack(dataset: Dataset, indices: npt.NDArray[np.int64], path: Path) -> None:
    """Writes the pictures in the order of `indices`.

    A picture that is a file travels as it is, to be decoded there; one of an array as pixels.
    Raises DataError for a file that has gone.
    """
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, index in enumerate(indices.tolist()):
            name, content = _content(dataset, index)
            # Time and owner stay at their defaults: they are not the pictures'.
            entry = tarfile.TarInfo(f"{number:08}{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def pack_ready(pixels: Iterable[Frame], path: Path) -> None:
    """Writes the input pixels of a model, uint8 [h, w, channels], in place of pictures."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, array in enumerate(pixels):
            content = _written(array)
            entry = tarfile.TarInfo(f"{number:08}{_ARRAY}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def _written(array: Frame) -> bytes:
    held = io.BytesIO()
    np.save(held, np.ascontiguousarray(array), allow_pickle=False)
    return held.getvalue()


def _content(dataset: Dataset, index: int) -> tuple[str, bytes]:
    if isinstance(dataset.store, FileStore):
        place = dataset.name(index)
        try:
            return _FILE, Path(place).read_bytes()
        except OSError as error:
            raise DataError(f"{place}: cannot be read any more: {error.strerror}") from None
    return _ARRAY, _written(dataset.frame(index))


def unpack(path: Path) -> Iterator[Frame]:
    """The pictures in order: uint8 [h, w, 3] BGR, or [h, w] grey.

    Raises DataError for one that this machine's OpenCV cannot decode.
    """
    with tarfile.open(path, "r:") as tar:
        for number, entry in enumerate(tar):
            held = tar.extractfile(entry)
            assert held is not None
            content = held.read()
            try:
                is_array = entry.name.endswith(_ARRAY)
                yield read_array(content) if is_array else read_picture(content)
            except (DataError, ValueError) as error:
                raise DataError(f"picture {number + 1}: {error}") from None
