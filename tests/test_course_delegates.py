"""The course's networks on every delegate that runs here: the CPU's answers, or one clear line.

Capsules route inside the graph, signals have one dimension, the SVM takes exponentials, a style
answers a picture: what delegates made for classifiers of pictures see seldom.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnedge.bundle import read_model
from cnnedge.engines import AgreementCheck, Runtime, load_engine, random_input
from cnnedge.engines.agreement import OF_THE_RANGE, STEPS
from cnnedge.errors import GateError
from support.command import cnnedge
from support.course_models import NETWORKS, VARIANTS, course_models
from support.delegate import build
from support.once import made_once
from support.vulkan import software_vulkan

FILES = [f"{name}_{variant}" for name in NETWORKS for variant in VARIANTS]
# A normalisation divides by how much a map varies: in integers it rounds in many places, which a
# GPU, computing in floats, does not.
ROUNDED = "style_int8"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "course_models", course_models)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A delegate that takes SOFTMAX in floats, and nothing else."""
    return build(tmp_path_factory.mktemp("delegate"))


@pytest.fixture(scope="module")
def vulkan(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return software_vulkan(tmp_path_factory.mktemp("vulkan"))


def compared(path: Path, **how: Any) -> Any:
    """What three inferences on an engine showed, beside the CPU's."""
    model = read_model(path)
    engine = load_engine(model, Runtime(**how))
    check = AgreementCheck(model, engine, frames=3)
    try:
        for seed in range(3):
            values = random_input(model, seed)
            engine.set_input(values)
            check.see(values, engine.invoke())
        return engine.delegate
    finally:
        check.close()
        engine.close()


def one_line(stderr: str) -> str:
    errors = [line for line in stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1 and "Traceback" not in stderr, stderr
    return errors[0]


@pytest.mark.parametrize("name", FILES)
def test_the_cpu_says_what_xnnpack_leaves(models: Path, name: str) -> None:
    found = compared(models / f"{name}.tflite", delegate="cpu")
    assert found.used == "cpu (XNNPACK)"
    assert bool(found.left_behind) == (found.nodes_delegated < found.nodes_total)
    if name.endswith("float16"):
        assert found.nodes_delegated == found.nodes_total


@pytest.mark.parametrize("name", FILES)
def test_a_gpu_answers_as_the_cpu_or_is_refused(
    models: Path, vulkan: dict[str, str], name: str
) -> None:
    given = ("run", models / f"{name}.tflite", "--source", "sample", "--frames", 2)
    done = cnnedge(*given, "--delegate", "gpu", "--json", "-", env=vulkan)
    if name == ROUNDED or (done.returncode == 3 and name.endswith("int8")):
        assert done.returncode == 3, done.stderr
        said = one_line(done.stderr)
        assert "does not compute what the CPU does" in said
        drawn = name.startswith("style")
        assert ("the worst picture has a PSNR of" in said) == drawn
        assert ("best class" in said) == (not drawn)
        assert "another variant" in said
        return
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["delegate"]
    assert found["agreement"]["agrees"] and found["agreement"]["frames"] == 2
    assert ("psnr_db" in found["agreement"]) == name.startswith("style")
    # Nothing is left on the CPU but what is named: weights that are unpacked once.
    assert set(found["left_behind"]) <= {"DEQUANTIZE"}
    if found["nodes_delegated"] < found["nodes_total"]:
        assert any("run on the CPU: " in note for note in found["notes"])


def test_a_gpu_that_is_allowed_to_differ_says_by_how_much(
    models: Path, vulkan: dict[str, str]
) -> None:
    given = ("run", models / f"{ROUNDED}.tflite", "--source", "sample", "--frames", 2)
    done = cnnedge(*given, "--delegate", "gpu", "--allow-disagreement", env=vulkan)
    assert done.returncode == 0, done.stderr
    assert "DIFFERS from the CPU" in done.stdout and "PSNR" in done.stdout


@pytest.mark.parametrize("name", FILES)
def test_openvino_answers_as_litert(models: Path, name: str) -> None:
    if os.environ.get("CNNEDGE_CI") != "1":
        pytest.importorskip("openvino")
    path = models / f"{name}.tflite"
    theirs, ours = answers(path, delegate="cpu"), answers(path, engine="openvino", precision="f32")
    apart = np.abs(theirs - ours)
    if name == ROUNDED:
        # Levels of 255: at least 30 dB, as convert asks of the file itself.
        assert np.sqrt((apart**2).mean()) < 255 / 10**1.5
    elif name.endswith("int8"):
        # Routing makes more of a step; how much depends on the processor.
        assert apart.max() <= (2 * STEPS if "capsules" in name else STEPS)
    else:
        assert apart.max() <= OF_THE_RANGE["f32"] * np.abs(theirs).max()


def answers(path: Path, **how: Any) -> Any:
    """What an engine gives for three inputs, as it is, float64."""
    model = read_model(path)
    engine = load_engine(model, Runtime(**how))
    assert engine.delegate.nodes_delegated > 0
    found = []
    for seed in range(3):
        engine.set_input(random_input(model, seed))
        found.append(engine.invoke().astype(np.float64))
    engine.close()
    return np.stack(found)


@pytest.mark.parametrize("name", FILES)
def test_a_library_takes_what_it_can_and_the_rest_is_named(
    models: Path, library: Path, name: str
) -> None:
    path = models / f"{name}.tflite"
    graph = read_model(path).graph
    in_floats = [
        op for op in graph.operators if op.name == "SOFTMAX" and _real(graph, op.inputs[0])
    ]
    if not in_floats:
        with pytest.raises(GateError, match="took none of the model's") as caught:
            compared(path, delegate=str(library))
        assert "CONV_2D" in str(caught.value)
        assert "use --delegate cpu" in str(caught.value)
        return
    if name.startswith("capsules"):
        # Its kernel is of rows of scores; what it makes of the routing's is not taken for true.
        with pytest.raises(GateError, match="does not compute what the CPU does"):
            compared(path, delegate=str(library))
        return
    found = compared(path, delegate=str(library))
    assert found.nodes_delegated == len(in_floats)
    assert found.agreement is not None and found.agreement.agrees
    (note,) = found.notes
    assert "run on the CPU: " in note and "CONV_2D" in note and "SOFTMAX" not in note


def _real(graph: Any, tensor: int) -> bool:
    return bool(graph.tensors[tensor].dtype == "float32")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("delegate", ["npu", "nnapi"])
def test_what_is_not_installed_is_refused(models: Path, name: str, delegate: str) -> None:
    path = models / f"{name}.tflite"
    with pytest.raises(GateError, match=f"--delegate {delegate}") as caught:
        load_engine(read_model(path), Runtime(delegate=delegate))
    assert "\n" not in str(caught.value)
