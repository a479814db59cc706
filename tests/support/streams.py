"""A camera on the network, as a process of its own, to be killed and restarted.

MJPEG over HTTP as phones' apps send it, or JPEG in RTP over RTSP (RFC 2435, interleaved in TCP).

Every frame carries the moment it was made (CLOCK_MONOTONIC, which all processes of a machine
share) and its number as black and white squares, so that a test can say how old a frame is.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import itertools
import os
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT, SQUARE = 320, 240, 16


def stamped(number: int, made_at: float) -> np.ndarray:
    """A BGR frame with its number and the moment (seconds) in squares."""
    bits = np.uint64(number << 44 | (int(made_at * 1e6) & (1 << 44) - 1))
    cells = np.unpackbits(np.frombuffer(bits.tobytes(), np.uint8)).reshape(4, 16) * 255
    frame = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
    squares = np.kron(cells, np.ones((SQUARE, SQUARE), np.uint8))
    frame[: squares.shape[0], : squares.shape[1]] = squares[:, :, None]
    cv2.circle(frame, (20 + number * 5 % 280, 160), 18, (40, 160, 240), -1)
    return frame


def stamp_of(frame: np.ndarray) -> tuple[int, float]:
    """(number, moment) of a frame made by `stamped`."""
    half = SQUARE // 2
    cells = frame[half : 4 * SQUARE : SQUARE, half : 16 * SQUARE : SQUARE, 1] > 127
    bits = int(np.frombuffer(np.packbits(cells).tobytes(), np.uint64)[0])
    return bits >> 44, (bits & (1 << 44) - 1) / 1e6


class Camera:
    """The server process. `start` may be called again after `kill`: the port stays the same."""

    def __init__(self, fps: float = 25, *, rtsp: bool = False, lengths: bool = True) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"{'rtsp' if rtsp else 'http'}://127.0.0.1:{self.port}/stream"
        self._command = [sys.executable, __file__, str(self.port), str(fps)]
        self._command += [] if lengths else ["--no-lengths"]
        self._command += ["--rtsp"] if rtsp else []
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Camera:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        assert self._process.stdout and self._process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """Pulls the plug."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stall(self) -> None:
        """Connections stay open, and nothing comes any more."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Ends a stall."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)


class _Handler(http.server.BaseHTTPRequestHandler):
    fps = 25.0
    lengths = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/stream":
            self._stream()
        elif self.path == "/page":
            self._answer(200, "text/html", b"<html><body>Log in first</body></html>")
        elif self.path == "/private":
            self._answer(401, "text/plain", b"who are you?", realm=True)
        elif self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/stream")
            self.end_headers()
        elif self.path == "/broken":
            self._answer(503, "text/plain", b"busy")
        else:
            self._answer(404, "text/plain", b"not here")

    def _answer(self, status: int, kind: str, body: bytes, *, realm: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if realm:
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for jpeg in jpegs(self.fps):
            length = f"Content-Length: {len(jpeg)}\r\n" if self.lengths else ""
            head = f"--frame\r\nContent-Type: image/jpeg\r\n{length}\r\n"
            try:
                self.wfile.write(head.encode() + jpeg + b"\r\n")
            except OSError:
                return


class _Session(socketserver.StreamRequestHandler):
    """One RTSP client. /stream plays; /private asks for a password; the rest is not there."""

    fps = 25.0

    def handle(self) -> None:
        while request := self.rfile.readline().decode():
            fields: dict[str, str] = {}
            while line := self.rfile.readline().decode().strip():
                name, _, value = line.partition(":")
                fields[name.lower()] = value.strip()
            method, url = request.split()[:2]
            if not self._answer(method, url, fields):
                return

    def _answer(self, method: str, url: str, fields: dict[str, str]) -> bool:
        """Answers one request; False at the end."""
        status, more, body = "200 OK", "", ""
        if "/private" in url:
            status, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n'
        elif "/stream" not in url:
            status = "404 Not Found"
        elif method == "OPTIONS":
            more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            body = (
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
                "m=video 0 RTP/AVP 26\r\na=control:track\r\n"
            )
            more = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP" and "TCP" not in fields.get("transport", ""):
            status = "461 Unsupported Transport"
        elif method == "SETUP":
            more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        head = f"RTSP/1.0 {status}\r\nCSeq: {fields.get('cseq', '0')}\r\nSession: 1\r\n{more}\r\n"
        self.wfile.write((head + body).encode())
        if method == "PLAY" and status == "200 OK":
            with contextlib.suppress(OSError):
                self._play()
        return method not in ("PLAY", "TEARDOWN")

    def _play(self) -> None:
        sequence, began = 0, time.monotonic()
        for jpeg in jpegs(self.fps):
            moment = int((time.monotonic() - began) * 90_000) & 0xFFFFFFFF
            tables, scan = _parts(jpeg)
            for at in range(0, len(scan), 1200):
                piece = scan[at : at + 1200]
                last = 0x80 if at + 1200 >= len(scan) else 0
                packet = struct.pack(">BBHII", 0x80, last | 26, sequence & 0xFFFF, moment, 7)
                packet += struct.pack(">I", at) + bytes([1, 255, WIDTH // 8, HEIGHT // 8])
                packet += b"" if at else struct.pack(">BBH", 0, 0, len(tables)) + tables
                packet += piece
                self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                sequence += 1


def _parts(jpeg: bytes) -> tuple[bytes, bytes]:
    """(quantisation tables, scan) of a baseline JPEG of OpenCV's."""
    tables, at = b"", 2
    while True:
        marker, length = struct.unpack_from(">HH", jpeg, at)
        segment = jpeg[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xFFDB:
            tables += b"".join(segment[i + 1 : i + 65] for i in range(0, len(segment), 65))
        elif marker == 0xFFDA:
            return tables, jpeg[at:-2]


def jpegs(fps: float) -> Iterator[bytes]:
    """Stamped frames for ever, one a period."""
    due = time.monotonic()
    for number in itertools.count():
        _, jpeg = cv2.imencode(".jpg", stamped(number, time.monotonic()))
        yield jpeg.tobytes()
        due = max(due + 1 / fps, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def _serve() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("fps", type=float)
    parser.add_argument("--no-lengths", action="store_true")
    parser.add_argument("--rtsp", action="store_true")
    arguments = parser.parse_args()
    _Handler.fps = _Session.fps = arguments.fps
    _Handler.lengths = not arguments.no_lengths
    handler = _Session if arguments.rtsp else _Handler
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    server = socketserver.ThreadingTCPServer(("127.0.0.1", arguments.port), handler)
    server.daemon_threads = True
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    _serve()
