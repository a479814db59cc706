"""--device browser, by a real Chromium that opens the page, and by a page that lies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from cnnedge.benchmark import read_results
from cnnedge.benchmark.request import Request
from cnnedge.cli import group
from cnnedge.engines import CPU
from cnnedge.errors import CnnedgeError, DeviceError, GateError
from cnnedge.specs import DeviceProfile
from cnnedge.targets.browser import BrowserTarget
from cnnedge.web import errands
from cnnedge.web.addresses import Place
from support import runs
from support.browser import chromium, driver, opened, until
from support.command import assert_one_clear_line
from support.command import cnnedge as command
from support.demo import Demo, demo

pytestmark = pytest.mark.heavy

VARIANTS = ("float32", "float16", "int8")


@pytest.fixture(scope="module")
def models(trained_run: Path) -> list[Path]:
    """Three variants of one small network."""
    return [trained_run / "export" / f"{variant}.tflite" for variant in VARIANTS]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Its WebGPU is computed by the CPU."""
    with driver() as playwright, chromium(playwright, "--enable-unsafe-webgpu") as found:
        yield found


@pytest.fixture
def asked(browser: Any, cache: Path) -> Callable[..., Answered]:
    """A command with a browser that opens its page, to the end of the command."""

    def ask(*words: object, seconds: float = 170) -> Answered:
        name, *others = words
        with (
            demo(*others, cache=cache, command=str(name)) as running,
            opened(browser, running.url) as page,
        ):
            return ended(running, page, seconds)

    return ask


class Answered:
    """What a command printed; problems: of the page."""

    def __init__(self, code: int, printed: str, said: list[str], problems: list[str]) -> None:
        self.code, self.printed, self.said, self.problems = code, printed, said, problems
        self.errors = [line for line in said if line.startswith("Error:")]


def ended(running: Demo, page: Any, seconds: float = 60) -> Answered:
    """The command's end, while the page is driven."""
    printed: list[str] = []
    stdout = running.process.stdout
    reader = threading.Thread(target=lambda: printed.append(stdout.read()))
    reader.start()
    end = time.monotonic() + seconds
    while running.process.poll() is None:
        assert time.monotonic() < end, "\n".join(running.said[-20:])
        if page.is_closed():
            time.sleep(0.1)
        else:
            page.wait_for_timeout(100)
    reader.join()
    time.sleep(0.2)
    problems = [] if page.is_closed() else list(page.problems)
    return Answered(running.process.returncode, printed[0], running.said, problems)


def profile(folder: Path, text: str = "transport: browser\n") -> Path:
    """A profile that asks for no cooling down."""
    path = folder / "phone.yaml"
    path.write_text(text)
    return path


def test_variants_and_backends_in_one_table(
    asked: Callable[..., Answered], models: list[Path], tmp_path: Path
) -> None:
    written, page = tmp_path / "bench.json", tmp_path / "bench.html"
    device = profile(tmp_path, "transport: browser\nframe_budget_ms: 20\n")
    # One process each, and nothing that is waited for.
    protocol = ("--protocol", "sustained", "--duration", "1")
    words = ("--delegate", "cpu,gpu", "--json", written, "--report", page)
    done = asked("bench", *models, "--device", device, *protocol, *words)
    assert done.code == 0, done.said
    assert not done.problems
    for variant in VARIANTS:
        rows = [line for line in done.printed.splitlines() if line.startswith(f"{variant}.tflite")]
        assert len(rows) == 2, done.printed
    results = read_results(json.loads(written.read_text())["results"])
    assert [(Path(r.model).stem, r.delegate.used) for r in results] == [
        (variant, used) for variant in VARIANTS for used in ("cpu (WebAssembly)", "gpu (WebGPU)")
    ]
    for result in results:
        assert result.engine == "litert.js"
        assert result.engine_version
        assert result.precision == "f32"
        assert result.latency_ms.count == len(result.samples_ms) > 0
        assert result.init_ms is not None and result.first_ms is not None
        assert result.sustained is not None
        assert result.frame_budget_ms == 20
        around = result.conditions
        assert around.browser is not None and around.browser.startswith("Chromium")
        assert around.cores and around.os and around.visibility == "visible"
    gpu = results[1].delegate
    assert gpu.software is True
    assert "swiftshader" in gpu.device
    assert gpu.agreement is not None and gpu.agreement.agrees and gpu.agreement.frames == 8
    assert "the CPU computes what WebGPU asks for" in " ".join(done.said)
    assert "phone" in page.read_text()
    refused_beside_a_board(written, tmp_path)


def refused_beside_a_board(written: Path, folder: Path) -> None:
    """`compare` holds a browser against no board."""
    first = json.loads(written.read_text())["results"][0]
    board = runs.result(device="pi4", model=first["model"], sha256=first["sha256"])
    base = runs.write(folder / "ssh.json", board)
    alone = runs.write(folder / "browser.json", first)
    done = command("compare", base, alone)
    assert_one_clear_line(done, "device: pi4 in BASE, phone in NEW", "engine: litert in BASE")


def test_rounds_threads_and_a_page_in_the_background(
    browser: Any, cache: Path, models: list[Path], tmp_path: Path
) -> None:
    """The page goes to the background once: what was measured then does not count."""
    written = tmp_path / "bench.json"
    words = (models[2], "--device", "browser", "--threads", "1,2,200", "--json", written)
    with (
        demo(*words, cache=cache, command="bench") as running,
        opened(browser, running.url) as page,
    ):
        until(page, "document.querySelector('#found li')")
        until(page, "document.querySelector('#work').dataset.state === 'working'")
        page.wait_for_timeout(300)
        page.evaluate(VISIBILITY, "hidden")
        until(page, "document.querySelector('#aside').textContent.includes('background')")
        page.evaluate(VISIBILITY, "visible")
        done = ended(running, page)
    assert done.code == 1
    assert len(done.errors) == 1
    assert f"{models[2]}: --threads 200: this browser gives" in done.errors[0]
    assert "thrown away, and measured again" in " ".join(done.said)
    results = read_results(json.loads(written.read_text())["results"])
    assert [(r.threads, len(r.repeats)) for r in results] == [(1, 3), (2, 3)]
    assert all(repeat.count >= 50 for r in results for repeat in r.repeats)


VISIBILITY = """
(state) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


def test_a_page_that_closes_midway(
    browser: Any, cache: Path, models: list[Path], tmp_path: Path
) -> None:
    written = tmp_path / "bench.json"
    words = (models[2], "--device", "browser", "--json", written)
    with demo(*words, cache=cache, command="bench") as running:
        with opened(browser, running.url) as page:
            until(page, "document.querySelector('#found li')")
            until(page, "document.querySelector('#work').dataset.state === 'working'")
        done = ended(running, page)
    assert done.code == 1
    assert len(done.errors) == 1
    assert "browser: the page was closed or loaded anew before it had answered" in done.errors[0]
    # What was measured until then is kept, and marked.
    results = read_results(json.loads(written.read_text())["results"])
    assert any("incomplete" in reason for reason in results[0].unstable)


def test_predictions(
    asked: Callable[..., Answered], int8_model: Path, shapes: Path, tmp_path: Path
) -> None:
    """int8 answers equal those of this machine to the bit, also where the page makes the pixels."""
    for whole in ((), ("--whole",)):
        written = tmp_path / "eval.json"
        words = ("--data", shapes, "--device", "browser", "--threads", "2", "--json", written)
        done = asked("eval", int8_model, *words, *whole)
        assert done.code == 0, done.said
        assert not done.problems
        found = json.loads(written.read_text())
        here = found["here"]
        assert here["identical"] == found["count"] == here["count"] > 20
        assert found["accuracy"] == here["accuracy"]
        assert (here["flips"], here["first_difference"]) == (0, None)
        assert found["engine"] == "litert.js"
        # Its GPU is none, so `auto` takes WebAssembly, and says why.
        assert found["delegate"]["used"] == "cpu (WebAssembly)"
        assert "computed by the CPU" in found["delegate"]["passed_over"][0]["reason"]


def test_convert_measures_there(
    asked: Callable[..., Answered], trained_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run, ignore=shutil.ignore_patterns("export"))
    done = asked("convert", run, "--variant", "int8", "--device", profile(tmp_path))
    assert (done.code, done.problems) == (0, []), "\n".join(done.said[-20:])
    report = json.loads((run / "export" / "report.json").read_text())
    assert report["device"] == "phone"
    (int8,) = report["variants"]
    assert int8["latency_ms"]["count"] > 0 and int8["latency_ms"]["median"] > 0


def test_verify(asked: Callable[..., Answered], trained_run: Path) -> None:
    int8 = trained_run / "export" / "int8.tflite"
    words = ("--reference", trained_run, "--pictures", 9, "--device", "browser")
    done = asked("verify", int8, *words)
    assert done.code == 0, done.said
    for name in ("decode on browser", "resize on browser", "network on browser"):
        assert f"✓  {name}" in done.printed


def test_check(asked: Callable[..., Answered]) -> None:
    done = asked("devices check", "browser")
    assert done.code == 0, done.said
    for found in ("Chromium", "up to", "the CPU computes it", "the same as here, by all"):
        assert found in done.printed


def test_a_wrong_token_sees_nothing(cache: Path, models: list[Path]) -> None:
    with demo(models[0], "--device", "browser", cache=cache, command="bench") as running:
        for token in ("", "wrong", running.token[:-1], running.token.upper()):
            for path in ("", "site.json", "socket", "w/answer/1"):
                refused = running.ask(f"/{token}/{path}")
                assert refused.status == 404
                assert refused.body.count(b"\n") == 1
        # With it, nothing is taken that nobody asked for.
        for path in ("w/answer/1", "w/made/1/x", "w/../../x", "index.html"):
            assert running.post(path, b"{}").status == 405
        assert running.page().status == 200


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (("--engine", "openvino"), 1, "--engine openvino: a browser runs models with LiteRT.js"),
        (("--precision", "f16"), 1, "--precision f16: a browser computes in f32"),
        (("--delegate", "nnapi"), 3, "--delegate nnapi: a browser has cpu (WebAssembly)"),
        (("--delegate", "/lib/x.so"), 3, "--delegate /lib/x.so: a browser has"),
        (("--delegate", "gpu", "--delegate-option", "a=b"), 1, "--delegate-option a"),
        (("--python",), 2, "--python is for phones over adb"),
        (("--benchmark-tool", __file__), 2, "--benchmark-tool is for phones over adb"),
        (("--ssh-config", __file__), 2, "--ssh-config is for boards over ssh"),
        (("--public", "https://x.example.com"), 2, "--public is for --http behind a tunnel"),
        (("--host", "nowhere"), 1, "--host nowhere: expected an address of this machine"),
    ],
)
def test_what_does_nothing_is_refused(
    words: tuple[str, ...], exit_code: int, said: str, models: list[Path]
) -> None:
    """Before anything is served, and anybody waited for."""
    refuses(("bench", str(models[0]), "--device", "browser", *words), exit_code, said)


def refuses(words: Sequence[str], exit_code: int, said: str) -> None:
    done = CliRunner().invoke(group, words)
    assert done.exit_code == exit_code, done.output
    assert said in " ".join(done.output.split())
    assert "https://127" not in done.output


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (("bench", "MODEL", "--port", "0"), 2, "--port is for browsers, but no --device"),
        (("bench", "MODEL", "--device", "local", "--http"), 2, "--http is for browsers, but local"),
        (("eval", "MODEL", "--whole"), 2, "--whole is for browsers"),
        (("eval", "MODEL", "--whole", "--device", "local"), 2, "--whole is for browsers"),
        (("eval", "MODEL", "--device", "browser", "--workers", "2"), 2, "--workers"),
        (("run", "MODEL", "--device", "browser"), 1, "use cnnedge demo"),
        (("devices", "clean", "browser"), 1, "clear the site's data"),
    ],
)
def test_what_other_commands_refuse(
    words: tuple[str, ...], exit_code: int, said: str, models: list[Path]
) -> None:
    refuses([str(models[0]) if word == "MODEL" else word for word in words], exit_code, said)


ANSWER: dict[str, Any] = {
    "engine": "litert.js",
    "engine_version": "1",
    "threads": 1,
    "precision": "f32",
    "delegate": {"requested": "cpu", "used": "cpu", "nodes_delegated": 0, "nodes_total": 0},
    "warmup_count": 1,
    "samples_ms": [1.0, 2.0],
    "conditions": {"machine": {}, "before": {}, "after": {}},
}


class Liar:
    """A page that answers what it likes. `answer`: made of the errand."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, Any]], bytes] = honest
        self.statuses: list[int] = []

    def open(self, address: str) -> None:
        threading.Thread(target=lambda: asyncio.run(self._visit(address)), daemon=True).start()

    async def _visit(self, address: str) -> None:
        base = address.rstrip("/")
        origin = {"Origin": "/".join(base.split("/")[:3])}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{base}/socket") as socket,
        ):
            for said in ([], {"type": "line", "done": 10**400}, {"type": "visit", "visit": 7}):
                await socket.send_json(said)
            await socket.send_json({"type": "hello", "name": "\x1b[2J<b>a phone</b>"})
            await socket.send_json({"type": "visit", "visit": "a"})
            async for message in socket:
                errand = json.loads(message.data)
                if errand["type"] != "errand":
                    continue
                url = f"{base}/w/answer/{errand['key']}"
                async with session.post(url, data=self.answer(errand), headers=origin) as done:
                    self.statuses.append(done.status)


def honest(said: dict[str, Any]) -> bytes:
    return json.dumps(ANSWER | {"sha256": said["more"]["sha256"]}).encode()


@contextlib.contextmanager
def lied_to(liar: Liar, said: list[str]) -> Iterator[BrowserTarget]:
    """A device that is a liar. said: what it tells the user."""

    @contextlib.contextmanager
    def invited(invitation: Any) -> Iterator[None]:
        liar.open(invitation.addresses[0])
        yield

    target = BrowserTarget(
        DeviceProfile(transport="browser"),
        "browser",
        place=Place(host="127.0.0.1", port=0, plain=True),
        invite=invited,
        say=said.append,
    )
    try:
        yield target
    finally:
        target.close()


def measured(target: BrowserTarget, model: Path) -> Any:
    asked = {"warmup_seconds": 0, "runs": 1, "seconds": 0}
    return target.measure(Request(model=target.place(model), runtime=CPU, **asked))


def test_an_answer_of_a_page_is_data(models: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    liar = Liar()
    with lied_to(liar, said) as target:
        assert measured(target, models[0]).samples_ms == (1.0, 2.0)
        assert said == ["browser: [2J<b>a phone</b> came"]
        for answer, kind, text in lies():
            liar.answer = answer
            with pytest.raises(kind) as raised:
                measured(target, models[0])
            assert text in str(raised.value)
            assert str(raised.value).isprintable()
        # What is too long is not read, as if nothing had come.
        monkeypatch.setattr(errands, "MOST_ANSWER_BYTES", 1000)
        monkeypatch.setattr("cnnedge.benchmark.asking.PATIENCE_SECONDS", 2.0)
        liar.answer = lambda _: b" " * 1001
        with pytest.raises(CnnedgeError, match="no answer within 2 s"):
            measured(target, models[0])
        assert liar.statuses[-1] == 413


def lies() -> list[tuple[Callable[[dict[str, Any]], bytes], type[CnnedgeError], str]]:
    """Answers, and what they come to."""

    def changed(**changes: Any) -> Callable[[dict[str, Any]], bytes]:
        return lambda said: json.dumps(json.loads(honest(said)) | changes).encode()

    around = ANSWER["conditions"]
    cores = {"conditions": around | {"machine": {"cores": "x"}}}
    return [
        (changed(sha256="0" * 64), DeviceError, "measured another file"),
        (changed(samples_ms=[0.0]), DeviceError, "samples_ms"),
        (changed(samples_ms=["1"]), DeviceError, "samples_ms"),
        (changed(samples_ms=[]), DeviceError, "samples_ms"),
        (changed(threads=-1), DeviceError, "threads"),
        (changed(**cores), DeviceError, "cores"),
        (changed(error="\x1b[31mno\nway", exit_code=1), CnnedgeError, "no way"),
        (changed(error="no", exit_code=3), GateError, "no"),
        (changed(hidden=True), DeviceError, "in the background"),
        (lambda _: b"\n", DeviceError, "cannot understand its answer"),
        (lambda _: b"[" * 100_000, DeviceError, "cannot understand its answer"),
        (lambda _: b"\xff\xfe{", DeviceError, "cannot understand its answer"),
        (lambda _: b"[1]", DeviceError, "cannot understand its answer"),
    ]
