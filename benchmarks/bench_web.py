"""The page of `cnnedge demo` against a bare loop of LiteRT.js, and against MediaPipe's.

One headless Chromium, one page, one model file, one film as its camera. Rounds of four: the page's
own live loop; LiteRT.js running the model in a Worker while the page shows the video, which takes
a good part of a second core where no GPU paints; the same while the page shows nothing; and the
ImageClassifier of @mediapipe/tasks-vision on the same video element, also shown, each frame that it
has not seen yet. The page is exported by `cnnedge demo --export`, and served with the headers that
give it threads. MediaPipe comes from the npm registry once, with a checksum.

    python benchmarks/bench_web.py [--seconds 6] [--rounds 5] [--rate 60]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.server
import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from run_parts import packed

from cnnedge.camera import SampleSource
from support.browser import chromium, driver, opened, until

BUILD = Path(__file__).parents[1] / "build"
VERSION = "1.1.0"
PACKAGE = f"https://registry.npmjs.org/@mediapipe/tasks-vision/-/tasks-vision-{VERSION}.tgz"
SHA512 = "ZJqh0wMKOINorfSffvDAxzyO1//c+FiG3IkzOdNDnLqvBB3DbMfj0bB/tys2SNf9S914sgoIbIpF4HTOi336cg=="
SIDES = (640, 480)
# A page's loop is worth having where it reaches this share of the bare rate beside the video.
CLAIM = 0.9
LIVE_ROW, BARE_ROW, ALONE_ROW = "the page, live", "bare run(), video shown", "bare run(), alone"
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-store",
}

LIVE = """
async (seconds) => {
  const rates = [];
  const end = performance.now() + 1000 * seconds;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  while (performance.now() < end) {
    rates.push(parseInt(document.querySelector("#rate").textContent));
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
}
"""
BARE = """
async ([seconds, threads]) => {
  const folder = document.querySelector("link[rel=icon]").href.replace(/icon.svg$/, "");
  const { Engine, wasmOf } = await import(`${folder}engine.js`);
  const { wasmWay } = await import(`${folder}ways.js`);
  const site = await (await fetch("site.json")).json();
  const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
  const way = wasmWay(threads);
  const engine = await Engine.start(way, await bytes(`${folder}third_party/${wasmOf(way)}`));
  try {
    await engine.load(null, await bytes(`m/${site.models[0].file}`));
    const wanted = { warmup_seconds: 0.5, runs: 1, seconds, window_seconds: null };
    const { samples_ms } = await engine.time(wanted);
    return (1000 * samples_ms.length) / samples_ms.reduce((sum, ms) => sum + ms, 0);
  } finally {
    engine.close();
  }
}
"""
MEDIAPIPE = """
async (seconds) => {
  if (!globalThis.classifier) {
    const { FilesetResolver, ImageClassifier } = await import("/mediapipe/vision_bundle.mjs");
    const files = await FilesetResolver.forVisionTasks("/mediapipe/wasm");
    const site = await (await fetch("site.json")).json();
    globalThis.classifier = await ImageClassifier.createFromOptions(files, {
      baseOptions: { modelAssetPath: `m/${site.models[0].file}`, delegate: "CPU" },
      runningMode: "VIDEO",
      maxResults: 4,
    });
  }
  const video = document.querySelector("#video");
  const frame = () => new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  let count = 0;
  let best = "";
  for (let i = 0; i < 5; i++) {
    await frame();
    classifier.classifyForVideo(video, performance.now());
  }
  const began = performance.now();
  while (performance.now() - began < 1000 * seconds) {
    await frame();
    const found = classifier.classifyForVideo(video, performance.now());
    best = found.classifications[0].categories[0].categoryName;
    count++;
  }
  return [(1000 * count) / (performance.now() - began), best];
}
"""


# The camera goes on while a frame stands still: this shows it in place of that frame.
SHOWN = """
(shown) => {
  document.querySelector("#video").hidden = !shown;
  document.querySelector("#still").hidden = shown;
}
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files, with the headers that isolate a page; silent."""

    extensions_map = {  # noqa: RUF012
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".wasm": "application/wasm",
        ".js": "text/javascript",
        ".mjs": "text/javascript",
    }

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def mediapipe(target: Path) -> None:
    """MediaPipe's files, from the registry once."""
    kept = BUILD / f"tasks-vision-{VERSION}.tgz"
    if not kept.exists():
        with urllib.request.urlopen(PACKAGE, timeout=300) as answer:
            content = answer.read()
        found = base64.b64encode(hashlib.sha512(content).digest()).decode()
        if found != SHA512:
            raise SystemExit(f"{PACKAGE}: its SHA-512 is {found}, not {SHA512}")
        BUILD.mkdir(exist_ok=True)
        kept.write_bytes(content)
    with tarfile.open(fileobj=io.BytesIO(kept.read_bytes())) as tar:
        for entry in tar:
            name = entry.name.removeprefix("package/")
            if entry.isfile() and (name == "vision_bundle.mjs" or name.startswith("wasm/")):
                place = target / name
                place.parent.mkdir(parents=True, exist_ok=True)
                held = tar.extractfile(entry)
                assert held is not None
                place.write_bytes(held.read())


def camera_film(path: Path, rate: int) -> Path:
    """The built-in scene as raw video, which Chromium's camera plays at any rate."""
    width, height = SIDES
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip C420jpeg\n".encode())
        for _, frame in zip(range(120), SampleSource(), strict=False):
            pixels = np.ascontiguousarray(cv2.resize(frame.pixels, SIDES))
            file.write(b"FRAME\n" + cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420).tobytes())
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=60, help="frames/s of the camera")
    parser.add_argument("--model", type=Path, help="instead of MobileNetV2 224 int8")
    parser.add_argument("--threads", default="1,2")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        BUILD.mkdir(exist_ok=True)
        model = given.model or packed(BUILD, 224, "area")
        words = [sys.executable, "-m", "cnnedge", "demo", str(model), "--export", folder / "site"]
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
        mediapipe(folder / "site" / "mediapipe")
        film = camera_film(folder / "camera.y4m", given.rate)
        with (
            driver() as playwright,
            chromium(playwright, film=film) as browser,
            served(folder / "site") as url,
            opened(browser, url, bypass_csp=True, service_workers="block") as page,
        ):
            print(f"{model.name}, camera {SIDES[0]}x{SIDES[1]} at {given.rate} frames/s")
            print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            for threads in [int(t) for t in given.threads.split(",")]:
                measured(page, threads, given)
            print(f"tasks-vision {VERSION}; the page says: {page.inner_text('#engine')}")


def measured(page: Any, threads: int, given: argparse.Namespace) -> None:
    """One table: medians over interleaved rounds, and each round's ratio."""
    until(page, "document.querySelector('#answers .first')")
    page.evaluate(
        """(threads) => {
          const select = document.querySelector("#threads");
          select.value = String(threads);
          select.dispatchEvent(new Event("change"));
        }""",
        threads,
    )
    said = f"{threads} thread"
    until(page, f"document.querySelector('#engine').textContent.includes('{said}')")
    page.wait_for_timeout(2000)
    rows = (LIVE_ROW, BARE_ROW, ALONE_ROW, "MediaPipe")
    found: dict[str, list[float]] = {row: [] for row in rows}
    for _ in range(given.rounds):
        found[LIVE_ROW].append(page.evaluate(LIVE, given.seconds))
        page.click("#freeze")
        found[ALONE_ROW].append(page.evaluate(BARE, [given.seconds, threads]))
        page.evaluate(SHOWN, True)
        found[BARE_ROW].append(page.evaluate(BARE, [given.seconds, threads]))
        rate, best = page.evaluate(MEDIAPIPE, given.seconds)
        found["MediaPipe"].append(rate)
        page.evaluate(SHOWN, False)
        page.click("#freeze")
        until(page, "parseInt(document.querySelector('#rate').textContent) > 0")
    bare = found[BARE_ROW]
    print(f"\n{said}{'s' if threads > 1 else ''}; MediaPipe says {best}")
    print(f"{'':24}{'frames/s':>10}{'of the bare rate':>20}{'rounds':>18}")
    for name, rates in found.items():
        ratios = [a / b for a, b in zip(rates, bare, strict=True)]
        shown = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(
            f"{name:24}{statistics.median(rates):10.1f}{statistics.median(ratios):20.3f}{shown:>18}"
        )
    ratio = statistics.median(a / b for a, b in zip(found[LIVE_ROW], bare, strict=True))
    met = "met" if ratio >= CLAIM else "NOT met"
    print(f"claim: the page at {CLAIM} of the bare rate or more: {met}")


if __name__ == "__main__":
    main()
