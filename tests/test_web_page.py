"""The page of `cnnedge demo` in a real Chromium, over https: it answers as `cnnedge run`."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import cnnedge
from cnnedge.bundle import pack_model
from cnnedge.converter import convert
from cnnedge.specs.pixels import InputSize
from support.browser import chromium, driver, film, opened, until
from support.command import cnnedge as command
from support.demo import Demo, demo

pytestmark = pytest.mark.heavy

LONG = "a label of many words, ünïcödé, 漢字かな交じり文, العربية, " + "x" * 60
COLOURS = ("red", "green", "blue")
SIDE = 24
NAMES = ["red", "<img src=x onerror=alert(1)>", LONG]
# The page's own modules, as main.js joins them.
SESSION = """
async (models) => {
  const folder = document.querySelector("link[rel=icon]").href.replace(/icon.svg$/, "");
  const { Session } = await import(`${folder}session.js`);
  const { readPicture } = await import(`${folder}pictures.js`);
  const site = await (await fetch("site.json")).json();
  const base = new URL(".", location.href).href;
  const found = [];
  for (const { name, pictures } of models) {
    const session = new Session(site, `${base}m/`, () => undefined);
    await session.open(site.models.find((model) => model.name === name));
    const answers = [];
    for (const picture of pictures) {
      const bytes = Uint8Array.from(atob(picture), (c) => c.charCodeAt(0));
      const { raw, scores } = await session.label(await readPicture(new Blob([bytes])));
      answers.push({ raw: Array.from(raw), scores: Array.from(scores) });
    }
    found.push({ engine: session.engine, answers });
  }
  return found;
}
"""


def network() -> Any:
    """Tells red, green and blue apart, with convolutions of random weights beside it."""
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(1)
    image = layers.Input((SIDE, SIDE, 3), name="image")
    x = layers.Rescaling(1 / 255)(image)
    y = layers.Conv2D(8, 3, strides=2, activation="relu", bias_initializer="ones")(x)
    y = layers.Conv2D(8, 3, activation="relu", bias_initializer="ones")(y)
    pooled = [layers.GlobalAveragePooling2D()(part) for part in (x, y)]
    dense = layers.Dense(3, activation="softmax")
    model = tf_keras.Model(image, dense(layers.Concatenate()(pooled)))
    random = np.random.default_rng(2).normal(0, 0.2, (8, 3))
    weights = np.concatenate([9 * np.eye(3), random]).astype(np.float32)
    dense.set_weights([weights, np.array([0.1, 0.0, -0.1], np.float32)])
    return model


def picture(seed: int, height: int, width: int) -> np.ndarray:
    """Noise under a tint, uint8 BGR."""
    rng = np.random.default_rng(seed)
    tint = rng.uniform(0.1, 1, 3)
    small = rng.integers(0, 256, (height, width, 3)) * tint
    return small.astype(np.uint8)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """float32 and int8 of one network; with another rule, and with evil names."""
    folder = tmp_path_factory.mktemp("models")
    model = network()
    calibration = np.stack([picture(i, SIDE, SIDE)[:, :, ::-1] for i in range(60)])
    flatbuffers = {v: convert(model, v, calibration) for v in ("float32", "int8")}
    made = {}
    letterbox = {"resize": "letterbox", "interpolation": "area", "pad_value": 0}
    crop = {"resize": "center_crop", "interpolation": "pillow_bicubic", "crop_fraction": 0.875}
    for name, variant, rule, labels in (
        ("float32", "float32", letterbox, COLOURS),
        ("int8", "int8", letterbox, COLOURS),
        ("cropped", "int8", crop, COLOURS),
        ("evil", "int8", letterbox, NAMES),
    ):
        made[name] = folder / f"{name}.tflite"
        made[name].write_bytes(
            pack_model(
                flatbuffers[variant],
                labels=labels,
                size=InputSize(height=SIDE, width=SIDE),
                provenance={"recipe": "colours", "variant": variant, "preprocess": rule},
            )
        )
    return made


@pytest.fixture(scope="module")
def served(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo(*models.values(), cache=tmp_path_factory.mktemp("cache")) as running:
        yield running


def scene() -> np.ndarray:
    """A frame of a camera: something green."""
    frame = np.full((480, 640, 3), (40, 60, 40), np.uint8)
    cv2.circle(frame, (330, 230), 190, (60, 220, 70), -1)
    return frame


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    with driver() as found:
        yield found


@pytest.fixture(scope="module")
def browser(playwright: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """With a camera that sees something green."""
    folder = tmp_path_factory.mktemp("film")
    with chromium(playwright, film=film(folder / "camera.mjpeg", [scene()] * 10)) as found:
        yield found


@pytest.fixture(scope="module")
def blind(playwright: Any) -> Iterator[Any]:
    """With no camera at all."""
    with chromium(playwright) as found:
        yield found


def pictures(count: int) -> list[np.ndarray]:
    sizes = np.random.default_rng(8).integers(9, 200, (count, 2))
    return [picture(1000 + i, int(h), int(w)) for i, (h, w) in enumerate(sizes)]


def as_png(pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1].tobytes())


def test_two_hundred_pictures_get_the_answers_of_cnnedge(
    blind: Any, served: Demo, models: dict[str, Path]
) -> None:
    shown = pictures(200)
    encoded = [base64.b64encode(as_png(p)).decode() for p in shown]
    names = ("int8", "cropped", "float32")
    with opened(blind, served.url) as page:
        found = page.evaluate(SESSION, [{"name": n, "pictures": encoded} for n in names])
        assert page.hosts == {f"127.0.0.1:{served.port}"}
        assert not page.problems
    for name, by_page in zip(names, found, strict=True):
        assert by_page["engine"].startswith("WebAssembly, ")
        with cnnedge.load(models[name], delegate="cpu") as model:
            for each, answer in zip(shown, by_page["answers"], strict=True):
                model.feed(each)
                raw = np.asarray(model.infer()).reshape(-1)
                scores = model.decode(raw).scores
                if name == "float32":
                    assert np.abs(scores - answer["scores"]).max() < 1e-5
                    assert int(np.argmax(answer["scores"])) == int(scores.argmax())
                else:
                    assert raw.tolist() == answer["raw"]
                    assert scores.tolist() == answer["scores"]


def test_every_build_of_the_engine_gives_the_same_bits(blind: Any, served: Demo) -> None:
    script = """async () => {
      const folder = document.querySelector("link[rel=icon]").href.replace(/icon.svg$/, "");
      const { Engine, wasmOf } = await import(`${folder}engine.js`);
      const { stored } = await import(`${folder}stored.js`);
      const site = await (await fetch("site.json")).json();
      const model = site.models.find(({ name }) => name === "int8");
      const data = await stored(`m/${model.file}`, model);
      const found = {};
      for (const build of ["relaxed", "compat", "threaded", "jspi"]) {
        const way = { accelerator: "wasm", build, threads: build === "threaded" ? 2 : 1 };
        const wasm = await stored(`${folder}third_party/${wasmOf(way)}`, site.wasm[wasmOf(way)]);
        const engine = await Engine.start(way, wasm);
        await engine.load(model, data);
        const pixels = Uint8Array.from({ length: 4 * 50 * 40 }, (_, i) => (i * i) % 251);
        const answer = await engine.label({ data: pixels, height: 50, width: 40 });
        found[build] = Array.from(answer.raw);
        engine.close();
      }
      return found;
    }"""
    with opened(blind, served.url) as page:
        found = page.evaluate(script)
    assert list(found) == ["relaxed", "compat", "threaded", "jspi"]
    assert all(raw == found["relaxed"] for raw in found.values())


def test_the_camera_is_labelled_live_as_by_run(
    browser: Any, served: Demo, models: dict[str, Path]
) -> None:
    with cnnedge.load(models["float32"]) as model:
        expected = model(scene()).label
    with opened(browser, served.url) as page:
        page.wait_for_selector("#answers .first .name")
        page.wait_for_timeout(1500)
        assert page.inner_text("#answers .first .name") == expected == "green"
        assert "frames/s" in page.inner_text("#figures")
        assert page.inner_text("#engine").startswith("WebAssembly, ")
        page.select_option("#model", "int8")
        page.wait_for_selector("#answers .first .name")
        page.click("#freeze")
        assert page.get_attribute("#freeze", "aria-pressed") == "true"
        page.wait_for_selector("#still:not([hidden])")
        page.click("#freeze")
        page.wait_for_timeout(1500)
        assert page.is_visible("#video")
        assert page.hosts == {f"127.0.0.1:{served.port}"} and not page.problems
    assert any("int8 on WebAssembly" in line for line in served.said)


def test_frames_are_what_the_canvas_shows_whichever_way_they_are_read(
    browser: Any, served: Demo
) -> None:
    script = """async () => {
      const folder = document.querySelector("link[rel=icon]").href.replace(/icon.svg$/, "");
      const { Frames } = await import(`${folder}frames.js`);
      const video = document.querySelector("#video");
      const copy = VideoFrame.prototype.copyTo;
      const size = VideoFrame.prototype.allocationSize;
      const read = async (change) => {
        let copies = 0;
        VideoFrame.prototype.copyTo = async function (data, options) {
          copies++;
          const layout = await copy.call(this, data, options);
          change?.(data);
          return layout;
        };
        const frames = new Frames(video);
        const first = await frames.read();
        const memory = first.data.buffer;
        frames.takeBack(first);
        const second = await frames.read();
        const drawn = frames.draw();
        let largest = 0;
        for (let i = 0; i < drawn.data.length; i++) {
          largest = Math.max(largest, Math.abs(drawn.data[i] - second.data[i]));
        }
        return { copies, largest, again: second.data.buffer === memory };
      };
      try {
        const plain = await read();
        const turned = await read((data) => data.reverse());
        VideoFrame.prototype.allocationSize = () => 1;
        return { plain, turned, unknown: await read() };
      } finally {
        VideoFrame.prototype.copyTo = copy;
        VideoFrame.prototype.allocationSize = size;
      }
    }"""
    with opened(browser, served.url) as page:
        page.wait_for_selector("#answers .first")
        page.click("#freeze")
        found = page.evaluate(script)
    assert found["plain"]["copies"] == 2 and found["plain"]["again"]
    assert found["plain"]["largest"] <= 2
    # What differs from the canvas, or has another format, goes through the canvas from then on.
    assert found["turned"]["copies"] == 1 and found["turned"]["largest"] == 0
    assert found["unknown"]["copies"] == 0 and found["unknown"]["largest"] == 0


def test_threads_are_used_and_where_they_fail_one_is_and_says_so(
    browser: Any, served: Demo
) -> None:
    with opened(browser, served.url) as page:
        assert page.evaluate("crossOriginIsolated")
        many = page.evaluate("navigator.hardwareConcurrency") > 1
        # What Safari does that refuses the shared memory.
        page.route("**/litert_wasm_threaded_internal.js", lambda route: route.abort())
        page.reload()
        page.wait_for_selector("#answers .first")
        said = page.inner_text("#engine")
    assert said.startswith("WebAssembly, 1 thread")
    assert "threads failed" in said if many else "one core" in said


def test_the_second_visit_fetches_no_wasm_and_no_model(browser: Any, served: Demo) -> None:
    with opened(browser, served.url) as page:
        page.wait_for_selector("#answers .first")
        assert any(path.endswith(".wasm") for path in page.paths)
        page.wait_for_timeout(500)
        page.paths.clear()
        page.reload()
        page.wait_for_selector("#answers .first")
        assert not [path for path in page.paths if path.endswith((".wasm", ".tflite"))]


def test_pictures_are_labelled_where_there_is_no_camera(
    blind: Any, served: Demo, models: dict[str, Path], tmp_path: Path
) -> None:
    files = []
    for i, each in enumerate(pictures(6)):
        files.append(tmp_path / f"{i}.png")
        files[-1].write_bytes(as_png(each))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    done = command("run", models["float32"], "--source", tmp_path / "*.png", "--json", "-")
    answers = json.loads(done.stdout)["predictions"]
    expected = [each["top"][0]["label"] for each in answers]
    with opened(blind, served.url) as page:
        page.wait_for_selector("#notice:not([hidden])")
        assert page.inner_text("#notice-title") == "There is no camera here"
        page.set_input_files("#files", [*files, tmp_path / "broken.png"])
        until(page, "document.querySelectorAll('#shelf li').length === 6")
        page.wait_for_selector("#warning:not([hidden])")
        assert "broken.png: this browser cannot read it" in page.inner_text("#warning-text")
        assert page.locator("#shelf span").all_inner_texts() == expected
        page.locator("#shelf button").nth(2).click()
        assert page.inner_text("#answers .first .name") == expected[2]
        assert page.get_attribute("#shelf li:nth-child(3) button", "aria-pressed") == "true"


def test_a_refused_camera_says_how_to_allow_it(playwright: Any, served: Demo) -> None:
    flags = ("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    with chromium(playwright, *flags) as found, opened(found, served.url) as page:
        page.wait_for_selector("#notice:not([hidden])")
        assert page.inner_text("#notice-title") == "The camera was refused"
        assert "left of the address" in page.inner_text("#notice-steps")
        notices = "import('./' + document.querySelector('link[rel=icon]').getAttribute('href')"
        notices += ".replace('icon.svg', 'notices.js'))"
        safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Safari/604"
        inside = safari + " [FBAN/FBIOS]"
        for agent, word in ((safari, "Website Settings"), (inside, "Open in Safari")):
            text = f"{notices}.then((m) => m.noticeFor('refused', {json.dumps(agent)}).steps)"
            assert word in " ".join(page.evaluate(text))


def test_labels_are_text_whatever_they_hold(browser: Any, served: Demo) -> None:
    with opened(browser, served.url) as page:
        page.wait_for_selector("#answers .first")
        page.select_option("#model", "evil")
        until(page, f"document.body.innerText.includes({json.dumps(NAMES[1])})")
        assert page.locator("#answers img").count() == 0 and not page.problems
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390


def test_the_gpu_is_held_against_wasm(blind: Any, served: Demo) -> None:
    script = """async () => {
      const folder = document.querySelector("link[rel=icon]").href.replace(/icon.svg$/, "");
      const { compare, inWords } = await import(`${folder}agreement.js`);
      const say = (...rows) => rows.map((row) => ({ scores: Float32Array.from(row) }));
      const ours = say([0.9, 0.1], [0.2, 0.8]);
      const output = { scale: 1 / 256 };
      const close = compare(ours, say([0.89, 0.11], [0.2, 0.8]), output);
      const far = compare(ours, say([0.1, 0.9], [0.2, 0.8]), output);
      const none = compare(ours, say([NaN, 0.9], [0.2, 0.8]), { scale: null });
      return [close.agrees, far.agrees, none.agrees, inWords(far)];
    }"""
    with opened(blind, served.url) as page:
        *verdicts, words = page.evaluate(script)
    assert verdicts == [True, False, False]
    assert words.startswith("differs from WebAssembly on 2 frames") and "equal on 1" in words


def test_a_gpu_that_answers_otherwise_is_named_and_used_when_allowed_alone(
    browser: Any, served: Demo
) -> None:
    """A GPU that is WebAssembly in truth, and sorts its scores."""

    def turned(route: Any) -> None:
        text = route.fetch().text()
        for old, new in (
            ("way = message.way;", "way = { ...message.way, accelerator: 'wasm' };"),
            (
                "return { scores, raw: found, times }",
                "if (turned) scores.sort(); return { scores, times }",
            ),
            ("let loaded;", "let loaded; let turned = false;"),
            ("const script =", "turned = message.way.accelerator === 'webgpu'; const script ="),
        ):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        route.fulfill(body=text, content_type="text/javascript")

    adapter = "{ info: { vendor: 'acme', architecture: 'lying' } }"
    gpu = f"{{ requestAdapter: async () => ({adapter}) }}"
    with opened(browser, "about:blank") as page:
        page.add_init_script(f"Object.defineProperty(navigator, 'gpu', {{ value: {gpu} }})")
        page.route("**/runtime.js", turned)
        page.goto(served.url)
        until(page, "!document.querySelector('#warning').hidden", 30)
        assert "WebGPU (acme lying) differs" in page.inner_text("#warning-text")
        assert page.inner_text("#engine").startswith("WebAssembly, ")
        assert page.inner_text("#answers .first .name") == "green"
        page.click("#warning-allow")
        until(page, "document.querySelector('#engine').textContent.startsWith('WebGPU')")
        assert "used all the same" in page.inner_text("#engine")


def test_an_export_works_from_any_host_and_without_a_network(
    browser: Any, models: dict[str, Path], tmp_path: Path
) -> None:
    site = tmp_path / "site"
    for _ in range(2):
        done = command("demo", models["int8"], "--export", site)
        assert done.returncode == 0, done.stderr
    assert command("demo", models["int8"], "--export", tmp_path).returncode == 1
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "-d", str(site)],
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split("port ")[1].split()[0]
        with opened(browser, f"http://127.0.0.1:{port}/") as page:
            page.wait_for_selector("#answers .first")
            assert "1 thread; one thread: the host does not send" in page.inner_text("#engine")
            page.evaluate("navigator.serviceWorker.ready.then(() => true)")
            until(page, "navigator.serviceWorker.controller")
            server.kill()
            server.wait()
            page.reload()
            page.wait_for_selector("#answers .first")
            assert page.inner_text("#answers .first .name") == "green"
    finally:
        server.kill()
