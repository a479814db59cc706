"""What goes wrong between adb's client and a phone, as a program in the phone's network.

    adb_faults.py cable PORT PHONE_PORT    passes bytes between them; standard input orders `cut N`
                                           (after N more bytes to the phone), `stall`,
                                           `stop N` (bytes wait after so many), `stopped` (waits
                                           for that), `go`
    adb_faults.py phone PORT KIND          a phone that is `unauthorized`, `silent` or `old`

Only what the real adbd cannot be brought to do is spoken here, from adb's documented protocol
(packages/modules/adb, protocol.txt): the first packets of a connection, and no more.
"""

import contextlib
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from typing import Any

CNXN, AUTH, OPEN, CLSE = (
    int.from_bytes(name, "little") for name in (b"CNXN", b"AUTH", b"OPEN", b"CLSE")
)
VERSION, MOST = 0x01000001, 1 << 20
TOKEN = 1


class Cable:
    """Bytes both ways, until it is told otherwise."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.free: int | None = None
        self.stopped, self.going = threading.Event(), threading.Event()
        self.stalled = threading.Event()
        self.pairs: list[Any] = []

    def obey(self) -> None:
        for order in sys.stdin:
            word, _, number = order.strip().partition(" ")
            if word == "cut":
                self.left = int(number)
                if not self.left:
                    self.cut()
            elif word == "stall":
                self.stalled.set()
            elif word == "stop":
                self.free = int(number)
            elif word == "stopped":
                self.stopped.wait(20)
            elif word == "go":
                self.going.set()
            print("done", flush=True)

    def cut(self) -> None:
        for pair in self.pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def join(self, client: socket.socket, port: int) -> None:
        phone = socket.create_connection(("127.0.0.1", port))
        self.pairs.append((client, phone))
        threading.Thread(target=self.pump, args=(client, phone, True), daemon=True).start()
        threading.Thread(target=self.pump, args=(phone, client, False), daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket, to_phone: bool) -> None:
        try:
            while piece := source.recv(65536):
                if self.stalled.is_set():
                    threading.Event().wait()
                if to_phone and self.free is not None:
                    self.free -= len(piece)
                    if self.free < 0:
                        self.stopped.set()
                        self.going.wait()
                if to_phone and self.left is not None:
                    piece = piece[: self.left]
                    self.left -= len(piece)
                sink.sendall(piece)
                if to_phone and self.left == 0:
                    self.cut()
                    return
        except OSError:
            pass
        finally:
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def send(sock: socket.socket, command: int, first: int, second: int, data: bytes = b"") -> None:
    check = sum(data) & 0xFFFFFFFF
    head = struct.pack("<6I", command, first, second, len(data), check, command ^ 0xFFFFFFFF)
    sock.sendall(head + data)


def packets(sock: socket.socket) -> Iterator[Any]:
    stream = sock.makefile("rb")
    while len(head := stream.read(24)) == 24:
        command, first, _second, length, _check, _magic = struct.unpack("<6I", head)
        stream.read(length)
        yield command, first


def answer(sock: socket.socket, kind: str) -> None:
    """As a phone of this kind; `old` tells no features, as Android 6 does."""
    for command, first in packets(sock):
        if kind == "unauthorized" and command in (CNXN, AUTH):
            # Neither a signature nor a key is ever accepted.
            send(sock, AUTH, TOKEN, 0, os.urandom(20))
        elif kind == "old" and command == CNXN:
            send(sock, CNXN, VERSION, MOST, b"device::ro.product.name=old;ro.product.model=Old;\0")
        elif kind == "old" and command == OPEN:
            send(sock, CLSE, 0, first)


def main() -> None:
    what, port, more = sys.argv[1:]
    server = socket.create_server(("127.0.0.1", int(port)))
    cable = Cable()
    if what == "cable":
        threading.Thread(target=cable.obey, daemon=True).start()
    print("listening", flush=True)
    while True:
        sock, _ = server.accept()
        if what == "cable":
            cable.join(sock, int(more))
        else:
            threading.Thread(target=answer, args=(sock, more), daemon=True).start()


if __name__ == "__main__":
    main()
