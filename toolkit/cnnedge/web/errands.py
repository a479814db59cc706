"""What `--device browser` adds to the page's server: errands go out to one page, answers come in.

An errand is a request of the worker protocol (docs/protocol.md). Files that it names are given to
the page; its answer, and files that it makes, come back by POST, each to a path that was announced
and no longer than allowed. Everything here runs on the server's loop.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from .assets import Asset, asset

# 100,000 samples as text are 2 MB.
MOST_ANSWER_BYTES = 32 * 1024 * 1024
# Outputs of a million pictures with a hundred classes.
MOST_FILE_BYTES = 1 << 28
_MOST_BODIES = 2
_BODY_SECONDS = 600.0
# A connection that breaks for a moment comes back; a page that was closed does not.
RETURN_SECONDS = 8.0
UNLOCK_SECONDS = 30.0
_MOST_VISIT = 64


class Left(Exception):
    """The page that had an errand was closed, loaded anew, or lost its network."""


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What a page is asked. worker: of the protocol; request: as it is sent; more: what a page
    needs beside it. makes: paths of files that it may send, and how long they may be."""

    worker: str
    request: Mapping[str, Any]
    more: Mapping[str, Any]
    makes: Mapping[str, int] = field(default_factory=dict)


@dataclass(kw_only=True)
class _Running:
    errand: Errand
    key: str
    answer: asyncio.Future[bytes]
    line: Callable[[str], None] | None

    def as_text(self) -> str:
        said = self.errand
        return json.dumps(
            {
                "type": "errand",
                "key": self.key,
                "worker": said.worker,
                "request": said.request,
                "more": said.more,
            }
        )


class Errands:
    """One page at a time does what is asked. folder: for the files that it makes. say: to the
    terminal."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._given: dict[str, Path | Asset] = {}
        self._made: dict[str, Path] = {}
        self._page: web.WebSocketResponse | None = None
        self._visit = ""
        self.name = ""
        self._here = asyncio.Event()
        self._running: _Running | None = None
        self._bodies = asyncio.Semaphore(_MOST_BODIES)

    def give(self, name: str, content: bytes | Path) -> None:
        """Lets the page fetch a file by this name."""
        self._given[f"w/{name}"] = asset(content) if isinstance(content, bytes) else content

    def made(self, name: str) -> Path | None:
        """A file that the page made."""
        return self._made.get(name)

    def drop(self, prefix: str) -> None:
        """Forgets files that the page made."""
        for name in [name for name in self._made if name.startswith(prefix)]:
            self._made.pop(name).unlink(missing_ok=True)

    async def present(self, seconds: float) -> None:
        """Until a page is there: the first one within `seconds`, one that was there before within
        the time that a phone takes to be unlocked. Raises asyncio.TimeoutError, Left."""
        if not self._visit or self._here.is_set():
            await asyncio.wait_for(self._here.wait(), seconds)
            return
        try:
            await asyncio.wait_for(self._here.wait(), UNLOCK_SECONDS)
        except asyncio.TimeoutError:
            raise Left from None

    async def run(
        self, errand: Errand, seconds: float, line: Callable[[str], None] | None
    ) -> bytes:
        """The answer of the page, as it sent it. Raises Left, asyncio.TimeoutError."""
        loop = asyncio.get_running_loop()
        running = _Running(
            errand=errand, key=secrets.token_hex(8), answer=loop.create_future(), line=line
        )
        self._running = running
        if self._page is None:
            self._await_return()
        try:
            await self._tell(running.as_text())
            return await asyncio.wait_for(running.answer, seconds)
        except asyncio.TimeoutError:
            await self._tell(json.dumps({"type": "stop", "key": running.key}))
            raise
        finally:
            self._running = None

    async def _tell(self, text: str) -> None:
        if self._page is not None:
            try:
                await self._page.send_str(text)
            except (ConnectionError, RuntimeError):
                self.left(self._page)

    async def heard(self, page: web.WebSocketResponse, name: str, text: str) -> None:
        """A message of a page, which may be anything."""
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(said, dict):
            return
        visit, done = said.get("visit"), said.get("done")
        if said.get("type") == "visit" and isinstance(visit, str) and len(visit) <= _MOST_VISIT:
            await self._visited(page, name, visit)
        elif page is self._page and said.get("type") == "line" and isinstance(done, int):
            running = self._running
            if running and running.line and said.get("key") == running.key:
                running.line(json.dumps({"done": done}))
        elif page is self._page and said.get("type") == "hidden" and self._running:
            self._say(
                f"{self.name}: the page went to the background; what was measured then is thrown "
                "away, and measured again when it is in front"
            )

    async def _visited(self, page: web.WebSocketResponse, name: str, visit: str) -> None:
        if self._page is not None and page is not self._page:
            await page.send_str(json.dumps({"type": "taken", "name": self.name}))
            return
        again = visit == self._visit
        if self._running and not again:
            # Another page, or this one loaded anew: what was begun is lost.
            self._fail()
        if not again:
            self._say(f"{name} came")
        self._page, self._visit, self.name = page, visit, name
        self._here.set()
        if self._running and again:
            await self._tell(self._running.as_text())

    def left(self, page: web.WebSocketResponse) -> None:
        """That a page's connection ended."""
        if page is self._page:
            self._page = None
            self._here.clear()
            self._await_return()

    def _await_return(self) -> None:
        asyncio.get_running_loop().call_later(RETURN_SECONDS, self._gone, self._running)

    def _gone(self, running: _Running | None) -> None:
        if self._page is None and running is not None and running is self._running:
            self._fail()

    def _fail(self) -> None:
        if self._running and not self._running.answer.done():
            self._running.answer.set_exception(Left())

    def most_body(self, name: str) -> int:
        """How many bytes a request to `name` may bring; 0 where it may bring nothing."""
        running = self._running
        if running is None:
            return 0
        if name == f"w/answer/{running.key}":
            return MOST_ANSWER_BYTES
        prefix = f"w/made/{running.key}/"
        return running.errand.makes.get(name.removeprefix(prefix), 0) if prefix in name else 0

    async def answer(self, request: web.BaseRequest, name: str) -> web.StreamResponse | None:
        """The answer to what is an errand's; None for anything else."""
        if request.method == "POST":
            try:
                await asyncio.wait_for(self._take(request, name), _BODY_SECONDS)
            except (asyncio.TimeoutError, asyncio.IncompleteReadError):
                gone = web.Response(status=408, text="It did not come whole.\n")
                gone.force_close()
                return gone
            return web.Response(status=204)
        found = self._given.get(name)
        if found is None:
            return None
        if isinstance(found, Path):
            return web.FileResponse(found, headers={"Content-Type": "application/octet-stream"})
        return web.Response(body=found.content, content_type="application/octet-stream")

    async def _take(self, request: web.BaseRequest, name: str) -> None:
        running, length = self._running, request.content_length or 0
        async with self._bodies:
            if name.startswith("w/answer/"):
                body = await request.content.readexactly(length)
                if running is self._running and running and not running.answer.done():
                    running.answer.set_result(body)
                return
            place = self._folder / secrets.token_hex(8)
            with place.open("wb") as file:
                while length:
                    part = await request.content.read(min(length, 1 << 20))
                    if not part:
                        raise asyncio.IncompleteReadError(b"", length)
                    file.write(part)
                    length -= len(part)
            path = name.split("/", 3)[3]
            old = self._made.pop(path, None)
            if old is not None:
                old.unlink(missing_ok=True)
            self._made[path] = place
