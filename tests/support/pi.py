"""A board that is not one: arm64 Debian under qemu-user behind a real sshd, named `pi4`.

A folder enters; what `support.sshd` gives leaves. It has Python's standard library, no package, no
pip and no network. Its answers are a board's; its timings are nobody's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.environments import FOLDER, missing
from support.sshd import Sshd, sshd

_PACKAGES = (
    *("python3-minimal", "python3.11", "libpython3.11-stdlib", "libstdc++6"),
    *("dash", "coreutils", "grep", "procps"),
)
_CORE = """processor\t: {n}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""
_STAMP = ".complete"


@contextlib.contextmanager
def pi(folder: Path) -> Iterator[Sshd]:
    """The board, for as long as the context lasts; what is written to it is gone afterwards."""
    _need()
    folder.mkdir(parents=True, exist_ok=True)
    cpuinfo = folder / "cpuinfo"
    model = "Hardware\t: BCM2835\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n"
    cpuinfo.write_text("".join(_CORE.format(n=n) for n in range(4)) + model)
    serve = [sys.executable, str(Path(__file__).with_name("emulated_board.py"))]
    launcher = [*serve, str(_root()), str(cpuinfo)]
    # LiteRT asks the processor for its features.
    around = {"QEMU_CPU": "cortex-a72", "HOME": "/root"}
    with sshd(folder, "ChrootDirectory /mnt", environment=around, launcher=launcher) as served:
        yield served


def _need() -> None:
    """Skips, or fails under CNNEDGE_CI=1, where such a board cannot be."""
    if os.geteuid() != 0:
        missing("an emulated board takes root, for its mounts")
    for tool in ("qemu-aarch64-static", "apt-get", "dpkg"):
        if not shutil.which(tool):
            missing(f"no {tool} here (an emulated board takes Debian and qemu-user-static)")
    kernel = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    if kernel < (6, 7):
        pytest.skip("binary formats of a user namespace's own take Linux 6.7")


def _root() -> Path:
    """The board's file system: Debian's packages, unpacked once, kept beside the environments."""
    key = hashlib.sha256("\0".join(_PACKAGES).encode()).hexdigest()[:12]
    root = FOLDER / f"arm64-{key}"
    FOLDER.mkdir(exist_ok=True)
    with open(root.with_suffix(".lock"), "w") as lock:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / _STAMP).exists():
            shutil.rmtree(root, ignore_errors=True)
            _unpack(root)
            (root / _STAMP).touch()
    return root


def _unpack(root: Path) -> None:
    """No package's own scripts run, so none needs to be installed: unpacked is enough."""
    with tempfile.TemporaryDirectory() as work:
        for part in ("lists/partial", "cache/archives/partial"):
            (Path(work) / part).mkdir(parents=True)
        (Path(work) / "status").touch()
        settings = {
            "APT::Architecture": "arm64",
            "APT::Architectures": "arm64",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": "1",
            "Dir::State::Lists": f"{work}/lists",
            "Dir::State::status": f"{work}/status",
            "Dir::Cache": f"{work}/cache",
        }
        apt = ["apt-get", "-qq", *(w for k, v in settings.items() for w in ("-o", f"{k}={v}"))]
        for words in (["update"], ["-y", "--download-only", "install", *_PACKAGES]):
            done = subprocess.run([*apt, *words], capture_output=True, text=True)
            if done.returncode:
                missing(f"Debian's arm64 packages are out of reach: {done.stderr[-500:]}")
        for package in sorted((Path(work) / "cache/archives").glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
    # As the scripts of Debian's packages do. Else Python compiles its library in the emulator, and
    # what starts there without writing that down compiles it each time.
    library = root / "usr/lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if library.is_dir():
        words = [sys.executable, "-m", "compileall", "-q", "-s", str(root), "-p", "/", str(library)]
        subprocess.run(words, check=True)
    for name in ("tmp", "proc", "dev", "sys", "root"):
        (root / name).mkdir(exist_ok=True)
    # sshd starts the login shell of the user here.
    for shell in ("sh", "bash"):
        (root / "bin" / shell).unlink(missing_ok=True)
        (root / "bin" / shell).symlink_to("dash")
