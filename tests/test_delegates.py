"""Delegates: what was asked for runs, or is refused with the reason; `auto` says what it took.

The libraries are real ones, built here, that claim the SOFTMAX of a graph (support/delegate).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnedge as package
from cnnedge.bundle import read_model
from cnnedge.engines import AgreementCheck, Engine, Runtime, load_engine, random_input
from cnnedge.errors import CnnedgeError, GateError
from cnnedge.native_stderr import captured, complaints
from support.command import assert_one_clear_line, cnnedge
from support.delegate import build
from support.environments import clean_environment, project_environment
from support.vulkan import no_loader, software_vulkan


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("delegate"))


@pytest.fixture(scope="module")
def model(plain_models: dict[str, Path]) -> Path:
    """CONV_2D, MEAN, FULLY_CONNECTED, SOFTMAX and what the converter adds, in float32."""
    return plain_models["float32"]


def load(path: Path, **keywords: Any) -> Engine:
    return load_engine(read_model(path), Runtime(**keywords))


def answer(engine: Engine, path: Path, seed: int = 0) -> Any:
    values = random_input(read_model(path), seed)
    engine.set_input(values)
    return values, engine.invoke()


def test_a_library_takes_its_nodes_and_the_rest_is_named(model: Path, library: Path) -> None:
    on_cpu = load(model, delegate="cpu")
    engine = load(model, delegate=str(library))
    report = engine.delegate
    assert report.requested == str(library)
    assert report.used == library.name
    assert report.nodes_delegated == 1
    assert report.nodes_total == on_cpu.delegate.nodes_total > 2
    assert "CONV_2D" in report.left_behind
    assert "SOFTMAX" not in report.left_behind
    assert engine.precision == "unknown"
    np.testing.assert_allclose(answer(engine, model)[1], answer(on_cpu, model)[1], atol=1e-6)


def test_options_reach_the_library(model: Path, library: Path) -> None:
    exact = answer(load(model, delegate="cpu"), model)[1]
    moved = load(model, delegate=str(library), options={"offset": "0.25"})
    np.testing.assert_allclose(answer(moved, model)[1], exact + 0.25, atol=1e-6)


def test_agreement_is_measured_on_the_first_frames(model: Path, library: Path) -> None:
    engine = load(model, delegate=str(library))
    check = AgreementCheck(read_model(model), engine, frames=3)
    for seed in range(4):
        check.see(*answer(engine, model, seed))
    found = engine.delegate.agreement
    assert found is not None
    assert (found.frames, found.labels_equal, found.agrees) == (3, 3, True)
    assert found.largest_difference < 1e-5
    assert engine.delegate.as_json()["agreement"]["unit"] == "of the range"


def test_a_delegate_that_computes_something_else_is_refused(model: Path, library: Path) -> None:
    engine = load(model, delegate=str(library), options={"offset": "0.25"})
    check = AgreementCheck(read_model(model), engine)
    with pytest.raises(GateError, match="does not compute what the CPU does") as caught:
        check.see(*answer(engine, model))
    assert "--allow-disagreement" in str(caught.value)
    assert engine.delegate.agreement is not None
    assert not engine.delegate.agreement.agrees

    again = load(model, delegate=str(library), options={"offset": "0.25"})
    allowed = AgreementCheck(read_model(model), again, allow=True)
    allowed.see(*answer(again, model))
    assert again.delegate.agreement is not None
    assert 0.2 < again.delegate.agreement.largest_difference < 1.1


def test_the_cpu_is_not_compared_with_itself(model: Path) -> None:
    engine = load(model, delegate="cpu")
    check = AgreementCheck(read_model(model), engine)
    assert check.done
    check.see(*answer(engine, model))
    assert engine.delegate.agreement is None


def test_quantised_outputs_are_compared_in_steps(
    plain_models: dict[str, Path], model: Path, library: Path
) -> None:
    """The library takes float nodes alone; a dequantised answer stands for a delegate's."""
    path = plain_models["int8"]
    quantised = read_model(path)
    engine = load(model, delegate=str(library))
    values, exact = answer(load(path, delegate="cpu"), path)
    check = AgreementCheck(quantised, engine, frames=2, allow=True)
    check.see(values, exact)
    assert engine.delegate.agreement is not None
    assert engine.delegate.agreement.unit == "steps"
    assert engine.delegate.agreement.largest_difference == 0
    check.see(values, exact ^ 16)
    assert engine.delegate.agreement.largest_difference == 16
    assert not engine.delegate.agreement.agrees


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("fail=create", ["no accelerator found", "/dev/accelerator0: no such device"]),
        ("fail=prepare", ["the driver is too old for this model"]),
        ("claim=none", ["took none of the model's", "CONV_2D"]),
        ("volume=11", ["unknown option: volume"]),
    ],
)
def test_a_library_that_fails_is_refused_in_its_own_words(
    model: Path, library: Path, option: str, said: list[str]
) -> None:
    done = cnnedge(
        *("run", model, "--source", "sample", "--frames", 2),
        *("--delegate", library, "--delegate-option", option),
    )
    assert done.returncode == 3, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1
    for part in [f"--delegate {library}", *said]:
        assert part in errors[0]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "does not exist"), (b"no library", "invalid ELF header|file too short|not a valid")],
)
def test_a_path_that_is_no_library(
    model: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "libbroken.so"
    if content is not None:
        path.write_bytes(content * 100)
    with pytest.raises(GateError, match=said):
        load(model, delegate=str(path))


@pytest.mark.skipif(sys.platform != "linux", reason="names a library of Linux")
def test_a_library_that_is_no_delegate(model: Path) -> None:
    import _ctypes

    with (
        captured() as native,
        pytest.raises(GateError, match="lacks tflite_plugin_create_delegate"),
    ):
        load(model, delegate=_ctypes.__file__)
    assert native.text == ""


def test_nnapi_and_npu_say_where_they_would_work(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnnedge.engines.libraries._folders", list)
    with pytest.raises(GateError, match="deprecated since Android 15") as caught:
        load(model, delegate="nnapi")
    assert "nnapi_external_delegate.so" in str(caught.value)
    with pytest.raises(GateError, match=r"i\.MX 8M Plus") as caught:
        load(model, delegate="npu")
    assert "libedgetpu.so.1" in str(caught.value)
    with pytest.raises(CnnedgeError, match="Did you mean 'gpu'") as wrong:
        load(model, delegate="gppu")
    assert wrong.value.exit_code == 1


def test_a_known_library_is_found_by_its_name(
    model: Path, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = tmp_path / "libvx_delegate.so"
    shutil.copy(library, known)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert load(model, delegate="npu").delegate.used == known.name
    report = load(model).delegate
    assert (report.requested, report.used, report.passed_over) == ("auto", known.name, ())

    # Not in place: the process has the library mapped.
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / known.name).write_bytes(b"for another processor" * 100)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "other"))
    report = load(model).delegate
    assert report.used.startswith("cpu")
    assert report.passed_over[0].delegate == "npu"
    assert "libvx_delegate.so" in report.passed_over[0].reason


def test_options_want_a_named_delegate(model: Path) -> None:
    for delegate in ("auto", "cpu"):
        with pytest.raises(CnnedgeError, match="takes no options"):
            load(model, delegate=delegate, options={"offset": "1"})
    done = cnnedge("run", model, "--source", "sample", "--delegate-option", "offset")
    assert done.returncode == 2
    assert "KEY=VALUE" in done.stderr


def test_bench_compares_delegates(model: Path, library: Path, tmp_path: Path) -> None:
    done = cnnedge("bench", model, "--delegate", f"cpu,{library}", "--json", tmp_path / "o.json")
    assert done.returncode == 0, done.stderr
    on_cpu, on_library = json.loads((tmp_path / "o.json").read_text())["results"]
    assert on_cpu["delegate"]["agreement"] is None
    assert on_library["delegate"]["used"] == library.name
    assert on_library["delegate"]["nodes_delegated"] == 1
    assert on_library["delegate"]["agreement"]["agrees"]
    assert on_library["delegate"]["agreement"]["frames"] == 8
    for shown in (library.name, "speed", "1.00x"):
        assert shown in done.stdout
    assert "the best class is the same in 8 of 8 frames" in done.stderr


def test_bench_refuses_wrong_answers_unless_allowed(model: Path, library: Path) -> None:
    given = ("bench", model, "--delegate", library, "--delegate-option", "offset=0.3")
    refused = cnnedge(*given)
    assert refused.returncode == 3, refused.stderr
    assert "does not compute what the CPU does" in refused.stderr
    allowed = cnnedge(*given, "--allow-disagreement")
    assert allowed.returncode == 0, allowed.stderr
    assert "Warning" in allowed.stderr
    assert "of the range apart" in allowed.stderr


def test_run_with_a_library(model: Path, library: Path) -> None:
    done = cnnedge(
        *("run", model, "--source", "sample", "--frames", 12, "--delegate", library),
        *("--json", "-"),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["delegate"]
    assert (result["used"], result["nodes_delegated"]) == (library.name, 1)


# As LiteRT 2.3.0 on a Cortex-A72: the process that imports CompiledModel is gone.
DEADLY = """\
import os, signal, sys

class Deadly:
    def find_spec(self, name, path=None, target=None):
        if name == "ai_edge_litert.compiled_model":
            os.kill(os.getpid(), signal.SIGILL)

sys.meta_path.insert(0, Deadly())
"""


def test_a_trial_that_dies_takes_nobody_along(model: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(DEADLY)
    around = software_vulkan(tmp_path) | {"PYTHONPATH": str(tmp_path)}
    given = ("run", model, "--source", "sample", "--frames", 2, "--json", "-")
    done = cnnedge(*given, env=around)
    assert done.returncode == 0, done.stderr
    passed = json.loads(done.stdout)["delegate"]["passed_over"]
    assert any(p["delegate"] == "gpu" and "SIGILL" in p["reason"] for p in passed)
    named = cnnedge(*given, "--delegate", "gpu", env=around)
    assert named.returncode == 3, named.stderr
    assert "SIGILL" in named.stderr
    half = cnnedge(*given, "--delegate", "cpu", "--precision", "f16", env=around)
    assert half.returncode == 3, half.stderr
    assert "SIGILL" in half.stderr


def test_half_precision_of_xnnpack(plain_models: dict[str, Path]) -> None:
    path = plain_models["float32"]
    engine = load(path, delegate="cpu", precision="f16")
    try:
        assert (engine.name, engine.precision) == ("litert", "f16")
        check = AgreementCheck(read_model(path), engine, frames=1)
        check.see(*answer(engine, path))
        found = engine.delegate.agreement
        assert found is not None
        assert 0 < found.largest_difference < 0.02
    finally:
        engine.close()
    integer = load(plain_models["int8"], delegate="cpu", precision="f16")
    assert integer.precision == "f32"
    assert "integers" in integer.delegate.notes[0]


# Prints what was imported to run a model on the CPU as `auto` finds it.
IMPORTED = """\
import json, sys
from cnnedge.bundle import read_model
from cnnedge.engines import load_engine
engine = load_engine(read_model(sys.argv[1]))
print(json.dumps([engine.delegate.used, sorted(sys.modules)]))
"""


def test_the_cpu_needs_nothing_of_the_others(model: Path, tmp_path: Path) -> None:
    """CompiledModel would load LiteRT's WebGPU library, which ends the process on some boards."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, str(model)],
        capture_output=True,
        text=True,
        env=os.environ | no_loader(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    used, modules = json.loads(done.stdout)
    assert used == "cpu (XNNPACK)"
    for name in ("ai_edge_litert.compiled_model", "openvino", "cv2", "tensorflow"):
        assert name not in modules


def test_a_classifier_closes_its_engine(model: Path) -> None:
    with package.load(model) as classifier:
        engine = classifier.engine
        assert classifier(np.zeros((20, 20, 3), np.uint8)).scores.sum() == pytest.approx(1)
    with pytest.raises(AttributeError):
        engine.invoke()


def test_complaints_are_messages_alone() -> None:
    text = (
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
        "E0000 00:00:1795269681.5  12273 delegate_webgpu.cc:736] Failed to get it: INTERNAL\n"
        "=== Source Location Trace: ===\nthird_party/odml/delegate_webgpu.cc:432\n"
        "ERROR: [delegate_webgpu.cc:359] No adapters found\n"
        "Warning: Couldn't load Vulkan: libvulkan.so.1\n"
        "    at operator() (third_party/BackendVk.cpp:368)\n\nopen /dev/npu0: denied\n"
    )
    assert complaints(text, most=9) == [
        "Failed to get it: INTERNAL",
        "No adapters found",
        "Couldn't load Vulkan: libvulkan.so.1",
        "open /dev/npu0: denied",
    ]


@pytest.mark.heavy
@pytest.mark.skipif(
    sys.version_info >= (3, 12) or sys.platform != "linux",
    reason="tflite-runtime's last release has no wheel past Python 3.11 or outside Linux",
)
def test_with_tflite_runtime(model: Path, library: Path, tmp_path: Path) -> None:
    python = str(project_environment("tflite-runtime", "tflite-runtime"))
    given = ("run", model, "--source", "sample", "--frames", 3, "--engine", "tflite-runtime")
    around = {"python": python, "cwd": tmp_path, "env": {"PYTHONPATH": ""}}
    assert "PYTHONPATH" not in clean_environment()
    done = cnnedge(*given, "--delegate", library, "--json", "-", **around)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["engine"] == "tflite-runtime"
    assert result["delegate"]["used"] == library.name
    for extra, said in (("--delegate", "libtensorflowlite_gpu_delegate.so"), ("", "Python")):
        if extra:
            done = cnnedge(*given, extra, "gpu", **around)
        else:
            done = cnnedge(*given, "--precision", "f16", **around)
        assert done.returncode == 3, done.stderr
        assert said in done.stderr
    assert_one_clear_line(cnnedge(*given, "--delegate", "tpu", **around), "there is no delegate")
