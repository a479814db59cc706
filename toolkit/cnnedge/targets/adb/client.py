"""The system's adb client.

The words of an adb command enter; what it answered leaves, or one line saying what is wrong.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ...child_process import Command, Completed, Late, run
from ...errors import DeviceError
from ...harmless import one_line
from . import attached

# Starting adb's server takes some seconds where USB is slow.
_START_SECONDS = 30.0
_LIST_SECONDS = 15.0
_ROOTS = ("ANDROID_HOME", "ANDROID_SDK_ROOT")
_NETWORK = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}")
# What the client says when it is the connection that failed.
_TROUBLE = re.compile(
    r"(?:error|adb): .*?(?:not found|offline|unauthorized|closed|no devices|more than one|"
    r"connect failed|protocol fault|insufficient permissions|authorizing)|cannot connect to daemon"
)


def find_client(name: str) -> Path:
    """adb in PATH, or in the Android SDK. Raises DeviceError."""
    found = shutil.which("adb")
    if found:
        return Path(found)
    for variable in _ROOTS:
        root = os.environ.get(variable)
        for file in ("adb", "adb.exe") if root else ():
            candidate = Path(root or "") / "platform-tools" / file
            if os.access(candidate, os.X_OK):
                return candidate
    raise DeviceError(
        f"{name}: there is no adb here, in PATH or under ANDROID_HOME: install it (Debian, Ubuntu: "
        "apt install adb; macOS: brew install android-platform-tools; else Android's SDK "
        "platform-tools)"
    )


def list_attached(adb: Path, name: str) -> list[attached.Attached]:
    """The phones that adb sees; its server is started where it does not run."""
    _server(adb, name)
    done = _run([str(adb), "devices", "-l"], _LIST_SECONDS)
    if done is None or done.code != 0:
        raise DeviceError(f"{name}: adb devices {_how(done)}")
    return attached.parse(done.text)


def connect(adb: Path, serial: str, name: str) -> Connection:
    """The connection to the phone of this serial, or to the only one. Raises DeviceError.

    A serial that is a network address is connected to first where it is not attached yet.
    """
    found = list_attached(adb, name)
    if serial and _NETWORK.fullmatch(serial) and all(p.serial != serial for p in found):
        # Exits 0 when it fails; what is attached afterwards tells.
        _run([str(adb), "connect", serial], _LIST_SECONDS)
        found = list_attached(adb, name)
    return Connection(adb=adb, serial=attached.choose(found, serial, name), name=name)


def _server(adb: Path, name: str) -> None:
    try:
        done = _run([str(adb), "start-server"], _START_SECONDS)
    except OSError as error:
        raise DeviceError(f"{name}: {adb} does not start: {error.strerror}") from None
    if done is None or done.code != 0:
        raise DeviceError(
            f"{name}: adb's server does not start: adb start-server {_how(done)}; try: "
            "adb kill-server"
        )


def _run(words: list[str], seconds: float) -> Completed | None:
    """A command of the client's own; None where it gave no answer in time. Raises OSError."""
    try:
        # What it leaves running is adb's server.
        return run(Command(words=words, seconds=seconds), held=True)
    except Late:
        return None


def _how(done: Completed | None) -> str:
    if done is None:
        return "gave no answer in time and was ended"
    said = done.errors + b" " + done.output
    return f"failed: {one_line(said.decode('utf-8', 'replace')) or f'exit {done.code}'}"


@dataclass(frozen=True, kw_only=True)
class Connection:
    """One phone, by its serial. name: of the device, in messages."""

    adb: Path
    serial: str
    name: str

    def words(self, *arguments: str) -> list[str]:
        """An adb command that goes to this phone and no other."""
        return [str(self.adb), "-s", self.serial, *arguments]

    def ask(self, *arguments: str, seconds: float) -> bytes:
        """What an adb command (not shell) printed. Raises DeviceError when it fails."""
        what = f"adb {arguments[0]}"
        done = _run(self.words(*arguments), seconds)
        if done is None:
            raise DeviceError(
                f"{self.name}: {what} did not end in {seconds:.0f} s and was ended: is the phone "
                "still connected?"
            )
        if done.code == 0:
            return done.output
        raise self._failure(what, done)

    def _failure(self, what: str, done: Completed) -> DeviceError:
        """What a failed command means, in one line."""
        text = (done.errors + b"\n" + done.output).decode("utf-8", "replace")
        # Before the reason adb repeats the names of the files, and after it how fast it was.
        reasons = [line for line in text.splitlines() if "error" in line] or [text]
        told = one_line(reasons[0].rpartition("': ")[2], 200) or "adb said nothing"
        if _TROUBLE.search(text) or not self.attached():
            return DeviceError(
                f"{self.name}: the phone stopped answering during {what}: {told}. Was it unplugged "
                "or restarted? See: adb devices -l"
            )
        if "no space left" in told.lower():
            return DeviceError(
                f"{self.name}: its storage became full during {what} ({told}); nothing of it was "
                "kept: free some space, or run: cnnedge devices clean"
            )
        return DeviceError(f"{self.name}: {what} failed: {told}")

    def attached(self) -> bool:
        """Whether the phone is still there and usable."""
        found = list_attached(self.adb, self.name)
        return any(p.serial == self.serial and p.usable for p in found)
