"""`cnnedge demo`, forked as other commands are, and requests to it as anybody may send them."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.command import served
from support.forks import Process


@dataclass
class Demo:
    """A server that runs. url: with the token; said: its lines on stderr so far."""

    process: Process
    url: str = ""
    said: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(re.findall(r":(\d+)/", self.url)[0])

    @property
    def token(self) -> str:
        return self.url.rstrip("/").rpartition("/")[2]

    @property
    def secure(self) -> bool:
        return self.url.startswith("https")

    @property
    def memory_bytes(self) -> int:
        """What the server holds, by the kernel."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])

    def connect(self, seconds: float = 10) -> socket.socket:
        """A connection, with TLS where the server has it."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=seconds)
        if not self.secure:
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain)

    def ask(
        self,
        path: str,
        *headers: str,
        method: str = "GET",
        host: str | None = None,
        body: bytes = b"",
    ) -> Answer:
        """One request, its path as it is, over a connection of its own."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{self.port}'}"]
        with self.connect() as connection:
            text = "\r\n".join([*lines, "Connection: close", *headers, "", ""])
            connection.sendall(text.encode("latin-1") + body)
            return read_answer(connection)

    def post(self, path: str, body: bytes, *headers: str, host: str | None = None) -> Answer:
        """A request with the token and a body, as the page itself sends it."""
        own = f"Origin: {self.url.split('/')[0]}//127.0.0.1:{self.port}"
        given = any(header.startswith("Origin:") for header in headers)
        lines = [*([] if given else [own]), *headers, f"Content-Length: {len(body)}"]
        return self.ask(f"/{self.token}/{path}", *lines, method="POST", host=host, body=body)

    def page(self, path: str = "", *headers: str, **keywords: Any) -> Answer:
        """A request with the token."""
        return self.ask(f"/{self.token}/{path}", *headers, **keywords)

    def stop(self) -> tuple[int, str]:
        """Ctrl-C; the exit code and what it printed."""
        self.process.send_signal(signal.SIGINT)
        printed = self.process.stdout.read()
        return self.process.wait(timeout=20), printed


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def read_answer(connection: socket.socket) -> Answer:
    """All that comes until the server closes; status 0 where it closes without a word."""
    content = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while part := connection.recv(65536):
            content += part
    head, _, body = content.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
    return Answer(int(first.split(" ")[1]) if " " in first else 0, headers, body)


@contextlib.contextmanager
def demo(
    *words: object, cache: Path, host: str = "127.0.0.1", command: str = "demo"
) -> Iterator[Demo]:
    """A server on this machine alone, on any free port. command: what serves, such as teach."""
    options = [] if "--http" in words else ["--host", host]
    words = (*command.split(), *words, *options, "--port", "0")
    process = served(*words, CNNEDGE_CACHE=str(cache))
    running = Demo(process)
    reader = threading.Thread(target=_read, args=(running,), daemon=True)
    reader.start()
    try:
        until = time.monotonic() + 60
        # The last line of the invitation: what a test looks for in it has been said then.
        while not (running.url and "Ctrl-C stops it" in running.said):
            assert process.poll() is None and time.monotonic() < until, "\n".join(running.said)
            time.sleep(0.02)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _read(running: Demo) -> None:
    for line in running.process.stderr:
        running.said.append(line.rstrip("\n"))
        found = re.match(r"https?://\S+/$", line.strip())
        if found and not running.url:
            running.url = found[0]
