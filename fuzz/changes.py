"""Changes that any file may suffer, whatever is in it.

Bytes and a random generator enter; changed bytes leave.
"""

from __future__ import annotations

import random

# Lengths and counts at which readers of binary files have gone wrong.
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def changed(data: bytes, rng: random.Random) -> bytes:
    """The bytes after one to four changes, each anywhere."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        out = rng.choice(_CHANGES)(out, rng)
    return bytes(out)


def _flipped(data: bytearray, rng: random.Random) -> bytearray:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def _overwritten(data: bytearray, rng: random.Random) -> bytearray:
    at = rng.randrange(len(data) + 1)
    data[at : at + rng.randint(1, 8)] = rng.randbytes(rng.randint(1, 8))
    return data


def _numbered(data: bytearray, rng: random.Random) -> bytearray:
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 8))
    number = rng.choice(_NUMBERS) & (1 << 8 * size) - 1
    data[at : at + size] = number.to_bytes(size, rng.choice(("big", "little")))
    return data


def _cut(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data) + 1)]


def _shortened(data: bytearray, rng: random.Random) -> bytearray:
    at = rng.randrange(len(data) + 1)
    del data[at : at + rng.randint(1, 64)]
    return data


def _repeated(data: bytearray, rng: random.Random) -> bytearray:
    at = rng.randrange(len(data) + 1)
    part = data[at : at + rng.randint(1, 64)]
    data[at:at] = part * rng.choice((1, 2, 100))
    return data


def _lengthened(data: bytearray, rng: random.Random) -> bytearray:
    return data + rng.choice((b"\0", b"\xff", b"\n")) * rng.randint(1, 200)


_CHANGES = (_flipped, _overwritten, _numbered, _cut, _shortened, _repeated, _lengthened)
