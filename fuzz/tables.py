"""Pictures as arrays and tables of pictures, as a stranger may send them: IDX, NPZ and CSV.

A seed enters; files leave as bytes: sound ones whose headers, members and cells are changed. Each
is to be read under each of NAMES, for what a file is called is the stranger's choice too.
"""

from __future__ import annotations

import gzip
import io
import random
import struct
import warnings
import zipfile
from collections.abc import Iterator

from .changes import changed

NAMES = ("table.npz", "table.csv", "train-images-idx3-ubyte")

_DTYPES = (
    *("|u1", "<f8", ">i4", "<U3", "|S2", "|b1", "<f2", "|O", "|V2", "<M8[s]", "i4,i4", "(9,)u1"),
    *("<c8", "|S0", "<U0", "<U4000000000", "", "x", "=u1", "<u8"),
)
_SHAPES = (
    *((12, 4, 4), (12,), (), (0,), (12, 4, 4, 3), (12, 4, 4, 1), (12, 1), (1,) * 40, (-1, 4, 4)),
    *((4_000_000_000, 28, 28), (10**12,), (0, 10**18), (2**63,), (2**31, 2**31), (10**30,)),
)
_NAMES = (
    *("x", "y", "x_train", "y_train", "x_test", "y_test", "x_val", "images", "labels"),
    *("x.npy", "../x", "", "\udcff", "a" * 300, "x\0", "allow_pickle"),
)
_CELLS = (
    *(
        "a/1.png",
        "b/2.png",
        "cat",
        "dog",
        "",
        "train",
        "test",
        "later",
        "\0",
        "\x1b[31m",
        '"',
        '"a',
    ),
    *(
        "..",
        "/dev/zero",
        "/etc/passwd",
        "C:\\a.png",
        "a\\1.png",
        "é",
        "x" * 5000,
        "a\nb",
        "²",
        "1²",
    ),
    *("label", "path", "9" * 5000, "\u2028", "\ufeff", "=1+1", "a" * 200_000),
)


def mutants(seed: int, count: int) -> Iterator[bytes]:
    """`count` files, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        data = rng.choice((_npz, _npz, _idx, _csv))(rng)
        yield changed(data, rng) if rng.random() < 0.3 else data


def _npy(rng: random.Random, shape: tuple[int, ...], descr: str, body: bytes) -> bytes:
    if rng.random() < 0.3:
        descr = rng.choice(_DTYPES)
    if rng.random() < 0.3:
        shape = rng.choice(_SHAPES)
    header = repr({"descr": descr, "fortran_order": rng.random() < 0.2, "shape": shape})
    if rng.random() < 0.1:
        header = rng.choice(("", "{" * 500, "-" * 4000, "[" * 90 + "]" * 90, header * 50, "{}"))
    text = (header + " " * (-(len(header) + 11) % 64) + "\n").encode()
    version = rng.choice((b"\1\0", b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\7\0"))
    form = "<H" if version[0] == 1 else "<I"
    length = len(text) if rng.random() < 0.9 else rng.choice((0, 1, 65_535))
    return b"\x93NUMPY" + version + struct.pack(form, length) + text + body


def _npz(rng: random.Random) -> bytes:
    pictures = rng.randbytes(12 * 16)
    labels = bytes(rng.choice((range(3), range(2), (0, 1, 200)))[n % 2] for n in range(12))
    members = [
        ("x", _npy(rng, (12, 4, 4), "|u1", pictures)),
        ("y", _npy(rng, (12,), "|u1", labels)),
    ]
    if rng.random() < 0.3:
        members.append((rng.choice(_NAMES), _npy(rng, (12,), "|S2", rng.randbytes(24))))
    if rng.random() < 0.2:
        members[1] = ("y", _npy(rng, (12,), "<U1", rng.randbytes(48)))
    packed = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w") as archive:
        warnings.simplefilter("ignore")
        for name, content in members:
            packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
            suffix = rng.choice((".npy", ".npy", ".npy", "", ".txt"))
            entry = f"{name}{suffix}".encode("utf-8", "replace").decode()
            archive.writestr(zipfile.ZipInfo(entry), content, packing)
    return _lying(packed.getvalue(), rng) if rng.random() < 0.3 else packed.getvalue()


def _lying(data: bytes, rng: random.Random) -> bytes:
    """A size, a method or a flag in the list of members that is not so."""
    at = data.find(b"PK\1\2", rng.randrange(len(data)))
    if at < 0:
        return data
    offset, form = rng.choice(
        ((8, "<H"), (10, "<H"), (20, "<I"), (24, "<I"), (28, "<H"), (42, "<I"))
    )
    number = rng.choice((0, 1, 8, 99, 0xFFFF, 2**31, 2**32 - 1)) & (
        2 ** (8 * struct.calcsize(form)) - 1
    )
    out = bytearray(data)
    struct.pack_into(form, out, at + offset, number)
    return bytes(out)


def _idx(rng: random.Random) -> bytes:
    shape = (12, 4, 4)
    if rng.random() < 0.5:
        shape = tuple(rng.choice((0, 1, 4, 12, 2**31, 2**32 - 1)) for _ in range(3))
    kind = rng.choice((b"\0\0\x08\3", b"\0\0\x08\3", b"\0\0\x08\1", b"\0\0\x0d\3", b"\0\0\x08\xff"))
    data = kind + struct.pack(">3I", *shape) + rng.randbytes(12 * 16)
    if rng.random() < 0.3:
        data = gzip.compress(data + rng.choice((b"", b"\0" * 2**20)), mtime=0)
    return data


def _csv(rng: random.Random) -> bytes:
    between = rng.choice((",", ";", "\t", ",", ", "))
    rows = [["path", "label"], *([f"{c}/{n}.png", c] for c in "ab" for n in range(6))]
    for _ in range(rng.randint(1, 4)):
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice(_CELLS)
        if rng.random() < 0.3:
            row.append(rng.choice(_CELLS))
    if rng.random() < 0.1:
        rows[rng.randrange(len(rows))] = ["x"] * rng.choice((3, 1000, 600_000))
    text = rng.choice(("\n", "\r\n", "\r")).join(between.join(row) for row in rows)
    return (rng.choice(("", "sep=;\n", "\ufeff")) + text).encode(rng.choice(("utf-8", "utf-16")))
