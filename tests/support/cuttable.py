"""A network that can be cut: forwards to a port on loopback until told otherwise.

When it is cut, nothing is closed: that is how a pulled cable looks to both ends.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from support.sshd import free_port


class Network:
    """port: to connect to. most: cut by itself once so many bytes went out; None for never.

    stop_at: the same, but bytes only wait; `stopped` is set then, until `go_on`.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.most: int | None = None
        self.stop_at: int | None = None
        self.stopped = threading.Event()
        self._going = threading.Event()
        self._target, self._sent = target, 0
        self._cut = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """From now on nothing arrives anywhere."""
        self._cut.set()

    def go_on(self) -> None:
        """What waits goes out."""
        self._going.set()

    def close(self) -> None:
        self.go_on()
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                for pair in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, out: bool) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(16384):
                self._sent += len(part) if out else 0
                if self.most is not None and self._sent > self.most:
                    self.cut()
                if out and self.stop_at is not None and self._sent > self.stop_at:
                    self.stopped.set()
                    self._going.wait()
                if self._cut.is_set():
                    # Kept open, never read again.
                    return
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def network_to(port: int) -> Iterator[Network]:
    """One, for as long as the context lasts."""
    network = Network(port)
    try:
        yield network
    finally:
        network.close()
