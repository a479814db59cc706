"""What strangers send: files that lie, made in code; and time that runs out."""

from __future__ import annotations

import io
import signal
import struct
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnedge.data import Dataset, load_dataset
from cnnedge.errors import CnnedgeError


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """Fails, instead of waiting for ever, where something hangs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(*_: object) -> None:
        raise AssertionError(f"this hangs: not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def npy(values: object) -> bytes:
    """An array as NumPy writes it."""
    out = io.BytesIO()
    np.save(out, np.asarray(values))
    return out.getvalue()


def told(descr: object, shape: object, body: bytes = b"", *, version: int = 1) -> bytes:
    """A header that says so of the body, whatever it is."""
    text = repr({"descr": descr, "fortran_order": False, "shape": shape})
    line = (text + " " * (-(len(text) + 11) % 64) + "\n").encode()
    form = "<H" if version == 1 else "<I"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(form, len(line)) + line + body


def zipped(members: Sequence[tuple[str, bytes]], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive, names given twice and all."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", packing) as archive:
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def idx(values: np.ndarray) -> bytes:
    """An IDX file of bytes."""
    shape = struct.pack(f">{values.ndim}I", *values.shape)
    return b"\0\0\x08" + bytes([values.ndim]) + shape + values.astype(np.uint8).tobytes()


PICTURES = np.random.default_rng(0).integers(0, 255, (12, 6, 6)).astype(np.uint8)
LABELS = (np.arange(12) % 3).astype(np.uint8)
X, Y = npy(PICTURES), npy(LABELS)


def refusal(act: Callable[[], object], kind: type[CnnedgeError] = CnnedgeError) -> str:
    """What a refusal says: in one line, and not too long."""
    with pytest.raises(kind) as caught:
        act()
    text = str(caught.value)
    assert "\n" not in text and len(text) < 3000, text[:1000]
    return text


def load(path: Path, content: bytes | None = None) -> Dataset:
    """A file of pictures or a table, all to be judged; written first, where `content` is given."""
    if content is not None:
        path.write_bytes(content)
    return load_dataset(str(path), splits=None)


def made(content: Any) -> Any:
    """Large contents are made by their test, not by whoever collects this file."""
    return content() if callable(content) else content
