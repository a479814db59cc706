"""The conversion report: one page that holds everything, fetches nothing and escapes its texts."""

from __future__ import annotations

import base64
import itertools
import re
from html.parser import HTMLParser
from typing import Any

import cv2
import numpy as np
import pytest

from cnnedge.conversion import charts
from cnnedge.conversion.flips import FlippedPicture
from cnnedge.conversion.report import headline, most_compressed, render_report

_VOID = {"meta", "br", "img", "link", "input", "hr"}
_HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'> & é 日本 \u202e"


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

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in <{tag}>: {names}"
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def variant(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "file": f"{name}.tflite",
        "size_bytes": 100_000,
        "gzip_bytes": 80_000,
        "accuracy": 0.926,
        "ci95": [0.921, 0.931],
        "drop_points": 0.1,
        "flipped": 40,
        "mcnemar_p": 0.42,
        "sparsity": 0.0,
        "macs": 2_000_000,
        "latency_ms": {"median": 0.21, "p90": 0.25, "p99": 0.31, "count": 1000},
        "input_dtype": "uint8",
        "status": "ok",
        "status_reason": "",
    } | changes


def report(*variants: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "cnnedge": "0.1.0",
        "created": "2025-01-02T03:04:05+00:00",
        "run": "runs/one",
        "recipe": "fashion_cnn",
        "description": "a small CNN",
        "device": "a laptop",
        "threads": 1,
        "test_pictures": 10_000,
        "data": {"source": "somewhere", "fingerprint": "sha256:1234"},
        "reference": {"name": "model.keras", "accuracy": 0.927, "ci95": [0.922, 0.932]},
        "max_drop": None,
        "variants": list(variants),
        "warnings": [],
    } | changes


FULL = report(
    variant("float32", size_bytes=400_000, input_dtype="float32", drop_points=0.0, flipped=0),
    variant("float16", size_bytes=200_000, input_dtype="float32"),
    variant("int8", size_bytes=96_000),
)
CONFUSION = {"labels": ["cat", "dog", "owl"], "matrix": [[9, 1, 0], [2, 8, 0], [0, 0, 0]]}


def flip(name: str = "test[1]", variant: str = "int8", **changes: Any) -> FlippedPicture:
    fields: dict[str, Any] = {
        "true_label": "cat",
        "reference_label": "cat",
        "variant_label": "dog",
        "reference_score": 0.51,
        "variant_score": 0.497,
        "pixels": np.full((28, 28, 1), 7, np.uint8),
    }
    return FlippedPicture(variant=variant, name=name, **(fields | changes))


def page(made: dict[str, Any], flipped: list[FlippedPicture] | None = None, **confusion) -> Page:
    return Page(render_report(made, confusion=confusion or CONFUSION, flipped=flipped or []))


def test_the_page_says_what_was_measured():
    read = page(FULL, [flip()])
    for text in ("float32", "float16", "int8", "model.keras", "a laptop", "Wilson", "sha256:1234"):
        assert text in read.text
    assert "92.60" in read.text and "92.10\u201393.10" in read.text
    assert "96\u00a0KB" in read.text and "24 %" in read.text
    assert "p90 0.25" in read.text and "p99 0.31" in read.text and "1,000 runs" in read.text
    assert read.count("svg") == 2
    assert "cat taken for dog (1)" in read.text


def test_the_headline_is_honest():
    assert most_compressed(FULL) == "int8"
    said = headline(FULL)
    assert "92.6 % of 10,000 test pictures right" in said
    assert "92.1&ndash;93.1" in said
    assert "0.1 points below the Keras model, which chance can explain (p = 0.42)" in said
    worse = report(variant("int8", drop_points=1.4, mcnemar_p=0.0001))
    assert "1.4 points below the Keras model, more than chance explains" in headline(worse)
    better = report(variant("int8", drop_points=-0.2, mcnemar_p=None))
    assert "0.2 points above the Keras model." in headline(better)
    assert "as accurate as" in headline(report(variant("int8", drop_points=0.0)))


def test_a_failed_variant_is_never_the_headline():
    failed = variant("tiny", size_bytes=10, status="failed", status_reason="drop of 9 points")
    made = report(variant("float32", size_bytes=400_000), failed)
    assert most_compressed(made) == "float32"
    read = page(made)
    assert "drop of 9 points" in read.text
    alone = report(failed)
    assert most_compressed(alone) is None
    assert headline(alone) == "No variant is fit to ship: tiny (drop of 9 points)."
    assert "drop of 9 points" in page(alone).text


def test_nothing_is_fetched():
    html = render_report(FULL, confusion=CONFUSION, flipped=[flip()])
    read = Page(html)
    for tag, attributes in read.tags:
        assert tag not in {"script", "link", "iframe", "object", "base"}
        for name in ("src", "href", "srcset", "action", "xlink:href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "url(" not in html and "@import" not in html and "http:" not in html
    policy = [a["content"] for t, a in read.tags if t == "meta" and "http-equiv" in a]
    assert policy and "default-src 'none'" in str(policy[0])


def test_hostile_names_stay_text():
    made = report(
        variant(_HOSTILE, status_reason=_HOSTILE),
        variant("other" + _HOSTILE, size_bytes=1_000_000),
        run=_HOSTILE,
        recipe=_HOSTILE,
        description=_HOSTILE,
        device=_HOSTILE,
        data={"source": _HOSTILE, "fingerprint": _HOSTILE},
        warnings=[_HOSTILE],
        reference={"name": _HOSTILE, "accuracy": 0.9, "ci95": [0.8, 0.95]},
    )
    flips = [
        flip(
            name=_HOSTILE,
            variant=_HOSTILE,
            true_label=_HOSTILE,
            reference_label=_HOSTILE,
            variant_label="b",
        )
    ]
    read = page(made, flips, labels=[_HOSTILE, "b"], matrix=[[1, 2], [3, 4]])
    assert read.count("script") == 0
    assert read.count("img") == 1
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert "<script>alert(1)</script>" in read.text


def test_undecodable_file_names_can_be_written():
    html = render_report(FULL, confusion=CONFUSION, flipped=[flip(name="bad\udcff\x00.png")])
    assert "bad? .png" in Page(html).text
    html.encode("utf-8")


@pytest.mark.parametrize("count", [0, 1, 24, 25, 60])
def test_at_most_24_flipped_pictures_are_shown_and_the_total_is_said(count):
    made = report(variant("int8", flipped=count))
    read = page(made, [flip(f"test[{i}]") for i in range(count)])
    assert read.count("img") == min(count, 24)
    assert ("24 of them shown" in read.text) == (count > 24)
    assert (f"{count} picture" in read.text) == (count > 0)


def test_the_total_counts_flips_that_were_not_handed_over():
    read = page(report(variant("int8", flipped=1234)), [flip()])
    assert "1,234 pictures changed label; 1 of them shown" in read.text


def test_pictures_keep_their_colours():
    red = np.zeros((10, 20, 3), np.uint8)
    red[..., 0] = 200
    large = np.zeros((600, 300, 3), np.uint8)
    html = render_report(FULL, confusion={}, flipped=[flip(pixels=red), flip(pixels=large)])
    found = re.findall(r'<img class="(\w+)"[^>]*base64,([^"]+)"', html)
    decoded = [
        cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        for _, data in found
    ]
    assert [kind for kind, _ in found] == ["tiny", "photo"]
    assert decoded[0].shape == (10, 20, 3) and decoded[0][0, 0].tolist() == [0, 0, 200]
    assert decoded[1].shape == (256, 128, 3)


def test_a_picture_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        render_report(FULL, confusion={}, flipped=[flip(pixels=np.zeros((4, 4, 1), np.float32))])


def test_what_was_not_measured_is_a_dash():
    bare = variant("int8", latency_ms=None, mcnemar_p=None, sparsity=None, macs=None)
    assert page(report(bare)).count("svg") == 1
    nothing = dict.fromkeys(bare) | {"name": "int4", "status": "failed", "status_reason": "no"}
    read = page(report(bare, nothing))
    assert "Not drawn, see the table: int4" in read.text
    least = {"name": "int8", "size_bytes": 10, "status": "ok"}
    assert "int8" in page({"variants": [least]}).text
    assert "No variant is fit to ship." in page(report()).text


def test_a_collapsed_variant_does_not_flatten_the_charts():
    broken = variant("broken", accuracy=0.1, ci95=[0.09, 0.11], status="failed")
    read = page(report(*FULL["variants"], broken))
    assert "Not drawn, see the table: broken" in read.text


@pytest.mark.parametrize("classes", [2, 26, 60, 61])
def test_confusions_of_few_and_many_classes(classes):
    matrix = (np.eye(classes, dtype=int) * 50 + 1).tolist()
    read = page(FULL, labels=[f"c{i}" for i in range(classes)], matrix=matrix)
    cells = sum("--a" in (attributes.get("style") or "") for _, attributes in read.tags)
    assert cells == (classes**2 if classes <= 60 else 0)
    assert "c0 taken for c1 (1)" in read.text


def crowd() -> list[charts.Point]:
    sizes = (101, 103, 104, 104, 190, 380, 62)
    tops = (0.9266, 0.9261, 0.9271, 0.9229, 0.9268, 0.9268, 0.9204)
    return [
        charts.Point(label=f"variant-{i}", x=size * 1000.0, y=y, low=y - 0.005, high=y + 0.005)
        for i, (size, y) in enumerate(zip(sizes, tops, strict=True))
    ]


def test_labels_of_crowded_points_do_not_overlap():
    x_axis = charts.value_axis([p.x for p in crowd()], 46, 428)
    y_axis = charts.linear_axis([100 * p.y for p in crowd()], 282, 34)
    wanted = [(p.label, x_axis.place(p.x), y_axis.place(100 * p.y)) for p in crowd()]
    boxes = [label.box for label in charts.place_labels(wanted, [])]
    for a, b in itertools.combinations(boxes, 2):
        assert a.right <= b.left or b.right <= a.left or a.bottom <= b.top or b.bottom <= a.top


def test_axes_are_logarithmic_only_for_wide_ranges_and_have_round_ticks():
    narrow = charts.value_axis([100, 390], 0, 1)
    assert not narrow.log and narrow.low >= 0 and narrow.ticks == (100, 200, 300, 400)
    wide = charts.value_axis([100, 410], 0, 1)
    assert wide.log and wide.ticks == (100, 200, 500)
    assert len(charts.value_axis([1, 1e6], 0, 1).ticks) <= 8
    single = charts.linear_axis([92.0], 0, 1)
    assert single.low < 92 < single.high and len(single.ticks) >= 3
    for axis in (narrow, wide):
        assert all(0 <= axis.place(tick) <= 1 for tick in axis.ticks)


@pytest.mark.parametrize(
    ("size", "text"),
    [(512, "512 B"), (999, "999 B"), (96_400, "96.4 KB"), (999_700, "1 MB"), (3.4e6, "3.4 MB")],
)
def test_sizes_are_decimal(size, text):
    assert charts.format_size(size) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("ms", "text"), [(0.0312, "0.031 ms"), (0.21, "0.21 ms"), (3.456, "3.46 ms"), (120, "120 ms")]
)
def test_latencies_have_three_digits_at_most(ms, text):
    assert charts.format_ms(ms) == text.replace(" ", "\u00a0")
