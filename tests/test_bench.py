"""Benchmarks: every sample kept, minima met, the machine named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnedge as package
from cnnedge.benchmark import PROTOCOLS, get_protocol
from cnnedge.benchmark.protocols import measure
from cnnedge.bundle import read_model
from cnnedge.engines import load_engine, random_input, random_inputs
from cnnedge.errors import CnnedgeError, GateError
from cnnedge.results import latency
from support.command import assert_one_clear_line, cnnedge

KEYS = {
    "model",
    "sha256",
    "device",
    "engine",
    "engine_version",
    "threads",
    "precision",
    "delegate",
    "init_ms",
    "first_ms",
    "latency_ms",
    "peak_memory_bytes",
    "samples_ms",
    "conditions",
}
DELEGATE = {
    *("requested", "used", "nodes_delegated", "nodes_total", "left_behind", "software"),
    *("device", "passed_over", "agreement"),
}
STATISTICS = {"median", "mean", "p90", "p99", "min", "max", "std", "count"}


def bench(*arguments: object) -> list[dict[str, Any]]:
    done = cnnedge("bench", *arguments, "--json", "-")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["results"]


@pytest.fixture(scope="module")
def results(
    int8_model: Path, plain_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """An own model and a third party's of the same name, with 1 and 2 threads."""
    other = tmp_path_factory.mktemp("other") / int8_model.name
    shutil.copy(plain_models["float32"], other)
    return bench(int8_model, other, "--threads", "1,2")


def test_contract(results: list[dict[str, Any]]) -> None:
    assert len(results) == 4
    for r in results:
        assert r.keys() >= KEYS
        assert r["latency_ms"].keys() == STATISTICS
        assert r["device"] == "local"
        assert r["engine"] == "litert"
        delegate = r["delegate"]
        assert delegate["requested"] == "cpu"
        assert 0 <= delegate["nodes_delegated"] <= delegate["nodes_total"]
        assert delegate.keys() >= DELEGATE
        assert (r["precision"], delegate["software"], delegate["agreement"]) == ("f32", None, None)
        assert min(r["init_ms"], r["first_ms"], r["peak_memory_bytes"]) > 0
        assert r["conditions"].keys() >= {"cpu", "cores", "os", "protocol", "processes", "time"}


def test_every_sample_is_kept(results: list[dict[str, Any]]) -> None:
    for r in results:
        assert len(r["samples_ms"]) == r["latency_ms"]["count"] >= PROTOCOLS["quick"].runs
        assert len(r["samples_ms"]) == sum(part["count"] for part in r["repeats"])
        assert len(r["repeats"]) == PROTOCOLS["quick"].processes
        assert latency(r["samples_ms"]) == r["latency_ms"]


def test_each_model_with_each_thread_count(results: list[dict[str, Any]], int8_model: Path) -> None:
    assert [r["threads"] for r in results] == [1, 2, 1, 2]
    files = [r["model"] for r in results]
    assert files[0] == files[1] == str(int8_model) != files[2] == files[3]
    for r in results:
        assert r["sha256"] == read_model(r["model"]).sha256


def test_the_table_tells_equal_names_apart(
    int8_model: Path, plain_models: dict[str, Path], tmp_path: Path
) -> None:
    done = cnnedge("bench", int8_model, plain_models["int8"], "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads((tmp_path / "out.json").read_text())["results"]) == 2
    rows = [line for line in done.stdout.splitlines() if ".tflite" in line]
    assert len(rows) == 2
    assert "median" in done.stdout
    assert "p99" in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file"), (b"", "empty"), (b"no model", "not a TFLite model")],
)
def test_a_broken_model_is_found_before_anything_is_timed(
    int8_model: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    broken = tmp_path / "broken.tflite"
    if content is not None:
        broken.write_bytes(content)
    done = cnnedge("bench", int8_model, broken, "--json", tmp_path / "out.json")
    assert_one_clear_line(done, "broken.tflite", said)
    assert not (tmp_path / "out.json").exists()


def test_a_model_that_the_engine_refuses(int8_model: Path, tmp_path: Path) -> None:
    """The file reads well; the runtime alone can tell."""
    data = bytearray(int8_model.read_bytes())
    for at in range(len(data) // 4, len(data) // 2):
        data[at] ^= 0x55
    (tmp_path / "damaged.tflite").write_bytes(bytes(data))
    assert_one_clear_line(cnnedge("bench", tmp_path / "damaged.tflite"), "damaged.tflite")


def test_wrong_usage_and_a_delegate_that_is_not_there(int8_model: Path) -> None:
    assert cnnedge("bench").returncode == 2
    assert cnnedge("bench", int8_model, "--threads", "0").returncode == 2
    assert cnnedge("bench", int8_model, "--threads", "1,x").returncode == 2
    assert cnnedge("bench", int8_model, "--engine", "litert,x").returncode == 2
    assert cnnedge("bench", int8_model, "--duration", "60").returncode == 2


def test_what_was_measured_is_kept_beside_what_failed(int8_model: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "out.json", tmp_path / "page.html"
    arguments = ("--delegate", "cpu,nnapi", "--threads", "1,2", "--json", out, "--report", page)
    done = cnnedge("bench", int8_model, *arguments)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    # Both thread counts fail for one reason.
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert "--delegate nnapi" in error
    assert "int8.tflite" in done.stdout
    written = json.loads(out.read_text())
    assert [r["threads"] for r in written["results"]] == [1, 2]
    assert {f["delegate"] for f in written["failed"]} == {"nnapi"}
    assert "Not measured" in page.read_text(encoding="utf-8")


def test_an_unknown_device_is_said_before_anything_is_timed(int8_model: Path) -> None:
    done = cnnedge("bench", int8_model, "--device", "local,pi44")
    assert_one_clear_line(done, "pi44", "pi4")


def test_sustained_is_told_in_windows(int8_model: Path) -> None:
    arguments = ("--device", "local", "--protocol", "sustained", "--duration", "4")
    (result,) = bench(int8_model, *arguments)
    assert (result["device"], result["frame_budget_ms"]) == ("local", 33.3)
    found = result["sustained"]
    assert found["seconds"] >= 4
    assert len(found["windows"]) >= 3
    assert sum(w["count"] for w in found["windows"]) == found["inferences"]
    kept = found["inferences"] / found["samples_every"]
    assert abs(len(result["samples_ms"]) - kept) <= 1
    assert result["noise_floor"] == {"median": None, "p90": None}


@pytest.fixture(scope="module")
def engine(plain_models: dict[str, Path]) -> Any:
    model = read_model(plain_models["int8"])
    loaded = load_engine(model)
    loaded.set_input(random_input(model))
    return loaded


def test_both_minima_are_met(engine: Any) -> None:
    by_count = measure(engine, warmup_seconds=0, runs=40, seconds=0)
    assert len(by_count.samples_ms) == 40
    assert by_count.warmup_count == 0
    by_time = measure(engine, warmup_seconds=0.02, runs=1, seconds=0.1)
    assert by_time.warmup_count > 0
    # All of the time but the loop's own is inside samples.
    assert len(by_time.samples_ms) > 1
    assert min(by_time.samples_ms) > 0
    assert by_time.first_ms > 0


def test_random_input_repeats_and_spans_the_pixels(plain_models: dict[str, Path]) -> None:
    model = read_model(plain_models["int8"])
    values = random_input(model)
    assert values.shape == model.input.shape
    assert (values == random_input(model)).all()
    assert values.min() < 10 < 245 < values.max()
    assert np.ptp(random_input(read_model(plain_models["float32"]))) > 200


def test_protocols_are_what_they_say() -> None:
    standard, quick = PROTOCOLS["standard"], PROTOCOLS["quick"]
    # MLPerf Mobile, single stream.
    assert standard.runs >= 1024
    assert standard.seconds >= 60
    assert standard.headline == "p90"
    assert min(standard.processes, quick.processes) >= 3
    assert quick.headline == "median"
    assert standard.cool_down
    with pytest.raises(CnnedgeError, match="quick, standard, sustained"):
        get_protocol("slow")
    assert get_protocol("sustained", seconds=90).seconds == 90
    with pytest.raises(CnnedgeError, match="sustained"):
        get_protocol("quick", seconds=90)


def test_python_gives_what_the_command_gives(plain_models: dict[str, Path]) -> None:
    seen: list[tuple[int, int]] = []
    outcome = package.bench(
        str(plain_models["int8"]), progress=lambda done, total, what: seen.append((done, total))
    )
    assert outcome["results"][0].keys() >= KEYS
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("kind", ["path", "text", "classifier", "list"])
def test_python_takes_one_model_or_several(plain_models: dict[str, Path], kind: str) -> None:
    path = plain_models["int8"]
    given = {"path": path, "text": str(path), "classifier": package.load(path), "list": [path]}
    with pytest.raises(GateError, match="--delegate nnapi"):
        package.bench(given[kind], delegates=["nnapi"])


@pytest.fixture(scope="module")
def odd_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A third party's: three inputs of several ranks and dtypes, two outputs, no picture."""
    tf = pytest.importorskip("tensorflow")

    @tf.function
    def odd(scalar: Any, indices: Any, mask: Any) -> Any:
        picked = tf.where(mask, tf.cast(indices, tf.float32), scalar)
        return picked * 2.0, tf.reduce_sum(picked)

    signature = odd.get_concrete_function(
        tf.TensorSpec([], tf.float32), tf.TensorSpec([2, 5], tf.int64), tf.TensorSpec([5], tf.bool)
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([signature], odd)
    path = tmp_path_factory.mktemp("odd") / "odd.tflite"
    path.write_bytes(converter.convert())
    return path


def test_a_model_of_any_inputs(odd_model: Path) -> None:
    (result,) = bench(odd_model)
    assert result["latency_ms"]["count"] >= PROTOCOLS["quick"].runs
    model = read_model(odd_model)
    values = random_inputs(model)
    assert [v.dtype.name for v in values] == [
        model.graph.tensors[i].dtype for i in model.graph.inputs
    ]
    engine = load_engine(model)
    for at, value in enumerate(values):
        engine.set_input(value, at)
    engine.invoke()
    assert len(engine.outputs()) == 2
