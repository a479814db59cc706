"""The benchmark_model to run: one of two different tools of that name.

A path, or the tools kept in the cache folder, and a phone's ABIs enter; a Tool leaves. Nothing is
fetched from anywhere here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...errors import DeviceError
from ...files import cache_root
from ...harmless import one_line
from .elf import ABIS, Program, read_program

Kind = Literal["tflite", "litert"]
KINDS: tuple[Kind, ...] = ("litert", "tflite")
# LiteRT's is built on the classic one and holds its texts too.
_LITERT = b"BENCHMARK RESULTS"
_CLASSIC = b"Inference timings in us: "


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A benchmark_model. kind: TensorFlow Lite's classic one, or LiteRT's. notes: on its ABI."""

    path: Path
    kind: Kind
    sha256: str
    notes: tuple[str, ...] = ()


def cache_folder() -> Path:
    """Where tools are kept."""
    return cache_root() / "tools"


def cached(kind: Kind, abi: str) -> Path:
    """Where the tool of a kind for an ABI is kept; it need not be there."""
    return cache_folder() / f"{kind}-{abi}" / "benchmark_model"


def find_tool(given: Path | None, abis: Sequence[str], name: str) -> Tool:
    """The tool to use on a phone of these ABIs, best first. Raises DeviceError.

    given: by the user; else LiteRT's, else the classic one, from the cache folder.
    """
    if given is not None:
        return read_tool(given, abis, name)
    for abi in abis:
        for kind in KINDS:
            if cached(kind, abi).exists():
                return read_tool(cached(kind, abi), abis, name)
    abi = abis[0] if abis else "arm64-v8a"
    raise DeviceError(
        f"{name}: no benchmark_model for {abi} is here: give its path with --benchmark-tool, or "
        f"put it at {cached('litert', abi)} (LiteRT's) or {cached('tflite', abi)} (TensorFlow "
        "Lite's); 'cnnedge devices fetch' gets it and checks its checksum"
    )


def read_tool(path: Path, abis: Sequence[str], name: str) -> Tool:
    """The tool in a file, held against the phone's ABIs. Raises DeviceError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DeviceError(f"{path}: cannot read the benchmark tool: {error.strerror}") from None
    kind = _kind(data, path)
    program = read_program(data)
    notes = _fitting(program, data, path, abis, name)
    return Tool(path=path, kind=kind, sha256=hashlib.sha256(data).hexdigest(), notes=notes)


def _kind(data: bytes, path: Path) -> Kind:
    if _LITERT in data:
        return "litert"
    if _CLASSIC in data:
        return "tflite"
    raise DeviceError(
        f"{path}: this is no benchmark_model: it holds neither the texts of TensorFlow Lite's tool "
        "nor of LiteRT's"
    )


def _fitting(
    program: Program | None, data: bytes, path: Path, abis: Sequence[str], name: str
) -> tuple[str, ...]:
    if program is None:
        if data.startswith(b"#!"):
            return ()
        raise DeviceError(f"{path}: this is no program (no ELF file, no script)")
    told = one_line(", ".join(abis)) or "none"
    if program.machine not in {ABIS.get(abi, "") for abi in abis}:
        built = next((abi for abi, m in ABIS.items() if m == program.machine), program.machine)
        raise DeviceError(
            f"{path}: built for {built}; {name} runs {told}. Take the benchmark_model for "
            f"{one_line(abis[0]) if abis else 'its processor'}"
        )
    if program.loader and not program.loader.startswith(("/system/", "/apex/")):
        raise DeviceError(
            f"{path}: built for Linux (loaded by {one_line(program.loader)}), not for Android. "
            "Take the tool for android"
        )
    if ABIS.get(abis[0]) != program.machine:
        return (f"The tool is built for {program.machine}; {one_line(abis[0])} would be faster.",)
    return ()
