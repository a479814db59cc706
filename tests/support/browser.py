"""Debian's Chromium, headless, driven by playwright; a camera where a film is given."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@contextlib.contextmanager
def driver() -> Iterator[Any]:
    """Playwright; one for a process. Skips the test where it is missing; in CI that fails."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if sync_playwright is None or _program() is None:
        reason = "needs Chromium (Debian package chromium) and playwright (PyPI)"
        if os.environ.get("CNNEDGE_CI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        yield playwright


def _program() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextlib.contextmanager
def chromium(playwright: Any, *flags: str, film: Path | None = None) -> Iterator[Any]:
    """A browser. film: what its camera sees; it is then allowed without a question."""
    camera: Sequence[str] = ()
    if film is not None:
        camera = (
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={film}",
        )
    words = [*_FLAGS, *camera, *flags]
    browser = playwright.chromium.launch(executable_path=_program(), args=words)
    try:
        yield browser
    finally:
        browser.close()


@contextlib.contextmanager
def opened(browser: Any, url: str, **options: Any) -> Iterator[Any]:
    """A page in a context of its own. `page.hosts`: where its requests went; `page.problems`."""
    options = {"ignore_https_errors": True, "viewport": {"width": 390, "height": 844}} | options
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.hosts, page.paths, page.problems = set(), [], []

    def requested(request: Any) -> None:
        if request.url.startswith(("http", "ws")):
            page.hosts.add(request.url.split("/")[2])
            page.paths.append(request.url.split("/", 4)[-1])

    page.on("request", requested)
    page.on("websocket", lambda socket: page.hosts.add(socket.url.split("/")[2]))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("dialog", lambda dialog: page.problems.append(dialog.message))
    try:
        page.goto(url)
        yield page
    finally:
        context.close()


def film(path: Path, frames: Sequence[np.ndarray]) -> Path:
    """BGR frames as the motion JPEG that Chromium's camera plays."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 97]
    # A frame that stands still is written many times.
    coded = {}
    for frame in frames:
        if id(frame) not in coded:
            coded[id(frame)] = cv2.imencode(".jpg", frame, quality)[1].tobytes()
    path.write_bytes(b"".join(coded[id(f)] for f in frames))
    return path


def until(page: Any, condition: str, seconds: float = 60) -> None:
    """Waits for a condition in JavaScript. playwright's own waiting needs eval, which the page's
    policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"() => Boolean({condition})"):
        assert time.monotonic() < end, f"{condition}: {page.inner_text('body')[:2000]}"
        time.sleep(0.05)
