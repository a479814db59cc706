"""A page of warnings is none: one line says how far the figures of a session can be trusted."""

from __future__ import annotations

import pytest

from cnnedge.bench_report import render
from cnnedge.benchmark import Result, get_protocol
from cnnedge.benchmark.rounds import Outcome
from cnnedge.cli.bench.table import show
from support.runs import read, result

SHAKY = (10.0, 11.5, 9.0)


def session() -> list[Result]:
    busy = {"busy_fraction": 0.55, "processes": 3}
    models = [f"models/{name}.tflite" for name in "abcdefg"]
    return read(*(result(SHAKY, model=model, conditions=busy) for model in models))


def test_seven_doubtful_results_are_one_warning(capsys: pytest.CaptureFixture) -> None:
    show(session(), get_protocol("quick"))
    said = capsys.readouterr().err.splitlines()
    warnings = [line for line in said if line.startswith("Warning:")]
    assert len(warnings) == 1
    assert "latencies: accurate to" in warnings[0]
    assert "55% of the CPU was in use by other programs" in warnings[0]
    assert "7 of 7 results are unstable" in warnings[0]
    assert not any("a.tflite with" in line for line in said)


def test_verbose_says_why_of_each(capsys: pytest.CaptureFixture) -> None:
    show(session(), get_protocol("quick"), verbose=True)
    said = capsys.readouterr().err
    for name in "abcdefg":
        assert f"{name}.tflite with --threads 1 may be unstable: " in said
    assert said.count("Warning:") == 1


def test_steady_results_get_no_warning(capsys: pytest.CaptureFixture) -> None:
    show(read(result()), get_protocol("standard"))
    assert "Warning" not in capsys.readouterr().err


def test_an_emulated_device_is_said_once(capsys: pytest.CaptureFixture) -> None:
    told = {"device": "pi4", "emulated": "qemu", "unstable": ["the timings are an emulator's"]}
    show(read(*(result(model=f"{n}.tflite", **told) for n in "abc")), get_protocol("quick"))
    assert capsys.readouterr().err.count("Warning: pi4: the timings are an emulator's") == 1


def test_json_and_page_say_it_too() -> None:
    outcome = Outcome(results=session(), failures=[])
    payload = outcome.as_json()
    assert payload["trust"]["unstable"] == 7
    assert payload["trust"]["median"] > 0.05
    page = render(outcome)
    assert "7 of 7 results are unstable" in page
    assert Outcome(results=read(result()), failures=[]).as_json()["trust"] is None
