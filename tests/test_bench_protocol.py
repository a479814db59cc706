"""Answers of devices into results: cooling down, tools without samples, lies, throttling, power."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from cnnedge.benchmark import Case, Outcome, Protocol, cases_of, measure_all, protocols
from cnnedge.benchmark.answer import read_answer
from cnnedge.benchmark.power import PowerLog, find_meter
from cnnedge.benchmark.protocols import measure_windows
from cnnedge.benchmark.sustained import summary
from cnnedge.bundle import read_model
from cnnedge.engines import load_engine, random_input
from cnnedge.errors import DeviceError, GateError
from cnnedge.specs import plain
from support.told_device import ToldDevice, changed, real_answer

THREE = Protocol(
    name="three", processes=3, warmup_seconds=0.0, runs=9, seconds=0.0, headline="median"
)


@pytest.fixture(scope="module")
def answer(plain_models: dict[str, Path]) -> dict[str, Any]:
    """What a fresh process here says of a model."""
    return real_answer(plain_models["int8"])


def outcome_of(device: ToldDevice, *models: Path, protocol: Protocol = THREE) -> Any:
    """With results as they are written."""
    outcome = measure_all({device: cases_of(models)}, protocol)
    return Outcome(results=plain(outcome.results), failures=outcome.failures)


def told(**statistics: Any) -> Any:
    """Makes an answer that of a tool which keeps no samples."""
    known = dict.fromkeys(("median", "mean", "p90", "p99", "min", "max", "std"))
    figures = known | {"count": 50, "source": "benchmark_model"} | statistics
    changes = {"samples_ms": [], "statistics": figures, "peak_memory_bytes": None}
    return lambda answer: answer.update(changes)


def test_a_tool_without_samples(answer: dict[str, Any], plain_models: dict[str, Path]) -> None:
    three = (
        changed(answer, told(median=m, mean=m + 1, p90=m + 2, min=m - 1, max=m + 9, count=c))
        for m, c in ((10.0, 10), (12.0, 10), (11.0, 80))
    )
    (result,) = outcome_of(ToldDevice(three), plain_models["int8"]).results
    assert result["latency_ms"] == {
        "median": 11.0,
        "mean": 12.0,
        "p90": 13.0,
        "p99": None,
        "min": 9.0,
        "max": 21.0,
        "std": None,
        "count": 100,
    }
    assert result["samples_ms"] == []
    assert result["peak_memory_bytes"] is None
    assert "benchmark_model" in result["statistics_source"]
    assert result["noise_floor"]["median"] > 0


def test_a_tool_that_tells_the_mean_alone(
    answer: dict[str, Any], plain_models: dict[str, Path]
) -> None:
    three = itertools.repeat(changed(answer, told(mean=5.0)))
    (result,) = outcome_of(ToldDevice(three), plain_models["int8"]).results
    assert result["latency_ms"]["median"] is None
    assert result["latency_ms"]["mean"] == 5.0


LIES: dict[str, Any] = {
    "no object": lambda a: a.clear(),
    "negative": lambda a: a.update(samples_ms=[-1.0]),
    "zero": lambda a: a.update(samples_ms=[0.0, 0.0]),
    "not finite": lambda a: a.update(samples_ms=[float("nan")]),
    "too large": lambda a: a.update(samples_ms=[10**400]),
    "no samples": lambda a: a.update(samples_ms=[]),
    "texts": lambda a: a.update(samples_ms=["1", "2"]),
    "no figures": told(),
    "no count": told(median=1.0, count=0),
    "threads": lambda a: a.update(threads=True),
    "delegate": lambda a: a.update(delegate={"requested": 1}),
    "nodes": lambda a: a["delegate"].update(nodes_total="7"),
    "notes": lambda a: a["delegate"].update(notes=[{"a": 1}]),
    "agreement": lambda a: a["delegate"].update(agreement={"agrees": "yes"}),
    "machine": lambda a: a["conditions"].update(machine=[]),
    "share": lambda a: a["conditions"].update(busy_fraction="half"),
    "temperature": lambda a: a["conditions"]["before"].update(temperature_c="hot"),
    "governor": lambda a: a["conditions"]["before"].update(governor=["powersave"]),
    "windows": lambda a: a.update(windows=[{"t_s": 1}], inferences=1, samples_every=1),
    "energy": lambda a: a.update(energy={"power_w": "much"}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_answer_is_an_error_in_one_line(lie: str, answer: dict[str, Any]) -> None:
    with pytest.raises(DeviceError) as raised:
        read_answer(changed(answer, LIES[lie]), "m.tflite")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("whole", [None, 7, "text", [1], "\x1b[2J" * 100_000])
def test_what_is_no_answer_at_all(whole: Any) -> None:
    with pytest.raises(DeviceError, match="expected an object") as raised:
        read_answer(whole, "m.tflite")
    assert "\x1b" not in str(raised.value)


def test_texts_of_a_device_obey_nothing(answer: dict[str, Any]) -> None:
    def lie(a: dict[str, Any]) -> None:
        a["conditions"]["machine"]["cpu"] = "\x1b]0;owned\x07A\nB" + "C" * 1_000_000
        a["delegate"]["notes"] = ["\x1b[2J\rgone"]

    found = read_answer(changed(answer, lie), "m.tflite")
    texts = (found.conditions.machine.cpu, *found.delegate.notes)
    assert all(text.isprintable() and len(text) < 3000 for text in texts)
    with pytest.raises(GateError) as raised:
        read_answer({"error": "no\nGPU\x1b[1m", "exit_code": 3}, "m.tflite")
    assert str(raised.value).isprintable()


def test_an_emulator_is_never_a_device(
    answer: dict[str, Any], plain_models: dict[str, Path]
) -> None:
    emulated = changed(
        answer, lambda a: a["conditions"]["machine"].update(emulated="qemu-aarch64 on x86-64")
    )
    device = ToldDevice(itertools.repeat(emulated))
    (result,) = outcome_of(device, plain_models["int8"]).results
    assert result["emulated"] == "qemu-aarch64 on x86-64"
    assert "say nothing about the device" in result["unstable"][0]


def test_what_a_devices_own_watchmen_say(
    answer: dict[str, Any], plain_models: dict[str, Path]
) -> None:
    def slowed(a: dict[str, Any]) -> None:
        a["conditions"]["after"]["throttled"] = {"now": ["under-voltage"], "since_boot": []}
        a["conditions"]["before"] |= {"thermal_status": "severe", "power_saving": True}

    device = ToldDevice(itertools.repeat(changed(answer, slowed)))
    (result,) = outcome_of(device, plain_models["int8"]).results
    said = "; ".join(result["unstable"])
    assert all(part in said for part in ("under-voltage", "severe", "power saving was on"))


def test_a_device_that_is_lost_leaves_what_was_measured(
    answer: dict[str, Any], plain_models: dict[str, Path]
) -> None:
    gone = DeviceError("told: it does not answer any more")
    device = ToldDevice(iter([answer, answer, answer, gone]))
    other = ToldDevice(itertools.repeat(answer), name="other")
    files = (plain_models["int8"], plain_models["float32"])
    outcome = measure_all(dict.fromkeys((device, other), cases_of(files)), THREE)
    assert [(r.device, len(r.repeats)) for r in outcome.results] == [
        *(("told", 2), ("told", 1), ("other", 3), ("other", 3))
    ]
    assert any("incomplete: 1 of 3" in reason for reason in outcome.results[1].unstable)
    assert [(f.device, f.case) for f in outcome.failures] == [("told", None)]


def test_it_cools_down_before_each_process(
    answer: dict[str, Any], plain_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("cnnedge.benchmark.cooling.time.sleep", waits.append)
    cooled = Protocol(**(vars(THREE) | {"cool_down": True}))
    seen: list[str] = []
    device = ToldDevice(
        itertools.repeat(answer),
        temperatures=iter([71.0, 65.0, 59.0, 50.0, 66.0, 60.0]),
        cool_to_c=60,
        cool_seconds=120,
    )
    plan = {device: [Case(model=plain_models["int8"])]}
    outcome = measure_all(plan, cooled, lambda done, total, what: seen.append(what))
    found = outcome.results[0].conditions.cool_down
    assert found is not None
    assert (found.to_c, len(found.waits), len(waits)) == (60, 3, 3)
    assert all(w.enough for w in found.waits)
    assert any("cooling down from 71 °C, to 60 °C" in what for what in seen)
    hot = ToldDevice(
        itertools.repeat(answer),
        temperatures=itertools.repeat(80.0),
        cool_to_c=60,
        cool_seconds=0.01,
    )
    (result,) = outcome_of(hot, plain_models["int8"], protocol=cooled).results
    assert any("still at 80 °C" in reason for reason in result["unstable"])


def test_samples_are_thinned_evenly(
    plain_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = read_model(plain_models["int8"])
    engine = load_engine(model)
    engine.set_input(random_input(model))
    monkeypatch.setattr(protocols, "MOST_SAMPLES", 64)
    found = measure_windows(
        engine, warmup_seconds=0, seconds=0.3, window_seconds=0.02, readings=lambda: {"x": 1}
    )
    assert len(found.samples_ms) <= 64
    assert found.every > 1
    assert len(found.samples_ms) == -(-found.inferences // found.every)
    assert sum(w.count for w in found.windows) == found.inferences
    assert found.windows[0].read == {"x": 1}


def window(t: float, median: float) -> dict[str, Any]:
    return {"t_s": t, "median": median, "p90": 1.1 * median, "count": 10}


def test_throttling_is_what_stays(answer: dict[str, Any]) -> None:
    def of(medians: list[float]) -> dict[str, Any]:
        windows = [window(i + 0.5, m) for i, m in enumerate(medians)]
        told = answer | {"windows": windows, "inferences": 1, "samples_every": 1}
        return plain(summary(read_answer(told, "m"), 1.0))

    steady = of([10.0] * 300)
    assert (steady["throttled_at_s"], steady["slowdown"], steady["minute_s"]) == (None, 0, 60)
    throttled = of([10.0] * 180 + [13.0] * 120)
    assert throttled["throttled_at_s"] == 180.5
    assert throttled["slowdown"] == pytest.approx(0.3)
    # A disturbance that passes is none, nor is one slow second in what stays slow an end of it.
    assert of([10.0] * 100 + [13.0] * 50 + [10.0] * 150)["throttled_at_s"] is None
    blip = [10.0] * 180 + [13.0] * 60 + [10.0] + [13.0] * 59
    assert of(blip)["throttled_at_s"] == 180.5
    assert of([10.0])["throttled_at_s"] is None


def test_power_as_the_sensors_tell_it(tmp_path: Path) -> None:
    assert find_meter(tmp_path) is None
    assert PowerLog(None).told(1.0) is None

    def write(folder: str, **files: object) -> None:
        for file, content in files.items():
            path = tmp_path / "class" / folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")

    write("hwmon/hwmon0", name="cpu", power1_input=1_500_000)
    write("hwmon/hwmon1", name="ina3221", in1_label="VDD_IN", in1_input=5000, curr1_input=1200)
    meter = find_meter(tmp_path)
    assert meter is not None
    assert "VDD_IN" in meter.source
    energy = PowerLog(meter)
    assert energy.read() == {"power_w": pytest.approx(6.0)}
    assert energy.told(10.0).mj_per_inference == pytest.approx(60.0)
    battery = {"current_now": -400_000, "voltage_now": 4_000_000}
    write("power_supply/bat", type="Battery", status="Discharging", **battery)
    meter = find_meter(tmp_path)
    assert meter is not None
    assert meter.watts() == pytest.approx(1.6)
    write("power_supply/bat", status="Charging")
    meter = find_meter(tmp_path)
    assert meter is not None
    assert "VDD_IN" in meter.source
