"""resample.c as a function, if it was compiled.

Nothing enters; `resample` leaves, or None. The library is next to this file: setup.py builds it
when cnnedge is installed, and a board's own compiler when cnnedge is pushed there. A library that
was built from another source is not used.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .weights import Weights

Pixels = npt.NDArray[np.uint8]
Resample = Callable[[Pixels, Pixels, Weights, Weights], None]

SOURCE = Path(__file__).with_name("resample.c")
# Pointers are given as addresses, which cost a tenth of a microsecond instead of several.
_SIGNATURE = (
    *(ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int, ctypes.c_int),
    *(ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int, ctypes.c_int, ctypes.c_int),
    *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int),
    *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int),
)


def source_hash() -> str:
    """Names the source that a library belongs to."""
    return hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]


@cache
def find() -> Resample | None:
    """The compiled function; None if this installation has none."""
    for suffix in EXTENSION_SUFFIXES:
        path = SOURCE.with_name(f"_resample{suffix}")
        try:
            return load(path)
        except (OSError, AttributeError, ValueError):
            continue
    return None


def load(path: Path) -> Resample:
    """The function of one library.

    Like `portable.resample`, which gives the same numbers. Raises OSError or AttributeError for
    what is no such library, ValueError for one of another source.
    """
    library = ctypes.CDLL(str(path))
    library.cnnedge_source.restype = ctypes.c_char_p
    if library.cnnedge_source().decode() != source_hash():
        raise ValueError(f"{path} was built from a different resample.c")
    function = library.cnnedge_resample
    function.argtypes = _SIGNATURE
    function.restype = ctypes.c_int

    def resample(frame: Pixels, out: Pixels, rows: Weights, columns: Weights) -> None:
        failed = function(
            frame.ctypes.data,
            frame.strides[0],
            frame.shape[1],
            frame.shape[2],
            out.ctypes.data,
            out.strides[0],
            *out.shape,
            *rows.addresses,
            rows.taps,
            *columns.addresses,
            columns.taps,
        )
        if failed:
            raise MemoryError("not enough memory to scale a picture")

    return resample
