"""The server of the page: its own files and the named models, to phones that have the address.

Models, files and where to listen enter; a running Site leaves, and what phones said once it ends.
All content lies in memory under its whole path, so no path leads anywhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import secrets
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import WSMsgType, web

from .._version import __version__
from ..errors import CnnedgeError
from .assets import TYPES, Asset, Assets, asset
from .description import WebModel
from .errands import Errands
from .guarding import Connections, end_headers, refusal
from .lessons import Lessons
from .phones import Hello, Phone, Phones, Report, read_message

_FOR_EVER = "private, max-age=31536000, immutable"
_MOST_MESSAGE_BYTES = 16 * 1024
# A page reports once a second.
_MOST_MESSAGES_PER_S = 10
_MOST_PAGES = 64
_TRIES = 20
_FAREWELL_SECONDS = 0.5
_TELL_SECONDS = 5.0

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where to listen. port: 0 for any free one; exact: that port or none. certificate: for
    https, a file with key and certificate; None: http. hosts: names and addresses that are ours;
    public: host and port under which a tunnel shows us elsewhere."""

    host: str | None
    port: int
    exact: bool
    certificate: str | None
    hosts: Sequence[str]
    public: str | None = None


@dataclass(kw_only=True)
class Site:
    """A page that is being served. token: what its address holds; phones: those that came;
    lessons: where it also teaches; errands: where it measures instead of labelling."""

    assets: Assets
    models: Sequence[WebModel]
    listening: Listening
    say: Say
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    phones: Phones = field(default_factory=Phones)
    lessons: Lessons | None = None
    errands: Errands | None = None
    port: int = 0

    def __post_init__(self) -> None:
        self._more = self.errands if self.lessons is None else self.lessons
        self._pages: dict[web.WebSocketResponse, Phone | None] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._make_files()
        if self.lessons is not None:
            self.lessons.show, self.lessons.tell = self.show, self.tell

    def show(self, model: WebModel) -> None:
        """Puts a model in place of those before, on pages that are open too."""
        self.models = [model]
        self._make_files()
        self.tell({"type": "model", "model": model.as_json()})

    def tell(self, said: Mapping[str, Any]) -> None:
        """Says something to all pages that are open; one that does not listen is left behind."""
        text = json.dumps(said, ensure_ascii=False)
        for page in list(self._pages):
            task = asyncio.get_running_loop().create_task(_tell(page, text))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    def _make_files(self) -> None:
        kind: Kind = "live" if self.lessons is None else "teaching"
        kind = kind if self.errands is None else "measuring"
        self._files = site_files(self.assets, self.models, kind=kind)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listens while it is entered. Raises CnnedgeError where the port cannot be had."""
        server = web.Server(self._answer, access_log=None, lingering_time=0.0, logger=_log())
        self._connections = Connections(server)
        loop = asyncio.get_running_loop()
        listener = await self._listen(loop)
        self.port = listener.sockets[0].getsockname()[1]
        self._hosts = self._own_hosts()
        try:
            yield
        finally:
            listener.close()
            await self._farewell()
            await server.shutdown(1.0)

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        where = self.listening
        context = None
        if where.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(where.certificate)
        patience = 10.0 if context else None
        # IPv4 and IPv6 would each take another free port.
        wanted = where.port or _free_port(where.host)
        for port in range(wanted, wanted + (1 if where.exact else _TRIES)):
            try:
                return await loop.create_server(
                    self._connections,
                    where.host,
                    port,
                    ssl=context,
                    backlog=256,
                    ssl_handshake_timeout=patience,
                )
            except OSError as error:
                if error.errno != errno.EADDRINUSE or where.exact:
                    raise CnnedgeError(_not_listening(where.host, port, error)) from None
        raise CnnedgeError(
            f"the ports {where.port} to {where.port + _TRIES - 1} are all taken; --port 0 takes "
            "any that is free"
        )

    def _own_hosts(self) -> frozenset[str]:
        where = self.listening
        bare = [f"[{host}]" if ":" in host else host for host in where.hosts]
        # Browsers leave the usual port away.
        usual = self.port == (443 if where.certificate else 80)
        named = bare if usual else [f"{host}:{self.port}" for host in bare]
        public = [where.public] if where.public else []
        return frozenset(host.lower() for host in (*named, *public))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        most = self._more.most_body(_name(request)) if self._more else 0
        refused = refusal(request, self.token, self._hosts, most)
        if refused is not None:
            # What it still wants to send is not read.
            refused.force_close()
            response: web.StreamResponse = refused
        else:
            self._connections.note(request)
            response = await self._give(request)
        if not response.prepared:
            end_headers(response)
        return response

    async def _give(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.rel_url.raw_path.count("/") < 2:
            return web.Response(status=308, headers={"Location": f"/{self.token}/"})
        name = _name(request)
        if name == "socket":
            return await self._talk(request)
        if self._more is not None:
            given = await self._more.answer(request, name)
            if given is not None:
                return given
        found = self._files.get(name)
        if found is None:
            return web.Response(status=404, text="There is no such file.\n")
        return _response(request, name, found)

    async def _talk(self, request: web.BaseRequest) -> web.StreamResponse:
        """A page's messages, until it closes."""
        page = web.WebSocketResponse(
            heartbeat=20, max_msg_size=_MOST_MESSAGE_BYTES, timeout=_FAREWELL_SECONDS
        )
        if len(self._pages) >= _MOST_PAGES or not page.can_prepare(request).ok:
            return web.Response(status=503, text="Too many pages are open.\n")
        await page.prepare(request)
        self._pages[page] = None
        allowance, filled = float(_MOST_MESSAGES_PER_S), time.monotonic()
        try:
            async for message in page:
                now = time.monotonic()
                allowance = min(2.0 * _MOST_MESSAGES_PER_S, allowance + (now - filled) * 10)
                filled = now
                allowance -= 1
                if allowance < 0 or message.type is not WSMsgType.TEXT:
                    break
                await self._heard(page, message.data)
        finally:
            phone = self._pages.pop(page)
            if self.errands is not None:
                self.errands.left(page)
            if phone is not None:
                phone.here = False
                self.say(f"{phone.name} left")
        await page.close()
        return page

    async def _heard(self, page: web.WebSocketResponse, text: str) -> None:
        said, phone = read_message(text), self._pages[page]
        if said is None and phone is not None and self.errands is not None:
            await self.errands.heard(page, phone.name, text)
        if isinstance(said, Hello) and phone is None:
            phone = self._pages[page] = self.phones.join(said)
            if phone is not None:
                await page.send_str(json.dumps({"type": "welcome", "name": phone.name}))
                self.say(f"{phone.name} came")
        elif isinstance(said, Report) and phone is not None:
            before = phone.report and (phone.report.model, phone.report.engine)
            # Empty for as long as the page loads.
            if said.engine and before != (said.model, said.engine):
                self.say(f"{phone.name}: {said.model} on {said.engine}")
            phone.report = said

    async def _farewell(self) -> None:
        """Pages go on labelling, and say that nobody listens any more."""
        for page in list(self._pages):
            with contextlib.suppress(Exception):
                bye = page.send_str(json.dumps({"type": "bye"}))
                await asyncio.wait_for(bye, _FAREWELL_SECONDS)


Kind = Literal["live", "teaching", "measuring", "offline"]
# The page of each kind, where it is not the usual one.
_INDEX = {"measuring": "measuring.html"}


def site_files(assets: Assets, models: Sequence[WebModel], *, kind: Kind) -> dict[str, Asset]:
    """Every file of a site by its path. kind: live: a server listens; teaching: and takes pictures;
    measuring: and sends errands; offline: a service worker keeps them."""
    files = {f"a/{assets.digest}/{path}": found for path, found in assets.files.items()}
    # These stand at the top.
    for name in ("index.html", "measuring.html", "service_worker.js"):
        del files[f"a/{assets.digest}/{name}"]
    files["index.html"] = asset(assets.index(_INDEX.get(kind, "index.html")).encode())
    for model in models:
        files[f"m/{model.file}"] = asset(model.data)
    described: Mapping[str, Any] = {
        "version": __version__,
        "live": kind != "offline",
        "offline": kind == "offline",
        "teaching": kind == "teaching",
        "litert": assets.litert_version,
        "wasm": assets.wasm(),
        "models": [model.as_json() for model in models],
    }
    files["site.json"] = asset(json.dumps(described, ensure_ascii=False).encode())
    return files


def _name(request: web.BaseRequest) -> str:
    """The path behind the token."""
    parts = request.rel_url.raw_path.split("/", 2)
    return (parts[2] if len(parts) > 2 else "") or "index.html"


async def _tell(page: web.WebSocketResponse, text: str) -> None:
    with contextlib.suppress(Exception):
        await asyncio.wait_for(page.send_str(text), _TELL_SECONDS)


def _response(request: web.BaseRequest, name: str, found: Asset) -> web.Response:
    kind = TYPES["." + name.rpartition(".")[2]]
    headers = {"Content-Type": kind, "Vary": "Accept-Encoding"}
    if name.startswith(("a/", "m/")):
        headers["Cache-Control"] = _FOR_EVER
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return web.Response(body=found.packed, headers=headers)
    return web.Response(body=found.content, headers=headers)


def _log() -> logging.Logger:
    """What strangers send is no error of ours, and fills no terminal."""
    quiet = logging.getLogger(__name__)
    quiet.propagate = False
    quiet.addHandler(logging.NullHandler())
    return quiet


def _free_port(host: str | None) -> int:
    family = socket.AF_INET6 if host and ":" in host else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family) as probe:
        probe.bind((host or "", 0))
        return int(probe.getsockname()[1])
    return 0


def _not_listening(host: str | None, port: int, error: OSError) -> str:
    where = f"{host or 'this machine'}, port {port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where}: another program listens there; --port 0 takes any port that is free"
    if error.errno == errno.EACCES:
        return f"{where}: ports below 1024 are the system's; take a higher one with --port"
    return f"{where}: cannot listen: {error.strerror or error}; --host is for own addresses"
