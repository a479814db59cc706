"""cnnedge as others install it: without TensorFlow, with tflite-runtime, beside MediaPipe.

Each test runs the package in a virtual environment of its own, from another working directory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import cv2
import numpy as np
import pytest

from cnnedge.bundle import read_model
from cnnedge.specs import Preprocess
from support.command import assert_one_clear_line, cnnedge
from support.environments import (
    ROOT,
    clean_environment,
    environment,
    install,
    project_environment,
)
from support.pictures import SHAPES, shape_picture
from support.pixel_digests import digests

pytestmark = pytest.mark.heavy

PICTURES = 50
VARIANTS = ("int8", "float32")
TFLITE_RUNTIME = "tflite-runtime==2.14.0"
# 0.10.21 would need numpy 1.
MEDIAPIPE = "mediapipe==1.2.2"

needs_tflite_runtime_wheel = pytest.mark.skipif(
    sys.version_info >= (3, 12) or sys.platform != "linux",
    reason="tflite-runtime's last release has no wheel past Python 3.11 or outside Linux",
)

# Prints {"name": [[label, score], ...]} of every picture in a folder, best first.
MEDIAPIPE_SCRIPT = """\
import json, os, sys
import cv2
import mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision

model, folder = sys.argv[1:]
options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model))
found = {}
with vision.ImageClassifier.create_from_options(options) as classifier:
    for name in sorted(os.listdir(folder)):
        pixels = cv2.cvtColor(cv2.imread(os.path.join(folder, name)), cv2.COLOR_BGR2RGB)
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=pixels)
        answer = classifier.classify(image).classifications[0]
        found[name] = [[c.category_name, c.score] for c in answer.categories]
print(json.dumps(found), flush=True)
# What the library prints while Python ends is of no interest here.
os._exit(0)
"""


@pytest.fixture(scope="session")
def device_python() -> Path:
    """A board's Python: cnnedge alone, no extra."""
    return project_environment("device")


@pytest.fixture(scope="session")
def tflite_runtime_python() -> Path:
    return project_environment("tflite-runtime", "tflite-runtime")


@pytest.fixture(scope="session")
def mediapipe_python() -> Path:
    return environment("mediapipe", [MEDIAPIPE])


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PNGs of exactly the model's input size, so that nobody's resize takes part."""
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(PICTURES):
        # Beyond the seeds of the training pictures.
        picture = shape_picture(SHAPES[i % len(SHAPES)], 1000 + i)
        cv2.imwrite(str(folder / f"{i:03d}.png"), picture)
    return folder


def there(python: Path, *arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess:
    """Runs cnnedge with another Python, which sees no package of this one."""
    return cnnedge(*arguments, python=str(python), cwd=cwd, env={"PYTHONPATH": ""} | env)


def answer(python: Path, *arguments: object, cwd: Path) -> dict[str, Any]:
    """The JSON that a command prints."""
    done = there(python, *arguments, "--json", "-", cwd=cwd)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def script(python: Path, code: str, *arguments: object, cwd: Path) -> str:
    """Standard output of a few lines of Python."""
    done = subprocess.run(
        [str(python), "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd=cwd,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def scores(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """{picture: {label: score}} of a run's JSON, best first."""
    return {
        Path(p["name"]).name: {t["label"]: t["score"] for t in p["top"]}
        for p in result["predictions"]
    }


def assert_agree(
    ours: dict[str, dict[str, float]], theirs: dict[str, dict[str, float]], tolerance: float
) -> None:
    """The same best label and scores within the tolerance, on every picture."""
    assert len(ours) == PICTURES
    assert ours.keys() == theirs.keys()
    for name, mine in ours.items():
        other = theirs[name]
        assert mine.keys() == other.keys() == set(SHAPES), name
        assert max(mine, key=mine.__getitem__) == max(other, key=other.__getitem__), name
        assert other == pytest.approx(mine, abs=tolerance), name
    # Agreement on one constant answer would prove nothing.
    assert {max(s, key=s.__getitem__) for s in ours.values()} == set(SHAPES)


def one_logit_step(model: Path) -> float:
    """The most that a score of an int8 model moves when one input of its softmax moves a step.

    The slope of softmax is p (1 - p), a quarter at most; the rounded output adds a step of its own.
    """
    file = read_model(model)
    (softmax,) = (op for op in file.graph.operators if op.name == "SOFTMAX")
    return file.graph.tensors[softmax.inputs[0]].scales[0] / 4 + file.output.scales[0]


def test_the_device_side_is_without_tensorflow(device_python: Path, tmp_path: Path) -> None:
    code = "import importlib.util as u; print([n for n in {} if u.find_spec(n)])"
    workshop = ["tensorflow", "tf_keras", "keras", "sklearn", "matplotlib"]
    assert script(device_python, code.format(workshop), cwd=tmp_path).strip() == "[]"
    place = script(device_python, "import cnnedge; print(cnnedge.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(device_python.parents[1])


def test_the_device_side_says_its_version(device_python: Path, tmp_path: Path) -> None:
    done = there(device_python, "--version", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    command = device_python.with_name("cnnedge")
    by_name = subprocess.run(
        [command, "--version"], capture_output=True, text=True, env=clean_environment()
    )
    assert by_name.stdout == done.stdout
    assert done.stdout.startswith("cnnedge, version ")


def test_the_device_side_runs(device_python: Path, int8_model: Path, tmp_path: Path) -> None:
    result = answer(
        device_python, "run", int8_model, "--source", "sample", "--frames", 50, cwd=tmp_path
    )
    assert result["frames"] == 50
    assert result["engine"] == "litert"
    assert result["delegate"]["used"] == "cpu (XNNPACK)"
    assert len(result["predictions"]) == 50
    assert result["predictions"][0]["top"][0]["label"] in SHAPES


def test_the_device_side_benchmarks(device_python: Path, int8_model: Path, tmp_path: Path) -> None:
    (result,) = answer(device_python, "bench", int8_model, cwd=tmp_path)["results"]
    assert result["latency_ms"]["count"] == len(result["samples_ms"]) >= 150
    assert result["latency_ms"]["median"] > 0


def test_the_device_side_inspects(device_python: Path, int8_model: Path, tmp_path: Path) -> None:
    assert answer(device_python, "inspect", int8_model, cwd=tmp_path)["labels"] == sorted(SHAPES)


def test_the_device_side_measures_the_accuracy_that_was_reported(
    device_python: Path, trained_run: Path, shapes: Path, tmp_path: Path
) -> None:
    report = json.loads((trained_run / "export" / "report.json").read_text())
    said = {v["name"]: v for v in report["variants"]}
    for variant in VARIANTS:
        model = trained_run / "export" / f"{variant}.tflite"
        found = answer(device_python, "eval", model, "--data", shapes, cwd=tmp_path)
        assert found["split"] == "test"
        assert found["accuracy"] == said[variant]["accuracy"]


@pytest.mark.parametrize("kind", ["recipes", "models", "devices"])
def test_what_is_shipped_is_in_the_wheel(device_python: Path, kind: str, tmp_path: Path) -> None:
    shipped = {p.stem for p in (ROOT / kind).glob("*.yaml")}
    assert shipped
    listed = answer(device_python, kind, cwd=tmp_path)[kind]
    assert {e["name"] if isinstance(e, dict) else e for e in listed} == shipped
    done = there(device_python, kind, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in shipped)


def test_training_names_the_extra(device_python: Path, tmp_path: Path) -> None:
    done = there(device_python, "train", "fashion_cnn", cwd=tmp_path)
    assert_one_clear_line(done, "TensorFlow", "pip install 'cnnedge[train]'")
    assert list(tmp_path.iterdir()) == []


@needs_tflite_runtime_wheel
@pytest.mark.parametrize("opencv", ["4.8.1.78", "5.0.0.93"])
def test_pixels_do_not_depend_on_opencv(opencv: str, tmp_path: Path) -> None:
    """The oldest and the newest: a JPEG and a PNG, by every rule, to the bit what is made here."""
    requirements = [f"opencv-python-headless=={opencv}", "pillow", "PyYAML"]
    if opencv.startswith("4.8"):
        requirements.append("numpy<2")
    python = environment(f"opencv-{opencv}", requirements)
    picture = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (213, 161, 3)).astype(np.uint8), (0, 0), 1
    )
    files = [str(tmp_path / "a.jpg"), str(tmp_path / "a.png")]
    for file in files:
        cv2.imwrite(file, picture)
    rules = get_type_hints(Preprocess)["interpolation"]
    request = {
        "files": files,
        "whole": [224, 224, 3],
        "cuts": [(1, 1), (7, 1), (33, 47), (120, 161)],
        "sizes": [(28, 28, 1), (32, 24, 3), (96, 96, 1), (64, 96, 3)],
        "rules": [
            {"resize": resize, "interpolation": interpolation}
            for resize in ("stretch", "letterbox", "center_crop")
            for interpolation in get_args(rules)
            if interpolation != "opencv_bilinear"
        ],
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    script = Path(__file__).parent / "support" / "pixel_digests.py"
    done = subprocess.run(
        [python, script, tmp_path / "request.json"],
        capture_output=True,
        text=True,
        env=clean_environment() | {"PYTHONPATH": str(ROOT / "toolkit")},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == digests(request)


@pytest.mark.parametrize("variant", VARIANTS)
def test_tflite_runtime_agrees_with_litert(
    tflite_runtime_python: Path, trained_run: Path, pictures: Path, tmp_path: Path, variant: str
) -> None:
    model = trained_run / "export" / f"{variant}.tflite"
    found = {}
    for engine in ("litert", "tflite-runtime"):
        found[engine] = answer(
            tflite_runtime_python,
            "run",
            model,
            "--source",
            pictures,
            "--engine",
            engine,
            cwd=tmp_path,
        )
        assert found[engine]["engine"] == engine
    ours, theirs = scores(found["litert"]), scores(found["tflite-runtime"])
    assert_agree(ours, theirs, 1e-4 if variant == "float32" else one_logit_step(model))
    if variant == "int8":
        # Kernels round halves differently: rarely, and then by one step.
        assert sum(ours[name] == theirs[name] for name in ours) >= 0.9 * PICTURES


@needs_tflite_runtime_wheel
def test_tflite_runtime_benchmarks(
    tflite_runtime_python: Path, int8_model: Path, tmp_path: Path
) -> None:
    (result,) = answer(
        tflite_runtime_python, "bench", int8_model, "--engine", "tflite-runtime", cwd=tmp_path
    )["results"]
    assert (result["engine"], result["engine_version"]) == ("tflite-runtime", "2.14.0")


@needs_tflite_runtime_wheel
def test_tflite_runtime_with_numpy_2_says_what_to_do(
    device_python: Path, int8_model: Path, tmp_path: Path
) -> None:
    packages = tmp_path / "packages"
    install(
        device_python,
        "tflite-runtime beside numpy 2",
        ["--target", str(packages), "--no-deps", TFLITE_RUNTIME],
    )
    done = there(
        device_python,
        "run",
        int8_model,
        "--source",
        "sample",
        "--frames",
        1,
        "--engine",
        "tflite-runtime",
        cwd=tmp_path,
        PYTHONPATH=str(packages),
    )
    assert_one_clear_line(done, "numpy 2", "pip install 'numpy<2'")


def test_a_missing_engine_names_the_line_that_installs_it(
    device_python: Path, int8_model: Path, tmp_path: Path
) -> None:
    done = there(
        device_python,
        "run",
        int8_model,
        "--source",
        "sample",
        "--frames",
        1,
        "--engine",
        "tflite-runtime",
        cwd=tmp_path,
    )
    # No line installs what has no wheel: then the way out is another engine.
    way_out = ["--engine litert"] if sys.version_info >= (3, 12) else []
    assert_one_clear_line(done, "pip install 'cnnedge[tflite-runtime]'", *way_out)


@pytest.mark.parametrize(("variant", "tolerance"), [("int8", 0.01), ("float32", 1e-3)])
def test_mediapipe_reads_the_file_and_agrees(
    mediapipe_python: Path,
    trained_run: Path,
    pictures: Path,
    tmp_path: Path,
    variant: str,
    tolerance: float,
) -> None:
    model = trained_run / "export" / f"{variant}.tflite"
    printed = script(mediapipe_python, MEDIAPIPE_SCRIPT, model, pictures, cwd=tmp_path)
    theirs = {name: dict(pairs) for name, pairs in json.loads(printed).items()}
    ours = answer(Path(sys.executable), "run", model, "--source", pictures, cwd=tmp_path)
    assert_agree(scores(ours), theirs, tolerance)
