"""The conversion report: one page that holds everything, fetches nothing and escapes its texts."""

from __future__ import annotations

import base64
import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import cv2
import numpy as np
import pytest

from cnnedge.conversion.flips import FlippedPicture
from cnnedge.conversion.report.page import headline, most_compressed, render_report
from cnnedge.conversion.report.table import in_families
from cnnedge.pages import axes, labels, scatter
from cnnedge.pages.text import format_ms, format_size

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


def layer(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "operator": "CONV_2D",
        "shape": [8, 3, 3, 4],
        "parameters": 296,
        "macs": 1000,
        "sparsity": 0.0,
        "bytes": 288,
    } | changes


def noise(name: str, own: float, **changes: Any) -> dict[str, Any]:
    return {
        "layer": name,
        "operator": "CONV_2D",
        "snr_db": 20.0,
        "own_snr_db": own,
        "low": -3.1,
        "high": 812.0,
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
    assert (
        "p90\u00a00.25" in read.text and "p99\u00a00.31" in read.text and "1,000 runs" in read.text
    )
    # Each of the two plots for a wide page and for a phone.
    assert read.count("svg") == 4
    assert "cat taken for dog (1)" in read.text


def test_the_headline_is_honest():
    assert most_compressed(FULL) == "int8"
    said = headline(FULL).said
    assert "92.6 % of 10,000 test pictures right" in said
    assert "92.1–93.1" in said
    assert "0.1 points below the Keras model, which chance can explain (p\u00a0=\u00a00.42)" in said
    worse = report(variant("int8", drop_points=1.4, mcnemar_p=0.0001))
    assert "1.4 points below the Keras model, more than chance explains" in headline(worse).said
    better = report(variant("int8", drop_points=-0.2, mcnemar_p=None))
    assert "0.2 points above the Keras model." in headline(better).said
    assert "as accurate as" in headline(report(variant("int8", drop_points=0.0))).said


def test_without_a_gate_a_sure_loss_is_not_recommended():
    lost = variant("channels50", size_bytes=10, drop_points=2.0, mcnemar_p=0.001)
    chance = variant("prune50", size_bytes=20, drop_points=2.0, mcnemar_p=0.3)
    whole = variant("int8", size_bytes=400, drop_points=0.0)
    assert most_compressed(report(whole, lost)) == "int8"
    assert most_compressed(report(whole, lost, chance)) == "prune50"
    assert most_compressed(report(lost)) == "channels50"
    assert most_compressed(report(whole, lost) | {"max_drop": 3.0}) == "channels50"


def test_a_failed_variant_is_never_the_headline():
    failed = variant("tiny", size_bytes=10, status="failed", status_reason="drop of 9 points")
    made = report(variant("float32", size_bytes=400_000), failed)
    assert most_compressed(made) == "float32"
    read = page(made)
    assert "drop of 9 points" in read.text
    alone = report(failed)
    assert most_compressed(alone) is None
    assert headline(alone).said == "No variant is fit to ship: tiny (drop of 9 points)."
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
        variant(
            _HOSTILE,
            status_reason=_HOSTILE,
            format=_HOSTILE,
            techniques=[_HOSTILE * 2],
            float_layers=[_HOSTILE],
            epochs=_HOSTILE,
            layers=[layer(_HOSTILE, operator=_HOSTILE, shape=[_HOSTILE])],
            sparsity=0.9,
            control={"difference_points": 1.0, "epochs": _HOSTILE},
            tflite_runtime={"runs": False, "reasons": [_HOSTILE, _HOSTILE]},
        ),
        variant("plain", layers=[layer(_HOSTILE)], remedy_of=_HOSTILE),
        variant("other" + _HOSTILE, size_bytes=1_000_000),
        run=_HOSTILE,
        sensitivity={"variant": _HOSTILE, "layers": [noise(_HOSTILE, 3.0), noise("b", 9.0)]},
        calibration={"count": 1, "seed": _HOSTILE, "per_class": {_HOSTILE: 1}},
        budget={"latency_ms": 1.0},
        chosen={"name": _HOSTILE, "why": _HOSTILE},
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
    assert page(report(bare)).count("svg") == 2
    nothing = dict.fromkeys(bare) | {"name": "int4", "status": "failed", "status_reason": "no"}
    read = page(report(bare, nothing))
    assert "Not drawn, see the table: int4" in read.text
    least = {"name": "int8", "size_bytes": 10, "status": "ok"}
    assert "int8" in page({"variants": [least]}).text
    assert "No variant is fit to ship." in page(report()).text


def test_a_collapsed_variant_does_not_flatten_the_charts():
    broken = variant("broken", accuracy=0.1, ci95=[0.09, 0.11], status="failed")
    read = page(report(*FULL["variants"], broken))
    assert "broken: 10.0" in read.text and "a triangle is far below the others" in read.text


@pytest.mark.parametrize("classes", [2, 26, 60, 61])
def test_confusions_of_few_and_many_classes(classes):
    matrix = (np.eye(classes, dtype=int) * 50 + 1).tolist()
    read = page(FULL, labels=[f"c{i}" for i in range(classes)], matrix=matrix)
    cells = sum("--a" in (attributes.get("style") or "") for _, attributes in read.tags)
    assert cells == (classes**2 if classes <= 60 else 0)
    assert "c0 taken for c1 (1)" in read.text


def crowd() -> list[scatter.Point]:
    sizes = (101, 103, 104, 104, 190, 380, 62, 104, 105, 104, 104, 63, 104, 62)
    tops = (0.9266, 0.9261, 0.9271, 0.9229, 0.9268, 0.9268, 0.9204)
    tops += (0.9236, 0.9249, 0.9251, 0.9274, 0.9189, 0.9281, 0.9242)
    return [
        scatter.Point(label=f"variant-{i}", x=size * 1000.0, y=y, low=y - 0.005, high=y + 0.005)
        for i, (size, y) in enumerate(zip(sizes, tops, strict=True))
    ]


def test_labels_of_crowded_points_do_not_overlap():
    x_axis = axes.value_axis([p.x for p in crowd()], 46, 428)
    y_axis = axes.linear_axis([100 * p.y for p in crowd()], 282, 34)
    wanted = [(p.label, x_axis.place(p.x), y_axis.place(100 * p.y)) for p in crowd()]
    area = labels.Box(46, 34, 428, 282)
    boxes = [label.box for label in labels.place_labels(wanted, [], area)]
    for a, b in itertools.combinations(boxes, 2):
        assert a.right <= b.left or b.right <= a.left or a.bottom <= b.top or b.bottom <= a.top


def test_axes_are_logarithmic_only_for_wide_ranges_and_have_round_ticks():
    narrow = axes.value_axis([100, 390], 0, 1)
    assert not narrow.log and narrow.low >= 0 and narrow.ticks == (100, 200, 300, 400)
    wide = axes.value_axis([100, 410], 0, 1)
    assert wide.log and wide.ticks == (100, 200, 500)
    assert len(axes.value_axis([1, 1e6], 0, 1).ticks) <= 8
    single = axes.linear_axis([92.0], 0, 1)
    assert single.low < 92 < single.high and len(single.ticks) >= 3
    for axis in (narrow, wide):
        assert all(0 <= axis.place(tick) <= 1 for tick in axis.ticks)


@pytest.mark.parametrize(
    ("size", "text"),
    [(512, "512 B"), (999, "999 B"), (96_400, "96.4 KB"), (999_700, "1 MB"), (3.4e6, "3.4 MB")],
)
def test_sizes_are_decimal(size, text):
    assert format_size(size) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("ms", "text"), [(0.0312, "0.031 ms"), (0.21, "0.21 ms"), (3.456, "3.46 ms"), (120, "120 ms")]
)
def test_latencies_have_three_digits_at_most(ms, text):
    assert format_ms(ms) == text.replace(" ", "\u00a0")


def names_in_order(made: dict[str, Any]) -> list[str]:
    html = render_report(made, confusion={}, flipped=[])
    return re.findall(r'<tr class="(?:pick|other)(?: remedy)?"><td><b>([^<]*)</b>', html)


def test_a_remedy_stands_beneath_the_variant_it_was_made_for():
    made = report(
        variant("int4", status="failed", status_reason="lost 3 points"),
        variant("qat"),
        variant("int4-remedy", remedy_of="int4"),
        variant("int4-remedy-two", remedy_of="int4-remedy"),
    )
    assert names_in_order(made) == ["int4", "int4-remedy", "int4-remedy-two", "qat"]
    assert "remedy of int4" in page(made).text


def test_remedies_of_nothing_and_of_each_other_are_not_lost():
    rows = [
        {"name": "a", "remedy_of": "b"},
        {"name": "b", "remedy_of": "a"},
        {"name": "c", "remedy_of": "c"},
        {"name": "d", "remedy_of": "gone"},
        {"name": "e", "remedy_of": "a"},
    ]
    assert sorted(row["name"] for row, _ in in_families(rows)) == ["a", "b", "c", "d", "e"]
    assert all(depth == 0 for _, depth in in_families(rows))


def test_a_column_that_nothing_fills_is_left_out():
    plain = page(report(variant("int8", sparsity=0.0)))
    assert "Against control" not in plain.text and "Zeros" not in plain.text
    helped = variant(
        "distil", control={"accuracy": 0.92, "difference_points": 0.33, "mcnemar_p": 0.03}
    )
    harmed = variant("prune80", sparsity=0.8, control={"difference_points": -0.4})
    read = page(report(helped, harmed, variant("int8")))
    assert "Against control" in read.text and "Zeros" in read.text
    assert "+0.33" in read.text and "p\u00a0=\u00a00.03" in read.text and "\u22120.40" in read.text
    assert "the same model trained on for as long" in read.text


def test_the_badge_names_the_operator():
    reasons = ["FULLY_CONNECTED version 12: tflite-runtime 2.14.0 has up to 11", "ADD: no"]
    read = page(report(variant("int4", tflite_runtime={"runs": False, "reasons": reasons})))
    assert "not in tflite-runtime: FULLY_CONNECTED version 12 and 1 more" in read.text
    assert any(attributes.get("title") == "; ".join(reasons) for _, attributes in read.tags)
    runs = page(report(variant("int8", tflite_runtime={"runs": True, "reasons": []})))
    assert "tflite-runtime" not in runs.text


def test_what_the_search_chose_is_the_pick():
    made = report(*FULL["variants"], chosen={"name": "float16", "why": "It is the best."})
    assert headline(made).name == "float16"
    assert "It is the best." in page(made).text
    assert "Confusions of float16" in page(made).text
    assert headline(report(*FULL["variants"], chosen=None)).name == "int8"
    nothing = report(*FULL["variants"], chosen={"name": None, "why": "All are too slow."})
    assert headline(nothing).said == "No variant meets the budget."
    assert "All are too slow." in page(nothing).text
    assert 'class="pick"' not in render_report(nothing, confusion={}, flipped=[])


def test_a_budget_is_drawn_where_it_is_in_reach():
    near = page(report(*FULL["variants"], budget={"latency_ms": 0.3, "size_bytes": None}))
    assert near.text.count("budget 0.30\u00a0ms") == 2
    assert "Budget: at most 0.30\u00a0ms median." in near.text
    far = page(report(*FULL["variants"], budget={"latency_ms": 5000, "max_drop": 1.0}))
    assert "budget 5" not in far.text
    assert "Budget, not drawn: 5,000\u00a0ms; all are within it." in far.text
    assert "at most 5,000\u00a0ms median, 1 point lost" in far.text


def point(label: str, x: float, y: float, **changes: Any) -> scatter.Point:
    return scatter.Point(label=label, x=x, y=y, low=y - 0.005, high=y + 0.005, **changes)


def test_the_frontier_has_what_no_other_beats():
    points = [
        point("large", 400, 0.93),
        point("beaten", 300, 0.91),
        point("same size, worse", 100, 0.90),
        point("small", 100, 0.92),
        point("same accuracy, larger", 150, 0.92),
        point("failed", 10, 0.99, failed=True),
        point("tiny", 20, 0.80),
    ]
    assert [p.label for p in scatter.frontier(points)] == ["tiny", "small", "large"]
    assert scatter.frontier([]) == []
    plot = scatter.Plot(points=points, x_title="size", x_text=str)
    drawn = scatter.scatter(plot)
    # Each for a wide page and for a phone.
    assert drawn.count("<svg") == drawn.count("<polyline") == 2
    assert drawn.count('<g class="edge"') == 6 and drawn.count('<g class="dot"') == 6
    assert "<polyline" not in scatter.scatter(replace(plot, points=points[:1]))
    assert scatter.scatter(replace(plot, points=[])) == ""


def test_downloads_are_sorted_and_say_both_sizes():
    zeros = variant("prune80", size_bytes=96_000, gzip_bytes=30_000)
    html = render_report(report(*FULL["variants"], zeros), confusion={}, flipped=[])
    shown = html[html.index("bars downloads") :]
    names = re.findall(r'<b title="([^"]*)">', shown)
    assert names == ["prune80", "int8", "float16", "float32"]
    assert "30\u00a0KB</b> of 96\u00a0KB" in shown and "31 %" in shown


def test_layers_show_zeros_and_work_beside_the_baseline():
    made = report(
        variant("float32", layers=[layer("a"), layer("b")]),
        variant("int8", layers=[layer("a", sparsity=0.02), layer("b", macs=4000)], sparsity=0.02),
        variant("prune", layers=[layer("a/x", sparsity=0.81), layer("b/x")], sparsity=0.8),
        variant("half", layers=[layer("b", macs=2000, operator="ADD")], macs=1_000_000),
    )
    html = render_report(made, confusion={}, flipped=[])
    table = html[html.index('<table class="layers') :]
    table = table[: table.index("</table>")]
    heads = re.findall(r'<th scope="col"[^>]*><b>([^<]*)</b>', table)
    assert heads == ["Layer", "int8", "prune", "half"]
    # Other names in the same order are the same layers; a layer that is gone is a dash.
    assert "81 %" in table and table.count("–</td>") == 1
    assert "--g:100.0%;--w:50.0%" in table
    assert "Where the zeros" not in page(report(variant("int8", layers=[layer("a")]))).text


@pytest.mark.parametrize("count", [1, 3, 20, 21, 64])
def test_sensitivity_names_the_worst_and_says_what_it_leaves_out(count):
    layers = [noise(f"conv_{i}", 30.0 + i % 7) for i in range(count - 1)] + [noise("bad", 8.1)]
    read = page(report(variant("int8"), sensitivity={"variant": "int8", "layers": layers}))
    assert "bad hurts most: 8.1\u00a0dB on its own; its output spans \u22123.1 to 812." in read.text
    bars = [
        a for t, a in read.tags if t == "div" and (a.get("class") or "") in ("row", "row worst")
    ]
    assert len(bars) == min(count, 20)
    assert (f"without the other {count - 20}" in read.text) == (count > 20)
    assert sum(a.get("class") == "row worst" for a in bars) == min(count, 3)
    overview = [a for t, a in read.tags if t == "svg" and a.get("class") == "overview"]
    assert len(overview) == (count > 20)


def test_sensitivity_says_which_labels_change_and_what_float_costs():
    known = {"pictures": 120, "float_bytes": 1200}
    layers = [
        noise("stem", 8.1, changed=9, float_ms=0.25, **known),
        noise("head", 9.0, changed=0, float_ms=-0.5, **known),
    ]
    read = page(report(variant("int8"), sensitivity={"variant": "int8", "layers": layers}))
    assert "when one layer alone is in int8: 9 by stem and 0 by head." in read.text
    assert "stem takes 1.2 KB more and 0.250 ms more" in read.text
    assert "head takes 1.2 KB more and 0.500 ms less" in read.text
    layers[0]["changed"] = 0
    read = page(report(variant("int8"), sensitivity={"variant": "int8", "layers": layers}))
    assert "None of them changes the label of any of 120 pictures" in read.text


def test_sensitivity_without_noise_or_ranges_can_be_drawn():
    silent = [noise("a", 150.0, snr_db=None, low=None, high=None), noise("b", -150.0)]
    read = page(report(variant("int8"), sensitivity={"layers": silent}))
    assert "b hurts most: \u2212150.0\u00a0dB" in read.text
    assert "Sensitivity" not in page(report(variant("int8"), sensitivity={"layers": []})).text


def test_pictures_of_many_variants_are_folded_but_for_the_pick():
    names = ["int8", "a", "b", "c", "d"]
    made = report(*(variant(name, size_bytes=100 + i * 50) for i, name in enumerate(names)))
    flips = [flip(f"test[{i}]", variant=name) for name in names for i in range(30)]
    read = page(made, flips)
    details = [attributes for tag, attributes in read.tags if tag == "details"]
    assert [("open" in attributes) for attributes in details] == [True, False, False, False, False]
    assert read.count("img") == 24 + 4 * 8


def test_the_notes_say_how_calibration_was_drawn():
    one = {"count": 100, "seed": 3, "per_class": {"cat": 50, "dog": 50}}
    assert "100 training pictures, drawn with seed 3, 50 of each of 2 classes" in (
        page(report(variant("int8"), calibration=one)).text
    )
    more = report(variant("int8", calibration_pictures=100), calibration=one)
    assert "calibrated on" not in page(more).text
    more = report(variant("int8", calibration_pictures=1000), calibration=one)
    assert "calibrated on 1,000 pictures" in page(more).text
    uneven = one | {"per_class": {"cat": 40, "dog": 60}}
    assert "40 to 60 of each" in page(report(variant("int8"), calibration=uneven)).text
