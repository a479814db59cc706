"""Frames to labels; what a file does not say is assumed out loud."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cnnedge
from cnnedge.bundle import read_model
from cnnedge.engines import load_engine
from cnnedge.errors import GateError, ModelError

FRAME = np.random.default_rng(1).integers(0, 256, (50, 70, 3)).astype(np.uint8)


def test_own_model_assumes_nothing(int8_model: Path) -> None:
    model = cnnedge.load(int8_model)
    assert model.assumptions == []
    prediction = model(FRAME)
    assert prediction.label in model.labels
    assert [s.score for s in prediction.top(3)] == sorted(
        (s.score for s in prediction.top(3)), reverse=True
    )
    assert prediction.scores.sum() == pytest.approx(1, abs=0.02)


def test_third_party_model_says_what_it_assumed(plain_models: dict[str, Path]) -> None:
    model = cnnedge.load(plain_models["float32"])
    text = " ".join(model.assumptions)
    for part in ("resize", "labels", "normalisation"):
        assert part in text
    assert model(FRAME).label.startswith("class ")
    uint8 = cnnedge.load(plain_models["int8"])
    assert "normalisation" not in " ".join(uint8.assumptions)


def test_pixel_range_is_applied(plain_models: dict[str, Path]) -> None:
    raw = cnnedge.load(plain_models["float32"], pixel_range="0..255")
    exact = cnnedge.load(plain_models["int8"])
    assert np.abs(raw(FRAME).scores - exact(FRAME).scores).max() < 0.05


def test_the_report_counts_operators(plain_models: dict[str, Path]) -> None:
    engine = load_engine(read_model(plain_models["float32"]))
    assert engine.delegate.nodes_total == engine.delegate.nodes_delegated
    assert engine.delegate.left_behind == ()
    int8 = load_engine(read_model(plain_models["int8"])).delegate
    assert 0 < int8.nodes_delegated < int8.nodes_total
    assert "SOFTMAX" in int8.left_behind


def test_other_delegates_are_refused_not_faked(plain_models: dict[str, Path]) -> None:
    with pytest.raises(GateError, match="NNAPI exists only on Android") as caught:
        cnnedge.load(plain_models["int8"], delegate="nnapi")
    assert caught.value.exit_code == 3


def test_no_classifier(tmp_path: Path) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    from cnnedge.converter import convert

    image = tf_keras.Input((16, 16, 3))
    model = tf_keras.Model(image, tf_keras.layers.Conv2D(2, 3)(image))
    path = tmp_path / "dense_output.tflite"
    path.write_bytes(convert(model, "float32", np.zeros((1, 16, 16, 3), np.uint8)))
    with pytest.raises(ModelError, match="not a classifier"):
        cnnedge.load(path)
    vector = tf_keras.Input((7,))
    model = tf_keras.Model(vector, tf_keras.layers.Dense(2)(vector))
    path.write_bytes(convert(model, "float32", np.zeros((1, 7), np.uint8)))
    with pytest.raises(ModelError, match="not one picture"):
        cnnedge.load(path)
