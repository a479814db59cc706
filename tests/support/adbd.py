"""Phones for tests: the real adbd behind the real adb client, in a network of their own.

adbd is Debian's (AOSP 34, from trixie), unpacked and not installed, with Android's own shell (mksh)
and tools (toybox) of the same release. It listens on every interface and asks for no key: it and
the client run in a network namespace that nothing else can reach.

The phone's file system is this machine's; what Android adds to a shell (getprop, dumpsys, settings)
are programs that print what a test wrote into the phone's folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cnnedge.specs import DeviceProfile

from .environments import FOLDER, _locked, missing

_SUITE = "trixie"
_PACKAGES = ("adbd", "mksh", "toybox")
# What Android's shell has from toybox and the tests' commands use.
_TOYS = (
    *("cat", "chmod", "cp", "df", "du", "echo", "env", "false", "grep", "head", "kill", "ls"),
    *("mkdir", "mktemp", "mv", "printf", "readlink", "rm", "rmdir", "seq", "setsid", "sha256sum"),
    *("sleep", "stat", "test", "timeout", "touch", "true", "wc", "yes"),
)
_STAMP = ".complete"
PROPERTIES = {
    "ro.product.manufacturer": "Acme",
    "ro.product.model": "Test Phone",
    "ro.product.device": "acme",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
    "ro.build.fingerprint": "acme/acme/acme:14/TEST/1:user/release-keys",
    "ro.product.cpu.abilist": "x86_64,x86",
    "ro.product.cpu.abi": "x86_64",
    "ro.soc.manufacturer": "Acme",
    "ro.soc.model": "Tensor X",
    "ro.hardware": "acme",
}
BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Charge counter: 3456000
  status: 2
  health: 2
  present: true
  level: 85
  scale: 100
  voltage: 4150
  temperature: 285
  technology: Li-ion
"""
THERMAL = """IsStatusOverride: false
ThermalEventListeners:
	callbacks: 4
Thermal Status: 0
Cached temperatures:
	Temperature{mValue=99.0, mType=0, mName=BIG, mStatus=3}
HAL Ready: true
HAL connection:
	ThermalHAL 2.0 connected: yes
Current temperatures from HAL:
	Temperature{mValue=37.5, mType=0, mName=LITTLE, mStatus=0}
	Temperature{mValue=41.25, mType=0, mName=BIG, mStatus=0}
	Temperature{mValue=38.0, mType=1, mName=G3D, mStatus=0}
	Temperature{mValue=31.2, mType=3, mName=VIRTUAL-SKIN, mStatus=0}
	Temperature{mValue=0.0, mType=9, mName=TPU, mStatus=0}
Current cooling devices from HAL:
	CoolingDevice{mValue=88, mType=5, mName=tpu_cooling}
"""
POWER = "POWER MANAGER (dumpsys power)\n  mWakefulness=Asleep\nDisplay Power: state=OFF\n"


@dataclass(frozen=True)
class Network:
    """Namespaces (network, mounts), the adb client in them, and the folder with its keys."""

    folder: Path
    holder: int
    enter: tuple[str, ...]
    children: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def path(self) -> str:
        """PATH with an `adb` that goes into the namespace; the rest as it is."""
        return f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def start(self, *words: object, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """A process in the namespace; ended with it. Its first line of output is waited for."""
        process = subprocess.Popen(
            [*self.enter, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | dict(env or {}),
        )
        self.children.append(process)
        return process

    def adb(self, *words: str) -> str:
        """What an adb command printed."""
        done = subprocess.run(
            [str(self.folder / "bin" / "adb"), *words], capture_output=True, text=True, timeout=60
        )
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def small_disk(self, folder: Path, megabytes: int) -> Iterator[None]:
        """A full storage, seen by phones alone: a file system of so many megabytes at `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
        subprocess.run([*self.enter, *mount], check=True)
        try:
            yield
        finally:
            subprocess.run([*self.enter, "umount", str(folder)], check=True)

    def forget(self) -> None:
        """No phone is attached any more."""
        self.adb("disconnect")


@dataclass(frozen=True)
class Phone:
    """One adbd. serial: as the client knows it. folder: its own on this machine."""

    serial: str
    port: int
    folder: Path
    process: subprocess.Popen[str]

    @property
    def kept(self) -> Path:
        """Where cnnedge keeps its files on it."""
        return self.folder / "data" / "local" / "tmp" / "cnnedge"

    def profile(self, **changes: object) -> DeviceProfile:
        settings: dict[str, Any] = {"address": self.serial, "folder": str(self.kept), **changes}
        return DeviceProfile(transport="adb", **settings)

    def tell(self, kind: str, name: str, text: str) -> None:
        """What `getprop NAME`, `dumpsys NAME` or `settings get global NAME` print from now on."""
        place = self.folder / kind / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def processes(self) -> list[int]:
        """What runs on it beside adbd."""
        sign = f"PATH={self.folder}/system/bin:".encode()
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if sign in (place / "environ").read_bytes():
                    found.append(int(place.name))
        return [number for number in found if number != self.process.pid]

    def files(self) -> list[str]:
        """What cnnedge left on it."""
        return sorted(str(p.relative_to(self.kept)) for p in self.kept.rglob("*") if p.is_file())


@contextlib.contextmanager
def network(folder: Path) -> Iterator[Network]:
    """A namespace with a loopback of its own; all that was started in it is ended with it."""
    adb, unshare, nsenter = (shutil.which(name) for name in ("adb", "unshare", "nsenter"))
    if not adb or not unshare or not nsenter:
        missing("adb, unshare and nsenter are needed (on Debian: adb, util-linux)")
    user = [] if os.geteuid() == 0 else ["-r"]
    holder = subprocess.Popen(
        [unshare, *user, "-n", "-m", sys.executable, "-c", _UP],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    if holder.stdout.readline() != "up\n":
        missing("no namespaces can be made here (unshare -n -m)")
    enter: tuple[str, ...] = (nsenter, "-t", str(holder.pid), "-n", "-m")
    enter += ("-U", "--preserve-credentials") if user else ()
    (folder / "bin").mkdir(parents=True)
    wrapper = folder / "bin" / "adb"
    wrapper.write_text(
        f"#!/bin/sh\nexport HOME={shlex.quote(str(folder))} ANDROID_ADB_SERVER_PORT=5137\n"
        f'exec {shlex.join(enter)} {shlex.quote(adb)} "$@"\n'
    )
    wrapper.chmod(0o755)
    made = Network(folder=folder, holder=holder.pid, enter=enter)
    try:
        yield made
    finally:
        made.adb("kill-server")
        for process in made.children:
            process.kill()
            process.wait()
        holder.kill()
        holder.wait()


# The holder of the namespace: brings its loopback up (SIOCGIFFLAGS, SIOCSIFFLAGS) and waits.
_UP = """
import fcntl, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    asked = struct.pack("16sh14x", b"lo", 0)
    flags = struct.unpack("16sh14x", fcntl.ioctl(s, 0x8913, asked))[1]
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))
print("up", flush=True)
sys.stdin.read()
"""


def phone(within: Network, folder: Path, port: int, *, connect: bool = True) -> Phone:
    """Starts an adbd and connects the client to it. port: not 5555, which adb takes for more."""
    root = packages()
    _android(folder, root)
    process = within.start(
        *_loaded(root, "usr/lib/android-sdk/platform-tools/adbd"),
        env={
            "ADBD_PORT": str(port),
            "PATH": f"{folder}/system/bin:/usr/bin:/bin",
            "TMPDIR": str(folder / "data/local/tmp"),
        },
    )
    made = Phone(serial=f"127.0.0.1:{port}", port=port, folder=folder, process=process)
    if connect:
        attach(within, made.serial)
    return made


def attach(within: Network, serial: str) -> None:
    """`adb connect`, until the phone answers."""
    for _ in range(100):
        within.adb("connect", serial)
        if f"{serial}\tdevice" in within.adb("devices"):
            return
        within.adb("disconnect", serial)
        time.sleep(0.1)
    pytest.fail(f"adbd does not answer: {within.adb('devices', '-l')}")


def packages() -> Path:
    """The folder in which adbd, mksh and toybox lie unpacked; fetched where it is missing."""
    key = hashlib.sha256("\0".join((_SUITE, *_PACKAGES)).encode()).hexdigest()[:12]
    folder = FOLDER / f"adbd-{key}"
    with _locked(folder):
        if not (folder / _STAMP).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _unpack(folder)
            (folder / _STAMP).write_text("")
    return folder


def _unpack(folder: Path) -> None:
    """By apt with lists of its own; nothing is installed and the machine's apt is not changed."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    if not shutil.which("apt-get") or not shutil.which("dpkg") or not sources.exists():
        missing("adbd is unpacked from Debian's packages, and this is no Debian with apt")
    codename = subprocess.run(
        ["sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME"], capture_output=True, text=True
    ).stdout.strip()
    work = folder / "apt"
    for inner in ("lists/partial", "cache/archives/partial", "parts"):
        (work / inner).mkdir(parents=True)
    (work / "status").touch()
    listed = sources.read_text().replace(codename, _SUITE)
    (work / "parts" / "debian.sources").write_text(listed)
    options = {
        "Dir::State::Lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": work / "parts",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
    }
    apt = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in options.items())]
    for words in (["update"], ["-y", "--download-only", "install", *_PACKAGES]):
        done = subprocess.run([*apt, *words], capture_output=True, text=True)
        if done.returncode:
            missing(f"Debian's packages are out of reach: {done.stderr[-500:]}")
    for package in sorted((work / "cache" / "archives").glob("*.deb")):
        subprocess.run(["dpkg", "-x", package, folder], check=True)
    shutil.rmtree(work)


def _loaded(root: Path, program: str) -> list[str]:
    """Words that run a program of the unpacked release with its own libraries."""
    libraries = root / "usr/lib/x86_64-linux-gnu"
    loader = root / "usr/lib64/ld-linux-x86-64.so.2"
    if not loader.exists():
        missing("the real adbd is run on x86-64 alone")
    return [str(loader), "--library-path", f"{libraries}:{libraries}/android", str(root / program)]


def _android(folder: Path, root: Path) -> None:
    """A shell like Android's: mksh, toybox, and programs that tell what the phone is like."""
    system = folder / "system" / "bin"
    system.mkdir(parents=True)
    (folder / "data" / "local" / "tmp").mkdir(parents=True)

    def program(name: str, body: str) -> None:
        (system / name).write_text(f"#!/bin/sh\n{body}\n")
        (system / name).chmod(0o755)

    toybox = next(p for p in ("usr/bin/toybox", "bin/toybox") if (root / p).exists())
    shell = next(p for p in ("usr/bin/mksh", "bin/mksh") if (root / p).exists())
    program("sh", f'exec {shlex.join(_loaded(root, shell))} "$@"')
    program("toybox", f'exec {shlex.join(_loaded(root, toybox))} "$@"')
    for name in _TOYS:
        program(name, f'exec {shlex.join(_loaded(root, toybox))} {name} "$@"')
    place = shlex.quote(str(folder))
    program("getprop", f'cat {place}/getprop/"$1" 2>/dev/null || echo')
    program("dumpsys", f'cat {place}/dumpsys/"$1"')
    program("settings", f'cat {place}/settings/"$3" 2>/dev/null || echo null')
    for kind, texts in (
        ("getprop", {k: f"{v}\n" for k, v in PROPERTIES.items()}),
        ("dumpsys", {"battery": BATTERY, "thermalservice": THERMAL, "power": POWER}),
        ("settings", {"low_power": "0\n"}),
    ):
        (folder / kind).mkdir()
        for name, text in texts.items():
            (folder / kind / name).write_text(text)


@dataclass(frozen=True)
class Cable:
    """What lies between the client and a phone, and can be cut."""

    serial: str
    process: subprocess.Popen[str]

    def order(self, word: str) -> None:
        """`cut N`: after N more bytes to the phone; `stall`: nothing passes any more.

        `stop N`: after N more bytes the others wait; `stopped` waits for that, `go` ends it.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


def cable(within: Network, to: Phone, port: int) -> Cable:
    """Another way to a phone, attached in its stead; at first it only passes bytes on."""
    process = _fault(within, "cable", port, to.port)
    made = Cable(serial=f"127.0.0.1:{port}", process=process)
    attach(within, made.serial)
    return made


def strange_phone(within: Network, port: int, kind: str) -> str:
    """The serial of a phone that is `unauthorized`, `silent` or `old`; connected to once."""
    _fault(within, "phone", port, kind)
    serial = f"127.0.0.1:{port}"
    within.adb("connect", serial)
    return serial


def _fault(within: Network, *words: object) -> subprocess.Popen[str]:
    process = within.start(sys.executable, Path(__file__).with_name("adb_faults.py"), *words)
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    return process
