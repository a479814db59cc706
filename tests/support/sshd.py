"""A real sshd on loopback, from a temporary folder, for as long as a test takes.

A folder enters; an ssh_config that reaches a board named `pi4` leaves. Nothing of the machine's
own ssh is used or changed.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.environments import missing

NAME = "pi4"
_SSHD = "/usr/sbin/sshd"


@dataclass(frozen=True)
class Sshd:
    """config: for ssh -F. port: where it listens. folder: keys, log, configuration and `home`."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def log(self) -> str:
        return (self.folder / "sshd.log").read_text(errors="replace")

    def configure(self, *lines: str, **changed: str) -> Path:
        """Writes the client's configuration anew, with other values or further lines."""
        settings = {
            "HostName": "127.0.0.1",
            "Port": str(self.port),
            "User": getpass.getuser(),
            "IdentityFile": str(self.folder / "client"),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": str(self.folder / "known_hosts"),
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": "board",
        } | changed
        text = [f"Host {NAME}", *(f"  {k} {v}" for k, v in settings.items()), *lines]
        self.config.write_text("\n".join(text) + "\n")
        return self.config

    def sessions(self) -> list[int]:
        """The processes that serve clients."""
        return descendants(self.process.pid)[1:]

    def reboot(self) -> None:
        """All sessions end at once, as when a board restarts; nobody says goodbye."""
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def sshd(
    folder: Path,
    *settings: str,
    environment: Mapping[str, str] | None = None,
    prepare: str = "",
    launcher: Sequence[str] = (),
) -> Iterator[Sshd]:
    """Runs one. settings: further lines of sshd_config. environment: of its sessions.

    prepare: shell commands in its own mounts.
    launcher: instead of sshd itself; gets its configuration and the port as last words.
    """
    if not os.access(_SSHD, os.X_OK) or not shutil.which("ssh"):
        missing("no sshd and ssh here (on Debian: openssh-server openssh-client)")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for key in ("host", "client"):
        if not (folder / key).exists():
            words_ = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(words_, check=True)
    shutil.copy(folder / "client.pub", folder / "authorized_keys")
    (folder / "home").mkdir(exist_ok=True)
    around = {"HOME": str(folder / "home")} | dict(environment or {})
    port = free_port()
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/host",
        "PidFile none",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        *("PasswordAuthentication no", "KbdInteractiveAuthentication no", "UsePAM no"),
        *("StrictModes no", "PermitRootLogin prohibit-password"),
        "Subsystem sftp internal-sftp",
        # A home of its own: what the user's start-up files do is not what is tested.
        "SetEnv " + " ".join(f'{k}="{v}"' for k, v in around.items()),
        *settings,
    ]
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    (folder / "known_hosts").write_text("board " + (folder / "host.pub").read_text())
    process = _start(folder, prepare, [*launcher, str(folder / "sshd_config"), str(port)])
    served = Sshd(folder, port, process)
    served.configure()
    try:
        _wait(served)
        yield served
    finally:
        everything = descendants(process.pid)
        for pid in reversed(everything):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)


def _start(folder: Path, prepare: str, launcher: list[str]) -> subprocess.Popen[bytes]:
    config, _port = launcher[-2:]
    words = [_SSHD, "-D", "-e", "-f", config]
    if len(launcher) > 2:
        words = launcher
    elif os.geteuid() == 0:
        # Its privilege separation wants this folder, which only root could make; in mounts of its
        # own, nothing of the machine changes.
        run = "mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd"
        script = "\n".join(("set -e", run, prepare, 'exec "$@"'))
        words = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", *words]
    elif prepare:
        missing("mounts for a board take root")
    with open(folder / "sshd.log", "ab") as log:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _wait(served: Sshd) -> None:
    for _ in range(200):
        if served.process.poll() is not None:
            raise RuntimeError(served.log)
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", served.port), 0.2).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"sshd does not listen: {served.log}")


def free_port() -> int:
    """A port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """A process and all that came of it."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(place.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def running(mark: str) -> list[int]:
    """The processes, here and on boards that are here, whose command line holds a mark."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (place / "cmdline").read_bytes() and int(place.name) != os.getpid():
                found.append(int(place.name))
    return found
