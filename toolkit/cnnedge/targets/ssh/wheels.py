"""The wheels of a board's runtime, fetched here for its architecture and Python, and kept.

A board's kind enters; one archive that holds the wheels leaves. The board needs no pip and no
internet, and once fetched, neither does this machine.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ...child_process import Command, Late, python_words, run
from ...errors import DeviceError
from ...files import cache_root, whole
from ...harmless import one_line
from ..base import Say
from .probe import OLDEST, Board, Python

# What cnnedge needs on a device, beside the engine.
COMMON = (
    *("click>=8.1", "flatbuffers>=24", "pillow>=11.3", "platformdirs>=4", "PyYAML>=6"),
    "rich>=13",
)
_UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "NameResolutionError",
    "ReadTimeoutError",
    "ProtocolError",
    "ProxyError",
    "Network is unreachable",
    "name resolution",
    "(from versions: none)",
)
_SECONDS = 900.0
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """An engine, and where its wheels run: machines, Pythons from and to, and the oldest glibc."""

    name: str
    machines: tuple[str, ...]
    pythons: tuple[tuple[int, int], tuple[int, int]]
    glibc: tuple[int, int]
    requirements: tuple[str, ...]
    index: str = ""

    def runs_on(self, machine: str, python: Python) -> bool:
        oldest, newest = self.pythons
        return machine in self.machines and oldest <= python.version <= newest


# As their wheels on PyPI say: ai-edge-litert 2.3.0, tflite-runtime 2.14.0. NumPy, OpenCV and Pillow
# have no wheels for 32-bit Arm there; piwheels.org builds them for Raspberry Pi OS. pillow-heif has
# none for it anywhere.
RUNTIMES = (
    Runtime(
        name="ai-edge-litert",
        machines=("aarch64", "x86_64"),
        pythons=((3, 10), (3, 14)),
        glibc=(2, 27),
        requirements=("numpy>=1.23", "opencv-python-headless>=4.8", "pillow-heif>=1.0"),
    ),
    Runtime(
        name="tflite-runtime",
        machines=("armv7l",),
        pythons=((3, 10), (3, 11)),
        glibc=(2, 34),
        requirements=("tflite-runtime==2.14.0", "numpy<2", "opencv-python-headless>=4.8,<4.12"),
        index="https://www.piwheels.org/simple",
    ),
)
MACHINES = tuple(m for runtime in RUNTIMES for m in runtime.machines)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What decides which wheels run: machine as wheels name it, glibc and Python."""

    machine: str
    glibc: tuple[int, int]
    python: tuple[int, int]
    runtime: Runtime

    @property
    def text(self) -> str:
        """For people."""
        glibc, python = (".".join(map(str, v)) for v in (self.glibc, self.python))
        return f"{self.machine}, Python {python}, glibc {glibc}"

    def tags(self) -> list[str]:
        """The platforms whose wheels run there, the newest first."""
        tags = [f"manylinux_2_{n}_{self.machine}" for n in range(self.glibc[1], 16, -1)]
        tags.append(f"manylinux2014_{self.machine}")
        if self.machine == "x86_64":
            tags += ["manylinux_2_12_x86_64", "manylinux_2_5_x86_64"]
        return [*tags, f"linux_{self.machine}"]

    def requirements(self) -> list[str]:
        """What pip is asked for; the engine in the version that is here, where it is here."""
        wanted = [*COMMON, *self.runtime.requirements]
        if self.runtime.name == "ai-edge-litert":
            wanted.append(_litert())
        if self.python < (3, 11):
            # LiteRT asks for it by a marker, which pip holds against the Python that runs pip.
            wanted.append("backports.strenum")
        return sorted(wanted)


def choose(name: str, board: Board) -> tuple[Python, Kind]:
    """The Python to use there, and the kind of its wheels. Raises DeviceError."""
    if board.system != "Linux":
        raise DeviceError(
            f"{name}: it runs {board.system or 'an unknown system'}; wanted: Linux. Measure on it "
            "by running cnnedge there, if it runs there"
        )
    if not board.pythons:
        raise DeviceError(
            f"{name}: there is no Python that answers. Looked for: the profile's python, and "
            "python3.14 to python3.10. Install one: sudo apt-get install python3"
        )
    machine = _machine(board)
    runtimes = [r for r in RUNTIMES if machine in r.machines]
    if not runtimes:
        raise DeviceError(
            f"{name}: no engine has a wheel for its architecture, {machine}; there are wheels for "
            f"{', '.join(MACHINES)}. A 64-bit system runs on most boards: Raspberry Pi OS (64-bit)"
        )
    for python in board.pythons:
        for runtime in runtimes:
            if runtime.runs_on(_machine(board, python), python):
                return python, _kind(name, runtime, machine, python)
    oldest, newest = (".".join(map(str, v)) for v in runtimes[0].pythons)
    found = ", ".join(dict.fromkeys(p.text for p in board.pythons))
    which = "too old" if max(p.version for p in board.pythons) < OLDEST else "not among them"
    raise DeviceError(
        f"{name}: {runtimes[0].name} has wheels for Python {oldest} to {newest} on {machine}; "
        f"found there: {found}, {which}. Install one of those beside it, and name it in the "
        f"profile: python: python{newest}"
    )


def _machine(board: Board, python: Python | None = None) -> str:
    """A 32-bit system often runs under a 64-bit kernel: Raspberry Pi OS does."""
    bits = (python or board.pythons[0]).bits
    if bits == 32:
        return {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}.get(
            board.machine, board.machine
        )
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(board.machine, board.machine)


def _kind(name: str, runtime: Runtime, machine: str, python: Python) -> Kind:
    libc, _, version = python.libc.partition("-")
    parts = version.split(".")
    if libc != "glibc" or "musl" in python.soabi or not all(p.isdigit() for p in parts):
        raise DeviceError(
            f"{name}: its C library is musl, or unknown ({one_line(python.soabi, 60)}); "
            f"{runtime.name} has wheels for glibc alone. Use a system such as Debian or "
            "Raspberry Pi OS"
        )
    glibc = (int(parts[0]), int(parts[1]))
    if glibc < runtime.glibc:
        raise DeviceError(
            f"{name}: its glibc is {version}; {runtime.name} needs "
            f"{'.'.join(map(str, runtime.glibc))} or newer. Update its system"
        )
    return Kind(machine=machine, glibc=glibc, python=python.version, runtime=runtime)


def cache_folder() -> Path:
    """Where wheels are kept here."""
    return cache_root() / "wheels"


@dataclass(frozen=True, kw_only=True)
class Pack:
    """An archive of wheels. unpacked_bytes: what they take on the board."""

    path: Path
    unpacked_bytes: int


def fetch(name: str, kind: Kind, say: Say) -> Pack:
    """The wheels of a kind, from the cache or the package registry. Raises DeviceError."""
    key = hashlib.sha256("\0".join([*kind.requirements(), *kind.tags(), kind.text]).encode())
    path = cache_folder() / f"{kind.machine}-{key.hexdigest()[:16]}.zip"
    if not path.exists():
        say(f"{name}: fetching its runtime ({kind.text}), once")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            _download(name, kind, folder)
            with whole(path) as file:
                _pack(sorted(Path(folder).glob("*.whl")), file)
    with zipfile.ZipFile(path) as archive:
        return Pack(path=path, unpacked_bytes=int(json.loads(archive.comment)["unpacked_bytes"]))


def _pack(wheels: Sequence[Path], file: Path) -> None:
    """The same wheels make the same archive."""
    total = 0
    with zipfile.ZipFile(file, "w") as archive:
        for wheel in wheels:
            archive.writestr(zipfile.ZipInfo(wheel.name, _FIXED_DATE), wheel.read_bytes())
            with zipfile.ZipFile(wheel) as inside:
                # As much as the blocks of a file system make of small files.
                total += sum(entry.file_size + 2048 for entry in inside.infolist())
        archive.comment = json.dumps({"unpacked_bytes": total}).encode()


def _download(name: str, kind: Kind, folder: str) -> None:
    words = python_words("pip", "download", "--quiet", "--no-input", "--dest", folder)
    words += ["--disable-pip-version-check", "--only-binary=:all:", "--implementation=cp"]
    words += ["--retries=2", f"--python-version={'.'.join(map(str, kind.python))}"]
    words += [f"--platform={tag}" for tag in kind.tags()]
    if kind.runtime.index:
        words.append(f"--extra-index-url={kind.runtime.index}")
    try:
        done = run(Command(words=[*words, *kind.requirements()], seconds=_SECONDS))
    except Late:
        raise DeviceError(
            f"{name}: its runtime could not be fetched in {_SECONDS:.0f} s. Try again on a faster "
            "network; what is here already is kept"
        ) from None
    if done.code:
        raise _refused(name, kind, done.text + done.complaint)


def _refused(name: str, kind: Kind, said: str) -> DeviceError:
    if "No module named pip" in said:
        return DeviceError(
            f"{name}: fetching its runtime takes pip, which is missing here. Install it: "
            f"{sys.executable} -m ensurepip, or with uv: uv pip install pip"
        )
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
    last = one_line(errors[-1] if errors else said, 200)
    if any(sign in said for sign in _UNREACHABLE):
        return DeviceError(
            f"{name}: its runtime ({kind.text}) cannot be fetched: this machine does not reach "
            f"the package registry, or it has no such wheel ({last}). Run this once while online; "
            f"it is kept in {cache_folder()}"
        )
    return DeviceError(f"{name}: no runtime for {kind.text}: {last}. See `cnnedge devices check`")


def _litert() -> str:
    try:
        here = metadata.version("ai-edge-litert")
    except metadata.PackageNotFoundError:
        here = ""
    # The same engine on both sides: what differs then is the device.
    return f"ai-edge-litert=={here}" if here.startswith("2.") else "ai-edge-litert>=2.3,<3"
