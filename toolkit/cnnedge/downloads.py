"""A file of the web: its address enters; its bytes leave, or the reason why they cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

Progress = Callable[[int, int], None]  # bytes done, bytes in all (0: not known)

_BLOCK_BYTES = 1 << 18
_TIMEOUT_S = 15.0


class Unreachable(Exception):
    """The file cannot be had; the text is the reason, a part of a sentence."""


class TooLarge(Exception):
    """The file has more bytes than were wanted."""


def download(
    url: str, target: BinaryIO, *, progress: Progress | None = None, most_bytes: int | None = None
) -> None:
    """Writes the file at an http or https address into an open one; who asked checks its hash.

    Raises Unreachable, also where the connection ends early; TooLarge; and OSError of the target.
    """
    import requests
    from pooch import HTTPDownloader

    counted = _Counted(target, progress, most_bytes)
    fetch = HTTPDownloader(progressbar=counted, chunk_size=_BLOCK_BYTES, timeout=_TIMEOUT_S)
    try:
        fetch(url, counted, None)
    except requests.RequestException as error:
        raise Unreachable(_reason(error, counted)) from None


class _Counted:
    """A file that tells how much of it was written, and for pooch a progress bar."""

    def __init__(self, target: BinaryIO, progress: Progress | None, most: int | None) -> None:
        self._target, self._progress, self._most = target, progress, most
        self.done = 0
        self.total = 0

    def write(self, block: bytes) -> None:
        self.done += len(block)
        if self._most is not None and self.done > self._most:
            raise TooLarge
        self._target.write(block)
        if self._progress is not None:
            self._progress(self.done, self.total)

    def flush(self) -> None:
        """pooch asks for it after each block, where one at the end is enough."""

    # pooch guesses the bytes that are done; they were counted.
    def update(self, _count: int) -> None: ...
    def reset(self) -> None: ...
    def close(self) -> None: ...


def _reason(error: Exception, counted: _Counted) -> str:
    """The status, how far it got, or else the innermost cause in its own words."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"HTTP {status}"
    inner: BaseException = error
    while cause := _cause(inner):
        inner = cause
    # urllib3's IncompleteRead has the bytes that came.
    done = getattr(inner, "partial", counted.done)
    if done and isinstance(done, int):
        return f"the connection ended after {done} of {counted.total} bytes"
    text = getattr(inner, "strerror", None) or str(inner).strip() or type(inner).__name__
    return str(text).splitlines()[0]


def _cause(error: BaseException) -> BaseException | None:
    """What an error of requests or urllib3 was made of."""
    wrapped = [getattr(error, "reason", None), error.__cause__, error.__context__, *error.args]
    return next((each for each in wrapped if isinstance(each, BaseException)), None)
