"""A folder on a device for one command.

A target enters, a path there leaves, and is gone afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from ..child_process import Completed
from ..errors import DeviceError
from ..harmless import one_line


class Runs(Protocol):
    """A device that runs commands."""

    name: str

    def run(self, words: Sequence[str]) -> Completed: ...


@contextlib.contextmanager
def folder_on(target: Runs) -> Iterator[str]:
    """A new folder in the device's own place for temporary files. Raises DeviceError.

    Where the device is gone by the end, it is left to the device to clear that place.
    """
    done = target.run(["mktemp", "-d", "-t", "cnnedge-XXXXXX"])
    path = done.text.strip()
    if done.code or not path.startswith("/") or "\n" in path:
        said = one_line(done.errors.decode("utf-8", "replace") or done.text)
        raise DeviceError(f"{target.name}: no folder for temporary files can be made: {said}")
    try:
        yield path
    finally:
        with contextlib.suppress(DeviceError):
            target.run(["rm", "-rf", "--", path])
