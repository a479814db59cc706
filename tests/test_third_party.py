"""Other people's models: MediaPipe's go through inspect, bench and run --raw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cnnedge.bundle import read_model
from cnnedge.bundle.compatibility import not_runnable
from cnnedge.inspection import forecasts, inspect_model
from cnnedge.raw_model import load_raw
from support.command import assert_one_clear_line, cnnedge
from support.delegated import xnnpack_took
from support.third_party import mediapipe_models

# The five that its solutions run first; the wheel has nine more.
FIVE = {
    "pose_detection": (1, 2254, 12),
    "pose_landmark_full": (1, 195),
    "palm_detection_full": (1, 2016, 18),
    "hand_landmark_full": (1, 63),
    "face_landmark": (1, 1, 1, 1404),
}
# Needs custom operators that only MediaPipe brings.
NEEDS_MORE = "face_landmark_with_attention"
NAMES = (
    *FIVE,
    "face_detection_full_range_sparse",
    "face_detection_short_range",
    NEEDS_MORE,
    "hand_landmark_lite",
    "hand_recrop",
    "iris_landmark",
    "palm_detection_lite",
    "selfie_segmentation",
    "selfie_segmentation_landscape",
)


def path_of(name: str) -> Path:
    return mediapipe_models()[name]


@pytest.fixture(scope="module")
def photograph() -> Any:
    return cv2.imread(str(Path(__file__).parents[1] / "docs" / "sample.jpg"))


def test_these_are_all_of_the_wheel() -> None:
    assert set(mediapipe_models()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_all_can_be_inspected(name: str) -> None:
    found = inspect_model(read_model(path_of(name))).as_json()
    json.dumps(found)
    assert found["macs"] > 5_000_000
    assert found["parameters"] > 20_000
    assert found["arena"]["arena_bytes"] >= found["arena"]["peak_bytes"] > 0
    assert sum(layer["macs"] for layer in found["layers"]) == found["macs"]
    assert sum(found["weight_bytes"].values()) < found["size_bytes"]
    assert not any(layer["operator"] in ("DEQUANTIZE", "DENSIFY") for layer in found["layers"])
    edge_tpu = found["delegates"][-1]
    assert (edge_tpu["delegate"], edge_tpu["nodes_delegated"]) == ("Edge TPU", 0)


@pytest.mark.parametrize("name", [n for n in NAMES if n != NEEDS_MORE])
def test_xnnpack_takes_what_was_foreseen(name: str) -> None:
    told, real = forecasts(read_model(path_of(name)))[0], xnnpack_took(path_of(name))
    assert (sorted(told.taken), told.pieces) == (sorted(real.taken), real.pieces)


def test_what_the_files_say_of_themselves() -> None:
    hand = inspect_model(read_model(path_of("hand_landmark_lite"))).as_json()
    assert hand["tflite_metadata"]["name"] == "HandLandmarkDetector"
    assert hand["tflite_metadata"]["inputs"][0]["normalization"]["std"] == [255.0] * 3
    assert hand["associated_files"] == {"handedness.txt": 11}
    texts = {e["name"]: e["text"] for e in hand["metadata_entries"]}
    assert texts["min_runtime_version"] == "1.14.0"


def test_what_tflite_runtime_lacks() -> None:
    """Measured with tflite-runtime 2.14.0: these three alone do not load."""
    lacking = {n for n in NAMES if not_runnable(read_model(path_of(n)))}
    assert lacking == {NEEDS_MORE, "selfie_segmentation", "selfie_segmentation_landscape"}


@pytest.mark.parametrize("name", [n for n in NAMES if n != NEEDS_MORE])
def test_all_that_can_run_give_numbers(name: str, photograph: Any) -> None:
    model = load_raw(path_of(name))
    one, other = model(photograph), model(255 - photograph)
    for a, b in zip(one, other, strict=True):
        assert a.values.dtype == np.float32
        assert np.isfinite(a.values).all()
        assert a.values.size == 1 or not np.array_equal(a.values, b.values)
    if name in FIVE:
        assert FIVE[name] in {o.shape for o in one}


@pytest.mark.parametrize("name", FIVE)
def test_the_command_line_takes_them(name: str, tmp_path: Path) -> None:
    path = path_of(name)
    shown = cnnedge("inspect", path, "--plot", tmp_path / "layers.png")
    assert shown.returncode == 0, shown.stderr
    assert "XNNPACK" in shown.stdout
    assert cv2.imread(str(tmp_path / "layers.png")) is not None
    done = cnnedge("run", path, "--raw", "--source", "sample", "--frames", 4, "--json", "-")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["frames"] == 4
    shapes = {tuple(o["shape"]) for o in result["outputs"][0]["outputs"]}
    assert FIVE[name] in shapes
    timed = cnnedge("bench", path, "--json", "-")
    assert timed.returncode == 0, timed.stderr
    (measured,) = json.loads(timed.stdout)["results"]
    told = forecasts(read_model(path))[0]
    assert measured["delegate"]["nodes_delegated"] == len(told.taken) == told.total


def test_what_cannot_run_is_said_in_one_line() -> None:
    path = path_of(NEEDS_MORE)
    assert_one_clear_line(cnnedge("bench", path), "Landmarks2TransformMatrix")
    assert_one_clear_line(
        cnnedge("run", path, "--raw", "--source", "sample", "--frames", 1),
        "Landmarks2TransformMatrix",
    )
    shown = cnnedge("inspect", path)
    assert shown.returncode == 0
    assert "TransformLandmarks (custom) ×5" in shown.stdout
