"""NumPy files (.npy, .npz) from anybody: only plain arrays, never more memory than there is.

A path or a file's bytes enter; arrays leave. Headers are held against the size of their file before
any memory is taken, nothing is ever unpickled, and an archive may unpack to no more than stated
here. Whatever is wrong is a ValueError with a reason, or an OSError where a file cannot be opened.
"""

from __future__ import annotations

import ast
import contextlib
import io
import math
import os
import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from . import given_files

Array = npt.NDArray[Any]
Source = str | os.PathLike[str] | bytes

# Pictures of one colour pack to a hundredth of their size and less; below the first bound nobody
# asks, above it an archive may unpack to so many times its own size.
FREELY_UNPACKED = 2**28
MOST_RATIO = 100
MOST_UNPACKED = 2**34
_MOST_MEMBERS = 10_000
# The list of members of that many takes less.
_MOST_DIRECTORY = 2**22
_MOST_HEADER = 4096
_MOST_DIMENSIONS = 32
_MAGIC = b"\x93NUMPY"
_KINDS = "biufcSU"
_CHUNK = 2**20
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1


def read_array(source: Source) -> Array:
    """The array of an .npy file. Raises OSError, or ValueError with the reason."""
    with _explained(), _open(source) as (file, size):
        check_unpacked(size, size)
        return _array(file, size)


def read_arrays(source: Source) -> dict[str, Array]:
    """The arrays of an .npz file by name, in its order; other files in it are passed over.

    Raises OSError, or ValueError with the reason.
    """
    with _explained(), _open(source) as (file, size):
        if file.read(len(_MAGIC)) == _MAGIC:
            raise ValueError("it contains a single array")
        _check_directory(file, size)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_members(members, size)
            return dict(_arrays(archive, members))


def mapped(path: Path) -> Array:
    """The array of an .npy file, read-only and left on disk. Raises OSError or ValueError."""
    with _explained(), _open(path) as (file, size):
        dtype, shape, fortran = _header(file, size)
        return np.memmap(
            file, dtype, mode="r", offset=file.tell(), shape=shape, order="F" if fortran else "C"
        )


def check_unpacked(unpacked: int, packed: int) -> None:
    """Raises ValueError for what unpacks to more than files of that size may, or than fits."""
    if unpacked > max(FREELY_UNPACKED, MOST_RATIO * packed):
        raise ValueError(
            f"it has {packed:,} bytes and claims to unpack to {unpacked:,}, more than {MOST_RATIO} "
            "times as many"
        )
    most = min(MOST_UNPACKED, _memory())
    if unpacked > most:
        raise ValueError(f"it unpacks to {unpacked:,} bytes; the limit is {most:,}")


def _memory() -> int:
    """This machine's memory in bytes, if known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return MOST_UNPACKED


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Only OSError of the file itself, and ValueError."""
    try:
        yield
    except (OSError, ValueError):
        raise
    except MemoryError:
        raise ValueError("it does not fit into memory") from None
    except Exception as error:  # zipfile, zlib, struct and NumPy each raise their own
        raise ValueError(f"it is cut off or damaged ({_said(error)})") from None


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextlib.contextmanager
def _open(source: Source) -> Iterator[tuple[IO[bytes], int]]:
    if isinstance(source, bytes):
        yield io.BytesIO(source), len(source)
        return
    with given_files.opened(source) as file:
        yield file, os.fstat(file.fileno()).st_size


def _check_directory(file: IO[bytes], size: int) -> None:
    """Bounds an archive's list of members before zipfile makes an object of each."""
    # The record at the end with its 64-bit form before it; a comment of 64 KB may follow.
    for length in (98, 2**16 + 98):
        file.seek(max(0, size - length))
        tail = file.read()
        if tail[-22:-18] == b"PK\5\6" and tail[-2:] == b"\0\0":
            break
    sizes = [
        taken
        for mark, form in ((b"PK\5\6", "<8xI"), (b"PK\6\6", "<36xQ"))
        for found in re.finditer(re.escape(mark), tail)
        if len(tail) - found.end() >= struct.calcsize(form)
        for (taken,) in (struct.unpack_from(form, tail, found.end()),)
        if taken != 0xFFFFFFFF
    ]
    if not sizes:
        raise ValueError("it is not a zip archive, or it is cut off")
    if max(sizes) > _MOST_DIRECTORY:
        raise ValueError(
            f"its list of members takes {max(sizes):,} bytes, so it is not an NPZ archive"
        )
    file.seek(0)


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    if len(members) > _MOST_MEMBERS:
        raise ValueError(f"it has {len(members):,} members; the limit is {_MOST_MEMBERS:,}")
    seen: set[str] = set()
    for member in members:
        name = _key(member)
        if name in seen:
            raise ValueError(f"it contains {name!r:.80} twice")
        seen.add(name)
        if member.flag_bits & _ENCRYPTED or member.compress_type not in _PACKINGS:
            raise ValueError(
                f"{name!r:.80} in it is encrypted, or packed in a way that NumPy does not use"
            )
    # Members may overlap: what counts is the size of the file.
    check_unpacked(sum(member.file_size for member in members), size)


def _key(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def _arrays(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]
) -> Iterator[tuple[str, Array]]:
    for member in members:
        try:
            with archive.open(member) as file:
                if file.read(len(_MAGIC)) != _MAGIC:
                    continue
            with archive.open(member) as file:
                yield _key(member), _array(file, member.file_size)
        except Exception as error:
            damaged = not isinstance(error, ValueError)
            reason = f"it is damaged ({_said(error)})" if damaged else str(error)
            raise ValueError(f"{_key(member)!r:.80} in it: {reason}") from None


def _array(file: IO[bytes], size: int) -> Array:
    dtype, shape, fortran = _header(file, size)
    if 0 in shape:
        return np.empty(shape, dtype)
    values = np.empty(math.prod(shape), dtype)
    memory = values.view(np.uint8)
    at = 0
    while at < len(memory):
        part = file.read(min(_CHUNK, len(memory) - at))
        if not part:
            raise ValueError("it is cut off")
        memory[at : at + len(part)] = np.frombuffer(part, np.uint8)
        at += len(part)
    values = _sound(values, memory)
    return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)


def _sound(values: Array, memory: npt.NDArray[np.uint8]) -> Array:
    """Only values that are valid for their type: NumPy does not check them."""
    if values.dtype.kind == "b":
        flags: Array = memory != 0
        return flags
    if values.dtype.kind == "U" and len(values):
        order = values.dtype.byteorder
        codes = memory.view(np.dtype(np.uint32).newbyteorder("=" if order == "|" else order))
        if codes.max() > 0x10FFFF:
            raise ValueError("its texts are not valid Unicode")
    return values


def _header(file: IO[bytes], size: int) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Type, shape and order of what follows, held against the size of the file."""
    start = file.read(8)
    wide = start[6:7] in (b"\2", b"\3")
    form = "<I" if wide else "<H"
    prefix = file.read(struct.calcsize(form))
    if start[:6] != _MAGIC or start[6:] not in (b"\1\0", b"\2\0", b"\3\0") or len(prefix) < 2:
        raise ValueError("it is not an array in NumPy's format, or it is empty")
    (length,) = struct.unpack(form, prefix)
    if length > _MOST_HEADER:
        raise ValueError(f"its header has {length:,} bytes; the limit is {_MOST_HEADER:,}")
    text = file.read(length)
    dtype, shape, fortran = _described(text.decode("utf-8" if start[6:7] == b"\3" else "latin-1"))
    holds = size - len(start) - len(prefix) - length
    says = math.prod(shape) * dtype.itemsize
    if says != holds or (math.prod(shape) and not dtype.itemsize):
        raise ValueError(
            f"its header states {' x '.join(map(str, shape)) or 'one'} of {dtype}, {says:,} bytes, "
            f"but it holds {holds:,}"
        )
    return dtype, shape, fortran


def _described(text: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    try:
        found: Any = ast.literal_eval(text.strip())
        shape, fortran, kind = found["shape"], found["fortran_order"], found["descr"]
    except Exception:
        raise ValueError("its header is damaged") from None
    if (
        not isinstance(shape, tuple)
        or len(shape) > _MOST_DIMENSIONS
        or not all(type(n) is int and n >= 0 for n in shape)
        or math.prod(n for n in shape if n) >= 2**63
        or not isinstance(fortran, bool)
    ):
        raise ValueError("its header states no shape")
    # A text with commas or brackets would have several fields.
    if not isinstance(kind, str) or not re.fullmatch(r"[<>|=]?[a-zA-Z]\d{0,10}", kind):
        raise ValueError(f"it contains {kind!r:.80}; only plain numbers and texts are allowed")
    try:
        dtype = np.dtype(kind)
    except Exception:
        raise ValueError(f"it contains {kind!r:.80}, which is not a NumPy type") from None
    if dtype.kind == "O":
        raise ValueError("it contains Python objects, which are not loaded")
    if dtype.kind not in _KINDS:
        raise ValueError(f"it contains {dtype}; only plain numbers and texts are allowed")
    return dtype, shape, fortran
