"""The server of the page on a thread of its own, for a target that waits.

Errands enter; a page's answers leave. The server listens from the first errand on, until the visit
is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from ...errors import CnnedgeError, DeviceError
from ...web.addresses import Place
from ...web.assets import load_assets
from ...web.errands import Errand, Errands, Left
from ...web.hosting import Hosting, Invitation, Invite, hosting, invitation
from ...web.server import Site
from ..base import Say

# Long enough to fetch a phone from the next room, and to join a network with it.
_COMING_SECONDS = 900.0
_CLOSING_SECONDS = 10.0
_T = TypeVar("_T")


class Visit:
    """One page that does what is asked. Used by one thread at a time.

    name: of the device, for messages. invite: shows what leads to the page.
    """

    def __init__(self, name: str, place: Place, invite: Invite, say: Say) -> None:
        self._name, self._place, self._say = name, place, say
        self._invite = invite
        self._stack = contextlib.ExitStack()
        self._thread: threading.Thread | None = None
        self._errands: Errands | None = None
        self._loop = asyncio.new_event_loop()
        self._end: asyncio.Event | None = None

    def begin(self) -> Errands:
        """Listens, and shows where. Raises CnnedgeError where that cannot be."""
        if self._errands is not None:
            return self._errands
        found = hosting(self._place)
        assets = load_assets()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="cnnedge-"))
        errands = Errands(Path(folder), lambda text: self._say(f"{self._name}: {text}"))
        site = Site(
            assets=assets,
            models=[],
            say=lambda _text: None,
            listening=found.listening,
            errands=errands,
        )
        ready: Future[Invitation] = Future()
        words = (site, found, ready)
        self._thread = threading.Thread(target=self._serve, args=words, daemon=True)
        self._thread.start()
        self._stack.enter_context(self._invite(ready.result()))
        self._errands = errands
        return errands

    def _serve(self, site: Site, found: Hosting, ready: Future[Invitation]) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._until_closed(site, found, ready))
        except BaseException as error:  # Of another thread: it is raised where it is waited for.
            if not ready.done():
                ready.set_exception(error)

    async def _until_closed(self, site: Site, found: Hosting, ready: Future[Invitation]) -> None:
        self._end = asyncio.Event()
        async with site.serving():
            ready.set_result(invitation(site, found))
            await self._end.wait()

    def ask(
        self, errand: Errand, seconds: float, line: Callable[[str], None] | None = None
    ) -> bytes:
        """The page's answer. Waits for a page where none is there yet.

        Raises DeviceError, or TimeoutError where it does not answer in time.
        """
        errands = self.begin()
        try:
            try:
                self._on_loop(errands.present(_COMING_SECONDS))
            except asyncio.TimeoutError:
                minutes = f"{_COMING_SECONDS / 60:.0f} minutes"
                raise DeviceError(
                    f"{self._name}: no browser opened the page in {minutes}"
                ) from None
            return self._on_loop(errands.run(errand, seconds, line))
        except Left:
            raise DeviceError(
                f"{self._name}: the page was closed or loaded anew before it had answered; run "
                "this again, and keep the page open and in front"
            ) from None
        except asyncio.TimeoutError:
            raise TimeoutError from None

    def _on_loop(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Says goodbye to the page, and listens no more."""
        if self._thread is not None:
            # A server that could not listen has ended already.
            if self._end is not None:
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(_CLOSING_SECONDS)
            self._thread = None
        try:
            self._stack.close()
        except OSError as error:
            raise CnnedgeError(f"{self._name}: {error}") from None
