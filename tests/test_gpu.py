"""A GPU through software Vulkan: the answers of the CPU, read back; and no GPU, said and refused.

SwiftShader is the CPU in disguise: it shows that things work, and nothing of how fast they are.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

from support.command import cnnedge
from support.pictures import SHAPES, shape_picture
from support.vulkan import no_driver, no_loader, software_vulkan

PICTURES = 200
ADAPTER = "SwiftShader"
# Labels every picture on the CPU and on the GPU, prints both and what the GPU's engine reports.
LABEL = """\
import json, sys
from pathlib import Path
import cv2
import cnnedge
from cnnedge.engines import AgreementCheck

found = {}
for delegate in ("cpu", "gpu"):
    with cnnedge.load(sys.argv[1], delegate=delegate) as model:
        check = AgreementCheck(model.model, model.engine)
        answers = []
        for path in sorted(Path(sys.argv[2]).iterdir()):
            pixels = model.prepare(cv2.imread(str(path)))
            model.engine.set_input(model.encode(pixels))
            raw = model.infer()
            check.see(model.encode(pixels), raw)
            answers.append([model.decode(raw).label, model.decode(raw).score])
        found[delegate] = answers
        found["report"] = model.engine.delegate.as_json()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def vulkan(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return software_vulkan(tmp_path_factory.mktemp("vulkan"))


@pytest.fixture(scope="module", params=["a loader without a driver", "no loader"])
def no_gpu(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], str]:
    """The environment, and what is said of it."""
    folder = tmp_path_factory.mktemp("no_vulkan")
    if request.param == "no loader":
        return no_loader(folder), "no Vulkan loader is installed"
    return no_driver(folder), "no Vulkan driver is installed"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(PICTURES):
        picture = shape_picture(SHAPES[i % 3], 1000 + i, side=24 + i % 40)
        cv2.imwrite(str(folder / f"{i:03d}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def float_model(trained_run: Path) -> Path:
    """The trained run's float32 variant."""
    path = trained_run / "export" / "float32.tflite"
    if not path.exists():
        done = cnnedge("convert", trained_run, "--variant", "float32")
        assert done.returncode == 0, done.stderr
    return path


def test_every_label_is_the_cpus(float_model: Path, pictures: Path, vulkan: dict[str, str]) -> None:
    import os

    done = subprocess.run(
        [sys.executable, "-c", LABEL, str(float_model), str(pictures)],
        capture_output=True,
        text=True,
        env=os.environ | vulkan,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    on_cpu, on_gpu = found["cpu"], found["gpu"]
    assert len(on_cpu) == PICTURES
    assert {label for label, _ in on_cpu} == set(SHAPES)
    assert [label for label, _ in on_gpu] == [label for label, _ in on_cpu]
    # Each answer is of its own picture, read when it was there.
    for (_, a), (_, b) in zip(on_cpu, on_gpu, strict=True):
        assert a == pytest.approx(b, abs=1e-4)
    report = found["report"]
    assert report["used"] == "gpu (WebGPU)"
    assert report["software"] is True
    assert ADAPTER in report["device"]
    assert report["nodes_delegated"] == report["nodes_total"]
    assert report["agreement"]["agrees"]
    assert report["agreement"]["frames"] == report["agreement"]["labels_equal"] == 5
    # What the libraries wrote is in the report, and not among a program's own lines.
    assert "INFO:" not in done.stderr


def test_bench_on_the_gpu(float_model: Path, vulkan: dict[str, str]) -> None:
    done = cnnedge("bench", float_model, "--delegate", "gpu", "--json", "-", env=vulkan)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["results"]
    assert result["delegate"]["requested"] == "gpu"
    assert result["delegate"]["software"] is True
    assert result["delegate"]["agreement"]["agrees"]
    assert result["precision"] == "f32"
    # Every sample has its output in it: none is the mere handing over of the work.
    assert result["latency_ms"]["min"] > 0.2


def test_run_says_that_the_gpu_is_software(float_model: Path, vulkan: dict[str, str]) -> None:
    given = ("run", float_model, "--source", "sample", "--frames", 8, "--delegate", "gpu")
    done = cnnedge(*given, "--json", "-", env=vulkan)
    assert done.returncode == 0, done.stderr
    # Nothing but the JSON on stdout, though the libraries write there too.
    assert json.loads(done.stdout)["delegate"]["software"] is True
    assert "software" in cnnedge(*given, env=vulkan).stderr


def test_auto_takes_no_software_gpu(float_model: Path, vulkan: dict[str, str]) -> None:
    done = cnnedge(
        *("run", float_model, "--source", "sample", "--frames", 4, "--json", "-"), env=vulkan
    )
    assert done.returncode == 0, done.stderr
    delegate = json.loads(done.stdout)["delegate"]
    assert (delegate["requested"], delegate["used"]) == ("auto", "cpu (XNNPACK)")
    passed = {p["delegate"]: p["reason"] for p in delegate["passed_over"]}
    assert ADAPTER in passed["gpu"]
    assert ADAPTER in done.stderr


@pytest.mark.parametrize("command", ["run", "bench"])
def test_without_vulkan_the_gpu_is_refused(
    float_model: Path, no_gpu: tuple[dict[str, str], str], command: str
) -> None:
    around, said = no_gpu
    source = ("--source", "sample", "--frames", 4) if command == "run" else ()
    done = cnnedge(command, float_model, *source, "--delegate", "gpu", env=around)
    assert done.returncode == 3, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1
    assert "--delegate gpu" in errors[0]
    assert said in errors[0]
    # Once, and none of what the loader itself says of it.
    assert errors[0].count("Vulkan") <= 2
    assert "vkCreateInstance" not in done.stderr and "loader_get_json" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_vulkan_auto_runs_on_the_cpu_and_says_so(
    float_model: Path, no_gpu: tuple[dict[str, str], str]
) -> None:
    around, said = no_gpu
    given = ("run", float_model, "--source", "sample", "--frames", 4)
    done = cnnedge(*given, "--json", "-", env=around)
    assert done.returncode == 0, done.stderr
    delegate = json.loads(done.stdout)["delegate"]
    assert delegate["used"] == "cpu (XNNPACK)"
    assert {p["delegate"] for p in delegate["passed_over"]} == {"npu", "gpu"}
    assert "auto" in done.stderr
    assert said in done.stderr
    assert "vkCreateInstance" not in done.stderr and "loader_get_json" not in done.stderr


def test_precision_and_options_of_the_gpu(float_model: Path, vulkan: dict[str, str]) -> None:
    given = ("run", float_model, "--source", "sample", "--frames", 2, "--delegate", "gpu")
    half = cnnedge(*given, "--precision", "f16", env=vulkan)
    # SwiftShader has no half precision, and its silence about it is not taken for an answer.
    assert half.returncode == 3, half.stderr
    assert "computes in f32 regardless" in half.stderr
    wrong = cnnedge(*given, "--delegate-option", "speed=11", env=vulkan)
    assert wrong.returncode == 3
    assert "no option 'speed'" in wrong.stderr
    assert "hint_waiting_for_completion" in wrong.stderr
    taken = cnnedge(*given, "--delegate-option", "hint_waiting_for_completion=1", env=vulkan)
    assert taken.returncode == 0, taken.stderr


@pytest.fixture(scope="module")
def mixed_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CONV_2D, an L2_NORMALIZATION that no WebGPU takes, and what follows it."""
    tf_keras = pytest.importorskip("tf_keras")
    import numpy as np
    import tensorflow as tf

    from cnnedge.converter import convert

    image = tf_keras.Input((16, 16, 3), name="image")
    x = tf_keras.layers.Conv2D(8, 3, activation="relu", bias_initializer="ones")(image)
    x = tf_keras.layers.Lambda(lambda y: tf.nn.l2_normalize(y, -1))(x)
    x = tf_keras.layers.GlobalAveragePooling2D()(x)
    dense = tf_keras.layers.Dense(4, activation="softmax", bias_initializer="ones")
    model = tf_keras.Model(image, dense(x))
    path = tmp_path_factory.mktemp("mixed") / "mixed.tflite"
    path.write_bytes(convert(model, "float32", np.zeros((1, 16, 16, 3), np.uint8)))
    return path


def test_what_the_gpu_leaves_behind(mixed_model: Path, vulkan: dict[str, str]) -> None:
    done = cnnedge(
        *("run", mixed_model, "--source", "sample", "--frames", 4, "--delegate", "gpu"),
        *("--json", "-"),
        env=vulkan,
    )
    assert done.returncode == 0, done.stderr
    delegate: dict[str, Any] = json.loads(done.stdout)["delegate"]
    assert 0 < delegate["nodes_delegated"] < delegate["nodes_total"]
    assert delegate["left_behind"] == ["L2_NORMALIZATION"]
    assert delegate["agreement"]["agrees"]
