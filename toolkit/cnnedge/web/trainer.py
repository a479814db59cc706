"""The process that trains, seen from the server: one that is slow, may die, and is started again.

The words of a command enter (cnnedge.teaching, of the workshop, which the server's side does not
import); what it tells, line by line, leaves as `Told`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_MOST_LINE_BYTES = 2**20
_STOP_SECONDS = 3.0
_SAID_LAST = 300


@dataclass(frozen=True, kw_only=True)
class Told:
    """kind: starting, progress, ready, taught, refused or failed. text: in words; done, total: of
    the step, total 0 where it is not counted. more: of taught, what came of it."""

    kind: str
    text: str = ""
    done: int = 0
    total: int = 0
    more: dict[str, Any] = field(default_factory=dict)


class Trainer:
    """Starts the process, asks it to train, and tells what it says.

    told: called with each Told, in the server's loop.
    """

    def __init__(self, words: Sequence[str], told: Callable[[Told], None]) -> None:
        self._words = list(words)
        self._told = told
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._stopping = False
        self.busy = False

    async def start(self) -> None:
        """Starts the process, unless it runs."""
        if self._process is not None and self._process.returncode is None:
            return
        self._told(Told(kind="starting", text="starting"))
        self._process = await asyncio.create_subprocess_exec(
            *self._words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_MOST_LINE_BYTES,
            # Ctrl-C is for the server, which then ends it.
            start_new_session=True,
        )
        self._reading = asyncio.create_task(self._read(self._process))

    async def train(self) -> bool:
        """Asks for a round; False where one is under way."""
        if self.busy:
            return False
        self.busy = True
        await self.start()
        assert self._process is not None and self._process.stdin is not None
        self._told(Told(kind="progress", text="waiting for TensorFlow"))
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(b"train\n")
            await self._process.stdin.drain()
        return True

    async def stop(self) -> None:
        """Ends the process."""
        self._stopping = True
        if self._process is None or self._process.returncode is not None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except asyncio.TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None and process.stderr is not None
        last = asyncio.create_task(_last_words(process.stderr))
        failed = False
        async for line in process.stdout:
            told = _read_line(line)
            if told is None:
                continue
            failed = failed or told.kind == "failed"
            if told.kind in ("taught", "refused", "failed"):
                self.busy = False
            self._told(told)
        code, said = await process.wait(), await last
        self.busy = False
        if not failed and not self._stopping:
            why = f"exit code {code}" if code >= 0 else f"signal {-code}"
            text = f"training ended by itself ({why}); press Train again. {said}"
            self._told(Told(kind="refused", text=text.strip()))


async def _last_words(stream: asyncio.StreamReader) -> str:
    """The end of what it wrote to its error stream, on one line."""
    kept = b""
    while part := await stream.read(65536):
        kept = (kept + part)[-4096:]
    text = " ".join(kept.decode("utf-8", "replace").split())
    return text[-_SAID_LAST:]


def _read_line(line: bytes) -> Told | None:
    try:
        said = json.loads(line)
        kind = said.pop("kind")
    except (ValueError, AttributeError, KeyError):
        return None
    if kind == "progress":
        return Told(kind=kind, text=said["text"], done=said["done"], total=said["total"])
    return Told(kind=kind, text=said.pop("text", ""), more=said)
