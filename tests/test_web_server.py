"""The server of `cnnedge demo`, asked by those it is not for: they get nothing."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cnnedge.bundle import Guest
from cnnedge.errors import ModelError
from cnnedge.web.description import describe
from cnnedge.web.phones import Hello, Phones, Report, read_message
from support.command import assert_one_clear_line, cnnedge
from support.demo import Demo, demo, read_answer
from support.guests import tflite, with_metadata, written

EVIL = "<img src=x onerror=alert(1)>"
LABELS = f"cat\n{EVIL}\n\u202eevil\x1b[31m"
TRAVERSALS = (
    *("../setup.cfg", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd"),
    *("....//....//etc/passwd", "..\\..\\etc\\passwd", "..%5c..%5cetc%5cpasswd", "a/../../x"),
    *("%252e%252e%252fetc%252fpasswd", "/etc/passwd", "//etc/passwd", "./../../etc/passwd"),
    *("a/%2e%2e/%2e%2e/etc/passwd", "..;/etc/passwd", "%c0%ae%c0%ae/etc/passwd", "m/../site.jso"),
    *("m/..%00/etc/passwd", "..%u2215etc", "file:///etc/passwd", "m/~root/.ssh/id_rsa"),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tensorflow as tf

    def classify(image: Any) -> Any:
        return tf.nn.softmax(tf.reduce_mean(image, axis=(1, 2)))

    content = with_metadata(tflite(classify, (1, 16, 16, 3)), labels=LABELS)
    return written(tmp_path_factory.mktemp("web"), content, "evil<b>.tflite")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def served(model: Path, cache: Path) -> Iterator[Demo]:
    with demo(model, cache=cache) as running:
        yield running


@pytest.fixture(autouse=True)
def serves_on(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did, a phone that has the address is answered, and soon."""
    yield
    if "served" in request.fixturenames:
        running = request.getfixturevalue("served")
        began = time.monotonic()
        assert running.page().status == 200
        assert time.monotonic() - began < 5


def test_the_page_comes_with_all_that_isolates_it(served: Demo) -> None:
    found = served.page()
    assert b"<title>" in found.body
    assert found.headers["cross-origin-opener-policy"] == "same-origin"
    assert found.headers["cross-origin-embedder-policy"] == "require-corp"
    assert found.headers["cache-control"] == "no-store"
    assert found.headers["referrer-policy"] == "no-referrer"
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy
    assert "http:" not in policy and "https:" not in policy


def test_the_description_holds_every_text_as_data(served: Demo) -> None:
    site = json.loads(served.page("site.json").body)
    (described,) = site["models"]
    assert described["labels"][:2] == ["cat", EVIL]
    assert described["name"] == "evil<b>"
    found = served.page(f"m/{described['file']}")
    assert len(found.body) == described["size_bytes"]
    assert "immutable" in found.headers["cache-control"]


def test_first_load_is_below_four_megabytes(served: Demo) -> None:
    index = served.page().body.decode()
    folder = index.split('href="')[1].partition("/icon.svg")[0]
    total = 0
    names = ["style.css", "main.js", "page.js", "session.js", "engine.js", "runtime.js"]
    names += ["third_party/litert.js", "third_party/litert_wasm_threaded_internal.js"]
    for name in [*names, "third_party/litert_wasm_threaded_internal.wasm"]:
        found = served.page(f"{folder}/{name}", "Accept-Encoding: gzip")
        assert (found.status, found.headers["content-encoding"]) == (200, "gzip"), name
        assert "immutable" in found.headers["cache-control"]
        total += len(found.body)
        if name.endswith("engine.js"):
            plain = served.page(f"{folder}/{name}")
            assert plain.body == gzip.decompress(found.body)
    assert total < 4_000_000


@pytest.mark.parametrize("path", ["/", "/site.json", "/x/", "/socket", "/favicon.ico", "*", ""])
def test_without_the_token_there_is_nothing(served: Demo, path: str) -> None:
    found = served.ask(path or "/", "X-Token: " + served.token)
    assert found.status in (400, 404)
    assert b"cnnedge printed" in found.body or found.status == 400
    assert served.token.encode() not in found.body


def test_a_token_that_is_nearly_right_is_wrong(served: Demo) -> None:
    token = served.token
    for wrong in (token[:-1], token + "A", token.swapcase(), f"%{ord(token[0]):02x}{token[1:]}"):
        assert served.ask(f"/{wrong}/site.json").status == 404


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out(served: Demo, path: str) -> None:
    for found in (served.page(path), served.ask(f"/{path}")):
        assert found.status in (400, 404), found.body[:100]
        assert b"root:" not in found.body and b"[metadata]" not in found.body


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1.evil.example:{port}", ""])
def test_another_name_is_refused(served: Demo, host: str) -> None:
    given = host.format(port=served.port) or " "
    assert served.page(host=given).status in (400, 421)


def test_other_sites_are_refused(served: Demo) -> None:
    assert served.page("site.json", "Origin: https://evil.example").status == 403
    cross = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors")
    assert served.page("site.json", *cross).status == 403
    upgrade = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + "A" * 22)
    assert served.page("socket", *upgrade, "Origin: https://evil.example").status == 403
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        found = served.page("site.json", "Origin: https://evil.example", method=method)
        assert found.status in (400, 403, 405)
        assert "access-control-allow-origin" not in found.headers


def test_a_gigabyte_is_not_taken(served: Demo) -> None:
    before = served.memory_bytes
    for method in ("POST", "GET"):
        with served.connect() as connection:
            head = (
                f"{method} /{served.token}/site.json HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
            )
            connection.sendall(f"{head}Content-Length: 1073741824\r\n\r\n".encode())
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 2**30:
                    sent += connection.send(b"x" * 65536)
            assert sent < 64 * 2**20
    assert served.memory_bytes - before < 50 * 2**20


def test_two_hundred_stalled_clients_are_harmless(served: Demo) -> None:
    with contextlib.ExitStack() as stack:
        for i in range(200):
            kind = i % 4
            if kind == 0:
                # Not even TLS.
                plain = socket.create_connection(("127.0.0.1", served.port), timeout=10)
                stack.enter_context(plain)
                continue
            connection = stack.enter_context(served.connect())
            if kind > 1:
                connection.sendall(f"GET /{served.token}/ HTTP/1.1\r\nHost: ".encode())
            if kind > 2:
                connection.sendall(b"127.0.0.1\r\nX-Slow: ")
        began = time.monotonic()
        assert served.page("site.json").status == 200
        assert time.monotonic() - began < 5


def test_a_client_that_reads_nothing_is_harmless(served: Demo) -> None:
    index = served.page().body.decode()
    folder = index.split('href="')[1].partition("/icon.svg")[0]
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(served.connect())
            name = f"/{served.token}/{folder}/third_party/litert_wasm_internal.wasm"
            text = f"GET {name} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
            connection.sendall(f"{text}Accept-Encoding: gzip\r\n\r\n".encode())
        assert served.page("site.json").status == 200


def test_headers_without_end_are_refused(served: Demo) -> None:
    with served.connect() as connection, contextlib.suppress(OSError):
        connection.sendall(f"GET /{served.token}/ HTTP/1.1\r\n".encode())
        for i in range(3000):
            connection.sendall(f"X-{i}: {'y' * 100}\r\n".encode())
        assert read_answer(connection).status in (0, 400, 431)


def socket_of(running: Demo) -> Any:
    """A WebSocket, by hand."""
    connection = running.connect()
    lines = (
        *(f"GET /{running.token}/socket HTTP/1.1", f"Host: 127.0.0.1:{running.port}"),
        *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        *("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", ""),
    )
    connection.sendall("\r\n".join(lines).encode())
    assert b" 101 " in connection.recv(4096)
    return connection


def frame(text: str) -> bytes:
    """A text frame; the mask is zeros."""
    content = text.encode()
    size = len(content)
    assert size < 65536
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + bytes(4) + content


def ended(connection: ssl.SSLSocket) -> bool:
    """Whether the server closes within its patience."""
    connection.settimeout(10)
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            pass
        return True
    return False


def test_strange_messages_are_passed_over_and_floods_end(served: Demo) -> None:
    for text in ("", "[]", "null", "{", "[" * 5000, '{"type": 1}', '{"type": "report"}'):
        with socket_of(served) as connection:
            connection.sendall(frame(text) + frame('{"type": "hello", "name": "after"}'))
            assert b"welcome" in connection.recv(4096)
    for flood in (frame("{}") * 200, frame("x" * 60_000)):
        with socket_of(served) as connection:
            # It may be closed before all of it was sent.
            with contextlib.suppress(OSError):
                connection.sendall(flood)
            assert ended(connection)


def test_messages_are_read_strictly() -> None:
    assert read_message('{"type": "hello", "name": 5}') == Hello(name="a phone")
    hello = read_message(json.dumps({"type": "hello", "name": "\x1b[31m" + "n" * 500}))
    assert isinstance(hello, Hello) and len(hello.name) == 80 and "\x1b" not in hello.name
    said = {"type": "report", "frames": 10**400, "fps": "many", "pictures": -3, "model": [1]}
    said["stages_ms"] = {"inference": {"median": 1.5, "p90": None}, "other": {"median": 1}}
    report = read_message(json.dumps(said))
    assert isinstance(report, Report)
    assert (report.frames, report.fps, report.pictures, report.model) == (10**9, 0, 0, "")
    assert report.stages_ms == {"inference": {"median": 1.5, "p90": 0.0, "p99": 0.0}}
    assert read_message('{"type": "report", "fps": NaN}').fps == 0  # type: ignore[union-attr]


def test_phones_have_names_of_their_own_and_an_end() -> None:
    phones = Phones(most=3)
    names = [phone.name for _ in range(3) if (phone := phones.join(Hello(name="Pixel")))]
    assert names == ["Pixel", "Pixel (2)", "Pixel (3)"]
    assert phones.join(Hello(name="Pixel")) is None
    phones.all[0].here = False
    assert phones.join(Hello(name="iPhone")) is not None


def test_a_summary_with_a_row_for_each_phone_ends_it(model: Path, cache: Path) -> None:
    with demo(model, cache=cache) as running:
        stages = {"inference": {"median": 12.5, "p90": 13, "p99": 14}}
        report = {"type": "report", "model": "<b>m</b>", "engine": "WebAssembly, 4 threads"}
        report |= {"frames": 321, "stages_ms": stages}
        with socket_of(running) as first, socket_of(running) as second:
            for connection in (first, second):
                name = "<i>n</i>\x1b]0;x\x07"
                connection.sendall(frame(json.dumps({"type": "hello", "name": name})))
                assert b"welcome" in connection.recv(4096)
            first.sendall(frame(json.dumps(report)))
            time.sleep(0.5)
            code, printed = running.stop()
            assert b"bye" in first.recv(4096)
    assert code == 0
    assert printed.count("<i>n</i> ]0;x") == 2 and "<b>m</b>" in printed and "\x1b" not in printed
    assert "321" in printed and "12.5 ms" in printed and "]0;x (2)" in printed


def test_the_certificate_is_kept_and_used_again(model: Path, cache: Path, served: Demo) -> None:
    kept = cache / "web" / "certificate.pem"
    before = kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0
    with demo(model, cache=cache) as running:
        assert running.page().status == 200
        assert running.token != served.token
    assert kept.read_bytes() == before
    context = ssl.create_default_context(cafile=str(kept))
    plain = socket.create_connection(("127.0.0.1", served.port), timeout=10)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        assert connection.version() in ("TLSv1.2", "TLSv1.3")


def test_http_listens_here_alone_and_behind_a_tunnel(model: Path, cache: Path) -> None:
    with demo(model, "--http", "--public", "https://a.example", cache=cache) as running:
        assert running.url.startswith("https://a.example/")
        token, local = running.token, next(x for x in running.said if x.startswith("or http:"))
        running.url = local.removeprefix("or ")
        for host, status in (("a.example", 200), ("localhost:1", 421), ("b.example", 421)):
            assert running.ask(f"/{token}/", host=host).status == status
        own = "Origin: https://a.example"
        assert running.ask(f"/{token}/site.json", own, host="a.example").status == 200


def test_a_phone_on_usb_reaches_it_for_as_long_as_it_runs(
    model: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for adb that writes down what it is asked for."""
    asked = tmp_path / "asked"
    adb = tmp_path / "adb"
    listing = "List of devices attached\\nPHONE1 device usb:1-1\\nPHONE2 unauthorized\\n"
    adb.write_text(
        f'#!/bin/sh\necho "$@" >>{asked}\n[ "$1" = devices ] && printf "{listing}"\nexit 0\n'
    )
    adb.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with demo(model, "--http", cache=cache) as running:
        assert running.url.startswith(f"http://localhost:{running.port}/")
        assert any("phone PHONE1: open" in line for line in running.said)
        port = running.port
        assert running.stop()[0] == 0
    lines = [line for line in asked.read_text().splitlines() if "reverse" in line]
    assert lines == [
        f"-s PHONE1 reverse tcp:{port} tcp:{port}",
        f"-s PHONE1 reverse --remove tcp:{port}",
    ]


def test_what_cannot_be_served_is_one_clear_line(model: Path, tmp_path: Path) -> None:
    import tensorflow as tf

    def best(image: Any) -> Any:
        return tf.argmax(tf.reduce_mean(image, axis=(1, 2)), axis=1, output_type=tf.int32)

    index = written(tmp_path, tflite(best, (1, 16, 16, 3)), "x.tflite")
    with pytest.raises(ModelError, match="no such file"):
        describe([tmp_path / "none.tflite"])
    with pytest.raises(ModelError, match=r"x\.tflite.*best classes"):
        describe([index])
    with pytest.raises(ModelError, match="differ between processors"):
        describe([model], Guest(interpolation="opencv_bilinear"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = cnnedge("demo", model, "--host", "127.0.0.1", "--port", port)
        assert_one_clear_line(done, str(port), "another program")
    assert cnnedge("demo", model, "--export", tmp_path, "--http").returncode == 2


def test_a_clone_without_the_page_says_the_line_that_makes_it(model: Path, tmp_path: Path) -> None:
    import cnnedge as package

    copy = tmp_path / "cnnedge"
    ignore = shutil.ignore_patterns("third_party", "__pycache__")
    shutil.copytree(Path(package.__file__).parent, copy, ignore=ignore)
    done = cnnedge("demo", model, "--export", "site", cwd=tmp_path)
    assert_one_clear_line(done, "make web")
