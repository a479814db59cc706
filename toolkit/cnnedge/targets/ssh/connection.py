"""The system's ssh: who is reached, how, and one request at a time.

An address as ~/.ssh/config knows it enters; requests go there as a script for its shell, or to the
guard that its Python runs.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from ...child_process import Command, Late, run
from ...errors import DeviceError
from ...harmless import one_line
from .guarded import Ending, Guard, Job, Pace, Sink, Unanswered, bootstrap
from .refusal import Route, Unreachable, explain

# Beyond what any path of a socket may be long, less what ssh adds to it while it binds it.
_LONGEST_SOCKET = 80
_MOST_SCRIPT_OUTPUT = 1 << 20
# No option, and nothing that the shell of a ProxyCommand would obey.
_ADDRESS = re.compile(r"[\w\[][\w.@:%+\[\]/-]*")


class Connection:
    """One device over ssh. Connects when something is first asked of it."""

    def __init__(self, name: str, address: str, config: Path | None, pace: Pace) -> None:
        self.name, self.pace = name, pace
        self._address, self._config = address, config
        self._sockets: Path | None = None
        self._shut: Callable[[], object] | None = None
        # Those that serve nothing, by the Python that runs them: to start one takes a board longer
        # than most of what it is asked. Also ended with the program, where nobody closed this.
        self._idle: dict[str, Guard] = {}
        weakref.finalize(self, _dismiss, self._idle)

    @cached_property
    def route(self) -> Route:
        """Where the address leads; nothing is sent. Raises DeviceError."""
        return find_route(self.name, self._address, self._config)

    def script(self, text: str, seconds: float) -> str:
        """What a POSIX shell script says there. It must end by itself. Raises DeviceError.

        seconds: beside the time that it takes to be let in.
        """
        patience = self.pace.connect + self.pace.silence + seconds
        command = Command(
            words=[*self._ssh(), "exec sh"],
            stdin=text.encode("utf-8", "surrogateescape"),
            seconds=patience,
        )
        try:
            done = run(command, most=_MOST_SCRIPT_OUTPUT)
        except Late:
            raise Unreachable(
                self.name,
                f"{self.route} gave no answer in {patience:.0f} s",
                f"See what `ssh {self.route.address}` does by hand",
            ) from None
        if done.code == 255:
            raise explain(self.name, self.route, done.complaint, "ssh ended")
        return done.text

    def guarded(self, python: str, job: Job, sink: Sink) -> Ending:
        """What the guard said last. python: quoted for a shell. Raises DeviceError."""
        guard = self._idle.pop(python, None)
        if guard is None or not guard.waits:
            if guard:
                guard.leave()
            program, source = bootstrap()
            words = [*self._ssh(), f'exec {python} -I -B -S -c "{program}"']
            guard = Guard(words, source, self.pace)
        try:
            ended = guard.serve(job, sink)
        except Unanswered as error:
            raise self._unanswered(error) from None
        if ended.refused is not None:
            raise DeviceError(f"{self.name}: {one_line(ended.refused, 600)}")
        # Another thread's may be there first.
        if guard.waits and self._idle.setdefault(python, guard) is not guard:
            guard.leave()
        return ended

    def _unanswered(self, error: Unanswered) -> DeviceError:
        said = error.errors
        if error.code is not None and error.code not in (255, -9) and not error.greeted:
            return Unreachable(
                self.name,
                f"Python does not start there (exit {error.code}): {one_line(said, 200)}",
                "Run `cnnedge devices check` on it",
            )
        return explain(self.name, self.route, said, str(error))

    def _ssh(self) -> list[str]:
        """The words before a command for the other side."""
        if self._sockets is None and not self.route.controlled and os.name == "posix":
            self._sockets = _private_folder()
            words = [*_base(self._config), "-o", f"ControlPath={self._sockets}/s", "-O", "exit"]
            # Also at the end of the program, where nobody closed it.
            self._shut = weakref.finalize(self, _shut, [*words, "--", self._address], self._sockets)
        shared = []
        if self._sockets:
            # The master ends by itself a minute after we died.
            shared = ["ControlMaster=auto", f"ControlPath={self._sockets}/s", "ControlPersist=60"]
        options = [
            "BatchMode=yes",
            f"ConnectTimeout={max(1, round(self.pace.connect))}",
            f"ServerAliveInterval={max(1, round(self.pace.beat))}",
            f"ServerAliveCountMax={max(1, round(self.pace.silence / max(1, self.pace.beat)))}",
            "LogLevel=INFO",
            # What the configuration may hold for people, not for us.
            "RemoteCommand=none",
            "RequestTTY=no",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            *shared,
        ]
        return [*_base(self._config), *(w for o in options for w in ("-o", o)), "--", self._address]

    def close(self) -> None:
        """Ends the shared connection; the user's own is left alone."""
        _dismiss(self._idle)
        if self._shut is not None:
            self._shut()
        self._sockets = self._shut = None


def _dismiss(idle: dict[str, Guard]) -> None:
    while idle:
        idle.popitem()[1].leave()


def find_route(name: str, address: str, config: Path | None) -> Route:
    """What ssh's configuration makes of an address. Raises DeviceError."""
    if not _ADDRESS.fullmatch(address):
        raise DeviceError(
            f"{name}: {address!r} is no address; allowed: a host of ~/.ssh/config, or user@host"
        )
    if config is not None and not config.is_file():
        raise DeviceError(f"{name}: there is no ssh configuration at {config}")
    plain = Route(address=address, config=str(config or ""))
    try:
        done = run(Command(words=[*_base(config), "-G", "--", address], seconds=20))
    except Late:
        raise Unreachable(
            name, "`ssh -G` gave no answer in 20 s", "A Match exec of ~/.ssh/config may hang"
        ) from None
    if done.code:
        raise explain(name, plain, done.complaint, "it does not take the address")
    said = dict(line.partition(" ")[::2] for line in done.text.splitlines())
    shared = said.get("controlpath", "none") != "none"
    return Route(
        address=address,
        config=str(config or ""),
        user=said.get("user", ""),
        host=said.get("hostname", ""),
        port=said.get("port", "22"),
        controlled=shared and said.get("controlmaster", "false") not in ("false", "no"),
    )


def _base(config: Path | None) -> list[str]:
    ssh = shutil.which("ssh")
    if ssh is None:
        how = "winget install Microsoft.OpenSSH" if sys.platform == "win32" else ""
        raise DeviceError(
            "there is no ssh here. Install it: "
            f"{how or 'on Debian or Ubuntu, sudo apt-get install openssh-client'}"
        )
    return [ssh, *(["-F", str(config)] if config else [])]


def _private_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="cnnedge-"))
    if len(str(folder)) <= _LONGEST_SOCKET:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="cnnedge-", dir="/tmp"))


def _shut(words: list[str], folder: Path) -> None:
    # Not `run`: at the end of the program, no thread can be started.
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(words, capture_output=True, timeout=5)
    shutil.rmtree(folder, ignore_errors=True)
