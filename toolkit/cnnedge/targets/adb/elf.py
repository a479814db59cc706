"""What a program is built for, by its own header.

The bytes of a file enter; a processor and what loads it leave. Format: the ELF specification,
figures 1-3 and 2-1; e_machine numbers: its processor supplements.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MACHINES = {183: "arm64", 40: "arm", 62: "x86_64", 3: "x86", 243: "riscv64"}
# https://developer.android.com/ndk/guides/abis
ABIS = {
    "arm64-v8a": "arm64",
    "armeabi-v7a": "arm",
    "armeabi": "arm",
    "x86_64": "x86_64",
    "x86": "x86",
    "riscv64": "riscv64",
}
_INTERPRETER = 3


@dataclass(frozen=True, kw_only=True)
class Program:
    """machine: as in ABIS, or `e_machine N`. loader: of a dynamic program, else nothing."""

    machine: str
    loader: str


def read_program(data: bytes) -> Program | None:
    """The header's word on a program; None for what is no ELF file."""
    if data[:4] != b"\x7fELF" or len(data) < 64:
        return None
    order = ">" if data[5] == 2 else "<"
    (number,) = struct.unpack_from(f"{order}H", data, 18)
    machine = _MACHINES.get(number, f"e_machine {number}")
    return Program(machine=machine, loader=_loader(data, order, wide=data[4] == 2))


def _loader(data: bytes, order: str, *, wide: bool) -> str:
    try:
        (table,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", data, 32 if wide else 28)
        size, count = struct.unpack_from(f"{order}HH", data, 54 if wide else 42)
        for n in range(count):
            at = table + n * size
            (kind,) = struct.unpack_from(f"{order}I", data, at)
            if kind != _INTERPRETER:
                continue
            (place,) = struct.unpack_from(
                f"{order}{'Q' if wide else 'I'}", data, at + (8 if wide else 4)
            )
            return data[place : data.index(b"\0", place)].decode("utf-8", "replace")
    except (struct.error, ValueError):
        return ""
    return ""
