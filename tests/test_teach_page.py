"""`cnnedge teach` from end to end: shot by Chromium's camera, trained, live on the same page."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cnnedge
from support.browser import chromium, driver, film, opened, until
from support.demo import Demo, demo
from support.things import THINGS, film_of, wait_for_ground
from test_album import EVIL

pytestmark = pytest.mark.heavy

GROUNDS = {"mug": (1, 6), "leaf": (3, 12), "key": (7, 2)}
# What an unfinished round of training may leave, and nothing else.
KEPT = {"int8.tflite", "taught.json"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("teach") / "things"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    with driver() as found:
        yield found


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each thing on two grounds, four seconds of each."""
    folder = tmp_path_factory.mktemp("films")
    return {
        name: film(folder / f"{name}.mjpeg", film_of(name, GROUNDS[name], still=5))
        for name in THINGS
    }


@contextlib.contextmanager
def camera(playwright: Any, served: Demo, played: Path) -> Iterator[Any]:
    with chromium(playwright, film=played) as browser, opened(browser, served.url) as page:
        until(page, "document.querySelector('video').videoWidth > 0")
        yield page
        assert not page.problems and page.hosts == {f"127.0.0.1:{served.port}"}


def make(page: Any, name: str) -> None:
    page.click("#make")
    page.fill("#naming-text", name)
    page.keyboard.press("Enter")
    until(page, f"document.querySelector('#class-name').textContent === {json.dumps(name)}")


def shoot(page: Any, milliseconds: int = 900) -> None:
    """Holds the button."""
    box = page.locator("#shutter").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30)
    page.mouse.down()
    page.wait_for_timeout(milliseconds)
    page.mouse.up()


def counted(page: Any) -> int:
    return int(page.inner_text("#classes [aria-pressed=true] .count"))


def killed(running: Demo) -> None:
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()


def children(running: Demo) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == running.process.pid:
                found.append(int(status.parent.name))
    return found


def test_shot_trained_and_live(
    playwright: Any, films: dict[str, Path], root: Path, cache: Path
) -> None:
    """Then killed while it trains: nothing is lost, nothing is half, and it goes on."""
    with demo(root, cache=cache, command="teach") as served:
        for name in THINGS:
            with camera(playwright, served, films[name]) as page:
                make(page, name)
                for burst in (1, 2):
                    wait_for_ground(page, GROUNDS[name], burst - 1)
                    shoot(page)
                    word = f"{burst} burst"
                    until(
                        page, f"document.querySelector('#class-count').innerText.includes('{word}')"
                    )
                # The last class stays open: its page trains and gets the model.
                if name != THINGS[-1]:
                    continue
                until(page, "!document.querySelector('#train').disabled")
                assert "Ready to train" in page.inner_text("#teaching-text")
                page.evaluate("window.same = true")
                page.click("#train")
                until(page, "document.querySelector('#answers .first .name')", 200)
                assert page.evaluate("window.same")
                until(
                    page, f"document.querySelector('#answers .first').innerText.includes('{name}')"
                )
                until(page, "document.querySelector('#teaching-text').innerText.includes('Live')")
                said = page.inner_text("#teaching-text")
                assert "% right on bursts it had not seen (6 bursts" in said
                page.click("#afterwards summary")
                assert page.inner_text("#afterwards-command").startswith("cnnedge train yoga_edge")
                model = root / ".teach" / "int8.tflite"
                assert_it_is_the_model(model, root, said)
                first = model.read_bytes()
                pictures = {p: p.read_bytes() for p in root.rglob("*.jpg")}
                page.click("#train")
                until(
                    page, "document.querySelector('#teaching-text').innerText.includes('int8')", 200
                )
                trainers = children(served)
                assert trainers
                killed(served)
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in trainers):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert pictures == {p: p.read_bytes() for p in root.rglob("*.jpg")}
    assert {p.name for p in (root / ".teach").iterdir() if p.name[0] != "."} <= KEPT
    assert cnnedge.load(model).labels == ("key", "leaf", "mug")
    with demo(root, cache=cache, command="teach") as served:
        site = json.loads(served.page("site.json").body)
        assert [each["labels"] for each in site["models"]] == [["key", "leaf", "mug"]]
        code, printed = served.stop()
    assert code == 0 and "leaf" in printed and "int8.tflite" in printed
    assert any("cnnedge train yoga_edge --data" in line for line in served.said)
    assert len(first) > 10**6


def assert_it_is_the_model(model: Path, root: Path, said: str) -> None:
    """The file says what the page says, and labels the pictures as they were shot."""
    with cnnedge.load(model) as loaded:
        import cv2

        shots = sorted(root.glob("*/*.jpg"))
        right = [loaded(cv2.imread(str(p))).label == p.parent.name for p in shots]
    assert sum(right) / len(right) > 0.9 and len(shots) >= 18
    taught = json.loads((model.parent / "taught.json").read_text())
    accuracy = taught["result"]["measured"]["accuracy"]
    assert f"{100 * accuracy:.0f} % right" in said
    assert taught["result"]["agreement"] > 0.9


def test_classes_and_pictures_on_the_page(
    playwright: Any, films: dict[str, Path], cache: Path, tmp_path: Path
) -> None:
    """Names that hold HTML, renaming, deleting, choosing files, keys instead of fingers."""
    root = tmp_path / "album"
    # Without a page it trains nothing; here it need not either.
    with demo(root, cache=cache, command="teach") as served:
        with camera(playwright, served, films["mug"]) as page:
            assert "Make a class" in page.inner_text("#first")
            make(page, EVIL)
            page.focus("#shutter")
            page.keyboard.down("Space")
            page.wait_for_timeout(700)
            page.keyboard.up("Space")
            until(page, "document.querySelectorAll('#roll li').length > 1")
            page.wait_for_timeout(400)
            shots = counted(page)
            assert page.locator("#classes img").count() == 0
            assert len(list((root / EVIL).glob("burst-*.jpg"))) == shots
            page.click("#rename")
            page.fill("#naming-text", "../..")
            page.click("#naming button.main")
            until(page, "document.querySelector('#warning-text').innerText.includes('cannot be')")
            page.click("#rename")
            page.fill("#naming-text", "tasse")
            page.click("#naming button.main")
            until(page, "document.querySelector('#class-name').textContent === 'tasse'")
            page.locator("#roll button").first.click()
            page.click("#viewing [value=one]")
            until(page, f"document.querySelectorAll('#roll li').length === {shots - 1}")
            chosen = list((root / "tasse").glob("*.jpg"))[:2]
            page.set_input_files("#files", chosen)
            until(page, f"document.querySelectorAll('#roll li').length === {shots + 1}")
            assert "3 bursts" in page.inner_text("#class-count")
            assert page.is_disabled("#train") and "two classes" in page.inner_text("#teaching-text")
            widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert widths[0] <= widths[1]
            page.click("#open-details")
            page.click("#details [aria-label=Close]")
            until(page, "!document.querySelector('#details').open")
            page.click("#delete")
            page.click("#sure .main")
            until(page, "document.querySelector('#chosen').hidden")
        assert len(list((root / ".deleted").rglob("*.jpg"))) == shots + 2
        assert [p.name for p in root.iterdir() if p.name[0] != "."] == []
        with chromium(playwright) as browser, opened(browser, served.url) as page:
            page.wait_for_selector("#notice:not([hidden])")
            make(page, "from files")
            page.set_input_files("#files", min((root / ".deleted").rglob("*.jpg")))
            until(page, "document.querySelectorAll('#roll li').length === 1")
            assert not page.problems
    assert os.listdir(root / "from files")[0].endswith("-0000.jpg")
