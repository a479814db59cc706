"""The server of `cnnedge teach`, whoever talks to it: refused or harmless, and it still serves.

No page is opened here, so nothing is trained and TensorFlow is not started.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from support.command import assert_one_clear_line, cnnedge
from support.demo import Demo, demo
from test_album import BURST, EVIL, jpeg

PICTURE = f"teach/picture?class=cat&burst={BURST}&shot="


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("teach") / "album"


@pytest.fixture(scope="module")
def served(root: Path, cache: Path) -> Iterator[Demo]:
    with demo(root, cache=cache, command="teach") as running:
        assert running.post("teach/make", b'{"name": "cat"}').status == 200
        yield running


@pytest.fixture(autouse=True)
def still_serves(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "served" in request.fixturenames:
        running = request.getfixturevalue("served")
        assert running.page("site.json").status == 200
        assert sorted(p.name for p in request.getfixturevalue("root").parent.iterdir()) == ["album"]


def test_pictures_land_in_the_folder_of_their_class(served: Demo, root: Path) -> None:
    answer = served.post(f"{PICTURE}0", jpeg(1))
    assert json.loads(answer.body) == {"picture": f"burst-{BURST}-0000.jpg"}
    assert (root / "cat" / f"burst-{BURST}-0000.jpg").read_bytes() == jpeg(1)
    small = served.page(f"teach/thumbnail?class=cat&picture=burst-{BURST}-0000.jpg")
    assert small.status == 200 and small.body.startswith(b"\xff\xd8\xff")
    assert small.headers["content-type"] == "image/jpeg"
    assert "default-src 'none'" in small.headers["content-security-policy"]


def test_without_the_token_nothing_is_taken(served: Demo, root: Path) -> None:
    before = sorted(root.rglob("*"))
    wrong = "A" * len(served.token)
    for token in ("", wrong, served.token[:-1], served.token + "x", "..", "%00"):
        for path in (f"{PICTURE}9", "teach/make", "teach/train", "teach/delete", "teach/album"):
            answer = served.ask(
                f"/{token}/{path}",
                f"Origin: https://127.0.0.1:{served.port}",
                f"Content-Length: {len(jpeg(1))}",
                method="POST",
                body=jpeg(1),
            )
            assert answer.status in (400, 404), (token, path)
    assert sorted(root.rglob("*")) == before


def test_other_sites_hosts_and_methods_are_refused(served: Demo, root: Path) -> None:
    before = sorted(root.rglob("*"))
    words = b'{"name": "evil"}'
    for header, status in (
        ("Origin: https://evil.example", 403),
        ("Origin: null", 403),
        (f"Origin: https://127.0.0.1:{served.port + 1}", 403),
        (f"Origin: https://127.0.0.1:{served.port}.evil.example", 403),
    ):
        assert served.post("teach/make", words, header).status == status
    own = f"Origin: https://127.0.0.1:{served.port}"
    assert served.post("teach/make", words, own, "Sec-Fetch-Site: cross-site").status == 403
    assert served.post("teach/make", words, host="rebound.example").status == 421
    assert served.ask(f"/{served.token}/teach/make", method="POST").status == 403
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        path = f"/{served.token}/teach/make"
        assert served.ask(path, own, "Content-Length: 2", method=method, body=b"{}").status == 405
    assert served.page("teach/make").status == 405
    assert served.post("site.json", words).status == 405
    assert served.post("teach/album", words).status == 405
    assert sorted(root.rglob("*")) == before


def test_classes_lead_nowhere_else(served: Demo, root: Path) -> None:
    for name in ("../..", "..", "/etc", "a/../../b", ".teach", "", "\ud800", 5, None, ["x"]):
        answer = served.post("teach/make", json.dumps({"name": name}).encode())
        assert answer.status == 409 and json.loads(answer.body)["error"], name
        query = quote(str(name).encode("utf-8", "replace"))
        path = f"teach/picture?class={query}&burst={BURST}&shot=1"
        assert served.post(path, jpeg(1)).status == 409
        for picture in ("../../album", f"../cat/burst-{BURST}-0000.jpg", "/etc/passwd", "%00"):
            path = f"teach/thumbnail?class={query}&picture={quote(picture)}"
            assert served.page(path).status == 404
    for body in (b"", b"{", b"[]", b"null", b"[" * 9000, b'{"from": "cat"}', b"\xff\xfe"):
        for what in ("make", "rename", "delete"):
            assert served.post(f"teach/{what}", body).status == 409
    assert [p.name for p in root.iterdir()] == ["cat"]


def test_names_that_hold_html_stay_names(served: Demo, root: Path) -> None:
    assert served.post("teach/make", json.dumps({"name": EVIL}).encode()).status == 200
    assert (root / EVIL).is_dir()
    words = json.dumps({"class": EVIL}).encode()
    assert served.post("teach/delete", words).status == 200
    assert not (root / EVIL).exists()
    left = root / ".deleted"
    for each in left.iterdir():
        each.rmdir()
    left.rmdir()


def test_shots_are_checked(served: Demo, root: Path) -> None:
    before = sorted(root.rglob("*"))
    for burst, shot in (
        ("x", "1"),
        (BURST, "-1"),
        (BURST, "x"),
        (BURST, "9" * 99),
        ("../../x", "1"),
    ):
        path = f"teach/picture?class=cat&burst={quote(burst)}&shot={shot}"
        assert served.post(path, jpeg(1)).status == 409
    for body in (b"no picture", jpeg(1)[:200], b"\xff\xd8\xff\xd9"):
        assert served.post(f"{PICTURE}5", body).status == 409
    assert sorted(root.rglob("*")) == before


def test_a_gigabyte_is_not_taken(served: Demo, root: Path) -> None:
    before, memory = sorted(root.rglob("*")), served.memory_bytes
    lengths = ("Content-Length: 1073741824", "Transfer-Encoding: chunked")
    for length in lengths:
        with served.connect() as connection:
            head = f"POST /{served.token}/{PICTURE}6 HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
            own = f"Origin: https://127.0.0.1:{served.port}"
            connection.sendall(f"{head}{own}\r\n{length}\r\n\r\n".encode())
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 2**30:
                    sent += connection.send(b"x" * 65536)
            assert sent < 64 * 2**20
    assert served.memory_bytes - memory < 50 * 2**20
    assert sorted(root.rglob("*")) == before


def begun(running: Demo, shot: int, body: bytes, part: int) -> socket.socket:
    """An upload of which a part was sent."""
    connection = running.connect()
    lines = (
        f"POST /{running.token}/{PICTURE}{shot} HTTP/1.1",
        f"Host: 127.0.0.1:{running.port}",
        f"Origin: https://127.0.0.1:{running.port}",
        f"Content-Length: {len(body)}",
    )
    connection.sendall("\r\n".join((*lines, "", "")).encode() + body[:part])
    return connection


def test_uploads_that_stall_or_break_are_harmless(served: Demo, root: Path) -> None:
    before = sorted(root.rglob("*"))
    body = jpeg(1, 400, 500)
    with contextlib.ExitStack() as stack:
        for shot in range(60):
            connection = stack.enter_context(begun(served, shot, body, len(body) // 2))
            if shot % 2:
                connection.close()
        assert served.page("site.json").status == 200
    assert sorted(root.rglob("*")) == before
    # Those that waited for their turn behind them get it.
    assert served.post(f"{PICTURE}61", jpeg(3)).status == 200


def test_killed_during_an_upload_it_leaves_whole_pictures(tmp_path: Path, cache: Path) -> None:
    """Many come in while it is killed: each that was answered for is there, and none is half."""
    root = tmp_path / "album"
    bodies = {shot: jpeg(shot, 500, 700) for shot in range(40)}
    with demo(root, cache=cache, command="teach") as running:
        running.post("teach/make", b'{"name": "cat"}')
        answered = []
        halves = [begun(running, 900 + i, bodies[i], 20_000) for i in range(4)]
        for shot, body in bodies.items():
            if running.post(f"{PICTURE}{shot}", body).status == 200:
                answered.append(shot)
            if shot == 20:
                unread = [begun(running, s, bodies[s], len(bodies[s])) for s in range(30, 34)]
                break
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        for connection in (*halves, *unread):
            connection.close()
    there = {p.name: p.read_bytes() for p in (root / "cat").iterdir() if not p.name.startswith(".")}
    assert len(answered) == 21
    for shot in answered:
        assert there[f"burst-{BURST}-{shot:04d}.jpg"] == bodies[shot]
    assert all(content in bodies.values() for content in there.values())
    # What a writer left that was killed just then; the next one clears it away.
    (root / "cat" / ".part-0123456789ab-burst.jpg").write_bytes(bodies[1][:1000])
    with demo(root, cache=cache, command="teach") as running:
        assert running.post(f"{PICTURE}50", bodies[5]).status == 200
        assert running.post(f"{PICTURE}0", bodies[7]).status == 200
        code, printed = running.stop()
    assert code == 0 and "cat" in printed and str(len(there) + 1) in printed
    left = [p.name for p in (root / "cat").iterdir()]
    assert len(left) == len(there) + 1 and not [n for n in left if n.startswith(".part")]
    assert (root / "cat" / f"burst-{BURST}-0000.jpg").read_bytes() == bodies[0]


def test_what_cannot_be_taught_is_one_clear_line(tmp_path: Path) -> None:
    done = cnnedge("teach", tmp_path, "--recipe", "fashion_cnn", "--host", "127.0.0.1")
    assert_one_clear_line(done, "fashion_cnn", "backbone", "yoga_edge")
    (tmp_path / "file").write_text("x")
    done = cnnedge("teach", tmp_path / "file", "--host", "127.0.0.1")
    assert_one_clear_line(done, "file")
    assert cnnedge("teach", tmp_path, "--public", "https://a.example").returncode == 2


def test_without_weights_it_ends_with_one_clear_line(tmp_path: Path, cache: Path) -> None:
    """What only the process that trains can know ends it once a page is open."""
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        f"data: {{source: x}}\nmodel: efficientnet_lite0\nweights: {tmp_path}/none.h5\n"
        "training: {method: logistic}\n"
    )
    words = (tmp_path / "album", "--recipe", recipe)
    with demo(*words, cache=cache, command="teach") as running:
        album = json.loads(running.page("teach/album").body)
        assert album["classes"] == [] and album["result"] is None
        assert running.process.wait(timeout=120) == 1
        # The last line may still be on its way.
        assert running.process.stdout.read() == ""
    text = "\n".join(running.said)
    assert "Traceback" not in text and "none.h5" in text, text
