"""Who is let in: the address holds a secret, and everything without it is refused.

A request enters; it goes on, or a refusal leaves. Connections that say nothing are cut off.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Collection
from typing import Any

from aiohttp import web

# A phone that has the address asks within a second; TLS alone takes a few hundred milliseconds.
_SILENT_SECONDS = 15.0
# Far below the files that a process may have open; a phone takes about ten.
_MOST_CONNECTIONS = 600

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    # Shared memory, which threads need, is for isolated pages alone.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The address is the secret: no other site is to see it.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
_NOT_HERE = (
    "Nothing is here. Open the whole address that cnnedge printed, or scan its code: the "
    "part after the port is what lets you in.\n"
)


# One refusal for each part of a request.
def refusal(  # noqa: C901
    request: web.BaseRequest, token: str, hosts: Collection[str], most_body: int = 0
) -> web.Response | None:
    """What a request is refused with; None where it is let in.

    token: the first part of every path. hosts: the values of the header Host, in small letters,
    that name us. most_body: how many bytes may be sent to this path; 0: it only gives.
    """
    host = request.headers.get("Host", "").lower()
    if host not in hosts:
        # A stranger's name that was made to lead here.
        return web.Response(status=421, text="This server does not go by that name.\n")
    given = request.rel_url.raw_path.split("/", 2)[1:2]
    if not given or not hmac.compare_digest(given[0].encode(), token.encode()):
        return web.Response(status=404, text=_NOT_HERE)
    origin = request.headers.get("Origin")
    if most_body:
        if request.method != "POST":
            return web.Response(status=405, text="This takes, and gives nothing.\n")
        if origin is None:
            # Browsers name the page that sends; who does not is no page of ours.
            return web.Response(status=403, text="This answers to its own page alone.\n")
        if request.content_length is None or request.content_length > most_body:
            return web.Response(status=413, text="This is too much, or does not say how much.\n")
    elif request.method not in ("GET", "HEAD"):
        return web.Response(status=405, text="This server gives, and takes nothing.\n")
    elif request.content_length or request.headers.get("Transfer-Encoding"):
        return web.Response(status=413, text="A question has no body here.\n")
    if origin is not None and origin.lower().partition("://")[2] != host:
        return web.Response(status=403, text="This answers to its own page alone.\n")
    elsewhere = request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    if elsewhere and request.headers.get("Sec-Fetch-Mode") != "navigate":
        return web.Response(status=403, text="This answers to its own page alone.\n")
    return None


def end_headers(response: web.StreamResponse) -> None:
    """What every answer says of itself."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


class Connections:
    """Makes the protocol of each connection, and ends those that ask for nothing in time."""

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._silent: set[Any] = set()

    def __call__(self) -> asyncio.Protocol:
        protocol = self._server()
        self._silent.add(protocol)
        full = len(self._server.connections) >= _MOST_CONNECTIONS
        loop = asyncio.get_running_loop()
        loop.call_later(0.0 if full else _SILENT_SECONDS, self._end_if_silent, protocol)
        return protocol

    def note(self, request: web.BaseRequest) -> None:
        """That a request that is let in came over a connection."""
        self._silent.discard(request.protocol)

    def _end_if_silent(self, protocol: Any) -> None:
        if protocol in self._silent:
            self._silent.discard(protocol)
            if protocol.transport is not None:
                protocol.transport.abort()
