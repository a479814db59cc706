"""Data and sources of strangers are refused in one line, or read as they are; in bounded time."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fuzz import tables

from cnnedge import numpy_files
from cnnedge.bundle.labels import read_labels
from cnnedge.errors import CnnedgeError, DataError, one_line
from support.hostile import (
    LABELS,
    PICTURES,
    X,
    Y,
    idx,
    in_time,
    load,
    made,
    npy,
    refusal,
    told,
    zipped,
)
from support.pictures import shape_folder


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    with in_time(60):
        yield


# NumPy's files

HEADERS = {
    "22 TiB": (told("<f8", (4_000_000_000, 28, 28)), "25,088,000,000,000 bytes, but it holds 0"),
    "a shape of 10**30": (told("|u1", (10**30,)), "states no shape"),
    "texts of no length": (told("|S0", (10**12,)), "but it holds 0"),
    "other texts of no length": (told("<U0", (10**9, 10**9)), "but it holds 0"),
    "no rows of 10**18": (told("|u1", (0, 2**62, 2**62)), "states no shape"),
    "a negative side": (told("|u1", (-1,), b"1"), "states no shape"),
    "a side that is true": (told("|u1", (True,), b"1"), "states no shape"),
    "forty sides": (told("|u1", (1,) * 40, b"1"), "states no shape"),
    "no shape": (told("|u1", 1, b"1"), "states no shape"),
    "too little": (told("<i8", (3,), b"1" * 9), "24 bytes, but it holds 9"),
    "too much": (told("<i8", (1,), b"1" * 9), "8 bytes, but it holds 9"),
    "objects": (told("|O", (2,), b"1" * 16), "Python objects"),
    "fields": (told([("a", "u1")], (2,), b"12"), "plain numbers"),
    "fields in a text": (told("i4,i4", (1,), b"1" * 8), "plain numbers"),
    "an array in each": (told("(1000000000,)u1", (1,)), "plain numbers"),
    "dates": (told("<M8[s]", (1,), b"1" * 8), "plain numbers"),
    "void": (told("|V4", (1,), b"1234"), "plain numbers"),
    "texts of 16 GB": (told("<U4000000000", (1,)), "not a NumPy type"),
    "no Unicode": (told("<U1", (1,), b"\xff" * 4), "not valid Unicode"),
    "another version": (told("|u1", (1,), b"1", version=9), "not an array"),
    "a header of 4 GB": (b"\x93NUMPY\2\0\xff\xff\xff\xff" + b"{" * 100, "4,294,967,295 bytes"),
    "brackets": (b"\x93NUMPY\1\0\xa0\x0f" + b"(" * 4000, "damaged"),
    "minus": (b"\x93NUMPY\1\0\xa0\x0f" + b"-" * 4000, "damaged"),
    "nothing": (b"", "not an array"),
    "the beginning": (b"\x93NUMPY", "not an array"),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_that_lie_take_no_memory(kind: str, tmp_path: Path) -> None:
    content, said = HEADERS[kind]
    tracemalloc.start()
    try:
        for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # What begins otherwise than an array is passed over in an archive.
            if content:
                with pytest.raises(ValueError) as caught:
                    numpy_files.read_arrays(zipped([("x.npy", content), ("y.npy", Y)], packing))
                assert said in str(caught.value)
        (tmp_path / "x.npy").write_bytes(content)
        for read in (numpy_files.read_array, numpy_files.mapped):
            # What stays on disk is not looked at.
            if said != "not valid Unicode" or read is numpy_files.read_array:
                with pytest.raises(ValueError) as caught:
                    read(tmp_path / "x.npy")
                assert said in str(caught.value)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


SOUND = {
    "bytes": PICTURES,
    "by columns": np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
    "one number": np.array(5),
    "texts": np.array(["a", "größer"]),
    "bytes of text": np.array([b"a", b"bc"]),
    "flags": np.array([True, False]),
    "nothing": np.zeros((0, 3), np.float32),
    "no texts": np.zeros(0, "U3"),
    "big-endian": np.arange(4, dtype=">i4"),
    "complex": np.array([1 + 2j]),
    "halves": np.float16([1, 2]),
}


@pytest.mark.parametrize("kind", SOUND)
def test_sound_arrays_come_back_as_they_were(kind: str, tmp_path: Path) -> None:
    values = SOUND[kind]
    np.save(tmp_path / "x.npy", values)
    np.savez(tmp_path / "x.npz", x=values, y=LABELS)
    np.savez_compressed(tmp_path / "packed.npz", values, LABELS)
    found = [
        numpy_files.read_array(tmp_path / "x.npy"),
        numpy_files.read_array((tmp_path / "x.npy").read_bytes()),
        numpy_files.read_arrays(tmp_path / "x.npz")["x"],
        numpy_files.read_arrays(tmp_path / "packed.npz")["arr_0"],
    ]
    if values.size:
        found.append(numpy_files.mapped(tmp_path / "x.npy"))
    for each in found:
        assert (each.dtype, each.shape) == (values.dtype, values.shape)
        assert np.array_equal(each, values)


def told_size(archive: bytes, size: int) -> bytes:
    """An archive whose list of members gives its first so many bytes."""
    out = bytearray(archive)
    struct.pack_into("<I", out, archive.index(b"PK\1\2") + 24, size)
    return bytes(out)


def encrypted(archive: bytes) -> bytes:
    out = bytearray(archive)
    out[archive.index(b"PK\1\2") + 8] |= 1
    return bytes(out)


PAIR = zipped([("x.npy", X), ("y.npy", Y)])
ARCHIVES = {
    "a name twice": (zipped([("x.npy", X), ("x.npy", X), ("y.npy", Y)]), "'x' twice"),
    "a name in two ways": (zipped([("x.npy", X), ("x", X), ("y.npy", Y)]), "'x' twice"),
    "10,001 members": (lambda: zipped([(f"{n}", b"") for n in range(10_001)]), "10,001 members"),
    "cut off": (PAIR[:-30], "cut off"),
    "half": (PAIR[: len(PAIR) // 2], "cut off"),
    "damaged": (PAIR[:300] + b"\0\0\0\0" + PAIR[304:], "damaged"),
    "encrypted": (encrypted(PAIR), "encrypted"),
    "another packing": (zipped([("x.npy", X)], zipfile.ZIP_BZIP2), "packed in a way"),
    "a size that is larger": (told_size(PAIR, 2**31), "more than 100 times"),
    "a size that is smaller": (told_size(PAIR, 200), "damaged"),
    "an array alone": (X, "a single array"),
    "empty": (b"", "not a zip archive"),
    "no members": (zipped([]), "found the arrays none"),
    "no arrays": (zipped([("x.npy", b"hello"), ("y.txt", b"")]), "found the arrays none"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives_that_lie(kind: str, tmp_path: Path) -> None:
    content, said = ARCHIVES[kind]
    line = refusal(lambda: load(tmp_path / "set.npz", made(content)), DataError)
    assert line.startswith(f"{tmp_path}/set.npz: ") and said in line


def test_an_archive_that_unpacks_to_very_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert numpy_files.FREELY_UNPACKED == 2**28
    monkeypatch.setattr(numpy_files, "FREELY_UNPACKED", 2**20)
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as member:
            member.write(told("|u1", (8 * 2**20,)))
            for _ in range(8):
                member.write(bytes(2**20))
        archive.writestr("y.npy", Y)
    assert path.stat().st_size < 40_000
    line = refusal(lambda: load(path), DataError)
    assert "more than 100 times as many" in line
    # Black pictures are allowed to be many.
    black = npy(np.zeros((300, 32, 32), np.uint8))
    content = zipped([("x.npy", black), ("y.npy", npy(np.arange(300) % 3))])
    assert len(content) * 100 < len(black)
    assert len(load(tmp_path / "black.npz", content).classes) == 3


def test_other_files_in_an_archive_are_passed_over(tmp_path: Path) -> None:
    content = zipped([("__MACOSX/x", b"\0"), ("README", b"hi"), ("x.npy", X), ("y.npy", Y)])
    assert len(load(tmp_path / "set.npz", content)) == 12
    content = PAIR[:-2] + struct.pack("<H", 5) + b"hello"
    assert len(load(tmp_path / "commented.npz", content)) == 12


LABELLED = {
    "no UTF-8": (np.array([b"\xff\xfe"] * 12), "label 0: b'\\xff\\xfe' is not UTF-8"),
    "surrogates": (np.array(["\ud800"] * 12), "cannot name a class"),
    "control characters": (np.array(["a\x1b[31m"] * 12), "cannot name a class"),
    "16 MB": (lambda: np.array([b"x" * 16_000_000] + [b"a"] * 2), "16,000,000 characters"),
    "16 MB of text": (lambda: np.array(["9" * 4_000_000] + ["1"] * 2), "4,000,000 characters"),
    "not numbers": (np.array([np.nan] * 12), "expected whole numbers"),
    "infinite": (np.array([np.inf] * 12), "expected whole numbers"),
    "1e300": (np.array([1e300] * 12), "expected whole numbers"),
    "2**63": (np.array([2**64 - 1] * 12, np.uint64), "labels go up to 18446744073709551615"),
    "complex": (np.array([1j] * 12), "expected whole numbers"),
    "one for all": (np.array(3), "expected one for each"),
}


@pytest.mark.parametrize("kind", LABELLED)
def test_labels_that_are_none(kind: str, tmp_path: Path) -> None:
    labels, said = map(made, LABELLED[kind])
    count = len(labels) if labels.ndim else 12
    content = zipped([("x.npy", npy(PICTURES[:count])), ("y.npy", npy(labels))])
    assert said in refusal(lambda: load(tmp_path / "set.npz", content), DataError)


# IDX files


def idx_folder(folder: Path, images: bytes, labels: bytes = idx(LABELS)) -> Path:
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(images)
    (folder / "train-labels-idx1-ubyte").write_bytes(labels)
    return folder


HUGE = b"\0\0\x08\3" + b"\xff" * 12
GOOD = idx(PICTURES)
IDX = {
    "a header of 10**28": (HUGE, "4294967295 x 4294967295 x 4294967295 bytes, the file holds 0"),
    "the same, packed": (gzip.compress(HUGE), "more than 100 times as many"),
    "4 GB": (b"\0\0\x08\1\xff\xff\xff\xff" + b"x", "the file holds 1"),
    "a side of 0": (b"\0\0\x08\3" + struct.pack(">3I", 0, 2**32 - 1, 28), "shape"),
    "too long": (GOOD + b"x", "the file holds 433"),
    "too long, packed": (lambda: gzip.compress(GOOD + bytes(10**7)), "the file holds more"),
    "too short": (GOOD[:-1], "the file holds 431"),
    "too short, packed": (gzip.compress(GOOD[:-1]), "the file holds 431"),
    "cut off, packed": (gzip.compress(GOOD)[:-9], "gzip file is cut off"),
    "damaged, packed": (gzip.compress(GOOD)[:40] + bytes(20), "gzip file is cut off"),
    "no header": (GOOD[:7], "header is cut off"),
    "floats": (b"\0\0\x0d\3" + GOOD[4:], "not an IDX file"),
    "255 sides": (b"\0\0\x08\xff" + bytes(2000), "not an IDX file"),
    "a gzip file of nothing": (gzip.compress(b""), "found nothing"),
    "nothing": (b"", "found nothing"),
}


@pytest.mark.parametrize("kind", IDX)
def test_idx_files_that_lie(kind: str, tmp_path: Path) -> None:
    content, said = map(made, IDX[kind])
    tracemalloc.start()
    try:
        line = refusal(lambda: load(idx_folder(tmp_path / "set", content)), DataError)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()
    assert said in line and "train-images-idx3-ubyte" in line
    assert said in refusal(lambda: load(idx_folder(tmp_path / "labels", GOOD, content)), DataError)


def test_sound_idx_files(tmp_path: Path) -> None:
    assert len(load(idx_folder(tmp_path / "plain", GOOD))) == 12
    assert len(load(idx_folder(tmp_path / "packed", gzip.compress(GOOD)))) == 12


# Tables

ROWS = "".join(f"{c}/{n}.png,{c}\n" for c in "ab" for n in range(4))
TABLES = {
    "NUL in a path": (f"path,label\n{ROWS}c\0.png,c\n".encode(), "table.csv:10: "),
    "NULs alone": (b"\0" * 1000, "table.csv"),
    "a line of 50 MB": (
        lambda: f"{ROWS}x.png,{'y' * 50_000_000}\n".encode(),
        "table.csv:8: not valid CSV",
    ),
    "a line of many cells": (lambda: f"{ROWS}{'a,' * 600_000}\n".encode(), "1,048,576 characters"),
    "a row of many lines": (
        lambda: f'{ROWS}"a","{"b" * 9}\n'.encode() + b'","\n' * 400_000,
        "csv:",
    ),
    "an open quote": (lambda: f'{ROWS}"a.png,{"b" * 3_000_000}'.encode(), "table.csv:"),
    "a long label": (f"{ROWS}c.png,{'y' * 2000}\n".encode(), "table.csv:9: 'yyyy"),
    "a long path": (f"{ROWS}{'y' * 9000}.png,c\n".encode(), "table.csv:9: the path is of 9,004"),
    "a long name": (f"{ROWS}{'y' * 300}.png,a\n".encode(), "ame too long"),
    "no text": (np.random.default_rng(0).bytes(5000), "not UTF-8 text"),
    "UTF-16": (ROWS.encode("utf-16"), "not UTF-8 text"),
    "a label of latin-1": (f"{ROWS}c.png,größer\n".encode("latin-1"), "not UTF-8 text"),
    "escape codes": (f"{ROWS}a/0.png,a\x1b[31m\n".encode(), "cannot name a class"),
    "escape codes in the header": (b"\x1b[31m,what,where\na/0.png,a,x\n", "\\x1b[31m"),
    "empty lines": (lambda: b"\n" * 3_000_000, "empty"),
    "a device": (f"{ROWS}/dev/zero,a\n".encode(), "this is a device, not a file"),
    "the folder": (f"{ROWS}.,a\n".encode(), "this is a folder"),
    "wide": (lambda: b"x" * 1_000_000 + b",y\n", "table.csv:"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_that_are_none(kind: str, tmp_path: Path) -> None:
    content, said = TABLES[kind]
    shape_folder(tmp_path, per_class=4, labels=("a", "b"))
    for n in range(4):
        for c in "ab":
            (tmp_path / c / f"00{n}.png").rename(tmp_path / c / f"{n}.png")
    line = one_line(refusal(lambda: load(tmp_path / "table.csv", made(content)), DataError))
    assert said in line, line


def test_a_table_of_256_mb_and_more(tmp_path: Path) -> None:
    with (tmp_path / "table.csv").open("wb") as file:
        file.truncate(2**28 + 1)
    assert "too large" in refusal(lambda: load(tmp_path / "table.csv"), DataError)


LISTS = {
    "a label of 16 MB": (lambda: "a\n" + "b" * 16_000_000, "label 1 has 16,000,000"),
    "a cell of 1 MB": ("index,label\n0," + "b" * 1_000_000, "not valid CSV"),
    "digits": ('{"' + "9" * 5000 + '": "a"}', "characters"),
    "JSON without end": ("[" * 100_000, "characters"),
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_labels(kind: str, tmp_path: Path) -> None:
    text, said = map(made, LISTS[kind])
    (tmp_path / "labels.txt").write_text(text)
    assert said in refusal(lambda: read_labels(tmp_path / "labels.txt"))


# Mutants


def test_mutants_of_tables_are_read_or_refused(tmp_path: Path) -> None:
    files = list(tables.mutants(1, 120))
    assert files == list(tables.mutants(1, 120))
    shape_folder(tmp_path, per_class=4, labels=("a", "b"))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    read = 0
    for content in files:
        for name in tables.NAMES:
            try:
                load(tmp_path / name, content)
                read += 1
            except CnnedgeError as error:
                assert len(str(error)) < 5000
    assert 0 < read < 200
