"""OpenVINO: the same .tflite, the same labels, and the precision that was really used."""

from __future__ import annotations

import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnedge as package
from cnnedge.bundle import read_model
from cnnedge.engines import AgreementCheck, Runtime, load_engine, random_input
from cnnedge.errors import GateError, ModelError
from support.command import assert_one_clear_line, cnnedge

# The dev extra brings it: its absence is not skipped where nothing may be missing.
if os.environ.get("CNNEDGE_CI") == "1":
    import openvino
else:
    openvino = pytest.importorskip("openvino")

# Names of capabilities that OpenVINO reports, and --precision's.
REDUCED = {"BF16": "bf16", "FP16": "f16"}


@pytest.fixture(scope="module")
def offered() -> set[str]:
    """What this CPU computes in, beside f32."""
    found = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return {REDUCED[name] for name in found if name in REDUCED}


def test_nobody_is_told_that_it_is_used(plain_models: dict[str, Path], tmp_path: Path) -> None:
    """OpenVINO's own reports keep a number of this user in the home folder."""
    words = ("bench", plain_models["float32"], "--engine", "openvino", "--json", "-")
    done = cnnedge(*words, env={"HOME": str(tmp_path), "CNNEDGE_CACHE": str(tmp_path / "cache")})
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "intel").exists()


def load(path: Path, **keywords: Any) -> Any:
    return load_engine(read_model(path), Runtime(engine="openvino", **keywords))


def _steps() -> int:
    """Without the processor's own 8-bit products (VNNI) OpenVINO adds up pairs in 16 bits, which
    saturate: docs/delegates.md."""
    features = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    cpuinfo = Path("/proc/cpuinfo")
    vnni = "vnni" in (cpuinfo.read_text() if cpuinfo.exists() else "")
    return 1 if vnni or "INT8" not in features else 16


@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic", "int8"])
def test_the_answers_are_those_of_litert(plain_models: dict[str, Path], variant: str) -> None:
    path = plain_models[variant]
    theirs, ours = load_engine(read_model(path)), load(path, precision="f32")
    for seed in range(5):
        values = random_input(read_model(path), seed)
        for engine in (theirs, ours):
            engine.set_input(values)
        expected, found = theirs.invoke(), ours.invoke()
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        # Steps where integers round, and where weights of 8 bits are rounded to f32 elsewhere.
        tolerance = _steps() if variant == "int8" else 0.01 if variant == "dynamic" else 1e-4
        np.testing.assert_allclose(found.astype(float), expected.astype(float), atol=tolerance)
        assert np.array_equal(ours.outputs()[0], found)


def test_the_report_names_engine_and_device(plain_models: dict[str, Path]) -> None:
    engine = load(plain_models["float32"], threads=2, precision="f32")
    assert (engine.name, engine.threads, engine.precision) == ("openvino", 2, "f32")
    assert engine.version == importlib.metadata.version("openvino")
    report = engine.delegate
    assert report.used == "cpu (OpenVINO)"
    assert report.nodes_delegated == report.nodes_total
    assert report.device


def test_the_input_is_written_in_place(int8_model: Path) -> None:
    model = package.load(int8_model, engine="openvino")
    reference = package.load(int8_model)
    frame = np.random.default_rng(3).integers(0, 256, (50, 70, 3)).astype(np.uint8)
    for picture in (frame, frame[::-1].copy()):
        answer, expected = model(picture), reference(picture)
        assert answer.label == expected.label
        assert answer.scores == pytest.approx(expected.scores, abs=0.02)


def test_auto_states_what_openvino_took(plain_models: dict[str, Path], offered: set[str]) -> None:
    engine = load(plain_models["float32"])
    assert engine.precision in {"f32", *offered}
    assert load(plain_models["float32"], precision="f32").precision == "f32"


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_a_precision_is_given_or_refused(
    plain_models: dict[str, Path], offered: set[str], precision: str
) -> None:
    path = plain_models["float32"]
    if precision not in offered:
        with pytest.raises(GateError, match="would take"):
            load(path, precision=precision)
        return
    engine = load(path, precision=precision)
    assert engine.precision == precision
    check = AgreementCheck(read_model(path), engine, frames=1)
    values = random_input(read_model(path))
    engine.set_input(values)
    check.see(values, engine.invoke())
    found = engine.delegate.agreement
    assert found is not None
    assert found.largest_difference > 0


def test_reduced_precision_is_shown_beside_f32(
    plain_models: dict[str, Path], offered: set[str]
) -> None:
    if "bf16" not in offered:
        # Refused, and not computed in something else.
        done = cnnedge("bench", plain_models["float32"], "--precision", "bf16")
        assert done.returncode == 3, done.stderr
        return
    done = cnnedge("bench", plain_models["float32"], "--precision", "bf16", "--json", "-")
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["results"]
    # The one engine that computes in it.
    assert (result["engine"], result["precision"]) == ("openvino", "bf16")
    assert result["delegate"]["agreement"]["frames"] == 8
    assert result["delegate"]["agreement"]["labels_equal"] <= 8


def test_bench_compares_engines(plain_models: dict[str, Path], tmp_path: Path) -> None:
    done = cnnedge(
        *("bench", plain_models["float32"], "--engine", "litert,openvino", "--precision", "f32"),
        *("--json", tmp_path / "out.json"),
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    assert [r["engine"] for r in results] == ["litert", "openvino"]
    assert [r["precision"] for r in results] == ["f32", "f32"]
    for shown in ("engine", "litert", "openvino", "speed", "1.00x"):
        assert shown in done.stdout
    assert "precision" not in done.stdout
    assert "openvino 20" in done.stderr


def test_what_openvino_does_not_have(plain_models: dict[str, Path], tmp_path: Path) -> None:
    path = plain_models["float32"]
    if not any(d.startswith("NPU") for d in openvino.Core().available_devices):
        with pytest.raises(GateError, match="OpenVINO finds CPU"):
            load(path, delegate="npu")
    with pytest.raises(GateError, match="takes no delegate library"):
        load(path, delegate=str(tmp_path / "libany.so"))
    with pytest.raises(GateError, match="takes no delegate library"):
        load(path, delegate="nnapi")
    with pytest.raises(ModelError, match="openvino cannot load"):
        load(path, options={"NO_SUCH_PROPERTY": "1"})
    assert load(path, options={"ENABLE_CPU_PINNING": "NO"}).precision


def test_without_openvino_the_line_that_installs_it(
    plain_models: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['openvino'] = None\n")
    done = cnnedge(
        *("run", plain_models["float32"], "--source", "sample", "--frames", 2),
        *("--engine", "openvino"),
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert_one_clear_line(done, "pip install 'cnnedge[openvino]'")
