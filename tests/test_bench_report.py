"""The page of benchmark results: holds everything, fetches nothing, escapes every name."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cnnedge.bench_report import render
from cnnedge.bench_report.wording import tick_text, time_text
from cnnedge.benchmark import Case, Failure, Outcome
from cnnedge.errors import CnnedgeError
from support import runs

HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'> & \x1b[2J 日本"
_VOID = {"meta", "br"}


class Page(HTMLParser):
    """Reads a page, insisting that every tag is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> out of order"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data


def sustained(**changes: Any) -> dict[str, Any]:
    """A run that is throttled after three of its five minutes."""
    windows = [
        {
            "t_s": i + 0.5,
            "median": m,
            "p90": 1.1 * m,
            "count": 80,
            "cpu_mhz": 1800 if m == 10 else 1400,
            "temperature_c": min(80.0, 40 + i / 4),
        }
        for i, m in enumerate([10.0] * 180 + [13.0] * 120)
    ]
    seconds = {"seconds": 300.0, "window_seconds": 1.0, "minute_s": 60.0, "throttled_at_s": 180.5}
    minutes = [{"median": m, "p90": 1.1 * m} for m in (10.0, 13.0)]
    found = {
        **seconds,
        "first_minute": minutes[0],
        "last_minute": minutes[1],
        "slowdown": 0.3,
        "inferences": 24_000,
        "samples_every": 2,
        "windows": windows,
    }
    return runs.result([10.0], sustained=found, **changes)


def page(*results: dict[str, Any], failed: Any = ()) -> tuple[str, Page]:
    failures = [
        Failure(
            f["device"],
            Case(model=Path(f["model"])) if "model" in f else None,
            CnnedgeError(f["error"]),
        )
        for f in failed
    ]
    html = render(Outcome(results=runs.read(*results), failures=failures))
    return html, Page(html)


def many() -> list[dict[str, Any]]:
    return [
        runs.result(),
        runs.result([20.0, 20.1, 20.2], device="pi4", model="models/big.tflite"),
        runs.result([40.0, 40.2], device="pi4", delegate={"used": "gpu (WebGPU)"}),
    ]


def test_the_page_says_what_was_measured() -> None:
    _, read = page(*many())
    for text in (
        "net",
        "big",
        "pi4",
        "gpu (WebGPU)",
        "33.3",
        "Accuracy and latency",
        "litert 2.3.0",
    ):
        assert text in read.text, text
    assert "2 of 3 meet the frame budget" in read.text
    assert "over 33.3" in read.text


def test_nothing_is_fetched_and_one_script_alone_may_run() -> None:
    html, read = page(*many(), sustained(device="pi5"))
    for tag, attributes in read.tags:
        assert tag not in ("link", "img", "iframe", "object", "base"), tag
        assert not {"src", "href", "srcset", "onclick", "onload"} & attributes.keys()
    assert "http" not in html.replace("http-equiv", "")
    assert "url(" not in html
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(
        a["content"]
        for t, a in read.tags
        if t == "meta" and "content" in a and a["content"].startswith("default")
    )
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_names_are_data() -> None:
    hostile = runs.result(
        model=f"m/{HOSTILE}.tflite".replace("</", "<"),
        device=HOSTILE,
        engine=HOSTILE,
        engine_version=HOSTILE,
        precision=HOSTILE,
        unstable=[HOSTILE],
        delegate={"used": HOSTILE, "left_behind": [HOSTILE]},
        energy={"source": HOSTILE, "power_w": 4.0, "mj_per_inference": 40.0},
        conditions={"cpu": HOSTILE, "os": HOSTILE, "governor": HOSTILE, "protocol": HOSTILE},
    )
    failed = [{"device": HOSTILE, "model": HOSTILE, "error": HOSTILE}]
    html, read = page(hostile, runs.result(), sustained(device=HOSTILE), failed=failed)
    assert "alert(1)" in read.text
    assert "日本" in read.text
    assert "\x1b" not in html
    assert [t for t, _ in read.tags].count("script") == 1
    assert not any("onerror" in a for _, a in read.tags)


def test_of_an_emulator_no_figure_is_shown() -> None:
    slow = [7654.0, 7654.0, 7654.0]
    emulated = runs.result(
        slow, device="pi4", emulated="qemu", init_ms=4321.0, unstable=["emulated"]
    )
    html, read = page(emulated)
    assert "emulated" in read.text
    assert "Only an emulator was timed" in read.text
    _, beside = page(emulated, runs.result())
    for text in (html, beside.text, read.text):
        assert not re.search(r"7,?65\d|4,?321", text)
    assert "it meets the frame budget" in beside.text


def test_curves_of_a_sustained_run() -> None:
    html, read = page(sustained())
    for text in ("Without a pause", "throttled", "clock, MHz", "temperature, °C", "+30.0 %"):
        assert text in read.text, text
    assert "power, W" not in read.text
    assert html.count('class="curve"') == 3
    assert "One of every 2 samples is kept" in read.text
    assert "Without a pause" not in page(runs.result())[1].text


def test_a_tool_without_samples_has_a_plot_of_its_figures() -> None:
    result = runs.result(samples_ms=[], statistics_source="benchmark_model")
    html, read = page(result)
    assert "keeps no samples" in read.text
    assert 'class="reach"' in html
    bare = runs.result(samples_ms=[], accuracy=None, peak_memory_bytes=None, init_ms=None)
    bare["latency_ms"] |= dict.fromkeys(("median", "p90", "p99", "std"))
    for repeat in bare["repeats"]:
        repeat |= {"median_ms": None, "p90_ms": None}
    bare["noise_floor"] = {"median": None, "p90": None}
    _, read = page(bare)
    assert "neither samples nor percentiles" in read.text
    assert "Accuracy and latency" not in read.text


def test_every_process_has_its_line() -> None:
    html, _ = page(runs.result())
    assert html.count('class="reach"') == 8
    assert html.count('class="hill"') == 1
    # Samples that are all the same still have an axis.
    assert 'class="hill"' in page(runs.result([5.0, 5.0], spread=0.0))[0]


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0.0331, "33.1 µs"), (0.122, "0.122 ms"), (12.34, "12.3 ms"), (1234.0, "1,234 ms")],
)
def test_times_have_three_digits(ms: float, text: str) -> None:
    assert time_text(ms) == text.replace(" ", "\u00a0")


def test_ticks_are_told_apart() -> None:
    for ticks in ((0.12, 0.125, 0.13), (0.01, 0.0102), (1.0, 2.0), (5.0,), ()):
        said = list(map(tick_text(ticks), ticks))
        assert len(set(said)) == len(ticks)
