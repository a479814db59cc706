"""Files on the phone, kept by the hash of their content.

A local file enters, its path on the phone leaves; and the other way round. Nothing there is ever
half a file under its own name: it is copied as NAME.part, held against the hash of what was sent,
and renamed.
"""

from __future__ import annotations

import hashlib
import posixpath
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...child_process import Completed
from ...errors import DeviceError
from ...files import whole
from ...harmless import one_line
from ..base import Say
from .client import Connection

DEFAULT_FOLDER = "/data/local/tmp/cnnedge"
# What cnnedge puts in its folder on the phone, and what `clean` removes.
KEPT = "files"
SCRATCH = "scratch"
CACHE = "cache"
# Slower than any cable and any phone that works; one that takes longer has stopped answering.
_SLOWEST_COPY = 500_000
_SLOWEST_HASH = 10_000_000
_LEAST_SECONDS = 30.0
# Left free beside what is copied: a full phone misbehaves.
_SPARE_BYTES = 20_000_000
_QUIET_BYTES = 5_000_000


class Run(Protocol):
    """Runs a command on the phone."""

    def __call__(
        self, words: Sequence[str], *, seconds: float = 60.0, what: str = ""
    ) -> Completed: ...


def own_folder(folder: str, name: str) -> str:
    """The folder on the phone, as the profile says or the usual one. Raises DeviceError."""
    chosen = posixpath.normpath(folder or DEFAULT_FOLDER)
    if not chosen.startswith("/") or chosen.count("/") < 2 or "\0" in chosen:
        raise DeviceError(
            f"{name}: folder: {one_line(folder)}: a folder of its own on the phone is needed, from "
            f"the root on, such as {DEFAULT_FOLDER}"
        )
    return chosen


def free_bytes(run: Run, folder: str) -> int | None:
    """What is free where `folder` is or will be; None where the phone does not say."""
    place = folder
    while True:
        done = run(["df", "-kP", place])
        lines = done.text.splitlines()
        if done.code == 0 and len(lines) >= 2:
            fields = lines[-1].split()
            return int(fields[3]) * 1024 if len(fields) >= 6 and fields[3].isdigit() else None
        if place == "/":
            return None
        place = posixpath.dirname(place)


def hash_there(run: Run, path: str, size: int) -> str | None:
    """The SHA-256 of a file on the phone, about `size` bytes; None where there is no such file."""
    seconds = _LEAST_SECONDS + size / _SLOWEST_HASH
    script = (
        'test -f "$1" || exit 4; '
        'command -v sha256sum >/dev/null 2>&1 && exec sha256sum <"$1"; '
        'exec toybox sha256sum <"$1"'
    )
    done = run(["sh", "-c", script, "sh", path], seconds=seconds, what="looking at its files")
    if done.code == 4:
        return None
    digest = done.text[:64]
    if done.code or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        said = one_line((done.errors + done.output).decode("utf-8", "replace"))
        raise DeviceError(
            f"the phone gives no SHA-256 of {one_line(path)}: {said or 'nothing'}. Android 7 or "
            "later, with toybox, is needed"
        )
    return digest


@dataclass(frozen=True)
class Store:
    """cnnedge's own folder on a phone. say: is told what takes time."""

    connection: Connection
    run: Run
    folder: str
    say: Say

    def push(self, local: Path, *, program: bool = False) -> str:
        """Copies a file to the phone where it is missing; its path there. Raises DeviceError."""
        try:
            digest, size = _measure(local)
        except OSError as error:
            raise DeviceError(f"{local}: cannot read: {error.strerror}") from None
        path = posixpath.join(self.folder, KEPT, digest, local.name)
        if hash_there(self.run, path, size) != digest:
            self._copy(local, path, digest, size)
        if program:
            self._need(self.run(["chmod", "755", path]), f"chmod of {one_line(path)}")
        return path

    def _copy(self, local: Path, path: str, digest: str, size: int) -> None:
        name, above = self.connection.name, posixpath.dirname(path)
        free = free_bytes(self.run, above)
        if free is not None and free < size + _SPARE_BYTES:
            raise DeviceError(
                f"{name}: {one_line(local.name)} needs {size / 1e6:.1f} MB and "
                f"{_SPARE_BYTES / 1e6:.0f} MB to spare on the phone, {free / 1e6:.1f} MB are free "
                f"in {one_line(above)}: free some space, or run: cnnedge devices clean"
            )
        if size >= _QUIET_BYTES:
            self.say(f"{name}: pushing {local.name}, {size / 1e6:.0f} MB")
        # Two of us may send the same file at once.
        part = f"{path}.{secrets.token_hex(4)}.part"
        seconds = _LEAST_SECONDS + size / _SLOWEST_COPY
        self._need(self.run(["mkdir", "-p", above]), f"making {one_line(above)}")
        try:
            self.connection.ask("push", str(local.absolute()), part, seconds=seconds)
            arrived = hash_there(self.run, part, size)
            if arrived != digest:
                raise DeviceError(
                    f"{name}: {local.name} arrived changed on the phone (SHA-256 "
                    f"{(arrived or 'none')[:12]}, sent {digest[:12]}): is its storage full or "
                    "failing?"
                )
            self._need(self.run(["mv", "-f", part, path]), f"naming {one_line(path)}")
        except BaseException:
            self._remove(part)
            raise

    def _remove(self, part: str) -> None:
        """Best effort: the phone may be gone, and then adbd itself removes what it had begun."""
        try:
            if self.connection.attached():
                self.run(["rm", "-f", part], seconds=15)
                self.run(["rmdir", posixpath.dirname(part)], seconds=15)
        except DeviceError:
            return

    def pull(self, remote: str, local: Path) -> None:
        """Copies a file of the phone here, whole or not at all. Raises CnnedgeError."""
        name = self.connection.name
        told = self.run(["stat", "-c", "%s", remote]).text.strip()
        size = int(told) if told.isdigit() else 0
        digest = hash_there(self.run, remote, size)
        if digest is None:
            raise DeviceError(f"{name}: there is no file {one_line(remote)} on the phone")
        seconds = _LEAST_SECONDS + size / _SLOWEST_COPY
        with whole(local) as temporary:
            self.connection.ask("pull", remote, str(temporary.absolute()), seconds=seconds)
            if _measure(temporary)[0] != digest:
                raise DeviceError(
                    f"{name}: {one_line(remote)} arrived changed, or was written to meanwhile; "
                    "nothing was kept"
                )

    def clean(self) -> int:
        """Removes what cnnedge put there, and its folder when it is empty; the bytes freed."""
        places = [posixpath.join(self.folder, inner) for inner in (KEPT, SCRATCH, CACHE)]
        sizes = self.run(["du", "-sk", *places], seconds=120)
        fields = [line.split("\t")[0].split(" ")[0] for line in sizes.text.splitlines()]
        freed = sum(int(field) for field in fields if field.isdigit()) * 1024
        # In one command: each one makes its folder for temporary files where it is missing.
        script = 'rm -rf "$1" "$2" "$3" || exit 1; rmdir "$4" 2>/dev/null || true'
        removing = self.run(["sh", "-c", script, "sh", *places, self.folder], seconds=120)
        self._need(removing, f"removing {one_line(self.folder)}")
        return freed

    def _need(self, done: Completed, what: str) -> None:
        if done.code:
            said = one_line((done.errors + done.output).decode("utf-8", "replace"))
            raise DeviceError(f"{self.connection.name}: {what} failed on the phone: {said}")


def _measure(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size
