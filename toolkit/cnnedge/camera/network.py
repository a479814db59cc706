"""Why a stream does not open, and what to do about it.

An address enters; a sentence leaves. It tries the address itself, because OpenCV says no more
than that it did not open.
"""

from __future__ import annotations

import base64
import socket
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from ..errors import SourceError

if TYPE_CHECKING:
    from email.message import Message

# The port if the address has none; 0: it must have one.
_PORTS = {
    "http": 80,
    "https": 443,
    "rtsp": 554,
    "rtsps": 322,
    "rtmp": 1935,
    "rtmps": 443,
    "tcp": 0,
    "udp": 0,
    "rtp": 0,
    "srt": 0,
}
SCHEMES = tuple(_PORTS)
_SECONDS = 4.0


def check_address(url: str) -> None:
    """Raises SourceError for a scheme that is not known, or an address without host or port."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SourceError(f"--source {shown(url)}: this is not a valid address: {error}") from None
    if parts.scheme not in _PORTS:
        raise SourceError(
            f"--source {shown(url)}: unknown scheme {parts.scheme}://; allowed: "
            f"{', '.join(f'{s}://' for s in SCHEMES)}"
        )
    if not parts.hostname and parts.scheme not in ("udp", "rtp", "srt"):
        raise SourceError(
            f"--source {shown(url)}: this address has no host; give one, as in "
            f"{parts.scheme}://192.168.1.20:8080/video"
        )
    if port is None and _PORTS[parts.scheme] == 0:
        raise SourceError(
            f"--source {shown(url)}: this address has no port; give one, as in "
            f"{parts.scheme}://{parts.hostname or '0.0.0.0'}:8888"
        )


def shown(url: str) -> str:
    """The address, safe to print and store: a password in it becomes ***."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return url
    if password is None:
        return url
    user, host = parts.netloc.rsplit("@", 1)
    return urlunsplit(parts._replace(netloc=f"{user.split(':')[0]}:***@{host}"))


def stream_problem(url: str) -> str:
    """What is found at the address, and the remedy. Takes some seconds at most."""
    parts = urlsplit(url)
    if parts.scheme in ("udp", "rtp", "srt"):
        return (
            f"nothing that can be decoded arrived on port {parts.port}. Is it sent to this machine "
            "and port, and does the firewall let it in?"
        )
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        connection = socket.create_connection((host, port), timeout=_SECONDS)
    except OSError as error:
        return _not_reached(host, port, error)
    with connection:
        if parts.scheme == "rtsp":
            return _rtsp_answer(parts, connection)
    if parts.scheme in ("http", "https"):
        return _http_answer(parts)
    return f"{host} answers on port {port}, but sends nothing that can be decoded as video"


def _not_reached(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return (
            f"the host name {host} cannot be resolved. Check the name, or give its IP address "
            "(such as 192.168.1.20); is this machine in the same network?"
        )
    if isinstance(error, ConnectionRefusedError):
        return (
            f"{host} refuses connections on port {port}. Is the camera or its app running, and "
            "does it use this port?"
        )
    if isinstance(error, TimeoutError):
        return (
            f"{host} does not answer on port {port} within {_SECONDS:g} s. Is it switched on and "
            "in the same network, and does a firewall block it?"
        )
    return (
        f"{host} cannot be reached ({error.strerror or error}). Is it switched on and in the same "
        "network?"
    )


def _http_answer(parts: SplitResult) -> str:
    # Slow imports, and every run of a model imports this module.
    import ssl
    import urllib.error
    import urllib.request

    netloc = parts.netloc.rsplit("@", 1)[-1]
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=netloc, fragment="")))
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    # A camera is in the local network: no proxy is in between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            return _http_content(parts, answer.headers)
    except urllib.error.HTTPError as error:
        return _status(parts, error.code, str(error.reason))
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):
            return f"{netloc} does not support https ({reason.reason}). Try http://"
        if isinstance(reason, TimeoutError):
            return (
                f"{netloc} accepts connections, but does not answer within {_SECONDS:g} s. "
                "Restart it"
            )
        return f"{netloc} does not answer like a web server ({reason}). Is this the right port?"
    except Exception as error:  # http.client's own, of a server that speaks something else
        return f"{netloc} does not support http ({type(error).__name__}). Is this the right port?"


def _http_content(parts: SplitResult, headers: Message) -> str:
    kind = headers.get_content_type()
    if kind in ("text/html", "application/xhtml+xml"):
        return (
            "this address returns a web page, not a stream. Open it in a browser and look for the "
            "address of the stream itself; it often ends in /video, /stream or /mjpeg"
        )
    return f"{parts.hostname} returns {kind}, which cannot be decoded as video"


def _rtsp_answer(parts: SplitResult, connection: socket.socket) -> str:
    address = urlunsplit(parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1]))
    asked = f"DESCRIBE {address} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n"
    try:
        connection.sendall(asked.encode())
        line = connection.recv(4096).split(b"\r\n")[0].decode("latin-1")
    except OSError:
        line = ""
    words = line.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith("RTSP/") or not words[1].isdigit():
        return f"{parts.netloc.rsplit('@', 1)[-1]} does not support RTSP. Is this the right port?"
    return _status(parts, int(words[1]), words[2] if len(words) > 2 else "")


def _status(parts: SplitResult, code: int, reason: str) -> str:
    if code in (401, 403, 407):
        if parts.username:
            return (
                f"{parts.hostname} does not accept this name and password ({code} {reason}). Check "
                "them; write characters such as @ and : as %40 and %3A"
            )
        return (
            f"{parts.hostname} asks for a name and password ({code} {reason}). Give them: "
            f"{parts.scheme}://NAME:PASSWORD@{parts.netloc}{parts.path}"
        )
    if code in (404, 410, 454):
        return (
            f"{parts.hostname} has nothing at {parts.path or '/'} ({code} {reason}). Check the "
            "path in the camera's or the app's own settings"
        )
    if code == 200:
        return f"{parts.hostname} answers, but with nothing that can be decoded as video"
    return f"{parts.hostname} answers {code} {reason}. Does it play elsewhere (ffplay)?"
