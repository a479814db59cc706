"""int8 that is slower than float is named, with the reason and the better choice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cnnedge.benchmark import Result
from cnnedge.benchmark.answer import Latency
from cnnedge.conversion.entries import Entry, Runs
from cnnedge.conversion.slower import slower_in_integers
from cnnedge.specs.values import read
from support.runs import result


def entry(form: str, median_ms: float) -> Entry:
    return Entry(
        name=form,
        flipped=0,
        count=100,
        file=f"{form}.tflite",
        sha256="0" * 64,
        size_bytes=1000,
        gzip_bytes=900,
        input_dtype="uint8",
        sparsity=0.0,
        macs=1,
        parameters=1,
        techniques=(),
        format=form,
        sparse=False,
        epochs=0,
        train_seconds=0.0,
        calibration_pictures=None,
        float_layers=(),
        layers=(),
        tflite_runtime=Runs(runs=True),
        latency_ms=Latency(median=median_ms, count=10),
    )


def timed(*left_behind: str) -> Result:
    found = read(Result, result(), "", others=True)
    return replace(found, delegate=replace(found.delegate, left_behind=left_behind))


@pytest.mark.parametrize(
    ("int8_ms", "left", "said"),
    [
        (3.0, ("HARD_SWISH", "HARD_SWISH", "SOFTMAX"), True),
        (1.1, ("HARD_SWISH",), False),
        (3.0, ("SOFTMAX", "QUANTIZE"), False),
    ],
)
def test_slow_integers_are_named(int8_ms: float, left: tuple[str, ...], said: bool) -> None:
    entries = [entry("float32", 1.0), entry("int8", int8_ms)]
    warnings = list(slower_in_integers(entries, [timed(), timed(*left)]))
    assert len(warnings) == said
    for text in warnings:
        assert text.startswith("int8 takes 3.0 times as long as float32, because cpu (XNNPACK) ")
        assert "HARD_SWISH. Ship float32, or train" in text


def test_nothing_is_said_without_a_float_file() -> None:
    assert not list(slower_in_integers([entry("int8", 3.0)], [timed("HARD_SWISH")]))
